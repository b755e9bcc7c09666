#include "analysis/claims.hpp"
#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"
#include "experiments/data_source.hpp"
#include "experiments/memory_need.hpp"
#include "experiments/unbiasedness_run.hpp"
#include "experiments/verb.hpp"
#include "experiments/verb_options.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <optional>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>

namespace attngap {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// A claim, or the user's own, and what became of it; no finding: the budget was used up before its turn.
struct Judged {
  std::string name, statement, formula, source, hypotheses, method, tags;
  std::optional<Verdict> expected;
  std::optional<Finding> finding;
  double seconds = 0.0;

  bool as_expected() const { return !expected || !finding || finding->verdict == *expected; }
};

// A length of time: seconds, or with the unit s, m or h.
double parse_budget(const std::string& text) {
  const double factor = text.ends_with('m') ? 60.0 : text.ends_with('h') ? 3600.0 : 1.0;
  const bool unit = text.ends_with('s') || factor > 1.0;
  const double value = parse_number("--budget", text.substr(0, text.size() - (unit ? 1 : 0)));
  require(value > 0, "--budget = {}, must be positive, such as 90s or 2m", text);
  return factor * value;
}

std::vector<const Claim*> chosen_claims(const VerbOptions& options) {
  std::set<std::string_view> known_tags;
  for (const Claim& claim : claims())
    for (const std::string& tag : split_at_commas(std::string(claim.tags)))
      if (const auto place = claim.tags.find(tag); place != std::string_view::npos)
        known_tags.insert(claim.tags.substr(place, tag.size()));
  std::vector<std::string> tags;
  if (options.given("tags")) tags = split_at_commas(options.text("tags"));
  const std::vector<std::string_view> known(known_tags.begin(), known_tags.end());
  for (const std::string& tag : tags) require_known("tag", tag, known);

  const auto names = options.list("name");
  for (const std::string& name : names) claim_named(name);
  std::vector<const Claim*> chosen;
  for (const Claim& claim : claims()) {
    const bool named = names.empty() || std::find(names.begin(), names.end(), claim.name) != names.end();
    const bool tagged = tags.empty() || std::any_of(tags.begin(), tags.end(), [&](const std::string& tag) {
                          return has_tag(claim, tag);
                        });
    if (named && tagged) chosen.push_back(&claim);
  }
  require(!chosen.empty(), "no claim has both a given name and a given tag; leave out NAME or --tags");
  return chosen;
}

std::vector<Judged> judge_registry(const VerbOptions& options) {
  const auto chosen = chosen_claims(options);
  const ClaimSettings settings{options.seed(), parse_number("--distort", options.text("distort"))};
  const double budget = options.given("budget") ? parse_budget(options.text("budget"))
                                                : std::numeric_limits<double>::infinity();
  const auto start = Clock::now();
  std::vector<Judged> judged(chosen.size());
  tbb::parallel_for(std::size_t{0}, chosen.size(), [&](std::size_t i) {
    const Claim& claim = *chosen[i];
    judged[i] = {std::string(claim.name),
                 std::string(claim.statement),
                 std::string(claim.formula),
                 std::string(claim.source),
                 std::string(claim.hypotheses),
                 std::string(claim.method),
                 std::string(claim.tags),
                 claim.expected,
                 std::nullopt};
    const auto own_start = Clock::now();
    if (seconds_since(start) >= budget) return;
    judged[i].finding = claim.judge(settings);
    judged[i].seconds = seconds_since(own_start);
  });
  return judged;
}

std::optional<Index> asked_query(const AttentionProblem& problem, const std::string& asked) {
  if (asked == "all") return std::nullopt;
  const auto query = static_cast<Index>(parse_count("--query", asked, 0));
  require(query < problem.queries(), "--query = {}, must be all or below {}, the number of queries", query,
          problem.queries());
  return query;
}

// What of the options a claim of one's own does not go with.
void require_own_alone(const VerbOptions& options) {
  constexpr std::array<std::string_view, 1> kClaimed{"unbiased"};
  require(options.given("estimator") && options.list("data").size() == 1,
          "--claim needs --estimator E and one --data F");
  require_known("--claim", options.text("claim"), kClaimed);
  require(options.list("name").empty() && !options.given("tags"),
          "--claim is a claim of your own; NAME and --tags choose from the registry, give one or the other");
  require(!options.given("distort"), "--distort is of the registry's claimed numbers; leave it out");
  require(options.flag("until-decided") || !options.given("budget"),
          "--budget = {}: a claim of your own is looked at once, after all of --replicates; add "
          "--until-decided to look earlier",
          options.text("budget"));
}

// What of the options goes with a claim of one's own alone.
void require_registry_alone(const VerbOptions& options) {
  for (const char* name : {"estimator", "data", "margin", "query", "features", "replicates"})
    require(!options.given(name), "--{} belongs to a claim of your own; add --claim unbiased", name);
  for (const char* name : {"force", "until-decided"})
    require(!options.flag(name), "--{} belongs to a claim of your own; add --claim unbiased", name);
}

UnbiasednessPlan unbiasedness_plan(const VerbOptions& options) {
  constexpr std::uint32_t kMostLooks = 1U << 20;  // unless asked for more or less
  UnbiasednessPlan plan;
  plan.until_decided = options.flag("until-decided");
  const long long replicates = parse_count("--replicates", options.text("replicates"), 2);
  require(replicates <= 0xffffffffLL, "--replicates = {}, must be below 2^32", replicates);
  plan.replicates = plan.until_decided && !options.given("replicates")
                        ? kMostLooks
                        : static_cast<std::uint32_t>(replicates);
  if (options.given("budget")) plan.budget_seconds = parse_budget(options.text("budget"));
  return plan;
}

double asked_margin(const VerbOptions& options) {
  const double margin = parse_number("--margin", options.text("margin"));
  require(margin > 0, "--margin = {}, must be positive", margin);
  return margin;
}

Judged judge_own(const VerbOptions& options) {
  require_own_alone(options);
  const double margin = asked_margin(options);
  const UnbiasednessPlan plan = unbiasedness_plan(options);
  const Dataset dataset = load_dataset(options.list("data").front());
  const auto estimator = make_estimator(options.estimator(options.text("estimator")));
  const AttentionProblem& problem = dataset.problem;
  estimator->check(problem);
  require_memory(direction_bytes(options.features().back(), problem.head_dim(), options.threads()),
                 fmt::format("--features: {} directions", options.features().back()), "use a smaller m");
  const UnbiasednessClaim claim{*estimator, problem,        options.features().back(),
                                margin,     options.seed(), asked_query(problem, options.text("query"))};

  const auto start = Clock::now();
  Judged judged;
  judged.name = fmt::format("{} unbiased", estimator->spec().text());
  judged.statement =
      fmt::format("the output of {} at m = {} is unbiased for {} on {}, within {:g} of its size",
                  estimator->spec().text(), claim.draws, estimator->target_name(), dataset.name, margin);
  judged.formula = "|E o_ic - target_ic| <= margin · rms_c(target_ic) for all queries i and channels c";
  judged.source = "--claim";
  judged.hypotheses = fmt::format("{} of {} queries, {} keys", claim.query ? Index{1} : problem.queries(),
                                  problem.queries(), problem.keys());
  judged.method = plan.until_decided
                      ? "a confidence sequence an element, looked at as the draws double, at 5 % together"
                      : "two one-sided t tests an element, Holm-corrected at 5 %";
  judged.tags = "own";
  judged.finding = judge_unbiased(UnbiasednessStudy(claim), *estimator, plan);
  judged.seconds = seconds_since(start);
  return judged;
}

std::string verdict_of(const Judged& judged) {
  return judged.finding ? verdict_text(*judged.finding) : "not judged";
}

void print_table(const std::vector<Judged>& all) {
  for (const Judged& one : all) {
    fmt::print("{:<17} {:<40} {:>7.2f} s{}\n", verdict_of(one), one.name, one.seconds,
               one.as_expected()
                   ? ""
                   : fmt::format("   DIFFERS from the registry's {}", verdict_name(*one.expected)));
    fmt::print("    {}\n    {}\n    for {}\n    [{}]  {}\n    {}\n", one.statement, one.formula,
               one.hypotheses, one.source, one.method,
               one.finding ? one.finding->evidence : "the budget was used up");
  }
}

void print_markdown(const std::vector<Judged>& all) {
  fmt::print(
      "| claim | statement | source | hypotheses | method | verdict | evidence | seconds |\n"
      "| --- | --- | --- | --- | --- | --- | --- | --- |\n");
  for (const Judged& one : all)
    fmt::print("| `{}` | {}: {} | {} | {} | {} | {} | {} | {:.2f} |\n", one.name,
               markdown_cell(one.statement), markdown_cell(one.formula), markdown_cell(one.source),
               markdown_cell(one.hypotheses), markdown_cell(one.method), verdict_of(one),
               markdown_cell(one.finding ? one.finding->evidence : "the budget was used up"), one.seconds);
}

void print_json(const std::vector<Judged>& all) {
  auto list = nlohmann::ordered_json::array();
  for (const Judged& one : all) {
    nlohmann::ordered_json entry{{"name", one.name},
                                 {"statement", one.statement},
                                 {"formula", one.formula},
                                 {"source", one.source},
                                 {"hypotheses", one.hypotheses},
                                 {"method", one.method},
                                 {"tags", split_at_commas(one.tags)},
                                 {"verdict", one.finding ? verdict_name(one.finding->verdict) : "UNDECIDED"},
                                 {"evidence", one.finding ? one.finding->evidence : "the budget was used up"},
                                 {"seconds", one.seconds}};
    if (one.finding && one.finding->verdict == Verdict::equivalent) entry["margin"] = one.finding->margin;
    if (one.expected) entry["expected"] = verdict_name(*one.expected);
    list.push_back(std::move(entry));
  }
  fmt::print("{}\n", list.dump(1));
}

// What went wrong, on standard error; whether anything did.
bool report_differences(const std::vector<Judged>& all) {
  std::size_t skipped = 0;
  bool differs = false;
  for (const Judged& one : all) {
    skipped += one.finding ? 0U : 1U;
    if (one.as_expected()) continue;
    differs = true;
    fmt::print(stderr, "attngap: the verdict on {} is {}, the registry expects {}\n", one.name,
               verdict_of(one), verdict_name(*one.expected));
  }
  if (skipped > 0)
    fmt::print(stderr, "attngap: {} of {} claims were not judged within the budget\n", skipped, all.size());
  return differs;
}

}  // namespace

int verb_verify(const std::vector<std::string>& arguments) {
  VerbOptions options(
      "verify [NAME…] [--tags T,…]",
      "Judges the claims of the papers and of their code, by closed form, quadrature, enumeration or "
      "simulation:\nPROVEN (exactly, on the instances named), EQUIVALENT(margin), REFUTED (with a "
      "counterexample), UNDECIDED.\nExit code 1 when a verdict is not the registry's. `attngap list "
      "theorems` "
      "shows them all.\n\nA claim of your own about an estimator:\n  attngap verify --estimator E --data F "
      "--claim unbiased --margin 0.01 [--features m] [--replicates R] [--query N]\n"
      "  … --until-decided [--budget 60s]\nExit code 1 when it is REFUTED.");
  options.positional("name", -1);
  options.add("tags", "", "only claims with one of these tags, separated by commas");
  options.add("budget", "",
              "start no further claim, or look of --until-decided, after this long, such as 90s or 2m");
  options.add("distort", "0", "multiplies every claimed number by 1 + VALUE, to see the judge notice");
  options.add("claim", "", "unbiased: a claim of your own");
  options.add("estimator", "", "an estimator as name:key=value,…");
  options.add("margin", "0.01", "largest bias, relative to the root mean square of a query's exact output");
  options.add("query", "all", "which query, from 0, or all");
  options.add("features", "16", "m, the number of random directions (the largest of several)");
  options.add("replicates", "1000",
              "independent draws; with --until-decided the most, there 1048576 unless given");
  options.add_switch("until-decided",
                     "look at a claim of your own after 256 draws, 512, 1024 …, and stop at the first "
                     "verdict; confidence sequences keep that as safe as one look");
  options.add_switch("markdown", "print a Markdown table");
  options.add_shared({"data", "force", "json", "seed", "threads"});
  if (!options.parse(arguments)) return kDone;
  const bool own = options.given("claim");
  require(!(options.flag("json") && options.flag("markdown")),
          "--json and --markdown are two forms of the same output; give one of them");
  if (!own) require_registry_alone(options);

  const tbb::global_control threads(tbb::global_control::max_allowed_parallelism,
                                    static_cast<std::size_t>(options.threads()));
  const std::vector<Judged> all = own ? std::vector<Judged>{judge_own(options)} : judge_registry(options);
  if (options.flag("json"))
    print_json(all);
  else if (options.flag("markdown"))
    print_markdown(all);
  else
    print_table(all);
  const bool refuted = own && all.front().finding->verdict == Verdict::refuted;
  return report_differences(all) || refuted ? kCheckFailed : kDone;
}

}  // namespace attngap
