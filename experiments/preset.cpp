#include "experiments/preset.hpp"

#include "estimators/error.hpp"
#include "estimators/names.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <initializer_list>
#include <tuple>

#include <nlohmann/json.hpp>

namespace attngap {
namespace {

using Json = nlohmann::ordered_json;

// Reads the entries of one preset, whose name and place go into every complaint.
class PresetReader {
 public:
  PresetReader(std::string name, std::string heads) : name_(std::move(name)), heads_(std::move(heads)) {}

  Preset preset(const Json& json) const {
    known(json, "preset", {"title", "paper", "label", "protocol", "ours", "expected", "runs", "criteria"});
    Preset preset;
    preset.name = name_;
    preset.title = text(json, "title");
    preset.paper = text(json, "paper");
    preset.label = json.contains("label") ? text(json, "label") : preset.paper;
    preset.protocol = text(json, "protocol");
    preset.ours = text(json, "ours");
    preset.expected = text(json, "expected");
    for (const Json& one : list(json, "runs")) preset.runs.push_back(run(one));
    for (const Json& one : list(json, "criteria")) preset.criteria.push_back(criterion(one));
    require(!preset.runs.empty(), "{}: no run; a figure needs at least one", name_);
    for (std::size_t i = 0; i < preset.runs.size(); ++i)
      for (std::size_t j = 0; j < i; ++j)
        require(preset.runs[i].name != preset.runs[j].name, "{}: two runs are called {}; give each its name",
                name_, preset.runs[i].name);
    for (const Criterion& one : preset.criteria) {
      const bool known_run = std::any_of(preset.runs.begin(), preset.runs.end(),
                                         [&](const PresetRun& r) { return r.name == one.run; });
      require(known_run, "{}: the criterion \"{}\" is about the run {}, which is not there", name_, one.claim,
              one.run);
    }
    return preset;
  }

 private:
  void known(const Json& json, std::string_view what, std::initializer_list<std::string_view> names) const {
    require(json.is_object(), "{}: a {} is a JSON object", name_, what);
    for (const auto& [key, value] : json.items())
      require_known(fmt::format("{}: entry of a {}", name_, what), key, {names.begin(), names.size()});
  }

  std::string text(const Json& json, const char* key) const {
    const auto found = json.find(key);
    require(found != json.end() && found->is_string(), "{}: {} is missing, or no text", name_, key);
    return found->get<std::string>();
  }

  const Json& list(const Json& json, const char* key) const {
    const auto found = json.find(key);
    require(found != json.end() && found->is_array(), "{}: {} is missing, or no list", name_, key);
    return *found;
  }

  // A value of an option; several in a list.
  std::vector<std::string> words_of(const std::string& option, const Json& value) const {
    require(option != "help" && option != "config" && option != "out",
            "{}: option {} has no place in a preset", name_, option);
    if (value.is_array()) {
      std::vector<std::string> words;
      for (const Json& one : value) {
        require(!one.is_array(), "{}: option {} is a list of lists", name_, option);
        for (const std::string& word : words_of(option, one)) words.push_back(word);
      }
      return words;
    }
    if (value.is_boolean())
      return value.get<bool>() ? std::vector{"--" + option} : std::vector<std::string>{};
    require(value.is_string() || value.is_number(), "{}: option {} is no text, number, true or list", name_,
            option);
    std::string word = value.is_string() ? value.get<std::string>() : value.dump();
    constexpr std::string_view kHeads = "{heads}";
    if (const auto at = word.find(kHeads); at != std::string::npos) word.replace(at, kHeads.size(), heads_);
    return {fmt::format("--{}={}", option, word)};
  }

  std::vector<std::string> words(const Json& options) const {
    std::vector<std::string> words;
    for (const auto& [option, value] : options.items())
      for (const std::string& word : words_of(option, value)) words.push_back(word);
    return words;
  }

  PresetRun run(const Json& json) const {
    known(json, "run", {"name", "experiment", "options", "quick"});
    PresetRun run{text(json, "name"), {text(json, "experiment")}, {}};
    const bool plain =
        !run.name.empty() && std::all_of(run.name.begin(), run.name.end(), [](unsigned char c) {
          return std::isalnum(c) != 0 || c == '-' || c == '_';
        });
    require(plain, "{}: run \"{}\": a name is of letters, digits, - and _, as a directory is called by it",
            name_, run.name);
    require(json.contains("options") && json["options"].is_object(), "{}: run {}: options is missing", name_,
            run.name);
    require(!json.contains("quick") || json["quick"].is_object(), "{}: run {}: quick is no object of options",
            name_, run.name);
    Json quick = Json::object();
    for (const auto& [option, value] : json["options"].items()) quick[option] = value;
    if (json.contains("quick"))
      for (const auto& [option, value] : json["quick"].items()) quick[option] = value;
    run.quick_words = run.words;
    for (const std::string& word : words(json["options"])) run.words.push_back(word);
    for (const std::string& word : words(quick)) run.quick_words.push_back(word);
    return run;
  }

  std::pair<double, double> range(const std::string& what, const Json& json) const {
    if (json.is_number()) return {json.get<double>(), json.get<double>()};
    require(json.is_array() && json.size() == 2 && json[0].is_number() && json[1].is_number(),
            "{}: {} is no number and no pair of numbers", name_, what);
    const std::pair<double, double> ends{json[0].get<double>(), json[1].get<double>()};
    require(ends.first <= ends.second, "{}: {} goes from {} to {}; write the smaller number first", name_,
            what, ends.first, ends.second);
    return ends;
  }

  RowSelection selection(const Json& json) const {
    require(json.is_object(), "{}: a selection of rows is a JSON object", name_);
    RowSelection selection;
    for (const auto& [field, value] : json.items()) {
      require_row_field(field, !value.is_string());
      if (value.is_string()) {
        selection.words[field] = value.get<std::string>();
      } else {
        selection.ranges[field] = range(field, value);
      }
    }
    return selection;
  }

  // What is asked, under its name, of one or two selections of rows.
  Criterion criterion(const Json& json) const {
    struct Kind {
      const char* name;
      CriterionKind kind;
      bool two;
      bool within;
    };
    constexpr std::array kKinds{Kind{"below", CriterionKind::below, true, false},
                                Kind{"not-above", CriterionKind::not_above, true, false},
                                Kind{"ratio", CriterionKind::ratio, true, true},
                                Kind{"between", CriterionKind::between, false, true},
                                Kind{"slope", CriterionKind::slope, false, true},
                                Kind{"agree", CriterionKind::agree, true, false}};
    known(json, "criterion",
          {"claim", "run", "below", "not-above", "ratio", "between", "slope", "agree", "against", "within"});
    Criterion criterion;
    criterion.claim = text(json, "claim");
    criterion.run = text(json, "run");
    const auto asked = std::count_if(kKinds.begin(), kKinds.end(),
                                     [&](const Kind& kind) { return json.contains(kind.name); });
    require(asked == 1, "{}: \"{}\" must have one of below, not-above, ratio, between, slope and agree",
            name_, criterion.claim);
    const Kind& kind =
        *std::find_if(kKinds.begin(), kKinds.end(), [&](const Kind& one) { return json.contains(one.name); });
    const Json& selections = json[kind.name];
    require(!kind.two || (selections.is_array() && selections.size() == 2),
            "{}: \"{}\": {} compares a list of two selections", name_, criterion.claim, kind.name);
    require(json.contains("within") == kind.within, "{}: \"{}\": {} {} within", name_, criterion.claim,
            kind.name, kind.within ? "needs" : "takes no");
    criterion.kind = kind.kind;
    criterion.left = selection(kind.two ? selections[0] : selections);
    if (kind.two) criterion.right = selection(selections[1]);
    if (kind.within) std::tie(criterion.low, criterion.high) = range("within", json["within"]);
    if (json.contains("against")) criterion.against = text(json, "against");
    require_row_field(criterion.against, true);
    return criterion;
  }

  std::string name_;
  std::string heads_;
};

}  // namespace

Preset parse_preset(const std::string& name, std::string_view json, const std::string& heads) {
  Json parsed;
  try {
    parsed = Json::parse(json);
  } catch (const Json::exception& error) {
    throw BadInput(fmt::format("{}: not JSON ({})", name, error.what()));
  }
  return PresetReader(name, heads).preset(parsed);
}

}  // namespace attngap
