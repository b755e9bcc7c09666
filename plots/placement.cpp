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
constexpr double kLeast = 7;   // points without which a text touches what is beside it

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
    // Strokes close enough to fill the band: a text inside it would be hard to read.
    const auto before_low = on_page(series.x[i - 1], edge(series.low, i - 1), panel, frame);
    const auto before_high = on_page(series.x[i - 1], edge(series.high, i - 1), panel, frame);
    const double tall = std::max(std::abs(high.y - low.y), std::abs(before_high.y - before_low.y));
    const int strokes = 1 + static_cast<int>(tall / kLeast);
    for (int s = 0; s <= strokes; ++s) {
      const double t = static_cast<double>(s) / strokes;
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

// How far every place of a frame is from the ink, on a grid: as many guides are tried as there are places.
class WhiteSpace {
 public:
  WhiteSpace(const std::vector<Point>& ink, const PanelFrame& frame)
      : columns_(1 + static_cast<std::size_t>(frame.width / kCell)),
        rows_(1 + static_cast<std::size_t>(frame.height / kCell)) {
    for (std::size_t row = 0; row < rows_; ++row) {
      for (std::size_t column = 0; column < columns_; ++column) {
        const Point centre{kCell * static_cast<double>(column), kCell * static_cast<double>(row)};
        double least = std::numeric_limits<double>::infinity();
        for (const auto& p : ink)
          least = std::min(least, (p.x - centre.x) * (p.x - centre.x) + (p.y - centre.y) * (p.y - centre.y));
        distance_.push_back(std::sqrt(least));
      }
    }
  }

  double around(const std::vector<Point>& probes) const {
    double least = std::numeric_limits<double>::infinity();
    for (const auto& p : probes) least = std::min(least, at(p));
    return least;
  }

 private:
  static constexpr double kCell = 3;

  double at(Point p) const {
    const auto nearest = [](double place, std::size_t count) {
      return std::min(count - 1, static_cast<std::size_t>(std::max(0.0, place / kCell + 0.5)));
    };
    return distance_[nearest(p.y, rows_) * columns_ + nearest(p.x, columns_)];
  }

  std::size_t columns_;
  std::size_t rows_;
  std::vector<double> distance_;
};

// A guide and the left end of its label, on the page.
struct Placed {
  Point start;
  Point end;
  Point label;
};

// The guide and its label as points to keep clear of the data; empty when they leave the frame.
std::vector<Point> probes_of(const Placed& guide, double label_width, const PanelFrame& frame) {
  constexpr double kMargin = 8;
  const double right = guide.label.x + label_width;
  const auto inside = [&](double y) { return y > kMargin && y < frame.height - kMargin; };
  if (guide.start.x < kMargin || right > frame.width - kMargin) return {};
  if (!inside(guide.start.y) || !inside(guide.end.y)) return {};
  std::vector<Point> probes;
  add_stroke(probes, guide.start, guide.end);
  add_stroke(probes, guide.label, {right, guide.label.y});
  return probes;
}

// Where a guide of this extent has the most white space around it, if it has enough.
std::optional<Placed> best_place(const WhiteSpace& space, const PanelFrame& frame, double run, double rise,
                                 double label_width) {
  constexpr double kStep = 6;
  constexpr double kGap = 4;  // between a line and its label
  constexpr double kHalfText = 5;
  double best = kLeast;
  std::optional<Placed> place;
  for (double x = kStep; x < frame.width; x += kStep) {
    for (double y = kStep; y < frame.height; y += kStep) {
      const Point start{x, y};
      const Point end{x + run, y + rise};
      // Right of the lower end; or right of the upper one, where a falling line has left the text's height.
      const double beside = kGap + kHalfText * run / std::abs(rise);
      for (const Point label : {Point{end.x + kGap, end.y}, Point{start.x + beside, start.y}}) {
        if (rise >= 0 && label.y == start.y) continue;
        const Placed guide{start, end, label};
        const auto probes = probes_of(guide, label_width, frame);
        const double clear = probes.empty() ? 0 : space.around(probes);
        if (clear <= best) continue;
        best = clear;
        place = guide;
        if (best >= kClear) return place;
      }
    }
  }
  return place;
}

}  // namespace

std::vector<std::optional<GuideLine>> place_guides(const Panel& panel, const PanelFrame& frame,
                                                   const std::vector<double>& label_widths) {
  constexpr double kShortest = 16;  // points; a slope is not seen in less
  auto ink = ink_of(panel, frame);
  std::vector<std::optional<GuideLine>> lines(panel.guides.size());
  const double steepness = std::log(frame.x.high / frame.x.low) / std::log(frame.y.high / frame.y.low) *
                           frame.height / frame.width;  // of slope 1, on the page
  for (std::size_t g = 0; g < panel.guides.size(); ++g) {
    const WhiteSpace space(ink, frame);
    for (const double width : {0.28, 0.2, 0.14, 0.1, 0.07, 0.05}) {
      const double run = width * frame.width;
      const double rise = run * steepness * panel.guides[g].slope;
      if (std::hypot(run, rise) < kShortest) break;
      const auto place = best_place(space, frame, run, rise, label_widths[g]);
      if (!place) continue;
      const auto at_x = [&](double page) { return at_fraction(page / frame.width, frame.x, true); };
      const auto at_y = [&](double page) { return at_fraction(page / frame.height, frame.y, true); };
      lines[g] = GuideLine{at_x(place->start.x), at_y(place->start.y), at_x(place->end.x),
                           at_y(place->end.y),   at_x(place->label.x), at_y(place->label.y)};
      const auto probes = probes_of(*place, label_widths[g], frame);
      ink.insert(ink.end(), probes.begin(), probes.end());
      break;
    }
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
