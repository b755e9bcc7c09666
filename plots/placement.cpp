#include "plots/placement.hpp"

#include "plots/axes.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <sstream>

namespace attngap {
namespace {

struct Point {
  double x;
  double y;
};

constexpr double kClear = 12;  // points of white space that are enough

Point on_page(double x, double y, const Panel& panel, const PanelFrame& frame) {
  return {frame.width * fraction(x, frame.x, panel.log_x), frame.height * fraction(y, frame.y, panel.log_y)};
}

// Points on a stroke dense enough that no label fits between two of them.
void add_stroke(std::vector<Point>& ink, Point a, Point b) {
  const int steps = 1 + static_cast<int>(std::hypot(b.x - a.x, b.y - a.y) / 5);
  for (int i = 0; i <= steps; ++i) {
    const double t = static_cast<double>(i) / steps;
    ink.push_back({a.x + t * (b.x - a.x), a.y + t * (b.y - a.y)});
  }
}

void add_series(std::vector<Point>& ink, const Series& series, const Panel& panel, const PanelFrame& frame) {
  const auto point = [&](std::size_t i) { return on_page(series.x[i], series.y[i], panel, frame); };
  const auto shown = [&](std::size_t i) {
    return i < series.y.size() && drawable(series.x[i], panel.log_x) && drawable(series.y[i], panel.log_y);
  };
  const auto edge = [&](const std::vector<double>& values, std::size_t i) {
    const bool usable = i < values.size() && drawable(values[i], panel.log_y);
    return usable ? std::clamp(values[i], frame.y.low, frame.y.high) : series.y[i];
  };
  for (std::size_t i = 0; i < series.x.size(); ++i) {
    if (!shown(i)) continue;
    ink.push_back(point(i));
    const auto low = on_page(series.x[i], edge(series.low, i), panel, frame);
    const auto high = on_page(series.x[i], edge(series.high, i), panel, frame);
    add_stroke(ink, low, high);
    if (i == 0 || !shown(i - 1)) continue;
    add_stroke(ink, point(i - 1), point(i));
    for (const double t : {0.0, 0.5, 1.0}) {
      const auto before_low = on_page(series.x[i - 1], edge(series.low, i - 1), panel, frame);
      const auto before_high = on_page(series.x[i - 1], edge(series.high, i - 1), panel, frame);
      add_stroke(ink, {before_low.x, before_low.y + t * (before_high.y - before_low.y)},
                 {low.x, low.y + t * (high.y - low.y)});
    }
  }
}

std::vector<Point> ink_of(const Panel& panel, const PanelFrame& frame) {
  std::vector<Point> ink;
  for (const auto& series : panel.series) add_series(ink, series, panel, frame);
  for (const auto& baseline : panel.baselines) {
    if (!drawable(baseline.y, panel.log_y)) continue;
    const double y = frame.height * fraction(baseline.y, frame.y, panel.log_y);
    add_stroke(ink, {0, y}, {frame.width, y});
  }
  return ink;
}

double clearance(const std::vector<Point>& ink, const std::vector<Point>& probes) {
  double least = std::numeric_limits<double>::infinity();
  for (const auto& a : probes) {
    for (const auto& b : ink) least = std::min(least, (a.x - b.x) * (a.x - b.x) + (a.y - b.y) * (a.y - b.y));
  }
  return std::sqrt(least);
}

// The guide and its label as points to keep clear of the data; empty when they leave the frame.
std::vector<Point> probes_of(Point start, Point end, double label_width, const PanelFrame& frame) {
  constexpr double kMargin = 5;
  const double right = end.x + 4 + label_width;
  const auto inside = [&](double y) { return y > kMargin && y < frame.height - kMargin; };
  if (start.x < kMargin || right > frame.width - kMargin || !inside(start.y) || !inside(end.y)) return {};
  std::vector<Point> probes;
  for (const double t : {0.0, 0.25, 0.5, 0.75, 1.0}) {
    probes.push_back({start.x + t * (end.x - start.x), start.y + t * (end.y - start.y)});
    probes.push_back({end.x + t * (right - end.x), end.y});
  }
  return probes;
}

}  // namespace

std::vector<std::optional<GuideLine>> place_guides(const Panel& panel, const PanelFrame& frame,
                                                   const std::vector<double>& label_widths) {
  auto ink = ink_of(panel, frame);
  std::vector<std::optional<GuideLine>> lines(panel.guides.size());
  const double steepness = std::log(frame.x.high / frame.x.low) / std::log(frame.y.high / frame.y.low) *
                           frame.height / frame.width;  // of slope 1, on the page
  for (std::size_t g = 0; g < panel.guides.size(); ++g) {
    double best = 0;
    std::vector<Point> best_probes;
    for (const double width : {0.28, 0.2, 0.14}) {
      if (best >= kClear) break;
      const double run = width * frame.width;
      const double rise = run * steepness * panel.guides[g].slope;
      for (double x = 6; x < frame.width; x += 6) {
        for (double y = 6; y < frame.height; y += 6) {
          const auto probes = probes_of({x, y}, {x + run, y + rise}, label_widths[g], frame);
          const double clear = probes.empty() ? 0 : clearance(ink, probes);
          if (clear <= best) continue;
          best = clear;
          best_probes = probes;
          const auto at_x = [&](double page) { return at_fraction(page / frame.width, frame.x, true); };
          const auto at_y = [&](double page) { return at_fraction(page / frame.height, frame.y, true); };
          lines[g] = GuideLine{at_x(x), at_y(y), at_x(x + run), at_y(y + rise)};
        }
      }
    }
    ink.insert(ink.end(), best_probes.begin(), best_probes.end());
  }
  return lines;
}

std::vector<double> spread(std::vector<double> heights, double gap, double low, double high) {
  std::vector<std::size_t> order(heights.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return heights[a] < heights[b]; });
  // Each sweep shares an overlap between the two neighbours; a few hundred settle any list a figure has.
  for (int sweep = 0; sweep < 200; ++sweep) {
    for (std::size_t i = 1; i < order.size(); ++i) {
      const double missing = gap - (heights[order[i]] - heights[order[i - 1]]);
      if (missing <= 0) continue;
      heights[order[i]] += missing / 2;
      heights[order[i - 1]] -= missing / 2;
    }
    for (double& height : heights) height = std::clamp(height, low, high);
  }
  return heights;
}

std::size_t text_length(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;  // continuation bytes of UTF-8 do not count
  }));
}

std::vector<std::string> wrapped(const std::string& text, std::size_t width) {
  std::vector<std::string> lines;
  std::istringstream paragraphs(text);
  for (std::string paragraph; std::getline(paragraphs, paragraph);) {
    std::istringstream words(paragraph);
    bool fresh = true;
    for (std::string word; words >> word; fresh = false) {
      if (!fresh && text_length(lines.back()) + 1 + text_length(word) <= width) {
        lines.back() += " " + word;
      } else {
        lines.push_back(word);
      }
    }
  }
  return lines;
}

}  // namespace attngap
