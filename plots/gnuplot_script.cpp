#include "plots/gnuplot_script.hpp"

#include "plots/axes.hpp"
#include "plots/gnuplot_words.hpp"
#include "plots/layout.hpp"
#include "plots/page_script.hpp"
#include "plots/palette.hpp"
#include "plots/placement.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>

namespace attngap {
namespace {

constexpr const char* kGrey = "#707070";

// The formats differ only in how many of their units make a point (1/72 inch).
constexpr double kSvgUnits = 96.0 / 72;   // CSS pixels
constexpr double kPngUnits = 300.0 / 72;  // print resolution; the terminal takes fonts in units of 1/96 inch

std::string terminals(const Layout& layout, const std::string& name,
                      const std::vector<std::string>& formats) {
  std::string script;
  for (const auto& format : formats) {
    std::string terminal;
    if (format == "svg") {
      terminal =
          fmt::format("svg size {:.0f},{:.0f} font typeface.',{:.4g}' linewidth 1.2 background '#ffffff'",
                      layout.width * kSvgUnits, layout.height * kSvgUnits, layout.font * kSvgUnits);
    } else if (format == "png") {
      terminal =
          fmt::format("pngcairo size {:.0f},{:.0f} font typeface.',{:.4g}' fontscale {:.4g} linewidth 3.5",
                      layout.width * kPngUnits, layout.height * kPngUnits, layout.font, kPngUnits * 72 / 96) +
          " pointscale 4";
    } else {
      terminal = fmt::format(
          "pdfcairo size {:.4f}in,{:.4f}in font typeface.',{:.4g}' fontscale 0.75 linewidth 1.8 "
          "pointscale 0.9",
          layout.width / 72, layout.height / 72, layout.font);
    }
    say(script, fmt::format("if (format eq '{}') {{ set terminal {}; set output {} }}", format, terminal,
                            literal("./" + name + "." + format)));
  }
  return script;
}

// Draws one panel of a figure; `first_row` is where the panel's rows begin in the data file.
class PanelScript {
 public:
  PanelScript(const Figure& figure, const Layout& layout, std::size_t index, std::size_t first_row)
      : figure_(figure),
        layout_(layout),
        panel_(figure.panels[index]),
        box_(layout.frames[index]),
        index_(index),
        row_(first_row),
        x_(x_range(panel_)),
        y_(panel_.y_range ? *panel_.y_range : y_range({&panel_, 1})) {}

  std::string text() {
    axes();
    titles();
    baselines();
    guides();
    curves();
    say(script_, "unset label; unset arrow");
    if (panel_.asinh_x > 0) say(script_, "unset nonlinear x");
    return script_;
  }

 private:
  bool at_left() const { return !figure_.small_multiples || index_ % layout_.columns == 0; }
  bool at_bottom() const {
    return !figure_.small_multiples || index_ + layout_.columns >= figure_.panels.size();
  }

  void axes() {
    say(script_, fmt::format("set lmargin at screen {:.5f}; set rmargin at screen {:.5f}",
                             box_.left / layout_.width, (box_.left + box_.width) / layout_.width));
    say(script_, fmt::format("set bmargin at screen {:.5f}; set tmargin at screen {:.5f}",
                             box_.bottom / layout_.height, (box_.bottom + box_.height) / layout_.height));
    say(script_, fmt::format("set {} x; set {} y", panel_.log_x ? "logscale" : "nologscale",
                             panel_.log_y ? "logscale" : "nologscale"));
    if (panel_.asinh_x > 0)
      say(script_,
          fmt::format("set nonlinear x via asinh(x/{0:.6g}) inverse {0:.6g}*sinh(x)", panel_.asinh_x));
    say(script_, fmt::format("bottom = {:.6g}; top = {:.6g}; lowest = {}", y_.low, y_.high,
                             panel_.log_y ? "0" : "-1e300"));
    say(script_, fmt::format("set xrange [{:.6g}:{:.6g}]; set yrange [bottom:top]", x_.low, x_.high));
    auto across = x_ticks(panel_, std::max<std::size_t>(2, static_cast<std::size_t>(box_.width / 26)));
    if (!at_bottom()) blank(across);
    say(script_, "set xtics nomirror " + tick_list(across));
    if (!panel_.y_numbers) {
      say(script_, "unset ytics");
    } else if (panel_.log_y) {
      auto up = log_ticks(y_);
      if (!at_left()) blank(up);
      say(script_, "set ytics nomirror " + tick_list(up));
    } else {
      say(script_, at_left() ? "set ytics nomirror autofreq; set format y '%g'"
                             : "set ytics nomirror autofreq; set format y ''");
    }
  }

  // A label of one blank keeps the mark a major one.
  static void blank(std::vector<Tick>& ticks) {
    for (auto& tick : ticks) {
      if (!tick.label.empty()) tick.label = " ";
    }
  }

  void titles() {
    const double middle = box_.left + box_.width / 2;
    const double line = 10;
    double above = box_.bottom + box_.height + 7;
    const auto& note = layout_.notes[index_];
    for (auto text = note.rbegin(); text != note.rend(); ++text, above += line) {
      say(script_, page_label(layout_, literal(*text), middle, above, "center textcolor rgb grey"));
    }
    if (!panel_.title.empty())
      say(script_, page_label(layout_, literal(panel_.title), middle, above, "center"));
    if (figure_.small_multiples) return;
    say(script_,
        page_label(layout_, literal(panel_.x_title), middle, box_.bottom - layout_.x_title_drop, "center"));
    const auto room = static_cast<std::size_t>(box_.height / text_width("x", 0.9 * layout_.font));
    say(script_,
        page_label(layout_, literal_lines(wrapped(panel_.y_title, room)), box_.left - layout_.y_title_shift,
                   box_.bottom + box_.height / 2, "center rotate by 90"));
  }

  void baselines() {
    std::vector<double> heights;
    std::vector<std::string> labels;
    for (std::size_t b = 0; b < panel_.baselines.size(); ++b) {
      const auto& baseline = panel_.baselines[b];
      if (!drawable(baseline.y, panel_.log_y)) continue;
      say(script_, fmt::format("set arrow from graph 0,first {0:.6g} to graph 1,first {0:.6g} nohead back "
                               "linecolor rgb grey linewidth 1 dashtype {1}",
                               baseline.y, kBaselineDashes[b % kBaselineDashes.size()]));
      heights.push_back(box_.bottom + box_.height * fraction(baseline.y, y_, panel_.log_y));
      labels.push_back(baseline.label);
    }
    if (figure_.small_multiples) return;
    heights = spread(heights, layout_.font + 1, box_.bottom, box_.bottom + box_.height);
    for (std::size_t b = 0; b < labels.size(); ++b) {
      say(script_, page_label(layout_, literal(labels[b]), box_.left + box_.width + 4, heights[b],
                              "left textcolor rgb grey"));
    }
  }

  void guides() {
    std::vector<double> widths;
    for (const auto& guide : panel_.guides) widths.push_back(text_width(guide.label, layout_.font));
    const auto lines = place_guides(panel_, {box_.width, box_.height, x_, y_}, widths);
    for (std::size_t g = 0; g < lines.size(); ++g) {
      if (!lines[g]) continue;
      const auto& line = *lines[g];
      say(script_, fmt::format("set arrow from {:.6g},{:.6g} to {:.6g},{:.6g} nohead linecolor rgb grey "
                               "linewidth 0.8",
                               line.x0, line.y0, line.x1, line.y1));
      say(script_, fmt::format("set label {} at {:.6g},{:.6g} front left noenhanced textcolor rgb grey",
                               literal(panel_.guides[g].label), line.label_x, line.label_y));
    }
  }

  // Bands and tiles first, so that none lies over a curve.
  void curves() {
    std::vector<std::string> under{"NaN notitle"};  // a plot command needs something to plot
    std::vector<std::string> over;
    for (const auto& series : panel_.series) {
      std::size_t shown = 0;
      for (std::size_t i = 0; i < std::min(series.x.size(), series.y.size()); ++i) {
        shown += drawable(series.x[i], panel_.log_x) && drawable(series.y[i], panel_.log_y && !panel_.zeros)
                     ? 1
                     : 0;
      }
      const std::string rows = fmt::format("data skip 1 every ::{}::{}", row_, row_ + series.x.size() - 1);
      row_ += series.x.size();
      if (shown == 0) continue;
      if (series.look == Look::heat) {
        heat(rows, series, under);
      } else if (series.look == Look::tiles) {
        tiles(rows, series, under, over);
      } else {
        curve(rows, series, shown, under, over);
      }
    }
    under.insert(under.end(), over.begin(), over.end());
    say(script_, fmt::format("plot {}", fmt::join(under, ", \\\n    ")));
  }

  void curve(const std::string& rows, const Series& series, std::size_t shown,
             std::vector<std::string>& under, std::vector<std::string>& over) const {
    if (series.look == Look::dashes) {
      over.push_back(fmt::format("{} using 3:4 with lines linestyle {} dashtype (4,4) linewidth 0.7 notitle",
                                 rows, series.style + 1));
      return;
    }
    const std::string edges = "(edge(column(5))):(edge(column(6)))";
    if (!series.low.empty() && (shown == 1 || series.look == Look::points)) {
      over.push_back(fmt::format("{} using 3:4:{} with yerrorbars linestyle {} dashtype 1 notitle", rows,
                                 edges, series.style + 1));
    } else if (!series.low.empty()) {
      under.push_back(
          fmt::format("{} using 3:{} with filledcurves linestyle {} fillstyle transparent solid band_alpha "
                      "noborder notitle",
                      rows, edges, series.style + 1));
      for (const int edge : {5, 6}) {
        under.push_back(
            fmt::format("{} using 3:{} with lines linestyle {} dashtype 1 linewidth band_edge notitle", rows,
                        edge, series.style + 1));
      }
    }
    if (series.look == Look::points && !series.low.empty()) return;  // the bars have their points
    const char* how = series.look == Look::curve                                ? "linespoints"
                      : series.look == Look::line || series.look == Look::trace ? "lines"
                                                                                : "points";
    const char* y =
        panel_.zeros && series.look == Look::points ? "(column(4) < bottom ? bottom : column(4))" : "4";
    over.push_back(fmt::format("{} using 3:{} with {} linestyle {} notitle", rows, y, how, series.style + 1));
  }

  // Two colours that anyone can tell apart, white between them, and the bar that says what they mean.
  void heat(const std::string& rows, const Series& series, std::vector<std::string>& under) {
    say(script_, fmt::format("set palette defined (-1 '{}', 0 '#ffffff', 1 '{}')", kColours[0], kColours[1]));
    const double limit = panel_.heat_limit;
    say(script_, fmt::format("set cbrange [{:.6g}:{:.6g}]", -limit, limit));
    say(script_, fmt::format("set cbtics scale 0.5 ('−{0:.3g}' {1:.6g}, '0' 0, '{0:.3g}' {2:.6g})", limit,
                             -limit, limit));
    say(script_, fmt::format("set colorbox user origin screen {:.5f},{:.5f} size screen {:.5f},{:.5f}",
                             (box_.left + box_.width + 6) / layout_.width, box_.bottom / layout_.height,
                             8 / layout_.width, box_.height / layout_.height));
    const auto varies = [](const std::vector<double>& values) {
      return std::any_of(values.begin(), values.end(), [&](double value) { return value != values.front(); });
    };
    if (varies(series.x) && varies(series.y)) {
      under.push_back(fmt::format("{} using 3:4:7 with image notitle", rows));
    } else {  // which gnuplot takes for no image
      under.push_back(
          fmt::format("{} using 3:4:({:.10g}):({:.10g}):7 with boxxyerror fillstyle solid noborder "
                      "linecolor palette notitle",
                      rows, panel_.tile_width / 2, panel_.tile_height / 2));
    }
  }

  // In black and white the shapes, on every fourth tile each way, tell regions apart.
  void tiles(const std::string& rows, const Series& series, std::vector<std::string>& under,
             std::vector<std::string>& over) const {
    under.push_back(
        fmt::format("{} using 3:4:({:.10g}):({:.10g}) with boxxyerror linestyle {} dashtype 1 "
                    "fillstyle solid tile_fill noborder notitle",
                    rows, panel_.tile_width / 2, panel_.tile_height / 2, series.style + 1));
    const auto [x, y] = first_tile();
    over.push_back(
        fmt::format("{} using 3:(int((column(3)-({:.10g}))/{:.10g}+0.5)%4==2 && "
                    "int((column(4)-({:.10g}))/{:.10g}+0.5)%4==2 "
                    "? column(4) : NaN) with points linestyle {} notitle",
                    rows, x, panel_.tile_width, y, panel_.tile_height, series.style + 1));
  }

  // The lower left tile of the panel.
  std::pair<double, double> first_tile() const {
    std::pair<double, double> first{1e300, 1e300};
    for (const auto& series : panel_.series) {
      for (const double x : series.x) first.first = std::min(first.first, x);
      for (const double y : series.y) first.second = std::min(first.second, y);
    }
    return first;
  }

  const Figure& figure_;
  const Layout& layout_;
  const Panel& panel_;
  const Box& box_;
  std::size_t index_;
  std::size_t row_;
  Range x_;
  Range y_;
  std::string script_;
};

}  // namespace

std::string csv_field(const std::string& text) {
  std::string field;
  for (const char c : text) {
    if (c == '"') field += '"';
    field += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return field.find_first_of(",\"") == std::string::npos ? field : "\"" + field + "\"";
}

std::string gnuplot_script(const Figure& figure, const std::string& name,
                           const std::vector<std::string>& formats) {
  const Layout layout = lay_out(figure);
  std::string script =
      "# Draws the numbers of the .csv file beside it. Restyle at will and run gnuplot on this file, in its\n"
      "# directory. Rows of the data are taken by their position (every ::FIRST::LAST), not by name.\n"
      "reset\nset encoding utf8\nset datafile separator comma\n";
  script +=
      fmt::format("data = {}\nformats = '{}'\n", literal("./" + name + ".csv"), fmt::join(formats, " "));
  script += fmt::format(
      "typeface = 'DejaVu Sans'\ntitle_size = {:g}\ngrey = '{}'\nband_alpha = 0.13\nband_edge = "
      "0.3\ntile_fill = 0.45\n",
      1.2 * layout.font, kGrey);
  script += "edge(v) = v <= lowest ? bottom : v > 1e300 ? top : v\n$sample << EOD\n0\n1\n2\nEOD\n";
  script += style_lines(figure, layout);
  script += "set border 3 linewidth 0.6\nset tics scale 0.6,0.3\n";
  script += "unset key\n\ndo for [format in formats] {\n";
  script += terminals(layout, name, formats);
  say(script, fmt::format("text_unit = format eq 'svg' ? {:.6g} : 1", kSvgUnits));
  say(script, "set multiplot");
  script += page_titles(figure, layout);
  script += legend(figure, layout);
  std::size_t row = 0;
  for (std::size_t i = 0; i < figure.panels.size(); ++i) {
    script += PanelScript(figure, layout, i, row).text();
    for (const auto& series : figure.panels[i].series) row += series.x.size();
    row += figure.panels[i].baselines.size();
  }
  say(script, "unset multiplot");
  say(script, "unset output");
  return script + "}\n";
}

}  // namespace attngap
