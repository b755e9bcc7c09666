#include "plots/page_script.hpp"

#include "plots/gnuplot_words.hpp"
#include "plots/palette.hpp"
#include "plots/placement.hpp"

#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

namespace attngap {
namespace {

const char* colour_of(std::size_t style) {
  const std::size_t count = kColours.size();
  return style / count % 2 == 0 ? kColours[style % count] : kDarkColours[style % count];
}

std::string style_line(std::size_t style, bool small) {
  return fmt::format(
      "set style line {} linecolor rgb '{}' linewidth {} dashtype {} pointtype {} pointsize {}\n", style + 1,
      colour_of(style), small ? 1 : 1.3, kDashes[style % kDashes.size()], kShapes[style % kShapes.size()],
      small ? 0.4 : 0.55);
}

// Lines in the middle of the page, the first at `y`.
struct TitleLines {
  std::vector<std::string> lines;
  double y = 0;
  double step = 0;
  std::string how;
};

void title_lines(std::string& script, const Layout& layout, const TitleLines& titles) {
  double y = titles.y;
  for (const std::string& line : titles.lines) {
    say(script, page_label(layout, literal(line), layout.width / 2, y, titles.how));
    y -= titles.step;
  }
}

}  // namespace

std::string page_titles(const Figure& figure, const Layout& layout) {
  const std::string large = "center font typeface.sprintf(',%g', title_size*text_unit)";
  const std::string grey = "center textcolor rgb grey";
  const bool has_origin = !layout.heading.empty();
  std::string script;
  title_lines(script, layout, {layout.heading, layout.heading_top - 5, 13, large});
  title_lines(script, layout, {layout.source, layout.source_top - 5, 11, grey});
  // Of a figure of a paper the heading is the title, and the run's own title a line under it.
  title_lines(script, layout, {layout.title, layout.title_top - 5, 13, has_origin ? "center" : large});
  title_lines(script, layout, {{figure.subtitle}, layout.subtitle_top - 5, 11, grey});
  if (!figure.small_multiples || figure.panels.empty()) return script;
  const Box& first = layout.frames.front();
  const Box& last = layout.frames.back();
  const double right = layout.frames[layout.columns - 1].left + layout.frames[layout.columns - 1].width;
  say(script, page_label(layout, literal(figure.panels.front().x_title), (first.left + right) / 2,
                         last.bottom - layout.x_title_drop, "center"));
  const double height = first.bottom + first.height - last.bottom;
  const auto room = static_cast<std::size_t>(height / text_width("x", 0.9 * layout.font));
  say(script, page_label(layout, literal_lines(wrapped(figure.panels.front().y_title, room)),
                         first.left - layout.y_title_shift, last.bottom + height / 2, "center rotate by 90"));
  return script;
}

std::string legend(const Figure& figure, const Layout& layout) {
  std::string script;
  std::vector<std::string> samples{"NaN notitle"};
  for (const auto& entry : layout.legend) {
    say(script, page_label(layout, literal(entry.label), entry.x + 28, entry.y, "left"));
    const std::string at = fmt::format("using ({:.2f}+12*$1):({:.2f})", entry.x, entry.y);
    // As an arrow: cairo cuts the left end of a plotted line aslant.
    if (entry.lined)
      say(script,
          fmt::format("set arrow from first {:.2f},{:.2f} to first {:.2f},{:.2f} nohead {}", entry.x, entry.y,
                      entry.x + 24, entry.y,
                      entry.baseline ? fmt::format("linecolor rgb grey linewidth 1 dashtype {}",
                                                   kBaselineDashes[entry.style % kBaselineDashes.size()])
                                     : fmt::format("linestyle {}", entry.style + 1)));
    if (!entry.marked) continue;
    // White under the mark, or the dash would be seen through an open one.
    samples.push_back(fmt::format(
        "$sample every ::1::1 {}:({}) with circles fillcolor rgb '#ffffff' fillstyle solid noborder "
        "notitle",
        at, figure.small_multiples ? 1.4 : 1.9));
    samples.push_back(
        fmt::format("$sample every ::1::1 {} with points linestyle {} notitle", at, entry.style + 1));
  }
  say(script,
      "set lmargin at screen 0; set rmargin at screen 1; set bmargin at screen 0; set tmargin at screen 1");
  say(script,
      fmt::format("unset logscale; unset border; unset tics; set xrange [0:{}]; set yrange [0:{:.6g}]",
                  layout.width, layout.height));
  say(script, fmt::format("plot {}", fmt::join(samples, ", \\\n    ")));
  say(script, "unset label; unset arrow; set border 3; set tics");
  return script;
}

std::string style_lines(const Figure& figure, const Layout& layout) {
  std::set<std::size_t> styles;
  for (const auto& panel : figure.panels)
    for (const auto& series : panel.series) styles.insert(series.style);
  for (const auto& entry : layout.legend) {
    if (!entry.baseline) styles.insert(entry.style);
  }
  std::string script;
  for (const std::size_t style : styles) script += style_line(style, figure.small_multiples);
  return script;
}

}  // namespace attngap
