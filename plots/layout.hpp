#pragma once

#include "plots/figure.hpp"

#include <string>
#include <vector>

namespace attngap {

/// A rectangle on the page in points (1/72 inch) from its lower left corner.
struct Box {
  double left = 0;
  double bottom = 0;
  double width = 0;
  double height = 0;
};

/// One line of the legend.
struct LegendEntry {
  std::string label;
  std::size_t style = 0;
  bool baseline = false;
  bool marked = true;  ///< whether its points are
  bool lined = true;   ///< whether they are joined, or a line is all there is
  double x = 0;        ///< where its sample starts, in points
  double y = 0;
};

/// Where everything of a figure goes. All lengths in points; the page is as wide as two columns of a paper.
struct Layout {
  double width = 518;
  double height = 0;
  double font = 8;
  std::vector<std::string> heading;  ///< of a figure of a paper; cut into lines, as all titles
  std::vector<std::string> source;
  std::vector<std::string> title;
  double heading_top = 0;
  double source_top = 0;
  double title_top = 0;
  double subtitle_top = 0;
  std::vector<Box> frames;  ///< the axes' rectangles, one per panel
  std::vector<std::vector<std::string>> notes;
  std::vector<LegendEntry> legend;
  double x_title_drop = 0;   ///< from the axes down to the x title's middle
  double y_title_shift = 0;  ///< from the axes left to the y title's middle
  std::size_t columns = 1;
};

/// The width of a text in points, estimated on the safe side (the script cannot ask for a font's metrics).
double text_width(const std::string& text, double font);

/// Lays a figure out.
Layout lay_out(const Figure& figure);

}  // namespace attngap
