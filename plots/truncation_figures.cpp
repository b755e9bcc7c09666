#include "plots/truncation_figures.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace attngap {
namespace {

constexpr std::string_view kRange = "exp:radius=";
constexpr std::string_view kPlace = "exp:x=";
constexpr const char* kDegree = "degree of the polynomial";

bool is_range(const ResultRow& row) {
  return row.target == "exp" && row.data.starts_with(kRange);
}

// The data names of ranges or of heads, in the order of the rows.
std::vector<std::string> names(const std::vector<ResultRow>& rows, bool ranges) {
  std::vector<std::string> found;
  for (const ResultRow& row : rows)
    if (is_range(row) == ranges && (ranges || row.target != "exp") &&
        std::find(found.begin(), found.end(), row.data) == found.end())
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

// The values over x of one degree, or of exp: label, then x in order.
std::map<std::int64_t, std::map<double, double>> values_by_terms(const std::vector<ResultRow>& rows) {
  std::map<std::int64_t, std::map<double, double>> values;
  for (const ResultRow& row : rows)
    if (row.metric == "taylor_value" && row.data.starts_with(kPlace))
      values[row.dimension][std::strtod(row.data.c_str() + kPlace.size(), nullptr)] = row.value;
  return values;
}

Panel over_x(const std::string& name, const std::string& y_title, const std::map<double, double>& places) {
  Panel panel = panel_of(name, y_title);
  panel.x_title = "argument x";
  const double reach = places.rbegin()->first;
  panel.x_ticks = {-reach, -reach / 2, 0, reach / 2, reach};
  return panel;
}

}  // namespace

std::vector<NamedFigure> taylor_polynomials(const std::vector<ResultRow>& rows) {
  auto values = values_by_terms(rows);
  if (!values.contains(0)) return {};
  const std::map<double, double> exp = values.extract(0).mapped();
  Panel value = over_x("value", "T(x)", exp);
  value.log_y = false;
  value.y_range = Range{-3, 6};  // where signs change and floors lie; beyond it curves only leave
  Panel error = over_x("relative_error", "|T(x) − exp(x)| / exp(x)", exp);
  std::size_t style = 0;
  for (const auto& [terms, polynomial] : values) {
    Series curve{fmt::format("degree {}", terms - 1), {}, {}, {}, {}, style, Look::trace, {}};
    Series relative = curve;
    ++style;
    for (const auto& [x, y] : polynomial) {
      curve.x.push_back(x);
      curve.y.push_back(y);
      relative.x.push_back(x);
      relative.y.push_back(std::abs(y - exp.at(x)) / exp.at(x));
    }
    value.series.push_back(std::move(curve));
    error.series.push_back(std::move(relative));
  }
  Series target{"exp(x)", {}, {}, {}, {}, style, Look::line, {}};
  for (const auto& [x, y] : exp) {
    target.x.push_back(x);
    target.y.push_back(y);
  }
  value.series.push_back(std::move(target));
  Figure figure;
  figure.title = "exp and its Taylor polynomials, by their degree";
  figure.subtitle =
      "an odd degree is negative below its zero, an even one has a floor; T has degree + 1 terms";
  figure.panels = {std::move(value), std::move(error)};
  return {{"taylor_polynomials", std::move(figure)}};
}

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
  std::set<std::string> taken{"taylor_error", "taylor_polynomials"};
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
