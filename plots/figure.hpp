#pragma once

#include "plots/figure_origin.hpp"

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace attngap {

/// An interval of an axis, low < high.
struct Range {
  double low = 0;
  double high = 1;
};

/// How a series is drawn.
enum class Look {
  curve,   ///< points joined by lines, in a band
  line,    ///< a line alone: what is known in closed form
  points,  ///< points with bars from `low` to `high`: what was measured
  dashes,  ///< a thin dashed line without marks, not in the legend: what theory predicts of a curve
  trace,   ///< a line without marks, in a band: many measured points, or a density over its base line
  heat,    ///< cells of the panel's tile size coloured by `value`, on a full grid
  tiles    ///< rectangles of the panel's tile size centred on the points: a region of a map
};

/// One curve. Values that are not finite (or not positive on a logarithmic axis) stay in the data file and
/// leave a gap in the curve.
struct Series {
  std::string label;
  std::vector<double> x;
  std::vector<double> y;
  std::vector<double> low;   ///< lower edge of the band, one per point; empty: no band
  std::vector<double> high;  ///< upper edge of the band
  std::size_t style = 0;     ///< colour, dash and point shape; give a series the same one in every figure
  Look look = Look::curve;
  std::vector<double> value = {};  ///< of Look::heat: what the colour says
};

/// A horizontal line: what something that needs no x achieves.
struct Baseline {
  std::string label;
  double y = 0;
};

/// A thin grey line of this slope on log-log axes, put where no data are.
struct SlopeGuide {
  double slope = -1;
  std::string label;
};

/// One pair of axes.
struct Panel {
  std::string name;   ///< the column `panel` of the data file, e.g. relative_mse
  std::string title;  ///< may be empty
  std::string x_title;
  std::string y_title;
  bool log_x = true;
  bool log_y = true;
  std::vector<Series> series;
  std::vector<Baseline> baselines;
  std::vector<SlopeGuide> guides;
  std::string note;             ///< printed above the axes, e.g. which series are absent and why
  std::vector<double> x_ticks;  ///< the x that were used; empty: every x of the series
  std::vector<std::string> x_tick_labels = {};  ///< of `x_ticks`; empty: their numbers
  std::optional<Range> y_range;                 ///< none: as the data need
  bool zeros = false;     ///< points below `y_range` lie on its lower end: 0, which a logarithm does not have
  double asinh_x = 0;     ///< above 0: x is drawn as asinh(x/this), linear within it, logarithmic beyond
  bool y_numbers = true;  ///< whether the y axis has numbers
  double heat_limit = 1;  ///< of Look::heat: the colours run from −this to this
  double tile_width = 0;  ///< of Look::tiles and Look::heat, in units of x
  double tile_height = 0;
};

/// What a reader sees: a title and panels that share one legend.
struct Figure {
  FigureOrigin origin;  ///< above the title
  std::string title;
  std::string subtitle;
  std::vector<Panel> panels;
  std::size_t columns = 0;  ///< panels side by side; 0: all of them
  double panel_height = 0;  ///< of the axes, in points; 0: as usual
  /// Many panels of the same axes: titles and tick labels only at the rim, baselines in the legend. Such
  /// panels should have one `y_range`.
  bool small_multiples = false;
};

/// What `write_figure` left behind.
struct WrittenFigure {
  std::vector<std::filesystem::path> paths;  ///< NAME.csv, NAME.gp and the images
  std::string message;                       ///< how to get the images where gnuplot is absent; else empty
};

/// The image formats `write_figure` knows.
const std::vector<std::string>& known_formats();

/// The tidy data of a figure, `panel,series,x,y,low,high`, numbers with all their digits; with a heat map a
/// column `value` more. Baselines are rows without x; the series of a line has ", closed form" after its
/// label.
std::string figure_csv(const Figure& figure);

/// Writes `directory`/NAME.csv (the data), NAME.gp (a gnuplot script that needs only NAME.csv beside it) and
/// NAME.FORMAT for every format. Each file appears whole or not at all. Without gnuplot on the PATH the first
/// two are written and the message tells how to get the images.
///
/// Throws std::runtime_error on an unknown format, a name that is no file name, a directory that cannot be
/// written, and with gnuplot's own words when gnuplot fails.
WrittenFigure write_figure(const Figure& figure, const std::filesystem::path& directory,
                           const std::string& name, const std::vector<std::string>& formats);

/// How to get images of these scripts on a machine that has no gnuplot yet.
std::string missing_gnuplot_message(const std::filesystem::path& directory,
                                    const std::vector<std::string>& names);

}  // namespace attngap
