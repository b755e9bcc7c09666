#pragma once

#include "experiments/result_row.hpp"
#include "plots/control_variates_figure.hpp"
#include "plots/cost_figures.hpp"
#include "plots/distribution_figures.hpp"
#include "plots/gap_figure.hpp"
#include "plots/gram_figures.hpp"
#include "plots/kernel_figures.hpp"
#include "plots/kernel_ratio_figure.hpp"
#include "plots/length_figures.hpp"
#include "plots/truncation_figures.hpp"

#include <array>
#include <atomic>
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
    FigureKind{"length_DATA", "one head: median relative and mean square error against the number of keys",
               "gap-vs-length", &length_figures},
    FigureKind{"length_regimes_ESTIMATOR",
               "one estimator: mean square error of several heads against the number of keys",
               "gap-vs-length", &length_regimes},
    FigureKind{"speed_DATA", "one head: seconds, speed relative to exact attention, and memory by length",
               "speed-vs-length", &speed_figures},
    FigureKind{"relative_cost_DATA",
               "one head: time and peak memory of a whole head over those of exact attention, by length",
               "speed-vs-length", &relative_cost_figures},
    FigureKind{"decoding_DATA",
               "one head: seconds a token, speed relative to exact attention, and memory of caches or states",
               "decoding-speed", &decoding_figures},
    FigureKind{"decoding_batch_DATA",
               "one head: the same against the number of sequences, at the shortest and the longest length",
               "decoding-speed", &decoding_batch_figures},
    FigureKind{
        "control_variates_path_DATA",
        "one head: error against the number of groups with a coefficient, from RFA over EVA to softmax",
        "control-variates", &control_variates_path},
    FigureKind{"control_variates_DATA",
               "one head: median relative error of every coefficient policy against m, a panel an estimator",
               "control-variates", &control_variates_figures},
    FigureKind{"errors_DATA",
               "one head: densities of the relative errors of all draws, and how their tails fall",
               "distributions", &error_distribution_figures},
    FigureKind{"denominators_DATA",
               "one head: where denominators lie relative to their expectation, the negative part marked",
               "distributions", &denominator_figures},
    FigureKind{"kernel_variance_dimD",
               "one dimension: relative variance of kernel estimates against the cosine, a panel a norm",
               "kernel-variance", &kernel_variance_figures},
    FigureKind{"kernel_variance_m_dimD", "one dimension: the same against m at the cosine nearest 0",
               "kernel-variance", &kernel_variance_by_m},
    FigureKind{"kernel_bias_dimD", "one dimension: relative bias of those kernel estimates that have one",
               "kernel-variance", &kernel_bias_figures},
    FigureKind{"kernel_map", "which estimator of the softmax kernel is best where, over norm and cosine",
               "kernel-variance", &kernel_map},
    FigureKind{"kernel_ratio",
               "variance of trigonometric over positive features, over angle and length, and at one length",
               "kernel-variance", &kernel_ratio},
    FigureKind{"gram_DATA", "one head: error of the Gram matrix of its keys against m, absolute and relative",
               "gram-error", &gram_figures},
    FigureKind{"taylor_polynomials", "exp and its Taylor polynomials over x, and their relative errors",
               "taylor-truncation", &taylor_polynomials},
    FigureKind{"taylor_error", "error of the Taylor polynomial of exp against its degree, a curve a range",
               "taylor-truncation", &taylor_error_figures},
    FigureKind{"truncation_DATA",
               "one head: error of truncated element-wise weights and outputs by degree, with certificates",
               "taylor-truncation", &truncation_figures},
};

/// Every figure these rows have data for, in the order they are drawn.
std::vector<NamedFigure> all_figures(const std::vector<ResultRow>& rows);

/// Draws every figure the rows have data for into `directory`. Returns the paths written, then the messages
/// for the user (how to get images without gnuplot; an experiment that has no figure). Each says `origin`.
///
/// Once `*interrupted` is true no further figure is begun. A Ctrl-C on a terminal reaches gnuplot too, so a
/// figure that fails then fails for that reason, and its exception is dropped.
std::vector<std::string> draw_figures(const std::vector<ResultRow>& rows,
                                      const std::filesystem::path& directory,
                                      const std::vector<std::string>& formats,
                                      const std::atomic<bool>* interrupted = nullptr,
                                      const FigureOrigin& origin = {});

}  // namespace attngap
