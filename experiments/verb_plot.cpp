#include "estimators/error.hpp"
#include "experiments/result_table.hpp"
#include "experiments/verb.hpp"
#include "experiments/verb_options.hpp"
#include "plots/figures.hpp"

#include <fmt/format.h>

namespace attngap {
namespace {

std::filesystem::path run_directory(const VerbOptions& options) {
  const auto directories = options.list("directory");
  require(directories.size() == 1, "which run? give the --out directory of one run");
  return directories.front();
}

}  // namespace

int verb_plot(const std::vector<std::string>& arguments) {
  VerbOptions options("plot DIR",
                      "Draws the figures of the run in DIR again, into DIR/figures, from its stored rows.");
  options.positional("directory", 1);
  options.add_shared({"formats", "quiet"});
  if (!options.parse(arguments)) return kDone;
  const auto directory = run_directory(options);
  const auto rows = RunStore::open_existing(directory).rows();
  require(!rows.empty(), "{}: no head is finished yet; resume the run first", directory.string());
  const auto lines =
      draw_figures(rows, directory / "figures", options.formats(), nullptr, read_origin(directory));
  if (!options.flag("quiet")) fmt::print("{}\n", fmt::join(lines, "\n"));
  return kDone;
}

int verb_export(const std::vector<std::string>& arguments) {
  VerbOptions options(
      "export DIR",
      "Prints the rows of the run in DIR as CSV (or JSON); those of finished heads while it runs.");
  options.positional("directory", 1);
  options.add("out", "", "write to this file instead");
  options.add_shared({"json"});
  if (!options.parse(arguments)) return kDone;
  const auto directory = run_directory(options);
  if (options.given("out"))
    for (const char* file : {"run.sqlite", "run.sqlite-wal", "run.sqlite-shm", "run.lock"})
      require_other_file(options.text("out"), directory / file);
  const auto rows = RunStore::open_existing(directory).rows();
  const std::string text = options.flag("json") ? rows_as_json(rows) : rows_as_csv(rows);
  if (options.given("out")) {
    write_whole_file(options.text("out"), text);
  } else {
    fmt::print("{}", text);
  }
  return kDone;
}

}  // namespace attngap
