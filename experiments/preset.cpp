#include "experiments/preset.hpp"

#include "estimators/error.hpp"
#include "estimators/names.hpp"
#include "experiments/metric_table.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>
#include <iterator>
#include <set>
#include <tuple>

#include <nlohmann/json.hpp>

namespace attngap {
namespace {

using Json = nlohmann::ordered_json;

// A value as a complaint shows it.
std::string shown(const Json& json) {
  constexpr std::size_t kLongest = 60;
  if (json.is_array()) return fmt::format("a list of {}", json.size());
  if (json.is_object()) return "an object";
  const std::string text = json.dump();
  return text.size() <= kLongest ? text : text.substr(0, kLongest) + "…";
}

// What a criterion is called, and what it needs.
struct Kind {
  const char* name;
  CriterionKind kind;
  bool within;
};
constexpr std::array kKinds{
    Kind{"below", CriterionKind::below, false}, Kind{"not-above", CriterionKind::not_above, false},
    Kind{"ratio", CriterionKind::ratio, true},  Kind{"between", CriterionKind::between, true},
    Kind{"slope", CriterionKind::slope, true},  Kind{"agree", CriterionKind::agree, false}};

// Reads the entries of one preset. Every complaint begins with where it is.
class PresetReader {
 public:
  PresetReader(std::string name, std::string where, std::string heads)
      : name_(std::move(name)), where_(std::move(where)), heads_(std::move(heads)) {}

  Preset preset(const Json& json) const {
    known_entries(where_, json, "preset",
                  {"title", "paper", "label", "protocol", "ours", "expected", "runs", "criteria"});
    Preset preset;
    preset.name = name_;
    preset.title = text(where_, json, "title");
    preset.paper = text(where_, json, "paper");
    preset.label = json.contains("label") ? text(where_, json, "label") : preset.paper;
    preset.protocol = text(where_, json, "protocol");
    preset.ours = text(where_, json, "ours");
    preset.expected = text(where_, json, "expected");
    for (const Json& one : list(json, "runs")) preset.runs.push_back(run(one));
    for (const Json& one : list(json, "criteria")) preset.criteria.push_back(criterion(one));
    require(!preset.runs.empty(), "{}: no run; a figure needs at least one", where_);
    for (std::size_t i = 0; i < preset.runs.size(); ++i)
      for (std::size_t j = 0; j < i; ++j)
        require(preset.runs[i].name != preset.runs[j].name, "{}: two runs are called {}; give each its name",
                where_, preset.runs[i].name);
    std::vector<std::string_view> names;
    for (const PresetRun& run : preset.runs) names.emplace_back(run.name);
    for (const Criterion& one : preset.criteria)
      known(criterion_place(where_, one.claim), "run", one.run, names);
    return preset;
  }

 private:
  static void known(const std::string& where, std::string_view what, const std::string& name,
                    const std::vector<std::string_view>& names) {
    require(std::find(names.begin(), names.end(), name) != names.end(),
            "{}: unknown {} \"{}\"; did you mean {}?", where, what, name, nearest_names(name, names));
  }

  // An object with no other entries than these.
  static void known_entries(const std::string& where, const Json& json, std::string_view what,
                            const std::vector<std::string_view>& names) {
    require(json.is_object(), "{}: {} where a {} is to be, which is a JSON object {{…}}", where, shown(json),
            what);
    for (const auto& [key, value] : json.items())
      known(where, fmt::format("entry of a {}", what), key, names);
  }

  static std::string text(const std::string& where, const Json& json, const char* key) {
    const auto found = json.find(key);
    require(found != json.end(), "{}: {} is missing; give it as a text", where, key);
    require(found->is_string(), "{}: {} = {}, must be a text in quotes", where, key, shown(*found));
    return found->get<std::string>();
  }

  const Json& list(const Json& json, const char* key) const {
    const auto found = json.find(key);
    require(found != json.end(), "{}: {} is missing; give it as a list […]", where_, key);
    require(found->is_array(), "{}: {} = {}, must be a list […]", where_, key, shown(*found));
    return *found;
  }

  // A value of an option; several in a list.
  std::vector<std::string> words_of(const std::string& where, const std::string& option,
                                    const Json& value) const {
    require(option != "help" && option != "config" && option != "out",
            "{}: option {} has no place in a preset; leave it out", where, option);
    if (value.is_array()) {
      std::vector<std::string> words;
      for (const Json& one : value) {
        require(!one.is_array(), "{}: option {} is a list of lists; write one list", where, option);
        for (std::string& word : words_of(where, option, one)) words.push_back(std::move(word));
      }
      return words;
    }
    if (value.is_boolean())
      return value.get<bool>() ? std::vector{"--" + option} : std::vector<std::string>{};
    if (value.is_number()) return {"--" + option + "=" + value.dump()};
    require(value.is_string(), "{}: option {} = {}, must be a text, a number, true or a list of them", where,
            option, shown(value));
    std::string word = value.get<std::string>();
    const std::string heads = "{heads}";
    if (const auto at = word.find(heads); at != std::string::npos) word.replace(at, heads.size(), heads_);
    return {"--" + option + "=" + word};
  }

  std::vector<std::string> words(const std::string& where, const Json& options) const {
    std::vector<std::string> words;
    for (const auto& [option, value] : options.items())
      for (std::string& word : words_of(where, option, value)) words.push_back(std::move(word));
    return words;
  }

  PresetRun run(const Json& json) const {
    known_entries(where_, json, "run", {"name", "experiment", "options", "quick"});
    PresetRun run;
    run.name = text(where_ + ": a run", json, "name");
    const std::string where = fmt::format("{}: run \"{}\"", where_, run.name);
    run.words = {text(where, json, "experiment")};
    const bool plain =
        !run.name.empty() && std::all_of(run.name.begin(), run.name.end(), [](unsigned char c) {
          return std::isalnum(c) != 0 || c == '-' || c == '_';
        });
    require(plain, "{}: a name is of letters, digits, - and _, as a directory is called by it", where);
    require(json.contains("options"), "{}: options is missing; give those of `attngap run` as an object",
            where);
    for (const char* key : {"options", "quick"})
      require(!json.contains(key) || json[key].is_object(), "{}: {} = {}, must be an object of options",
              where, key, json.contains(key) ? shown(json[key]) : "");
    Json quick = Json::object();
    for (const auto& [option, value] : json["options"].items()) quick[option] = value;
    if (json.contains("quick"))
      for (const auto& [option, value] : json["quick"].items()) quick[option] = value;
    run.quick_words = run.words;
    for (const std::string& word : words(where, json["options"])) run.words.push_back(word);
    for (const std::string& word : words(where, quick)) run.quick_words.push_back(word);
    return run;
  }

  static std::pair<double, double> range(const std::string& where, const std::string& key, const Json& json) {
    if (json.is_number()) return {json.get<double>(), json.get<double>()};
    require(json.is_array() && json.size() == 2 && json[0].is_number() && json[1].is_number(),
            "{}: {} = {}, must be a number or a pair of numbers [from, to]", where, key, shown(json));
    const std::pair<double, double> ends{json[0].get<double>(), json[1].get<double>()};
    require(ends.first <= ends.second, "{}: {} goes from {} to {}; write the smaller number first", where,
            key, ends.first, ends.second);
    return ends;
  }

  // One of the values a selection gives to a field.
  static void select(const std::string& where, const std::string& field, const Json& value,
                     RowSelection& selection) {
    const auto words = word_fields(), numbers = number_fields();
    std::vector<std::string_view> fields = words;
    fields.insert(fields.end(), numbers.begin(), numbers.end());
    known(where, "field", field, fields);
    if (std::find(words.begin(), words.end(), field) == words.end()) {
      selection.ranges[field] = range(where, field, value);
      return;
    }
    require(value.is_string(), "{}: {} = {}, must be a text in quotes", where, field, shown(value));
    selection.words[field] = value.get<std::string>();
    if (field == "metric") require_metric(where, selection.words[field]);
  }

  // A metric whose rows may add a level to its name, as in relative_error_above:x=0.1.
  static void require_metric(const std::string& where, const std::string& metric) {
    const std::vector<NamedMetric> table = metric_table();
    std::vector<std::string_view> names;
    for (const NamedMetric& one : table) names.push_back(one.name);
    const std::string name = metric.substr(0, metric.find(':'));
    if (std::find(names.begin(), names.end(), name) == names.end()) known(where, "metric", metric, names);
  }

  static RowSelection selection(const std::string& where, const Json& json) {
    require(json.is_object(), "{}: {} where a selection of rows is to be, which is a JSON object {{…}}",
            where, shown(json));
    RowSelection selection;
    for (const auto& [field, value] : json.items()) select(where, field, value, selection);
    return selection;
  }

  static const Kind& kind_of(const std::string& where, const Json& json) {
    const auto asked = [&](const Kind& kind) { return json.contains(kind.name); };
    require(std::count_if(kKinds.begin(), kKinds.end(), asked) == 1,
            "{}: must have one of below, not-above, ratio, between, slope and agree", where);
    return *std::find_if(kKinds.begin(), kKinds.end(), asked);
  }

  static void read_selections(const std::string& where, const std::string& kind, const Json& json,
                              Criterion& criterion) {
    if (!compares_two(criterion.kind)) {
      criterion.left = selection(fmt::format("{}: {}", where, kind), json);
      return;
    }
    require(json.is_array() && json.size() == 2, "{}: {} = {}, must be a list of two selections", where, kind,
            shown(json));
    criterion.left = selection(fmt::format("{}: {}, first selection", where, kind), json[0]);
    criterion.right = selection(fmt::format("{}: {}, second selection", where, kind), json[1]);
  }

  // What is asked, under its name, of one or two selections of rows.
  Criterion criterion(const Json& json) const {
    known_entries(where_, json, "criterion",
                  {"claim", "run", "below", "not-above", "ratio", "between", "slope", "agree", "against",
                   "within", "missing"});
    Criterion criterion;
    criterion.claim = text(where_ + ": a criterion", json, "claim");
    const std::string where = criterion_place(where_, criterion.claim);
    criterion.run = text(where, json, "run");
    const Kind& kind = kind_of(where, json);
    criterion.kind = kind.kind;
    read_selections(where, kind.name, json[kind.name], criterion);
    require(json.contains("within") == kind.within, "{}: {} {} within", where, kind.name,
            kind.within ? "needs a range" : "takes no");
    if (kind.within) std::tie(criterion.low, criterion.high) = range(where, "within", json["within"]);
    if (json.contains("against")) {
      require(kind.kind == CriterionKind::slope, "{}: {} takes no against, which is of slope; leave it out",
              where, kind.name);
      criterion.against = text(where, json, "against");
      known(where, "field of against", criterion.against, number_fields());
    }
    if (json.contains("missing")) {
      const auto [share, same] = range(where, "missing", json["missing"]);
      require(share == same && share >= 0.0 && share < 1.0,
              "{}: missing = {}, must be a share of the points from 0 to below 1", where,
              shown(json["missing"]));
      criterion.missing = share;
    }
    return criterion;
  }

  std::string name_;
  std::string where_;
  std::string heads_;
};

// Parses what names no key twice in an object, of which one would be forgotten.
Json parse_once(const std::string& where, std::string_view text) {
  std::vector<std::set<std::string>> objects;
  const auto callback = [&](int, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) objects.emplace_back();
    if (event == Json::parse_event_t::object_end) objects.pop_back();
    if (event == Json::parse_event_t::key)
      require(objects.back().insert(parsed.get<std::string>()).second,
              "{}: {} is there twice in one object; leave one out", where, shown(parsed));
    return true;
  };
  try {
    return Json::parse(text, callback);
  } catch (const Json::out_of_range& error) {
    throw BadInput(fmt::format("{}: a number is beyond what a double can hold ({}); write one below 1.8e308",
                               where, error.what()));
  } catch (const Json::exception& error) {
    throw BadInput(fmt::format("{}: not JSON ({}); mend the file there", where, error.what()));
  }
}

}  // namespace

std::string criterion_place(std::string_view where, std::string_view claim) {
  return fmt::format("{}: criterion \"{}\"", where, claim);
}

Preset parse_preset(const std::string& name, std::string_view json, const std::string& heads) {
  return parse_preset(name, json, heads, name);
}

Preset parse_preset(const std::string& name, std::string_view json, const std::string& heads,
                    const std::string& where) {
  return PresetReader(name, where, heads).preset(parse_once(where, json));
}

Preset read_preset(const std::filesystem::path& file, const std::string& heads) {
  constexpr std::uintmax_t kLargest = 1 << 20;  // a hundred times the largest that is bundled
  std::error_code error;
  const auto status = std::filesystem::status(file, error);
  require(std::filesystem::exists(status), "{}: cannot be read (no such file); give a JSON file of a preset",
          file.string());
  require(std::filesystem::is_regular_file(status), "{}: is {}; give a JSON file of a preset", file.string(),
          std::filesystem::is_directory(status) ? "a directory" : "no plain file");
  const auto bytes = std::filesystem::file_size(file, error);
  require(bytes <= kLargest, "{}: has {} bytes, and a preset at most {}; give a JSON file of a preset",
          file.string(), bytes, kLargest);
  std::ifstream stream(file, std::ios::binary);
  require(stream.good(), "{}: cannot be read; give a JSON file of a preset that you may read", file.string());
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  return parse_preset(file.stem().string(), text, heads, file.string());
}

}  // namespace attngap
