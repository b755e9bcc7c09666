#pragma once

#include "experiments/result_row.hpp"
#include "plots/figure.hpp"

#include <set>
#include <string>
#include <vector>

namespace attngap {

/// A figure and the name of its files.
struct NamedFigure {
  std::string name;
  Figure figure;
};

/// Which curve a row belongs to, for readers: the estimator, its projection unless that is iid and, where a
/// run has several, the target its error is measured against unless that is softmax.
std::string series_label(const ResultRow& row, bool several_targets);

/// What a figure of one head says of it: keys, head dimension, queries and replicates.
std::string geometry(const std::vector<const ResultRow*>& rows);

/// `prefix` and a head's name as part of a file name anyone can type; heads that would collide are numbered.
std::string figure_name(std::string prefix, const std::string& head, std::set<std::string>& taken);

/// One figure a head (`gap_DATA`) from rows of gap-vs-features: the median relative error with its quartiles,
/// and the relative mean square error with its 95 % interval where the mean square exists, beside it as thin
/// dashes what first-order theory predicts, where that is valid. None of a head that has only baselines,
/// which need no m.
std::vector<NamedFigure> gap_figures(const std::vector<ResultRow>& rows);

/// What is written on the pages of `median_pages`.
struct PageTexts {
  std::string name;  ///< of the files; further pages are name_2, …
  std::string title;
  std::string subtitle;
};

/// The median relative error with its quartile band, one panel a value of `data` and one curve an estimator,
/// side by side on one scale, twelve panels a page.
std::vector<NamedFigure> median_pages(const std::vector<ResultRow>& rows, const PageTexts& texts);

/// The median relative error of every head of the run side by side on one scale (`gap_overview`, with
/// `gap_overview_2`, … beyond twelve heads). Nothing for a single head, whose own figure says it all.
std::vector<NamedFigure> gap_overview(const std::vector<ResultRow>& rows);

}  // namespace attngap
