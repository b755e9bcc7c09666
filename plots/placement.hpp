#pragma once

#include "plots/figure.hpp"

#include <optional>
#include <string>
#include <vector>

namespace attngap {

/// A panel's rectangle of data, in points (1/72 inch) for distances and in data units for its axes.
struct PanelFrame {
  double width = 1;
  double height = 1;
  Range x;
  Range y;
};

/// A slope guide with a place: its ends, and the left end of its label, in data coordinates.
struct GuideLine {
  double x0 = 0;
  double y0 = 0;
  double x1 = 0;
  double y1 = 0;
  double label_x = 0;
  double label_y = 0;
};

/// Puts a panel's slope guides, each with its label (of that width, in points) right of one of its ends,
/// clear of curves, bands, baselines and one another: as long as the white space allows, and nowhere when it
/// allows none.
std::vector<std::optional<GuideLine>> place_guides(const Panel& panel, const PanelFrame& frame,
                                                   const std::vector<double>& label_widths);

/// Moves heights apart until neighbours are at least `gap` apart, as little as possible and inside
/// [low, high] where there is room; keeps their order.
std::vector<double> spread(std::vector<double> heights, double gap, double low, double high);

/// The number of characters (code points) of a UTF-8 text.
std::size_t text_length(const std::string& text);

/// Cuts a text at line breaks, and at blanks into lines of at most `width` characters; a longer word stays
/// whole.
std::vector<std::string> wrapped(const std::string& text, std::size_t width);

}  // namespace attngap
