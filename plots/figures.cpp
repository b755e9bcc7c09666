#include "plots/figures.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

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

// What was written, and what the user must be told.
struct Drawn {
  std::vector<std::string> paths;
  std::vector<std::string> messages;
  std::vector<std::string> undrawn;  // figures whose images need a gnuplot that is not there
};

// Every figure of one experiment's rows.
std::vector<NamedFigure> figures_of(const std::string& experiment, const std::vector<ResultRow>& rows,
                                    Drawn& drawn) {
  std::vector<ResultRow> own;
  std::copy_if(rows.begin(), rows.end(), std::back_inserter(own),
               [&](const ResultRow& row) { return row.experiment == experiment; });
  std::vector<NamedFigure> figures;
  bool known = false;
  for (const auto& kind : kFigures) {
    if (kind.experiment != experiment) continue;
    known = true;
    for (NamedFigure& figure : kind.make(own)) figures.push_back(std::move(figure));
  }
  if (!known) {
    drawn.messages.push_back(fmt::format("no figure is known for the experiment '{}'", experiment));
  } else if (figures.empty()) {
    drawn.messages.push_back(fmt::format(
        "no figure of {}: nothing here was measured against m; results.csv has the numbers", experiment));
  }
  return figures;
}

}  // namespace

std::vector<NamedFigure> all_figures(const std::vector<ResultRow>& rows) {
  Drawn ignored;
  std::vector<NamedFigure> all;
  for (const auto& experiment : experiments_of(rows))
    for (NamedFigure& figure : figures_of(experiment, rows, ignored)) all.push_back(std::move(figure));
  return all;
}

std::vector<std::string> draw_figures(const std::vector<ResultRow>& rows,
                                      const std::filesystem::path& directory,
                                      const std::vector<std::string>& formats,
                                      const std::atomic<bool>* interrupted, const FigureOrigin& origin) {
  const auto stopped = [&] { return interrupted != nullptr && interrupted->load(); };
  Drawn drawn;
  for (const auto& experiment : experiments_of(rows)) {
    for (auto& [name, figure] : figures_of(experiment, rows, drawn)) {
      if (stopped()) return drawn.paths;
      figure.origin = origin;
      try {
        const auto written = write_figure(figure, directory, name, formats);
        for (const auto& path : written.paths) drawn.paths.push_back(path.string());
        if (!written.message.empty()) drawn.undrawn.push_back(name);
      } catch (const std::runtime_error&) {
        if (!stopped()) throw;
      }
    }
  }
  if (!drawn.undrawn.empty()) drawn.messages.push_back(missing_gnuplot_message(directory, drawn.undrawn));
  drawn.paths.insert(drawn.paths.end(), drawn.messages.begin(), drawn.messages.end());
  return drawn.paths;
}

}  // namespace attngap
