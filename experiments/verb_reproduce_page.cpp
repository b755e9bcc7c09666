#include "experiments/verb_reproduce_page.hpp"

#include "estimators/error.hpp"
#include "experiments/result_table.hpp"
#include "experiments/verb_options.hpp"

#include <algorithm>
#include <fstream>

#include <fmt/chrono.h>

namespace attngap {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kPages = "reproduction.json";

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

std::string text_of(const Json& json, const char* key) {
  return json.at(key).get<std::string>();
}

std::string criteria_table(const Json& criteria) {
  std::string text = "| what it must show | judgement | evidence |\n| --- | --- | --- |\n";
  for (const Json& one : criteria)
    text += fmt::format("| {} | {} | {} |\n", markdown_cell(text_of(one, "claim")), text_of(one, "judgement"),
                        markdown_cell(text_of(one, "evidence")));
  return text;
}

// "seed 1", or each of several that differ.
std::string seeds_of(const Json& runs) {
  std::vector<std::string> seeds;
  for (const Json& run : runs) {
    const std::string seed = run.at("seed").dump();
    if (std::find(seeds.begin(), seeds.end(), seed) == seeds.end()) seeds.push_back(seed);
  }
  return fmt::format("{} {}", seeds.size() == 1 ? "seed" : "seeds", fmt::join(seeds, ", "));
}

// The part of the page that is of one figure.
std::string page_of(const Json& figure, const std::filesystem::path& out) {
  const std::string name = text_of(figure, "name");
  const Json& runs = figure.at("runs");
  std::string text =
      fmt::format("# {}\n\n{}\n\n- **There:** {}\n- **Here:** {}\n- **Expected:** {}\n",
                  text_of(figure, "title"), text_of(figure, "paper"), text_of(figure, "protocol"),
                  text_of(figure, "ours"), text_of(figure, "expected"));
  text += fmt::format("- **Made:** `{}`{}, measured in {:.1f} s until {}, {}\n\n{}\n", name,
                      figure.at("quick").get<bool>() ? " --quick" : "", figure.at("seconds").get<double>(),
                      text_of(figure, "date"), seeds_of(runs), criteria_table(figure.at("criteria")));
  for (const Json& run : runs)
    for (const std::string& picture : pictures_of(out / name, text_of(run, "name")))
      text += fmt::format("![{}]({}/{})\n\n", picture, name, picture);
  return text;
}

std::string date_text(double seconds_since_1970) {
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", fmt::gmtime(static_cast<std::time_t>(seconds_since_1970)));
}

const std::string& experiment_of(const Preset& preset, const std::string& run) {
  const auto found = std::find_if(preset.runs.begin(), preset.runs.end(),
                                  [&](const PresetRun& one) { return one.name == run; });
  return found->words.front();
}

}  // namespace

double ReproducedFigure::seconds() const {
  double sum = 0.0;
  for (const FinishedRun& run : runs) sum += run.seconds;
  return sum;
}

bool ReproducedFigure::read() const {
  return std::none_of(runs.begin(), runs.end(), [](const FinishedRun& run) { return run.measured; });
}

Json as_json(const ReproducedFigure& figure) {
  const Preset& preset = figure.preset;
  double date = 0.0;
  auto runs = Json::array();
  for (std::size_t i = 0; i < figure.runs.size(); ++i) {
    date = std::max(date, figure.runs[i].finished);
    runs.push_back({{"name", preset.runs[i].name},
                    {"experiment", preset.runs[i].words.front()},
                    {"seed", figure.runs[i].seed},
                    {"seconds", figure.runs[i].seconds}});
  }
  auto criteria = Json::array();
  for (std::size_t i = 0; i < figure.findings.size(); ++i)
    criteria.push_back({{"claim", preset.criteria[i].claim},
                        {"run", preset.criteria[i].run},
                        {"experiment", experiment_of(preset, preset.criteria[i].run)},
                        {"judgement", judgement_name(figure.findings[i].judgement)},
                        {"evidence", figure.findings[i].evidence}});
  return {{"name", preset.name},
          {"title", preset.title},
          {"paper", preset.paper},
          {"protocol", preset.protocol},
          {"ours", preset.ours},
          {"expected", preset.expected},
          {"quick", figure.quick},
          {"date", date_text(date)},
          {"seconds", figure.seconds()},
          {"runs", std::move(runs)},
          {"criteria", std::move(criteria)}};
}

std::vector<Json> read_pages(const std::filesystem::path& out) {
  const std::filesystem::path file = out / kPages;
  std::error_code error;
  if (!std::filesystem::exists(file, error)) return {};
  std::ifstream stream(file, std::ios::binary);
  try {
    std::vector<Json> figures = Json::parse(stream).get<std::vector<Json>>();
    for (const Json& figure : figures) static_cast<void>(page_of(figure, out));  // throws what is missing
    return figures;
  } catch (const Json::exception& damage) {
    throw BadInput(
        fmt::format("{}: is no list of figures of this program ({}); move it away, or give another "
                    "--out",
                    file.string(), damage.what()));
  }
}

void write_pages(const std::filesystem::path& out, const ReproducedFigure& figure) {
  std::vector<Json> figures = read_pages(out);
  const Json made = as_json(figure);
  std::erase_if(figures, [&](const Json& other) { return other.at("name") == made.at("name"); });
  figures.push_back(made);
  std::sort(figures.begin(), figures.end(),
            [](const Json& a, const Json& b) { return text_of(a, "name") < text_of(b, "name"); });
  std::string text;
  for (const Json& one : figures) text += page_of(one, out);
  write_whole_file(out / "reproduction.md", text);
  write_whole_file(out / kPages, Json(figures).dump(1) + "\n");
}

}  // namespace attngap
