#include "estimators/error.hpp"
#include "estimators/names.hpp"
#include "experiments/preset.hpp"
#include "experiments/result_table.hpp"
#include "experiments/verb.hpp"
#include "experiments/verb_options.hpp"
#include "experiments/verb_run.hpp"
#include "plots/figure_origin.hpp"

#include <algorithm>
#include <chrono>
#include <optional>

#include <nlohmann/json.hpp>

namespace attngap {
namespace {

// A figure, what its criteria came to, and how long it took.
struct Reproduced {
  Preset preset;
  std::vector<Finding> findings;
  double seconds = 0.0;
};

std::vector<std::string> bundled_names() {
  std::vector<std::string> names;
  for (const PresetText& preset : preset_texts()) names.emplace_back(preset.name);
  return names;
}

// A file of the user's, known by its ending.
bool is_file(const std::string& figure) {
  return figure.ends_with(".json");
}

Preset preset_of(const std::string& figure, const std::string& heads) {
  if (is_file(figure)) return read_preset(figure, heads);
  const auto texts = preset_texts();
  const auto found =
      std::find_if(texts.begin(), texts.end(), [&](const PresetText& text) { return text.name == figure; });
  if (found == texts.end()) {
    const auto names = bundled_names();
    std::vector<std::string_view> known(names.begin(), names.end());
    known.emplace_back("all");
    require_known("figure", figure, known);
  }
  return parse_preset(figure, found->json, heads);
}

std::vector<Preset> presets_asked(const VerbOptions& options) {
  std::vector<std::string> figures = options.list("figures");
  const std::string heads = options.text("heads");
  const bool all = figures.empty() || std::erase(figures, "all") > 0;
  std::vector<Preset> presets;
  if (all)
    for (const std::string& name : bundled_names()) presets.push_back(preset_of(name, heads));
  for (const std::string& figure : figures) {
    Preset preset = preset_of(figure, heads);  // an unknown one is refused beside `all`, too
    if (all && !is_file(figure)) continue;
    for (const Preset& other : presets)
      require(other.name != preset.name, "two figures are called {}; name each once", preset.name);
    presets.push_back(std::move(preset));
  }
  return presets;
}

void print_list(const std::vector<Preset>& presets) {
  for (const Preset& preset : presets)
    fmt::print("{}\n  {}\n  {}\n\n", preset.name, preset.title, preset.paper);
}

// The pictures of a run, relative to the directory of its figure: each in vector form where that is there.
std::vector<std::string> pictures_of(const std::filesystem::path& directory, const std::string& run) {
  std::vector<std::string> pictures;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(directory / run / "figures", none)) {
    std::filesystem::path vector_form = entry.path();
    vector_form.replace_extension(".svg");
    const bool as_pixels = entry.path().extension() == ".png" && !std::filesystem::exists(vector_form);
    if (entry.path().extension() == ".svg" || as_pixels)
      pictures.push_back(fmt::format("{}/figures/{}", run, entry.path().filename().string()));
  }
  std::sort(pictures.begin(), pictures.end());
  return pictures;
}

std::string criteria_table(const Reproduced& done) {
  std::string text = "| what it must show | judgement | evidence |\n| --- | --- | --- |\n";
  for (std::size_t i = 0; i < done.findings.size(); ++i)
    text += fmt::format("| {} | {} | {} |\n", markdown_cell(done.preset.criteria[i].claim),
                        judgement_name(done.findings[i].judgement), markdown_cell(done.findings[i].evidence));
  return text;
}

// The page of a figure; `place` is where its directory lies from there.
std::string page_of(const Reproduced& done, const std::filesystem::path& directory,
                    const std::string& place) {
  const Preset& preset = done.preset;
  std::string text = fmt::format(
      "# {}\n\n{}\n\n- **There:** {}\n- **Here:** {}\n- **Expected:** {}\n- **Name:** `{}`, {:.1f} s\n\n{}\n",
      preset.title, preset.paper, preset.protocol, preset.ours, preset.expected, preset.name, done.seconds,
      criteria_table(done));
  for (const PresetRun& run : preset.runs)
    for (const std::string& picture : pictures_of(directory, run.name))
      text += fmt::format("![{}]({}{})\n\n", picture, place, picture);
  return text;
}

std::string experiment_of(const Preset& preset, const std::string& run) {
  const auto found = std::find_if(preset.runs.begin(), preset.runs.end(),
                                  [&](const PresetRun& one) { return one.name == run; });
  return found->words.front();
}

nlohmann::ordered_json as_json(const std::vector<Reproduced>& all) {
  auto figures = nlohmann::ordered_json::array();
  for (const Reproduced& done : all) {
    auto criteria = nlohmann::ordered_json::array();
    for (std::size_t i = 0; i < done.findings.size(); ++i)
      criteria.push_back({{"claim", done.preset.criteria[i].claim},
                          {"run", done.preset.criteria[i].run},
                          {"experiment", experiment_of(done.preset, done.preset.criteria[i].run)},
                          {"judgement", judgement_name(done.findings[i].judgement)},
                          {"evidence", done.findings[i].evidence}});
    figures.push_back({{"name", done.preset.name},
                       {"title", done.preset.title},
                       {"paper", done.preset.paper},
                       {"protocol", done.preset.protocol},
                       {"ours", done.preset.ours},
                       {"expected", done.preset.expected},
                       {"seconds", done.seconds},
                       {"criteria", criteria}});
  }
  return figures;
}

// What is finished so far: a page of all figures, and the same as JSON.
void write_pages(const std::filesystem::path& out, const std::vector<Reproduced>& all) {
  std::string text;
  for (const Reproduced& done : all) text += page_of(done, out / done.preset.name, done.preset.name + "/");
  write_whole_file(out / "reproduction.md", text);
  write_whole_file(out / "reproduction.json", as_json(all).dump(1) + "\n");
}

void print_figure(const Reproduced& done, const std::filesystem::path& directory) {
  fmt::print("{}  ({}, {:.1f} s)\n", done.preset.title, done.preset.name, done.seconds);
  for (std::size_t i = 0; i < done.findings.size(); ++i)
    fmt::print("  {:<10} {}\n             {}\n", judgement_name(done.findings[i].judgement),
               done.preset.criteria[i].claim, done.findings[i].evidence);
  fmt::print("  figures in {}\n\n", directory.string());
}

// The words of a run of a figure, with those of the command line that are for every run.
std::vector<std::string> words_of(const PresetRun& run, const VerbOptions& options,
                                  const std::filesystem::path& directory) {
  std::vector<std::string> words = options.flag("quick") ? run.quick_words : run.words;
  words.push_back("--out=" + (directory / run.name).string());
  for (const char* name : {"threads", "formats"})
    if (options.given(name)) words.push_back(fmt::format("--{}={}", name, options.text(name)));
  if (options.flag("quiet") || options.flag("json")) words.emplace_back("--quiet");
  return words;
}

// A selection of what no row has is a mistake of the preset, and nothing to be undecided about.
Finding found(const Criterion& criterion, const std::vector<ResultRow>& rows, const std::string& figure) {
  const std::string place = criterion_place(figure, criterion.claim);
  criterion.left.require_met(rows, fmt::format("{}: run \"{}\"", place, criterion.run));
  if (compares_two(criterion.kind))
    criterion.right.require_met(rows, fmt::format("{}: run \"{}\"", place, criterion.run));
  return judge(criterion, rows);
}

// Nothing when it was interrupted.
std::optional<Reproduced> reproduced(const Preset& preset, const VerbOptions& options,
                                     const std::filesystem::path& directory) {
  const auto start = std::chrono::steady_clock::now();
  Reproduced done{preset, std::vector<Finding>(preset.criteria.size()), 0.0};
  for (const PresetRun& run : preset.runs) {
    const auto rows = finished_rows(words_of(run, options, directory), {preset.title, preset.label});
    if (!rows) return std::nullopt;
    for (std::size_t i = 0; i < preset.criteria.size(); ++i)
      if (preset.criteria[i].run == run.name)
        done.findings[i] = found(preset.criteria[i], *rows, preset.name);
  }
  done.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return done;
}

VerbOptions reproduce_options() {
  VerbOptions options(
      "reproduce [FIGURE…|all] --out DIR",
      fmt::format(
          "Makes the papers' figures again, each from a preset that says how the paper made it, what is "
          "ours, "
          "and\nwhat the figure must show; checks that, and writes DIR/FIGURE/RUN (runs, as of `attngap "
          "run`),\nDIR/reproduction.md and DIR/reproduction.json. Exit code 1 when a criterion does not "
          "hold. The same\ncommand on the same DIR resumes. FIGURE may be a JSON file of your own "
          "(experiments/presets has examples).\n\nfigures: {}",
          fmt::join(bundled_names(), ", ")));
  options.positional("figures", -1);
  options.add("out", "", "directory of the figures; made if absent");
  options.add_switch("quick",
                     "fewer replicates and shorter problems: all figures in two minutes on two cores");
  options.add_switch("list", "say which figures there are and of which papers, and do nothing");
  options.add("heads", "experiments/data", "directory of the bundled heads");
  options.add_shared({"threads", "formats", "quiet", "json"});
  return options;
}

}  // namespace

int verb_reproduce(const std::vector<std::string>& arguments) {
  VerbOptions options = reproduce_options();
  if (!options.parse(arguments)) return kDone;
  const auto presets = presets_asked(options);
  if (options.flag("list")) {
    print_list(presets);
    return kDone;
  }
  require(options.given("out"),
          "--out is missing; give a directory for the figures (or --list to see which)");
  static_cast<void>(options.formats());  // a wrong one is found now
  const std::filesystem::path out = options.text("out");
  const bool quiet = options.flag("quiet") || options.flag("json");
  std::vector<Reproduced> all;
  bool all_hold = true;
  for (const Preset& preset : presets) {
    auto done = reproduced(preset, options, out / preset.name);
    if (!done) return say_interrupted();
    for (const Finding& finding : done->findings) all_hold &= finding.judgement == Judgement::holds;
    if (!quiet) print_figure(*done, out / preset.name);
    all.push_back(std::move(*done));
    write_pages(out, all);
  }
  if (options.flag("json")) fmt::print("{}\n", as_json(all).dump(1));
  if (!quiet) fmt::print("pages    {}\n", (out / "reproduction.md").string());
  return all_hold ? kDone : kCheckFailed;
}

}  // namespace attngap
