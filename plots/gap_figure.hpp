#pragma once

#include "experiments/result_row.hpp"
#include "plots/figure.hpp"

#include <string>
#include <vector>

namespace attngap {

/// A figure and the name of its files.
struct NamedFigure {
  std::string name;
  Figure figure;
};

/// Which curve a row belongs to, for readers: the estimator, its projection unless that is iid and, where a
/// run has several, the target its error is measured against.
std::string series_label(const ResultRow& row, bool several_targets);

/// One figure a head (`gap_DATA`) from rows of gap-vs-features: the median relative error with its quartiles,
/// and the relative mean square error with its 95 % interval where the mean square exists.
std::vector<NamedFigure> gap_figures(const std::vector<ResultRow>& rows);

/// The median relative error of every head of the run side by side on one scale (`gap_overview`, with
/// `gap_overview_2`, … beyond twelve heads). Nothing for a single head, whose own figure says it all.
std::vector<NamedFigure> gap_overview(const std::vector<ResultRow>& rows);

}  // namespace attngap
