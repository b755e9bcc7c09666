#pragma once

#include "experiments/result_row.hpp"
#include "plots/control_variates_figure.hpp"
#include "plots/gap_figure.hpp"

#include <array>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace attngap {

/// A kind of figure this toolkit draws from stored rows.
struct FigureKind {
  std::string_view name;        ///< of its files, with the head's name for DATA
  std::string_view shows;       ///< one sentence
  std::string_view experiment;  ///< whose rows it needs
  std::vector<NamedFigure> (*make)(const std::vector<ResultRow>& rows);
};

/// Every kind of figure, in the order they are drawn.
inline constexpr std::array kFigures{
    FigureKind{"gap_overview", "median relative error against m with its quartiles, all heads on one scale",
               "gap-vs-features", &gap_overview},
    FigureKind{"gap_DATA", "one head: median relative error, and relative mean square error where it exists",
               "gap-vs-features", &gap_figures},
    FigureKind{"control_variates_DATA",
               "one head: median relative error of every coefficient policy against m, a panel an estimator",
               "control-variates", &control_variates_figures},
};

/// Draws every figure the rows have data for into `directory`. Returns the paths written, then the messages
/// for the user (how to get images without gnuplot; an experiment that has no figure).
std::vector<std::string> draw_figures(const std::vector<ResultRow>& rows,
                                      const std::filesystem::path& directory,
                                      const std::vector<std::string>& formats);

}  // namespace attngap
