#include "plots/kernel_ratio_figure.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>

namespace attngap {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr double kColours = 3.0;  // decades either way

// A number of the data's name, as of `pair:norm=1,cosine=0.5`.
double number_of(const ResultRow& row, const std::string& key) {
  const std::size_t at = row.data.find(fmt::format("{}=", key));
  return at == std::string::npos ? kNone : std::strtod(row.data.c_str() + at + key.size() + 1, nullptr);
}

// A variance per direction with its relative standard error: what an estimate of one direction would have.
struct OfOne {
  double variance = kNone;
  double relative_error = 0;
};

struct Pair {
  OfOne trigonometric, positive;
  double ratio() const { return trigonometric.variance / positive.variance; }
  // Both may be of the same directions: whatever their correlation, no more than the sum.
  double log_error() const { return trigonometric.relative_error + positive.relative_error; }
};

// By norm, then by cosine; the numbers of directions of a row do not matter, but for independent ones only.
using Pairs = std::map<double, std::map<double, Pair>>;

Pairs pairs_of(const std::vector<ResultRow>& rows, const std::string& metric, std::int64_t dim) {
  Pairs pairs;
  std::int64_t most = 0;
  for (const ResultRow& row : rows)
    if (row.metric == metric) most = std::max(most, row.draws);
  for (const ResultRow& row : rows) {
    const bool iid = row.projection.empty() || row.projection == "iid";
    if (row.metric != metric || row.head_dim != dim || !iid) continue;
    if (row.estimator != "rfa" && row.estimator != "performer") continue;
    if (metric == "kernel_variance" && row.draws != most) continue;
    Pair& pair = pairs[number_of(row, "norm")][number_of(row, "cosine")];
    OfOne& one = row.estimator == "rfa" ? pair.trigonometric : pair.positive;
    one.variance = row.value * static_cast<double>(row.draws);
    if (std::isfinite(row.std_error) && row.value > 0) one.relative_error = row.std_error / row.value;
  }
  return pairs;
}

double log_ratio(const Pair& pair) {
  const double decades = std::log10(pair.ratio());
  return std::isnan(decades) ? kNone : std::clamp(decades, -kColours, kColours);
}

// The cosine at which r passes 1 at a norm, between two of the map.
std::optional<double> crossing(const std::map<double, Pair>& by_cosine) {
  for (auto right = by_cosine.begin(); right != by_cosine.end(); ++right) {
    if (right == by_cosine.begin()) continue;
    const auto left = std::prev(right);
    const double above = log_ratio(left->second), below = log_ratio(right->second);
    if (!(above > 0 && below <= 0)) continue;
    return left->first + (right->first - left->first) * above / (above - below);
  }
  return std::nullopt;
}

double step(double first, double last, std::size_t count) {
  return (last - first) / static_cast<double>(count - 1);
}

Panel map_panel(const Pairs& map) {
  Panel panel;
  panel.name = "log10_ratio";
  panel.title = "log₁₀ r in closed form";
  panel.x_title = "cosine of the angle of x and y";
  panel.y_title = "norm |x| = |y|";
  panel.log_x = panel.log_y = false;
  panel.x_ticks = {-1, -0.5, 0, 0.5, 1};
  Series cells{"log₁₀ r", {}, {}, {}, {}, 0, Look::heat, {}};
  Series line{"r = 1", {}, {}, {}, {}, 6, Look::line, {}};
  for (const auto& [norm, by_cosine] : map) {
    for (const auto& [cosine, pair] : by_cosine) {
      cells.x.push_back(cosine);
      cells.y.push_back(norm);
      cells.value.push_back(log_ratio(pair));
    }
    if (const auto cosine = crossing(by_cosine)) {
      line.x.push_back(*cosine);
      line.y.push_back(norm);
    }
  }
  const auto& cosines = map.begin()->second;
  panel.tile_width = step(cosines.begin()->first, cosines.rbegin()->first, cosines.size());
  panel.tile_height = step(map.begin()->first, map.rbegin()->first, map.size());
  panel.y_range =
      Range{map.begin()->first - panel.tile_height / 2, map.rbegin()->first + panel.tile_height / 2};
  panel.heat_limit = kColours;
  panel.series = {std::move(cells), std::move(line)};
  return panel;
}

// The norm nearest 1 that has a closed form.
double norm_of_slice(const Pairs& pairs) {
  return std::min_element(
             pairs.begin(), pairs.end(),
             [](const auto& a, const auto& b) { return std::abs(a.first - 1) < std::abs(b.first - 1); })
      ->first;
}

Panel slice_panel(const Pairs& closed, const Pairs& measured, double norm) {
  Panel panel;
  panel.name = "ratio";
  panel.title = fmt::format("at |x| = |y| = {:.4g}", norm);
  panel.x_title = "cosine of the angle of x and y";
  panel.y_title = "ratio r of the variances";
  panel.log_x = false;
  panel.x_ticks = {-1, -0.5, 0, 0.5, 1};
  Series line{"r", {}, {}, {}, {}, 0, Look::line, {}};
  for (const auto& [cosine, pair] : closed.at(norm)) {
    line.x.push_back(cosine);
    line.y.push_back(pair.ratio());
  }
  Series points{"r", {}, {}, {}, {}, 0, Look::points, {}};
  const auto found = measured.find(norm);
  if (found != measured.end())
    for (const auto& [cosine, pair] : found->second) {
      const double factor = std::exp(1.959964 * pair.log_error());
      const bool known = pair.trigonometric.relative_error > 0 && pair.positive.relative_error > 0;
      points.x.push_back(cosine);
      points.y.push_back(known ? pair.ratio() : kNone);
      points.low.push_back(known ? pair.ratio() / factor : kNone);
      points.high.push_back(known ? pair.ratio() * factor : kNone);
    }
  panel.series = {std::move(line)};
  if (std::any_of(points.y.begin(), points.y.end(), [](double y) { return std::isfinite(y); }))
    panel.series.push_back(std::move(points));
  panel.baselines = {{"1", 1.0}};
  return panel;
}

}  // namespace

std::vector<NamedFigure> kernel_ratio(const std::vector<ResultRow>& rows) {
  std::vector<std::int64_t> dims;
  for (const ResultRow& row : rows)
    if (row.metric == "predicted_kernel_mse") dims.push_back(row.head_dim);
  if (dims.empty()) return {};
  // The law of a pair does not know its dimension: one is enough.
  const std::int64_t dim = dims.front();
  const Pairs map = pairs_of(rows, "predicted_kernel_mse", dim);
  Pairs closed = pairs_of(rows, "predicted_kernel_variance", dim);
  const auto both = [](const Pairs& pairs) {
    return !pairs.empty() && std::any_of(pairs.begin(), pairs.end(), [](const auto& row) {
      return std::any_of(row.second.begin(), row.second.end(),
                         [](const auto& one) { return std::isfinite(one.second.ratio()); });
    });
  };
  if (map.size() < 2 || map.begin()->second.size() < 2 || !both(map) || !both(closed)) return {};
  const double norm = norm_of_slice(closed);
  for (const auto& [at, by_cosine] : map)  // a finer line where the map passes through that norm
    if (std::abs(at - norm) < 1e-9) closed[norm] = by_cosine;
  Figure figure;
  figure.title = "Variance of trigonometric over positive features, r";
  figure.subtitle =
      "equally many independent directions; line: closed form; points: Monte Carlo with 95 % intervals";
  figure.panels = {map_panel(map), slice_panel(closed, pairs_of(rows, "kernel_variance", dim), norm)};
  return {{"kernel_ratio", std::move(figure)}};
}

}  // namespace attngap
