#include "plots/truncation_figures.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace attngap {
namespace {

constexpr std::string_view kRange = "exp:radius=";
constexpr const char* kDegree = "degree of the polynomial";

bool is_range(const ResultRow& row) {
  return row.target == "exp" && row.data.starts_with(kRange);
}

// The data names of ranges or of heads, in the order of the rows.
std::vector<std::string> names(const std::vector<ResultRow>& rows, bool ranges) {
  std::vector<std::string> found;
  for (const ResultRow& row : rows)
    if (is_range(row) == ranges && std::find(found.begin(), found.end(), row.data) == found.end())
      found.push_back(row.data);
  return found;
}

// A metric against the degree, which is one below the number of terms. A degree without a bound leaves a gap.
Series by_degree(const std::vector<ResultRow>& rows, const std::string& data, std::string_view metric,
                 const std::string& label, std::size_t style) {
  Series series{label, {}, {}, {}, {}, style};
  for (const ResultRow& row : rows) {
    if (row.data != data || row.metric != metric) continue;
    series.x.push_back(static_cast<double>(row.dimension - 1));
    series.y.push_back(row.value);
  }
  return series;
}

Panel panel_of(const std::string& name, const std::string& y_title) {
  Panel panel;
  panel.name = name;
  panel.x_title = kDegree;
  panel.y_title = y_title;
  panel.log_x = false;
  return panel;
}

// Below this a curve is the rounding of a double and not the polynomial's error.
constexpr double kLowest = 1e-16;

// Cuts the y axis where only rounding is left, and marks every fourth degree (of many, fewer).
void set_axes(Panel& panel) {
  double low = 1, high = kLowest;
  int highest = 0;
  for (const Series& series : panel.series)
    for (const double x : series.x) highest = std::max(highest, static_cast<int>(x));
  for (const Series& series : panel.series)
    for (const double y : series.y) {
      if (!std::isfinite(y) || y <= 0) continue;
      low = std::min(low, y);
      high = std::max(high, y);
    }
  for (int degree = 0; degree <= highest; degree += std::max(4, highest / 24 * 4))
    panel.x_ticks.push_back(degree);
  panel.y_range = Range{std::max(low / 2, kLowest), 3 * high};
}

}  // namespace

std::vector<NamedFigure> taylor_error_figures(const std::vector<ResultRow>& rows) {
  const auto ranges = names(rows, true);
  if (ranges.empty()) return {};
  Figure figure;
  figure.title = "Taylor polynomial of exp on |x| ≤ R";
  figure.subtitle =
      "left: largest |exp(x) − T(x)|/exp(x); right: no point where the polynomial is not positive";
  figure.panels = {panel_of("taylor_relative_error", "largest relative error of T"),
                   panel_of("total_variation_bound", "bound on total variation of weights")};
  for (Panel& panel : figure.panels) {
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      const std::string label = "R = " + ranges[i].substr(kRange.size());
      Series series = by_degree(rows, ranges[i], panel.name, label, i);
      if (!series.x.empty()) panel.series.push_back(std::move(series));
    }
    set_axes(panel);
  }
  return {{"taylor_error", std::move(figure)}};
}

std::vector<NamedFigure> truncation_figures(const std::vector<ResultRow>& rows) {
  std::set<std::string> taken{"taylor_error"};
  std::vector<NamedFigure> figures;
  for (const std::string& head : names(rows, false)) {
    const auto first =
        std::find_if(rows.begin(), rows.end(), [&](const ResultRow& row) { return row.data == head; });
    Figure figure;
    figure.title = fmt::format("{}: l = {} keys, d = {}, {} queries", head, first->length, first->head_dim,
                               first->queries);
    figure.subtitle =
        "element-wise attention by a Taylor polynomial against the full one; no bound where a "
        "weight is not positive";
    Panel weights = panel_of("total_variation", "total variation of the weights");
    weights.series = {by_degree(rows, head, "mean_total_variation", "mean", 0),
                      by_degree(rows, head, "max_total_variation", "largest", 1),
                      by_degree(rows, head, "total_variation_bound", "bound of the certificate", 2)};
    Panel outputs = panel_of("error", "error of the outputs");
    Series relative = by_degree(rows, head, "relative_mse", "root mean square, relative", 3);
    for (double& y : relative.y) y = std::sqrt(y);
    outputs.series = {std::move(relative), by_degree(rows, head, "max_error", "largest", 1),
                      by_degree(rows, head, "max_error_bound", "bound of the certificate", 2)};
    for (Panel* panel : {&weights, &outputs}) {
      std::erase_if(panel->series, [](const Series& series) { return series.x.empty(); });
      set_axes(*panel);
    }
    figure.panels = {std::move(weights), std::move(outputs)};
    figures.push_back({figure_name("truncation_", head, taken), std::move(figure)});
  }
  return figures;
}

}  // namespace attngap
