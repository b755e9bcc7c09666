#include "analysis/claims.hpp"
#include "estimators/decomposition.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/feature_map.hpp"
#include "estimators/maclaurin.hpp"
#include "estimators/projection.hpp"
#include "experiments/data_source.hpp"
#include "experiments/experiment_table.hpp"
#include "experiments/metric_table.hpp"
#include "experiments/synthetic.hpp"
#include "experiments/verb.hpp"
#include "experiments/verb_options.hpp"
#include "plots/figures.hpp"

#include <algorithm>
#include <functional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace attngap {
namespace {

// One name as it is listed; `keys` only where the family has any.
struct Listed {
  std::string name;
  std::string meaning;
  std::string source;
  std::vector<KeyHelp> keys;
};

struct Family {
  std::string_view name;
  std::string_view meaning;
  std::vector<Listed> (*entries)();
};

std::vector<Listed> list_estimators() {
  std::vector<Listed> listed;
  for (const auto& row : estimator_table())
    listed.push_back({std::string(row.name), fmt::format("{}; target: {}", row.meaning, row.target),
                      std::string(row.source), row.keys});
  return listed;
}

// Families whose rows have a name, a meaning and a source.
template <const auto& Rows>
std::vector<Listed> list_sourced() {
  std::vector<Listed> listed;
  for (const auto& row : Rows())
    listed.push_back({std::string(row.name), std::string(row.meaning), std::string(row.source), {}});
  return listed;
}

std::vector<Listed> list_kernels() {
  std::vector<Listed> listed;
  for (const auto& row : maclaurin_kernels())
    listed.push_back({std::string(row.name),
                      fmt::format("{}; series converges for |z| < {}", row.formula, row.radius),
                      std::string(row.source),
                      {}});
  return listed;
}

std::vector<Listed> list_experiments() {
  std::vector<Listed> listed;
  for (const auto& row : experiment_table())
    listed.push_back({std::string(row.name), std::string(row.meaning), "", {}});
  return listed;
}

std::vector<Listed> list_metrics() {
  std::vector<Listed> listed;
  for (const NamedMetric& row : metric_table())
    listed.push_back({std::string(row.name), std::string(row.meaning), "", {}});
  return listed;
}

std::vector<Listed> list_coefficients() {
  std::vector<Listed> listed;
  for (const auto& row : coefficients())
    listed.push_back({std::string(row.name), std::string(row.meaning), "", {}});
  return listed;
}

std::vector<Listed> list_theorems() {
  std::vector<Listed> listed;
  for (const Claim& claim : claims())
    listed.push_back({std::string(claim.name),
                      fmt::format("{}: {}; {}", claim.statement, claim.formula, verdict_name(claim.expected)),
                      std::string(claim.source),
                      {}});
  return listed;
}

std::vector<Listed> list_figures() {
  std::vector<Listed> listed;
  for (const auto& row : kFigures)
    listed.push_back({std::string(row.name), fmt::format("{} ({})", row.shows, row.experiment), "", {}});
  return listed;
}

std::vector<Listed> list_data() {
  const auto keys = data_keys();
  std::vector<Listed> listed{{"FILE", "a .npz or .safetensors with q, k, v", "", {keys.begin(), keys.end()}}};
  const auto shared = synthetic_keys();
  listed.push_back({"synthetic:KIND", "made data; keys of every kind", "", {shared.begin(), shared.end()}});
  for (const auto& kind : synthetic_kinds())
    listed.push_back({fmt::format("synthetic:{}", kind.name),
                      std::string(kind.meaning),
                      "",
                      {kind.keys.begin(), kind.keys.end()}});
  return listed;
}

constexpr std::array kFamilies{
    Family{"estimators", "of attention outputs, for --estimators", &list_estimators},
    Family{"feature-maps", "of Gaussian directions", &list_sourced<feature_maps>},
    Family{"projections", "joint laws of the directions", &list_sourced<projections>},
    Family{"kernels", "of random Maclaurin features", &list_kernels},
    Family{"experiments", "of attngap run", &list_experiments},
    Family{"metrics", "in results.csv", &list_metrics},
    Family{"coefficients", "of the control variates, for decompose and control-variates", &list_coefficients},
    Family{"theorems", "claims of the papers and their code, for attngap verify", &list_theorems},
    Family{"figures", "drawn from stored rows", &list_figures},
    Family{"data", "for --data", &list_data},
};

// Padded to the width, and at least two blanks: what follows is another column however long this one is.
std::string column(const std::string& text, std::size_t width) {
  return text + std::string(text.size() + 2 > width ? 2 : width - text.size(), ' ');
}

void print_family(const Family& family) {
  constexpr std::size_t kWidestKey = 34;  // a few longer ones do not push all meanings off the page
  fmt::print("{} ({})\n", family.name, family.meaning);
  for (const Listed& entry : family.entries()) {
    fmt::print("  {}{}{}\n", column(entry.name, 25), entry.meaning,
               entry.source.empty() ? "" : fmt::format(" [{}]", entry.source));
    std::vector<std::string> keys;
    std::size_t width = 21;
    for (const KeyHelp& key : entry.keys) {
      keys.push_back(fmt::format("{}={}", key.key, key.values));
      width = std::clamp(keys.back().size() + 2, width, kWidestKey);
    }
    for (std::size_t i = 0; i < keys.size(); ++i)
      fmt::print("      {}{}{}\n", column(keys[i], width), entry.keys[i].meaning,
                 entry.keys[i].default_value.empty()
                     ? ""
                     : fmt::format(" (default {})", entry.keys[i].default_value));
  }
}

// A table of the README; a test holds it against this.
void print_markdown(const Family& family) {
  fmt::print("| name | what it is | keys (default) | source |\n| --- | --- | --- | --- |\n");
  for (const Listed& entry : family.entries()) {
    std::string keys;
    for (const KeyHelp& key : entry.keys)
      keys += fmt::format("{}`{}` ({})", keys.empty() ? "" : ", ", key.key, key.default_value);
    fmt::print("| `{}` | {} | {} | {} |\n", markdown_cell(entry.name), markdown_cell(entry.meaning),
               markdown_cell(keys), markdown_cell(entry.source));
  }
}

nlohmann::ordered_json as_json(const Family& family) {
  auto entries = nlohmann::ordered_json::array();
  for (const Listed& entry : family.entries()) {
    auto keys = nlohmann::ordered_json::array();
    for (const KeyHelp& key : entry.keys)
      keys.push_back({{"key", key.key},
                      {"values", key.values},
                      {"default", key.default_value},
                      {"meaning", key.meaning}});
    entries.push_back(
        {{"name", entry.name}, {"meaning", entry.meaning}, {"source", entry.source}, {"keys", keys}});
  }
  return entries;
}

}  // namespace

int verb_list(const std::vector<std::string>& arguments) {
  std::vector<std::string_view> names;
  for (const Family& family : kFamilies) names.push_back(family.name);
  VerbOptions options("list [FAMILY]", fmt::format("Every name, its options and source. Families: {}.",
                                                   fmt::join(names, ", ")));
  options.positional("family", 1);
  options.add_switch("markdown", "print Markdown tables");
  options.add_shared({"json"});
  if (!options.parse(arguments)) return kDone;
  const auto asked = options.list("family");
  if (!asked.empty()) require_known("family", asked.front(), names);

  nlohmann::ordered_json all;
  for (const Family& family : kFamilies) {
    if (!asked.empty() && asked.front() != family.name) continue;
    if (options.flag("json")) {
      all[std::string(family.name)] = as_json(family);
    } else if (options.flag("markdown")) {
      print_markdown(family);
    } else {
      print_family(family);
      if (asked.empty()) fmt::print("\n");
    }
  }
  if (options.flag("json")) fmt::print("{}\n", all.dump(1));
  return kDone;
}

}  // namespace attngap
