#include "plots/figures.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace attngap {
namespace {

std::vector<std::string> experiments_of(const std::vector<ResultRow>& rows) {
  std::vector<std::string> names;
  for (const auto& row : rows) {
    if (std::find(names.begin(), names.end(), row.experiment) == names.end()) names.push_back(row.experiment);
  }
  return names;
}

}  // namespace

std::vector<std::string> draw_figures(const std::vector<ResultRow>& rows,
                                      const std::filesystem::path& directory,
                                      const std::vector<std::string>& formats) {
  std::vector<std::string> paths;
  std::vector<std::string> messages;
  std::vector<std::string> undrawn;
  for (const auto& experiment : experiments_of(rows)) {
    std::vector<ResultRow> own;
    std::copy_if(rows.begin(), rows.end(), std::back_inserter(own),
                 [&](const ResultRow& row) { return row.experiment == experiment; });
    bool known = false;
    for (const auto& kind : kFigures) {
      if (kind.experiment != experiment) continue;
      known = true;
      for (const auto& [name, figure] : kind.make(own)) {
        const auto written = write_figure(figure, directory, name, formats);
        for (const auto& path : written.paths) paths.push_back(path.string());
        if (!written.message.empty()) undrawn.push_back(name);
      }
    }
    if (!known) messages.push_back(fmt::format("no figure is known for the experiment '{}'", experiment));
  }
  if (!undrawn.empty()) messages.push_back(missing_gnuplot_message(directory, undrawn));
  paths.insert(paths.end(), messages.begin(), messages.end());
  return paths;
}

}  // namespace attngap
