#include "estimators/error.hpp"
#include "estimators/names.hpp"
#include "experiments/preset.hpp"
#include "experiments/verb.hpp"
#include "experiments/verb_options.hpp"
#include "experiments/verb_reproduce_page.hpp"
#include "experiments/verb_run.hpp"
#include "plots/figure_origin.hpp"

#include <algorithm>
#include <optional>

#include <nlohmann/json.hpp>

namespace attngap {
namespace {

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

void print_figure(const ReproducedFigure& done, const std::filesystem::path& directory) {
  fmt::print("{}  ({}, {} {:.1f} s)\n", done.preset.title, done.preset.name,
             done.read() ? "read; it was measured in" : "measured in", done.seconds());
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

// A run of a figure; what is wrong with its options is said with where they are. Nothing when it was
// interrupted.
std::optional<FinishedRun> run_of(const Preset& preset, const PresetRun& run, const VerbOptions& options,
                                  const std::filesystem::path& directory) {
  try {
    return finished_run(words_of(run, options, directory), {preset.title, preset.label});
  } catch (const BadInput& error) {
    throw BadInput(fmt::format("{}: run \"{}\": {}", preset.name, run.name, error.what()));
  }
}

// Nothing when it was interrupted.
std::optional<ReproducedFigure> reproduced(const Preset& preset, const VerbOptions& options,
                                           const std::filesystem::path& directory) {
  ReproducedFigure done{preset, options.flag("quick"), {}, std::vector<Finding>(preset.criteria.size())};
  for (const PresetRun& run : preset.runs) {
    auto finished = run_of(preset, run, options, directory);
    if (!finished) return std::nullopt;
    for (std::size_t i = 0; i < preset.criteria.size(); ++i)
      if (preset.criteria[i].run == run.name)
        done.findings[i] = found(preset.criteria[i], finished->rows, preset.name);
    done.runs.push_back(std::move(*finished));
  }
  return done;
}

VerbOptions reproduce_options() {
  VerbOptions options(
      "reproduce [FIGURE…|all] --out DIR",
      fmt::format(
          "Makes the papers' figures again, each from a preset that says how the paper made it, what is "
          "ours, "
          "and\nwhat the figure must show; checks that, and writes DIR/FIGURE/RUN (runs, as of `attngap "
          "run`),\nDIR/reproduction.md and DIR/reproduction.json; figures that were made there before stay "
          "on "
          "these pages. Exit\ncode 1 when a criterion does not hold. The same command on the same DIR "
          "resumes. FIGURE may be a JSON file of\nyour own (experiments/presets has examples).\n\nfigures: "
          "{}",
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
  static_cast<void>(options.formats());  // a wrong one is found now, and is no preset's
  static_cast<void>(options.threads());
  const std::filesystem::path out = options.text("out");
  const bool quiet = options.flag("quiet") || options.flag("json");
  static_cast<void>(read_pages(out));  // as is a page that this program cannot add to
  auto made = nlohmann::ordered_json::array();
  bool all_hold = true;
  for (const Preset& preset : presets) {
    auto done = reproduced(preset, options, out / preset.name);
    if (!done) return say_interrupted();
    for (const Finding& finding : done->findings) all_hold &= finding.judgement == Judgement::holds;
    if (!quiet) print_figure(*done, out / preset.name);
    write_pages(out, *done);
    made.push_back(as_json(*done));
  }
  if (options.flag("json")) fmt::print("{}\n", made.dump(1));
  if (!quiet) fmt::print("pages    {}\n", (out / "reproduction.md").string());
  return all_hold ? kDone : kCheckFailed;
}

}  // namespace attngap
