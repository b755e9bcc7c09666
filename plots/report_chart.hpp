#pragma once

#include "experiments/result_row.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace attngap {

/// What a chart can have on its x axis or hold fixed: draws, length, or a key of the data's name such as the
/// cosine of `pair:norm=1,cosine=0.5`.
struct ChartVariable {
  std::string name;
  std::string title;
  /// The variable this one is another measure of (the real features that the draws cost), so that it is
  /// offered as x and never held fixed; usually empty.
  std::string another_measure_of;
};

/// A curve: its style is that of the same estimator in the figures. A baseline is the horizontal line of
/// something that needs no draws.
struct ChartSeries {
  std::string label;
  std::size_t style = 0;
  bool baseline = false;
};

/// One row of results in a chart.
struct ChartPoint {
  std::size_t series = 0;
  std::size_t metric = 0;
  std::vector<double> at;  ///< a number a variable; NaN: the row does not depend on it
  double value = 0;
  double std_error = 0;
  double low = 0;
  double high = 0;
  std::string status;
};

/// Two variables that span a plane, and the metric that is shown over it to begin with.
struct ChartMap {
  std::size_t x = 0;  ///< of ReportChart::variables
  std::size_t y = 0;
  std::size_t metric = 0;
};

/// The rows of one experiment on one head, or on one family of made inputs, by everything that varies.
struct ReportChart {
  std::string experiment;
  std::string title;                     ///< the head, or what the family is called
  std::string note;                      ///< keys, head dimension, queries, replicates
  std::vector<ChartVariable> variables;  ///< those that vary; the first is x to begin with
  std::vector<std::string> metrics;      ///< the first is shown to begin with
  std::vector<ChartSeries> series;
  std::vector<ChartPoint> points;
  std::optional<ChartMap> map = {};  ///< where a metric fills a plane, so that it is drawn as a map, too
};

/// The charts of a report, from rows of any experiment: which variables vary is found from the rows. One
/// whose rows differ in nothing but the estimator has no variable, and is a table only. Pairs of vectors with
/// a map of closed forms have one over the cosine and the norm.
std::vector<ReportChart> report_charts(const std::vector<ResultRow>& rows);

/// The charts as JSON for report.js, safe inside a script element; numbers with all their digits, one that
/// does not exist as null, an infinite one as a string.
std::string charts_as_json(const std::vector<ReportChart>& charts);

}  // namespace attngap
