#include "plots/kernel_ratio_figure.hpp"

#include "plots/pair_names.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>

namespace attngap {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr double kPi = 3.141592653589793;
constexpr double kDecades = 3.0;  // of the colours either way, as the note of the map says
constexpr const char* kAngle = "angle of x and y (radians)";

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

// By length, then by angle; the numbers of directions of a row do not matter, but for independent ones only.
using ByAngle = std::map<double, Pair>;
using Pairs = std::map<double, ByAngle>;

Pairs pairs_of(const std::vector<ResultRow>& rows, const std::string& metric, std::int64_t dim) {
  const bool sampled = metric == "kernel_variance" || metric == "tilted_kernel_variance";
  Pairs pairs;
  std::int64_t most = 0;
  for (const ResultRow& row : rows)
    if (row.metric == metric) most = std::max(most, row.draws);
  for (const ResultRow& row : rows) {
    const bool iid = row.projection.empty() || row.projection == "iid";
    if (row.metric != metric || row.head_dim != dim || !iid) continue;
    if (row.estimator != "rfa" && row.estimator != "performer") continue;
    if (sampled && row.draws != most) continue;
    Pair& pair = pairs[number_in_pair(row.data, "norm")][angle_of(number_in_pair(row.data, "cosine"))];
    OfOne& one = row.estimator == "rfa" ? pair.trigonometric : pair.positive;
    if (sampled && !std::isfinite(row.std_error)) continue;  // refused: its tail is too heavy
    one.variance = row.value * static_cast<double>(row.draws);
    if (std::isfinite(row.std_error) && row.value > 0) one.relative_error = row.std_error / row.value;
  }
  return pairs;
}

// The angle at which r passes 1 at a length, between two of the map.
std::optional<double> crossing(const ByAngle& by_angle) {
  for (auto right = by_angle.begin(); right != by_angle.end(); ++right) {
    if (right == by_angle.begin()) continue;
    const auto left = std::prev(right);
    const double below = std::log10(left->second.ratio()), above = std::log10(right->second.ratio());
    if (!(below <= 0 && above > 0)) continue;
    return left->first + (right->first - left->first) * -below / (above - below);
  }
  return std::nullopt;
}

double step(double first, double last, std::size_t count) {
  return (last - first) / static_cast<double>(count - 1);
}

Panel over_angles() {
  Panel panel;
  panel.x_title = kAngle;
  panel.log_x = false;
  panel.x_ticks = {0, kPi / 4, kPi / 2, 3 * kPi / 4, kPi};
  panel.x_tick_labels = {"0", "π/4", "π/2", "3π/4", "π"};
  return panel;
}

Panel map_panel(const Pairs& map) {
  Panel panel = over_angles();
  panel.name = "log10_ratio";
  panel.title = "log₁₀ r in closed form";
  panel.y_title = "length l = |x| = |y|";
  panel.log_y = false;
  Series cells{"log₁₀ r", {}, {}, {}, {}, 0, Look::heat, {}};
  Series line{"r = 1", {}, {}, {}, {}, 6, Look::line, {}};
  for (const auto& [length, by_angle] : map) {
    for (const auto& [angle, pair] : by_angle) {
      cells.x.push_back(angle);
      cells.y.push_back(length);
      cells.value.push_back(std::log10(pair.ratio()));
    }
    if (const auto angle = crossing(by_angle)) {
      line.x.push_back(*angle);
      line.y.push_back(length);
    }
  }
  const auto& angles = map.begin()->second;
  panel.tile_width = step(angles.begin()->first, angles.rbegin()->first, angles.size());
  panel.tile_height = step(map.begin()->first, map.rbegin()->first, map.size());
  panel.y_range =
      Range{map.begin()->first - panel.tile_height / 2, map.rbegin()->first + panel.tile_height / 2};
  panel.heat_limit = kDecades;
  panel.note =
      fmt::format("below 10⁻³ and above 10³ the colour stays\nfour copies make [−π, π] × [−{0:.3g}, {0:.3g}]",
                  panel.y_range->high);
  panel.series = {std::move(cells), std::move(line)};
  return panel;
}

// The length nearest 1 that has a closed form.
double length_of_slice(const Pairs& pairs) {
  return std::min_element(
             pairs.begin(), pairs.end(),
             [](const auto& a, const auto& b) { return std::abs(a.first - 1) < std::abs(b.first - 1); })
      ->first;
}

// Of the length of the slice, be it written with another last digit.
ByAngle at_length(const Pairs& pairs, double length) {
  for (const auto& [at, by_angle] : pairs)
    if (std::abs(at - length) < 1e-9) return by_angle;
  return {};
}

// What is drawn at the slice's length, and which points could not be.
struct Slice {
  ByAngle closed, sampled, tilted;
  std::size_t refused = 0;
};

Slice slice_of(const std::vector<ResultRow>& rows, std::int64_t dim, double length) {
  Slice slice{at_length(pairs_of(rows, "predicted_kernel_variance", dim), length),
              at_length(pairs_of(rows, "kernel_variance", dim), length),
              {},
              0};
  slice.closed.merge(at_length(pairs_of(rows, "predicted_kernel_mse", dim), length));
  const ByAngle changed = at_length(pairs_of(rows, "tilted_kernel_variance", dim), length);
  for (const auto& [angle, pair] : slice.sampled) {
    if (std::isfinite(pair.ratio())) continue;
    ++slice.refused;
    const auto found = changed.find(angle);
    if (found == changed.end()) continue;
    slice.tilted[angle] = {pair.trigonometric, found->second.positive};
  }
  return slice;
}

void add_points(Panel& panel, const ByAngle& by_angle, const std::string& label, std::size_t style) {
  Series points{label, {}, {}, {}, {}, style, Look::points};
  for (const auto& [angle, pair] : by_angle) {
    if (!std::isfinite(pair.ratio()) || !(pair.ratio() > 0)) continue;
    const double factor = std::exp(1.959964 * pair.log_error());
    points.x.push_back(angle);
    points.y.push_back(pair.ratio());
    points.low.push_back(pair.ratio() / factor);
    points.high.push_back(pair.ratio() * factor);
  }
  if (!points.x.empty()) panel.series.push_back(std::move(points));
}

Panel slice_panel(const Slice& slice, double length) {
  Panel panel = over_angles();
  panel.name = "ratio";
  panel.title = fmt::format("at l = {:.4g}", length);
  panel.y_title = "ratio r of the variances";
  Series line{"r", {}, {}, {}, {}, 0, Look::line, {}};
  for (const auto& [angle, pair] : slice.closed) {
    line.x.push_back(angle);
    line.y.push_back(pair.ratio());
  }
  panel.series = {std::move(line)};
  add_points(panel, slice.sampled, "Monte Carlo", 1);
  add_points(panel, slice.tilted, "Monte Carlo by a change of measure", 2);
  if (slice.refused > 0) {
    const bool changed = slice.tilted.size() == slice.refused;
    panel.note =
        fmt::format("{} {} of {} angles a sample variance of\npositive features has too heavy a tail",
                    changed ? "at" : "not all points: at", slice.refused, slice.sampled.size());
  }
  panel.baselines = {{"1", 1.0}};
  return panel;
}

bool has_ratios(const Pairs& pairs) {
  return std::any_of(pairs.begin(), pairs.end(), [](const auto& row) {
    return std::any_of(row.second.begin(), row.second.end(),
                       [](const auto& one) { return std::isfinite(one.second.ratio()); });
  });
}

bool is_over_angles(const Pairs& map) {
  std::vector<double> cosines;
  for (const auto& [angle, pair] : map.begin()->second) cosines.push_back(std::cos(angle));
  return evenly_spaced_angles(std::move(cosines));
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
  const Pairs closed = pairs_of(rows, "predicted_kernel_variance", dim);
  if (map.size() < 2 || map.begin()->second.size() < 2 || !has_ratios(map) || !has_ratios(closed)) return {};
  const double length = length_of_slice(closed);
  Figure figure;
  figure.title = "Variance of trigonometric over positive features, r";
  figure.subtitle =
      "equally many independent directions; line: closed form; points: Monte Carlo with 95 % intervals";
  if (is_over_angles(map)) figure.panels.push_back(map_panel(map));
  figure.panels.push_back(slice_panel(slice_of(rows, dim, length), length));
  return {{"kernel_ratio", std::move(figure)}};
}

}  // namespace attngap
