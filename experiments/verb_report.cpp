#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"
#include "experiments/metric_table.hpp"
#include "experiments/result_table.hpp"
#include "experiments/verb.hpp"
#include "experiments/verb_options.hpp"
#include "plots/decomposition_chart.hpp"
#include "plots/figures.hpp"
#include "plots/report.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <stdlib.h>

namespace attngap {
namespace {

using Json = nlohmann::ordered_json;

// The whole of a file that need not be there.
std::optional<std::string> text_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  return std::string{std::istreambuf_iterator<char>(file), {}};
}

std::optional<Json> json_of(const std::filesystem::path& path, std::string_view made_by) {
  const auto text = text_of(path);
  if (!text) return std::nullopt;
  Json json = Json::parse(*text, nullptr, false);
  require(!json.is_discarded(), "{}: not JSON; `{}` writes it", path.string(), made_by);
  return json;
}

// Names and values, those of the specification among the others; a list of plain values is one value.
void flatten(const Json& json, const std::string& name,
             std::vector<std::pair<std::string, std::string>>& found) {
  if (json.is_object()) {
    for (const auto& [key, value] : json.items())
      flatten(value, name.empty() || name == "specification" ? key : name + "." + key, found);
    return;
  }
  const auto plain = [](const Json& value) {
    return value.is_string() ? value.get<std::string>()
                             : value.dump(-1, ' ', false, Json::error_handler_t::replace);
  };
  std::vector<std::string> words;
  for (const Json& value : json.is_array() ? json : Json::array({json})) words.push_back(plain(value));
  const std::pair value{name, fmt::format("{}", fmt::join(words, ", "))};
  if (std::find(found.begin(), found.end(), value) == found.end()) found.push_back(value);
}

std::string text_in(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

std::vector<ReportVerdict> verdicts_of(const std::filesystem::path& file) {
  const auto json = json_of(file, "attngap verify --json");
  std::vector<ReportVerdict> verdicts;
  if (!json) return verdicts;
  require(json->is_array(), "{}: not a list of verdicts; `attngap verify --json` prints one", file.string());
  for (const Json& one : *json) {
    require(one.is_object(), "{}: not a list of verdicts; `attngap verify --json` prints one", file.string());
    verdicts.push_back({text_in(one, "name"), text_in(one, "statement"), text_in(one, "source"),
                        text_in(one, "method"), text_in(one, "verdict"), text_in(one, "expected"),
                        text_in(one, "evidence")});
  }
  return verdicts;
}

std::vector<ReportDefinition> estimators_of(const std::vector<ResultRow>& rows) {
  std::set<std::string> names;
  for (const ResultRow& row : rows) names.insert(row.estimator.substr(0, row.estimator.find(':')));
  std::vector<ReportDefinition> found;
  for (const NamedEstimator& one : estimator_table())
    if (names.contains(std::string(one.name)))
      found.push_back({std::string(one.name), fmt::format("{}; target: {}", one.meaning, one.target),
                       std::string(one.source)});
  return found;
}

std::vector<ReportDefinition> metrics_of(const std::vector<ResultRow>& rows) {
  std::set<std::string> names;
  for (const ResultRow& row : rows) names.insert(row.metric.substr(0, row.metric.find(':')));
  std::vector<ReportDefinition> found;
  for (const NamedMetric& one : metric_table())
    if (names.contains(std::string(one.name)))
      found.push_back({std::string(one.name), std::string(one.meaning), ""});
  return found;
}

// A directory to draw in that is gone afterwards.
class DrawingDirectory {
 public:
  DrawingDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "attngap-report-XXXXXX").string();
    require(mkdtemp(pattern.data()) != nullptr, "{}: no temporary directory can be made ({}); set TMPDIR",
            pattern, std::strerror(errno));
    path_ = pattern;
  }
  ~DrawingDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  DrawingDirectory(const DrawingDirectory&) = delete;
  DrawingDirectory& operator=(const DrawingDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// The figures of the run as they lie in its directory, restyled or not; one that is missing is drawn for the
// report alone, so that a run which cannot be written can be reported elsewhere.
std::vector<ReportPicture> pictures_of(const std::vector<ResultRow>& rows,
                                       const std::filesystem::path& directory,
                                       std::set<std::string>& messages) {
  const DrawingDirectory scratch;
  const FigureOrigin origin = read_origin(directory.parent_path());
  std::vector<ReportPicture> pictures;
  for (auto& [name, figure] : all_figures(rows)) {
    auto svg = text_of(directory / (name + ".svg"));
    if (!svg) {
      figure.origin = origin;
      const auto written = write_figure(figure, scratch.path(), name, {"svg"});
      if (!written.message.empty())
        messages.insert("figures without a picture are left out: gnuplot is not on the PATH");
      svg = text_of(scratch.path() / (name + ".svg"));
    }
    if (svg) pictures.push_back({name + ".svg", figure.title, *svg});
  }
  return pictures;
}

// The decompositions whose figures lie there, with their pictures.
void add_decompositions(ReportSource& source, const std::filesystem::path& figures,
                        std::set<std::string>& messages) {
  std::vector<std::filesystem::path> files;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(figures, none))
    if (entry.path().extension() == ".csv" && entry.path().filename().string().starts_with("decomposition_"))
      files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (std::filesystem::path& file : files) {
    const std::string name = file.stem().string();
    auto chart = decomposition_chart(name, text_of(file).value_or(""));
    if (!chart) {
      messages.insert(fmt::format("{}: not the data of a decomposition; left out", file.string()));
      continue;
    }
    source.decompositions.push_back(std::move(*chart));
    if (auto svg = text_of(file.replace_extension(".svg")))
      source.pictures.push_back({name + ".svg", name, *svg});
  }
}

}  // namespace

int verb_report(const std::vector<std::string>& arguments) {
  VerbOptions options("report DIR",
                      "Writes DIR/report.html: the run in DIR on one page that opens without a network, with "
                      "charts,\ntables, figures, definitions and provenance, and the verdicts of "
                      "DIR/verify.json if it is there\n(attngap verify --json > DIR/verify.json). What "
                      "`attngap decompose --figures DIR/figures` drew is there, too.");
  options.positional("directory", 1);
  options.add("out", "", "write to this file instead");
  options.add_shared({"quiet"});
  if (!options.parse(arguments)) return kDone;
  const auto directories = options.list("directory");
  require(directories.size() == 1, "which run? give the --out directory of one run");
  const std::filesystem::path directory = directories.front();

  ReportSource source;
  source.rows = RunStore::open_existing(directory).rows();
  require(!source.rows.empty(), "{}: no head is finished yet; resume the run first", directory.string());
  const std::filesystem::path out =
      options.given("out") ? std::filesystem::path(options.text("out")) : directory / "report.html";
  for (const char* file : {"run.sqlite", "run.sqlite-wal", "run.sqlite-shm", "run.lock"})
    require_other_file(out, directory / file);
  source.verdicts = verdicts_of(directory / "verify.json");
  if (const auto provenance = json_of(directory / "run.json", "attngap run"))
    flatten(*provenance, "", source.provenance);
  source.estimators = estimators_of(source.rows);
  source.metrics = metrics_of(source.rows);
  std::set<std::string> messages;
  source.pictures = pictures_of(source.rows, directory / "figures", messages);
  add_decompositions(source, directory / "figures", messages);
  if (!has_charting_library())
    messages.insert(
        "pictures instead of charts: this program was built without the charting library (CONTRIBUTING.md)");
  write_whole_file(out, report_html(source));
  if (options.flag("quiet")) return kDone;
  fmt::print("{}\n", out.string());
  for (const std::string& message : messages) fmt::print("{}\n", message);
  return kDone;
}

}  // namespace attngap
