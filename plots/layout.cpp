#include "plots/layout.hpp"

#include "plots/placement.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace attngap {
namespace {

constexpr double kLine = 11;        // from one line of text to the next
constexpr double kTitleLine = 13;   // the same of a title
constexpr double kUnderOrigin = 3;  // between the origin of a figure and its title
constexpr double kTickLabels = 36;  // left of the axes
constexpr double kSample = 30;      // of a legend entry
constexpr double kRim = 8;          // of the page
constexpr double kColourBar = 58;   // of a heat map, with its numbers and title
constexpr double kLegendGap = 14;   // between its columns
constexpr std::size_t kLegendColumns = 6;

bool any_title(const Figure& figure) {
  return std::any_of(figure.panels.begin(), figure.panels.end(),
                     [](const Panel& p) { return !p.title.empty(); });
}

bool has_heat_map(const Figure& figure) {
  return std::any_of(figure.panels.begin(), figure.panels.end(), [](const Panel& panel) {
    return std::any_of(panel.series.begin(), panel.series.end(),
                       [](const Series& series) { return series.look == Look::heat; });
  });
}

// Directly labelled baselines need room right of the axes.
double right_of_axes(const Panel& panel, const Figure& figure, double font) {
  if (figure.small_multiples) return 2 * kRim;  // the last tick label of one panel and the first of the next
  // Panels without a heat map as well: their keys stand below one another.
  if (has_heat_map(figure)) return kColourBar;
  // Half of the last tick label lies beyond the axes, which end a little after the last tick.
  const double last =
      panel.x_ticks.empty() ? 0 : *std::max_element(panel.x_ticks.begin(), panel.x_ticks.end());
  const std::string label =
      panel.x_tick_labels.empty() ? fmt::format("{:.0f}", last) : panel.x_tick_labels.back();
  double room = std::max(kRim, 0.5 * text_width(label, font));
  for (const auto& baseline : panel.baselines) room = std::max(room, kRim + text_width(baseline.label, font));
  return room;
}

std::vector<LegendEntry> legend_entries(const Figure& figure) {
  std::vector<LegendEntry> entries;
  const auto add = [&](const std::string& label, std::size_t style, bool baseline, bool marked, bool lined) {
    const auto known = std::find_if(entries.begin(), entries.end(), [&](const LegendEntry& e) {
      return e.label == label && e.baseline == baseline;
    });
    if (known == entries.end()) {
      entries.push_back({label, style, baseline, marked, lined, 0, 0});
    } else {
      known->marked = known->marked || marked;
      known->lined = known->lined || lined;
    }
  };
  for (const auto& panel : figure.panels) {
    for (const auto& series : panel.series) {
      if (series.look != Look::dashes && series.look != Look::heat)
        add(series.label, series.style, false, series.look != Look::trace && series.look != Look::line,
            series.look != Look::points);
    }
  }
  std::stable_sort(entries.begin(), entries.end(),
                   [](const auto& a, const auto& b) { return a.style < b.style; });
  if (!figure.small_multiples) return entries;
  for (const auto& panel : figure.panels) {
    for (std::size_t b = 0; b < panel.baselines.size(); ++b)
      add(panel.baselines[b].label, b, true, false, true);
  }
  return entries;
}

// The left ends of the columns of a legend, and after them its right end.
std::vector<double> legend_columns(const Layout& layout, std::size_t columns) {
  std::vector<double> ends{0};
  for (std::size_t c = 0; c < columns; ++c) {
    double widest = 0;
    for (std::size_t i = c; i < layout.legend.size(); i += columns) {
      widest = std::max(widest, text_width(layout.legend[i].label, layout.font));
    }
    ends.push_back(ends.back() + kSample + widest + kLegendGap);
  }
  ends.back() -= kLegendGap;
  return ends;
}

// Rows are filled first: a reader finds the k-th estimator where the k-th is in every figure of a run.
double place_legend(Layout& layout) {
  const std::size_t count = layout.legend.size();
  if (count == 0) return 0;
  const double room = layout.width - 2 * kRim;
  std::size_t columns = std::min<std::size_t>(count, kLegendColumns);
  while (columns > 1 && legend_columns(layout, columns).back() > room) --columns;
  const std::size_t rows = (count + columns - 1) / columns;
  columns = (count + rows - 1) / rows;  // even rows
  const auto ends = legend_columns(layout, columns);
  const double left = (layout.width - ends.back()) / 2;
  const double height = static_cast<double>(rows) * (kLine + 1);
  for (std::size_t i = 0; i < count; ++i) {
    layout.legend[i].x = left + ends[i % columns];
    layout.legend[i].y = kRim + height - (kLine + 1) * (static_cast<double>(i / columns) + 0.5);
  }
  return height + kRim;
}

double y_title_room(const Figure& figure) {
  return figure.small_multiples ? 26 : 28;
}

double left_of_axes(const Figure& figure) {
  return kRim + y_title_room(figure) + kTickLabels - 6;
}

// From one column of panels to the next.
double column_width(const Layout& layout, const Figure& figure) {
  const double shared = figure.small_multiples ? left_of_axes(figure) : 0;
  return (layout.width - shared) / static_cast<double>(layout.columns);
}

double panel_height(const Layout& layout, const Figure& figure) {
  if (figure.panel_height > 0) return figure.panel_height;
  return figure.small_multiples ? std::clamp(0.7 * column_width(layout, figure), 95.0, 160.0) : 195;
}

// Frames from the top row down; the page's height must be known.
void place_frames(Layout& layout, const Figure& figure, double top, double row_height) {
  const double shared = figure.small_multiples ? left_of_axes(figure) : 0;
  const double left = figure.small_multiples ? 0 : left_of_axes(figure);
  const double column = column_width(layout, figure);
  const double height = panel_height(layout, figure);
  layout.y_title_shift = kTickLabels + y_title_room(figure) / 2 - 2;
  for (std::size_t i = 0; i < figure.panels.size(); ++i) {
    const double right = right_of_axes(figure.panels[i], figure, layout.font);
    const double origin = shared + static_cast<double>(i % layout.columns) * column;
    const double bottom = top - static_cast<double>(i / layout.columns) * row_height - height;
    layout.frames.push_back({origin + left, bottom, column - left - right, height});
  }
}

// In as few lines as `wrapped`, of about equal length.
std::vector<std::string> balanced(const std::string& text, std::size_t width) {
  const std::size_t fewest = wrapped(text, width).size();
  while (width > 1 && wrapped(text, width - 1).size() == fewest) --width;
  return wrapped(text, width);
}

double lines_height(const std::vector<std::string>& lines, double each) {
  return each * static_cast<double>(lines.size());
}

}  // namespace

double text_width(const std::string& text, double font) {
  return 0.61 * font * static_cast<double>(text_length(text));
}

Layout lay_out(const Figure& figure) {
  Layout layout;
  const std::size_t count = std::max<std::size_t>(figure.panels.size(), 1);
  layout.columns = figure.columns == 0 ? count : std::min(figure.columns, count);
  const std::size_t rows = (count + layout.columns - 1) / layout.columns;
  const auto characters = [&](double width) {
    return static_cast<std::size_t>(width / text_width("x", layout.font));
  };
  const double page = layout.width - 2 * kRim;
  layout.heading = balanced(figure.origin.heading, characters(page) * 10 / 12);
  layout.source = balanced(figure.origin.source, characters(page));
  layout.title = wrapped(figure.title, characters(page) * (layout.heading.empty() ? 10 : 12) / 12);

  std::size_t note_lines = 0;
  for (const auto& panel : figure.panels) {
    const double room = layout.width / static_cast<double>(layout.columns) - kRim - kTickLabels;
    layout.notes.push_back(wrapped(panel.note, characters(room)));
    note_lines = std::max(note_lines, layout.notes.back().size());
  }
  const double head = 4 + kLine * static_cast<double>(note_lines) + (any_title(figure) ? kLine : 0);
  const double origin = lines_height(layout.heading, kTitleLine) + lines_height(layout.source, kLine) +
                        (layout.heading.empty() ? 0 : kUnderOrigin);
  const double titles =
      origin + lines_height(layout.title, kTitleLine) + (figure.subtitle.empty() ? 0 : kLine);
  const double foot = figure.small_multiples ? 5 : 30;
  const double row_height = head + panel_height(layout, figure) + foot;
  layout.x_title_drop = 22;

  layout.legend = legend_entries(figure);
  const double legend_height = place_legend(layout);
  const double under = figure.small_multiples ? 25 : 4;
  layout.height = kRim + titles + static_cast<double>(rows) * row_height + under + legend_height;
  layout.heading_top = layout.height - kRim;
  layout.source_top = layout.heading_top - lines_height(layout.heading, kTitleLine);
  layout.title_top = layout.heading_top - origin;
  layout.subtitle_top = layout.title_top - lines_height(layout.title, kTitleLine);
  place_frames(layout, figure, layout.height - kRim - titles - head, row_height);
  return layout;
}

}  // namespace attngap
