#include "plots/axes.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include <fmt/format.h>

namespace attngap {
namespace {

// Grows to hold what it is shown; starts empty.
struct Extent {
  bool logarithmic;
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void show(double value) {
    if (!drawable(value, logarithmic)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool empty() const { return low > high; }
};

// Bands may reach far below everything else (an interval that touches zero, on a logarithmic axis): they
// widen the axis by this factor at most, and are cut there.
constexpr double kBandReach = 10;

Range widened(Range range, bool logarithmic, double least, double margin) {
  if (logarithmic) {
    const double missing = std::max(0.0, least - std::log10(range.high / range.low));
    const double grow = std::pow(10.0, missing / 2) * std::pow(std::max(1.0, range.high / range.low), margin);
    return {range.low / grow, range.high * grow};
  }
  const double span = range.high - range.low;
  const double grow = span > 0 ? margin * span : std::max(1.0, std::abs(range.low)) / 2;
  return {range.low - grow, range.high + grow};
}

bool is_power_of_two(double x) {
  int exponent = 0;
  return x > 0 && std::frexp(x, &exponent) == 0.5;
}

std::string decade_label(int mantissa, int decade, bool scientific) {
  if (!scientific) return fmt::format("{:.6g}", mantissa * std::pow(10.0, decade));
  return mantissa == 1 ? fmt::format("10^{{{}}}", decade) : fmt::format("{}·10^{{{}}}", mantissa, decade);
}

std::vector<int> labelled_mantissas(double decades) {
  if (decades <= 1.1) return {1, 2, 3, 5};
  if (decades <= 2.3) return {1, 2, 5};
  if (decades <= 3.1) return {1, 3};
  return {1};
}

}  // namespace

bool drawable(double value, bool logarithmic) {
  return std::isfinite(value) && (!logarithmic || value > 0);
}

Range x_range(const Panel& panel) {
  Extent extent{panel.log_x};
  for (const auto& series : panel.series) {
    for (const double x : series.x) extent.show(x);
  }
  for (const double x : panel.x_ticks) extent.show(x);
  if (extent.empty()) return {1, 10};
  if (panel.asinh_x > 0) {
    const auto on_axis = [&](double x) { return std::asinh(x / panel.asinh_x); };
    const Range range = widened({on_axis(extent.low), on_axis(extent.high)}, false, 0, 0.045);
    return {panel.asinh_x * std::sinh(range.low), panel.asinh_x * std::sinh(range.high)};
  }
  return widened({extent.low, extent.high}, panel.log_x, 0.6, 0.045);
}

Range y_range(std::span<const Panel> panels) {
  const bool logarithmic = !panels.empty() && panels.front().log_y;
  Extent centre{logarithmic};
  Extent bands{logarithmic};
  for (const auto& panel : panels) {
    for (const auto& series : panel.series) {
      for (const double y : series.y) centre.show(y);
      for (const double y : series.low) bands.show(y);
      for (const double y : series.high) bands.show(y);
    }
    for (const auto& baseline : panel.baselines) centre.show(baseline.y);
  }
  if (centre.empty()) return {0.1, 10};
  Range range{centre.low, centre.high};
  if (!bands.empty()) {
    const double reach_low = logarithmic ? centre.low / kBandReach : bands.low;
    const double reach_high = logarithmic ? centre.high * kBandReach : bands.high;
    range.low = std::min(range.low, std::max(bands.low, reach_low));
    range.high = std::max(range.high, std::min(bands.high, reach_high));
  }
  return widened(range, logarithmic, 0.6, 0.05);
}

namespace {

// Five digits and more would run into each other; powers of two have a shorter name.
std::string x_label(double x, bool as_powers) {
  if (as_powers) return fmt::format("2^{{{}}}", std::lround(std::log2(x)));
  const bool whole = x == std::floor(x) && std::abs(x) < 1e15;
  return whole ? fmt::format("{}", std::llround(x)) : fmt::format("{:.6g}", x);
}

constexpr double kLongNumber = 65536;

// A tick at every value, with labels from the right wherever there is room for one on a logarithmic axis.
std::vector<Tick> spread_ticks(const std::vector<double>& values, std::size_t most) {
  const double room =
      std::log(values.back() / values.front()) / static_cast<double>(std::max<std::size_t>(most, 1));
  std::vector<Tick> ticks(values.size());
  double free_up_to = std::numeric_limits<double>::infinity();
  for (std::size_t i = values.size(); i-- > 0;) {
    const bool shown = std::log(values[i]) <= free_up_to;
    ticks[i] = {values[i], shown ? x_label(values[i], false) : std::string()};
    if (shown) free_up_to = std::log(values[i]) - room;
  }
  return ticks;
}

}  // namespace

std::vector<Tick> x_ticks(const Panel& panel, std::size_t most) {
  if (panel.x_tick_labels.size() == panel.x_ticks.size() && !panel.x_ticks.empty()) {
    std::vector<Tick> ticks;
    for (std::size_t i = 0; i < panel.x_ticks.size(); ++i)
      ticks.push_back({panel.x_ticks[i], panel.x_tick_labels[i]});
    return ticks;
  }
  std::set<double> used(panel.x_ticks.begin(), panel.x_ticks.end());
  if (used.empty()) {
    for (const auto& series : panel.series) used.insert(series.x.begin(), series.x.end());
  }
  std::vector<double> values;
  for (const double x : used) {
    if (drawable(x, panel.log_x)) values.push_back(x);
  }
  std::vector<double> labelled;
  std::copy_if(values.begin(), values.end(), std::back_inserter(labelled), is_power_of_two);
  if (panel.log_x && labelled.size() >= 2 && 2 * labelled.back() <= values.back())
    return spread_ticks(values, most);
  if (!panel.log_x || labelled.size() < 2) labelled = values;
  const bool as_powers = panel.log_x && !labelled.empty() && labelled.back() >= kLongNumber &&
                         std::all_of(labelled.begin(), labelled.end(), is_power_of_two);
  const std::size_t stride = most == 0 ? 1 : (labelled.size() + most - 1) / most;
  std::vector<Tick> ticks;
  for (std::size_t i = 0; i < labelled.size(); ++i) {
    // Counted from the right: the largest m is the one a reader looks for.
    const bool shown = (labelled.size() - 1 - i) % std::max<std::size_t>(stride, 1) == 0;
    ticks.push_back({labelled[i], shown ? x_label(labelled[i], as_powers) : std::string()});
  }
  return ticks;
}

std::vector<Tick> log_ticks(Range range) {
  const int first = static_cast<int>(std::floor(std::log10(range.low)));
  const int last = static_cast<int>(std::ceil(std::log10(range.high)));
  const double decades = std::log10(range.high / range.low);
  const auto labelled = labelled_mantissas(decades);
  const int stride = std::max(1, static_cast<int>(std::ceil(decades / 7)));
  const bool scientific = range.low < 1e-4 || range.high > 2e4;
  std::vector<Tick> ticks;
  for (int decade = first; decade <= last; ++decade) {
    for (int mantissa = 1; mantissa <= (stride > 1 ? 1 : 9); ++mantissa) {
      const double at = mantissa * std::pow(10.0, decade);
      if (at < range.low || at > range.high) continue;
      const bool shown =
          decade % stride == 0 && std::find(labelled.begin(), labelled.end(), mantissa) != labelled.end();
      ticks.push_back({at, shown ? decade_label(mantissa, decade, scientific) : std::string()});
    }
  }
  return ticks;
}

double fraction(double value, Range range, bool logarithmic) {
  if (logarithmic) return std::log(value / range.low) / std::log(range.high / range.low);
  return (value - range.low) / (range.high - range.low);
}

double at_fraction(double fraction, Range range, bool logarithmic) {
  if (logarithmic) return range.low * std::pow(range.high / range.low, fraction);
  return range.low + fraction * (range.high - range.low);
}

}  // namespace attngap
