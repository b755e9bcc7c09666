#include "plots/distribution_figures.hpp"

#include "plots/axes.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace attngap {
namespace {

constexpr std::string_view kErrors = "relative_error_above:x=";
constexpr std::string_view kDenominators = "denominator_below:x=";

// One estimator at one m: the shares at every level, by level.
using Shares = std::map<double, const ResultRow*>;

// The rows of one metric of one head; estimators in the order of the rows, which is their style.
struct HeadShares {
  std::vector<std::string> labels;
  std::map<std::pair<std::string, std::int64_t>, Shares> shares;
  std::set<std::int64_t> draws;

  const Shares* find(const std::string& label, std::int64_t m) const {
    const auto found = shares.find({label, m});
    return found == shares.end() ? nullptr : &found->second;
  }
};

HeadShares shares_of(const std::vector<const ResultRow*>& rows, std::string_view metric,
                     bool several_targets) {
  HeadShares head;
  for (const auto* row : rows) {
    if (!row->metric.starts_with(metric)) continue;
    const std::string label = series_label(*row, several_targets);
    if (std::find(head.labels.begin(), head.labels.end(), label) == head.labels.end())
      head.labels.push_back(label);
    head.draws.insert(row->draws);
    head.shares[{label, row->draws}][std::strtod(row->metric.c_str() + metric.size(), nullptr)] = row;
  }
  return head;
}

// The levels where something happens: from the last that no fewer errors are beyond than of all levels (a
// causal first query has no error at all) to the first that none is.
Range interesting(const HeadShares& head) {
  constexpr double kNothing = 0.0005;
  double low = std::numeric_limits<double>::infinity();
  double high = 0;
  for (const auto& [curve, shares] : head.shares) {
    double begin = shares.begin()->first;
    double end = begin;
    for (const auto& [level, row] : shares) {
      if (row->value >= shares.begin()->second->value - kNothing) begin = level;
      if (row->value > 0) end = level;
    }
    const auto next = shares.upper_bound(end);
    low = std::min(low, begin);
    high = std::max(high, next == shares.end() ? end : next->first);
  }
  return {low, high};
}

void keep(HeadShares& head, const Range& levels) {
  for (auto& [curve, shares] : head.shares)
    std::erase_if(shares, [&](const auto& one) { return one.first < levels.low || one.first > levels.high; });
}

// The heads in the order of the rows.
std::vector<std::pair<std::string, std::vector<const ResultRow*>>> by_head(
    const std::vector<ResultRow>& rows) {
  std::vector<std::pair<std::string, std::vector<const ResultRow*>>> heads;
  for (const ResultRow& row : rows) {
    auto head =
        std::find_if(heads.begin(), heads.end(), [&](const auto& one) { return one.first == row.data; });
    if (head == heads.end()) head = heads.insert(heads.end(), {row.data, {}});
    head->second.push_back(&row);
  }
  return heads;
}

bool several_targets(const std::vector<ResultRow>& rows) {
  return std::any_of(rows.begin(), rows.end(),
                     [&](const ResultRow& row) { return row.target != rows.front().target; });
}

// The share between neighbouring levels over the width of the bin on the axis, at its middle there.
struct Density {
  std::vector<double> x;
  std::vector<double> y;
};

Density density_of(const Shares& shares, double (*to_axis)(double), double (*from_axis)(double)) {
  Density density;
  for (auto low = shares.begin(), high = std::next(low); high != shares.end(); ++low, ++high) {
    const double begin = to_axis(low->first), end = to_axis(high->first);
    density.x.push_back(from_axis((begin + end) / 2));
    density.y.push_back(std::abs(high->second->value - low->second->value) / (end - begin));
  }
  return density;
}

double log_of(double x) {
  return std::log10(x);
}
double power_of(double x) {
  return std::pow(10.0, x);
}

// Denominators near 0 are what matters: this axis is linear there and logarithmic beyond.
constexpr double kLinearPart = 0.1;
double to_symmetric(double x) {
  return std::asinh(x / kLinearPart);
}
double from_symmetric(double x) {
  return kLinearPart * std::sinh(x);
}

std::string percent(double share) {
  return fmt::format("{:.3g} %", 100 * share);
}

std::vector<double> decades(const Shares& shares) {
  std::vector<double> ticks;
  for (const auto& [level, row] : shares)
    if (std::abs(std::log10(level) - std::round(std::log10(level))) < 1e-9) ticks.push_back(level);
  return ticks;
}

// Estimators one above the other, the first on top; what lies outside of the levels is said.
Panel ridges(const HeadShares& head, std::int64_t draws) {
  constexpr double kOverlap = 1.4;  // of the highest ridge with the line above it
  Panel panel;
  panel.name = fmt::format("density, m={}", draws);
  panel.title = fmt::format("m = {}", draws);
  panel.x_title = "relative error ‖error‖ / ‖exact‖";
  panel.y_title = "density per decade\n(each on a line of its own, one scale)";
  panel.log_y = panel.y_numbers = false;
  double highest = 0;
  std::vector<std::pair<std::size_t, Density>> densities;
  std::vector<std::string> outside;
  for (std::size_t style = 0; style < head.labels.size(); ++style) {
    const Shares* shares = head.find(head.labels[style], draws);
    if (shares == nullptr || shares->size() < 2) continue;
    densities.emplace_back(style, density_of(*shares, &log_of, &power_of));
    for (const double y : densities.back().second.y) highest = std::max(highest, y);
    panel.x_ticks = decades(*shares);
    const double beyond = shares->rbegin()->second->value;
    if (beyond >= 0.0005) outside.push_back(fmt::format("{}: {}", head.labels[style], percent(beyond)));
  }
  for (std::size_t i = 0; i < densities.size(); ++i) {
    const auto& [style, density] = densities[i];
    const auto floor = static_cast<double>(densities.size() - 1 - i);
    Series series{head.labels[style], density.x, {}, {}, {}, style, Look::trace};
    for (const double y : density.y) {
      series.y.push_back(floor + (highest > 0 ? kOverlap * y / highest : 0));
      series.low.push_back(floor);
    }
    series.high = series.y;
    panel.series.push_back(std::move(series));
  }
  panel.y_range = Range{-0.1, static_cast<double>(densities.size()) - 1 + kOverlap + 0.1};
  if (!outside.empty()) panel.note = fmt::format("beyond the axis: {}", fmt::join(outside, "; "));
  return panel;
}

Panel tails(const HeadShares& head, std::int64_t draws) {
  Panel panel;
  panel.name = fmt::format("tail, m={}", draws);
  panel.x_title = "x";
  panel.y_title = "share of relative errors beyond x\n(band: 95 % interval)";
  for (std::size_t style = 0; style < head.labels.size(); ++style) {
    const Shares* shares = head.find(head.labels[style], draws);
    if (shares == nullptr) continue;
    Series series{head.labels[style], {}, {}, {}, {}, style, Look::trace};
    for (const auto& [level, row] : *shares) {
      if (row->value <= 0) break;  // nothing was met from here on
      series.x.push_back(level);
      series.y.push_back(row->value);
      series.low.push_back(row->ci_low);
      series.high.push_back(row->ci_high);
    }
    panel.x_ticks = decades(*shares);
    panel.series.push_back(std::move(series));
  }
  panel.guides = {{-1, "slope −1"}, {-2, "slope −2"}};
  return panel;
}

// The part of a density on one side of 0, filled.
Series part_of(const Density& density, bool negative) {
  Series series{negative ? "below 0" : "above 0", {}, {}, {}, {}, negative ? 1U : 0U, Look::trace};
  for (std::size_t i = 0; i < density.x.size(); ++i) {
    if ((density.x[i] < 0) != negative) continue;
    series.x.push_back(density.x[i]);
    series.y.push_back(density.y[i]);
    series.low.push_back(0);
  }
  series.high = series.y;
  return series;
}

std::string negative_share(const Shares& shares) {
  const auto zero = shares.find(0);
  if (zero == shares.end()) return "not counted";
  const ResultRow& row = *zero->second;
  return std::isfinite(row.std_error) ? fmt::format("{:.3g} ± {:.2g} %", 100 * row.value, 100 * row.std_error)
                                      : percent(row.value);
}

// One estimator: the part above 0 and the part below it at `many` directions, and the whole at `few`.
Panel denominator_panel(const HeadShares& head, const std::string& label, std::int64_t few,
                        std::int64_t many) {
  Panel panel;
  panel.name = fmt::format("{}, m={}", label, many);
  panel.title = fmt::format("{}, m = {}", label, many);
  panel.x_title = "denominator over its expectation";
  panel.y_title = "density on this axis";
  panel.log_x = panel.log_y = false;
  panel.asinh_x = kLinearPart;
  panel.x_ticks = {-100, -10, -1, 0, 1, 10, 100};
  if (const Shares* shares = head.find(label, many); shares != nullptr && shares->size() > 1) {
    const Density density = density_of(*shares, &to_symmetric, &from_symmetric);
    for (const bool negative : {false, true}) panel.series.push_back(part_of(density, negative));
    panel.note = fmt::format("below 0: {}", negative_share(*shares));
  }
  if (const Shares* shares = head.find(label, few); few < many && shares != nullptr && shares->size() > 1) {
    const Density thin = density_of(*shares, &to_symmetric, &from_symmetric);
    panel.series.push_back({fmt::format("m = {}", few), thin.x, thin.y, {}, {}, 6, Look::dashes});
    panel.note += fmt::format("\nthin dashes, m = {}: {}", few, negative_share(*shares));
  }
  double highest = 0;
  for (const Series& series : panel.series)
    for (const double y : series.y) highest = std::max(highest, y);
  panel.y_range = Range{0, highest > 0 ? 1.08 * highest : 1};
  return panel;
}

}  // namespace

std::vector<NamedFigure> error_distribution_figures(const std::vector<ResultRow>& rows) {
  std::set<std::string> taken;
  std::vector<NamedFigure> figures;
  for (const auto& [name, own] : by_head(rows)) {
    HeadShares head = shares_of(own, kErrors, several_targets(rows));
    if (head.draws.empty()) continue;
    keep(head, interesting(head));
    Figure figure;
    figure.title = fmt::format("{}: {}", name, geometry(own));
    figure.subtitle =
        "relative errors of all draws and queries; a tail of slope −1 or flatter has no mean, of −2 no "
        "variance";
    std::vector<std::int64_t> draws{*head.draws.begin()};
    if (head.draws.size() > 1) draws.push_back(*head.draws.rbegin());
    for (const std::int64_t m : draws) figure.panels.push_back(ridges(head, m));
    std::vector<Panel> below;
    for (const std::int64_t m : draws) below.push_back(tails(head, m));
    const Range common = y_range(below);
    for (Panel& panel : below) {
      panel.y_range = common;
      figure.panels.push_back(std::move(panel));
    }
    figure.columns = draws.size() == 1 ? 2 : draws.size();
    figures.push_back({figure_name("errors_", name, taken), std::move(figure)});
  }
  return figures;
}

std::vector<NamedFigure> denominator_figures(const std::vector<ResultRow>& rows) {
  std::set<std::string> taken;
  std::vector<NamedFigure> figures;
  for (const auto& [name, own] : by_head(rows)) {
    const HeadShares head = shares_of(own, kDenominators, several_targets(rows));
    if (head.draws.empty()) continue;
    Figure figure;
    figure.title = fmt::format("{}: {}", name, geometry(own));
    figure.subtitle = "denominators of all draws and queries; the axis is linear near 0, logarithmic beyond";
    figure.columns = std::min<std::size_t>(head.labels.size(), 2);
    for (const std::string& label : head.labels)
      figure.panels.push_back(denominator_panel(head, label, *head.draws.begin(), *head.draws.rbegin()));
    figures.push_back({figure_name("denominators_", name, taken), std::move(figure)});
  }
  return figures;
}

}  // namespace attngap
