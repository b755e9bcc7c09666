// Figures as they are decided before anything is drawn.

#include "plots_support.hpp"

#include <fmt/format.h>

namespace attngap {
namespace {

using namespace testing;

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

TEST(FigureCsv, ParsesBackToTheSameNumbers) {
  Figure figure = small_figure();
  auto& series = figure.panels[0].series[0];
  series = {"rmfa:kernel=exp,p=2 \"x\"", {16, 33}, {1.0 / 3, 6.02e23}, {0.1, kNaN}, {1e-300, kInfinity}, 0};
  figure.panels[0].baselines.push_back({"zero", 1.0 / 7});
  const auto rows = table(figure_csv(figure));
  ASSERT_THAT(rows, SizeIs(4));
  EXPECT_THAT(rows[0], ElementsAre("panel", "series", "x", "y", "low", "high"));
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(rows[i + 1][1], series.label);
    EXPECT_EQ(std::stod(rows[i + 1][2]), series.x[i]);
    EXPECT_EQ(std::stod(rows[i + 1][3]), series.y[i]);
    EXPECT_EQ(std::stod(rows[i + 1][5]), series.high[i]);
  }
  EXPECT_TRUE(std::isnan(std::stod(rows[2][4])));
  EXPECT_EQ(rows[3][1], "zero");
  EXPECT_EQ(std::stod(rows[3][3]), 1.0 / 7);
}

// Fourteen colours; beyond them, and in black and white, dash and shape: of 35 curves any two differ in two
// of the three at least, and in the colour or the dash where there are no points.
TEST(Styles, NoTwoCurvesOfAPictureLookAlike) {
  Figure figure = small_figure();
  const Series one = figure.panels[0].series[0];
  for (std::size_t style = 1; style < 35; ++style) {
    figure.panels[0].series.push_back(one);
    figure.panels[0].series.back().label = fmt::format("curve {}", style);
    figure.panels[0].series.back().style = style;
  }
  const std::string script = gnuplot_script(figure, "a", {"svg"});
  const auto colours = between(script, "linecolor rgb '", "' linewidth 1.3");
  const auto dashes = between(script, " linewidth 1.3 dashtype ", " pointtype");
  const auto shapes = between(script, " pointtype ", " pointsize");
  ASSERT_THAT(colours, SizeIs(35));
  ASSERT_THAT(dashes, SizeIs(35));
  ASSERT_THAT(shapes, SizeIs(35));
  EXPECT_THAT(std::set(colours.begin(), colours.begin() + 14), SizeIs(14));
  for (std::size_t i = 0; i < 35; ++i)
    for (std::size_t j = 0; j < i; ++j) {
      const int same = (colours[i] == colours[j]) + (dashes[i] == dashes[j]) + (shapes[i] == shapes[j]);
      EXPECT_LE(same, 1) << i << " and " << j;
    }
}

TEST(FigureOrigin, StandsAboveTheTitleAndMakesRoomForItself) {
  Figure figure = small_figure();
  const Layout plain = lay_out(figure);
  EXPECT_THAT(gnuplot_script(figure, "a", {"svg"}), Not(HasSubstr("set label 'of a paper")));
  figure.origin = {"of a paper, Figure 2", "protocol ours"};
  const Layout layout = lay_out(figure);
  EXPECT_EQ(layout.frames[0].bottom, plain.frames[0].bottom) << "the page grows at its top";
  EXPECT_GT(layout.height, plain.height + 2 * layout.font);
  EXPECT_GT(layout.heading_top, layout.source_top);
  EXPECT_GT(layout.source_top, layout.title_top);
  EXPECT_GT(layout.title_top, layout.subtitle_top);
  const std::string script = gnuplot_script(figure, "a", {"svg"});
  EXPECT_THAT(script, AllOf(HasSubstr("set label 'of a paper, Figure 2' at"),
                            HasSubstr("set label 'protocol ours' at"), HasSubstr("set label 'a title' at")));
}

TEST(FigureOrigin, IsWrappedIntoThePage) {
  Figure figure = small_figure();
  for (int word = 0; word < 60; ++word) figure.origin.heading += "word ";
  figure.origin.source = figure.origin.heading;
  const Layout layout = lay_out(figure);
  EXPECT_GT(layout.heading.size(), 1U);
  for (const auto* lines : {&layout.heading, &layout.source})
    for (const std::string& line : *lines) EXPECT_LT(text_width(line, layout.font), layout.width);
}

TEST(GapFigure, DrawsPredictionsWhereTheyAreValidAsThinDashesOutsideTheLegend) {
  auto rows = head_rows("head");
  for (const std::int64_t m : {16, 32, 64, 128}) {
    rows.push_back(row("head", "performer", m, "predicted_relative_mse", 4.0 / static_cast<double>(m)));
    if (m < 64) rows.back().status = "not-valid";
    rows.push_back(row("head", "rfa", m, "predicted_relative_mse", 1.0));
    rows.back().status = "no-moment";
  }
  const auto figure = gap_figures(rows)[0].figure;
  const auto& panel = figure.panels[1];
  ASSERT_THAT(panel.series, SizeIs(2));  // measured and predicted performer; nothing of rfa
  EXPECT_EQ(panel.series[1].label, "performer (predicted)");
  EXPECT_EQ(panel.series[1].look, Look::dashes);
  EXPECT_EQ(panel.series[1].style, panel.series[0].style);
  EXPECT_THAT(panel.series[1].x, ElementsAre(64, 128));
  EXPECT_THAT(panel.series[1].y, ElementsAre(4.0 / 64, 4.0 / 128));
  EXPECT_THAT(panel.note, HasSubstr("predicted without a draw"));
  const std::string script = gnuplot_script(figure, "gap", {"svg"});
  EXPECT_THAT(script, HasSubstr("with lines linestyle 1 dashtype (4,4)"));
  EXPECT_EQ(script.find("(predicted)"), std::string::npos);

  const auto measured = gap_figures(head_rows("head"))[0].figure.panels[1];
  EXPECT_THAT(measured.series, SizeIs(1));
  EXPECT_EQ(measured.note.find("predicted"), std::string::npos);
}

TEST(FigureCsv, EveryRowTheScriptTakesIsOfItsSeries) {
  const auto figure = gap_figures(head_rows("head"))[0].figure;
  const auto rows = table(figure_csv(figure));
  const std::string script = gnuplot_script(figure, "gap", {"svg"});
  const auto ranges = between(script, "data skip 1 every ::", " using 3:4 with linespoints");
  const auto styles = between(script, " with linespoints linestyle ", " notitle");
  ASSERT_EQ(ranges.size(), styles.size());
  std::vector<std::string> labels;
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    const auto first = std::stoul(ranges[i]) + 1;
    const auto last = std::stoul(ranges[i].substr(ranges[i].find("::") + 2)) + 1;
    ASSERT_LT(last, rows.size());
    EXPECT_EQ(last - first, 3U);
    EXPECT_EQ(rows[first][0] + rows[first][1], rows[last][0] + rows[last][1]);
    EXPECT_EQ(rows[first][1], std::stoul(styles[i]) == 1 ? "performer" : "rfa");
    labels.push_back(rows[first][0] + "/" + rows[first][1]);
  }
  EXPECT_THAT(labels, ElementsAre("median_relative_error/performer", "median_relative_error/rfa",
                                  "relative_mse/performer"));
}

TEST(GapFigure, TheMeanSquareIsShownOnlyWhereItExists) {
  const auto figure = gap_figures(head_rows("head"))[0].figure;
  ASSERT_THAT(figure.panels, SizeIs(2));
  EXPECT_THAT(figure.panels[0].series, SizeIs(2));
  EXPECT_EQ(figure.panels[0].note, "");
  ASSERT_THAT(figure.panels[1].series, SizeIs(1));
  EXPECT_EQ(figure.panels[1].series[0].label, "performer");
  EXPECT_EQ(figure.panels[1].note, "no finite mean square: rfa");
}

TEST(GapFigure, BandsAreTheQuartilesAndTheInterval) {
  const auto figure = gap_figures(head_rows("head"))[0].figure;
  const auto& median = figure.panels[0].series[0];
  const auto& mse = figure.panels[1].series[0];
  EXPECT_THAT(median.x, ElementsAre(16, 32, 64, 128));
  EXPECT_DOUBLE_EQ(median.y[0], 0.5);
  EXPECT_DOUBLE_EQ(median.low[0], 0.5 / 1.5);
  EXPECT_DOUBLE_EQ(median.high[0], 0.5 * 1.5);
  EXPECT_DOUBLE_EQ(mse.low[0], 0.25 / 1.2);
  EXPECT_DOUBLE_EQ(mse.high[0], 0.25 * 1.2);
}

TEST(GapFigure, AValueThatIsMissingStaysAsAGap) {
  auto rows = head_rows("head");
  for (auto& r : rows) {
    if (r.draws == 32 && r.metric == "median_relative_error") r.value = kNaN;
  }
  const auto figure = gap_figures(rows)[0].figure;
  EXPECT_THAT(figure.panels[0].series[0].x, ElementsAre(16, 32, 64, 128));
  EXPECT_TRUE(std::isnan(figure.panels[0].series[0].y[1]));
}

TEST(GapFigure, BaselinesAreLinesAndNotCurves) {
  const auto figure = gap_figures(head_rows("head"))[0].figure;
  ASSERT_THAT(figure.panels[0].baselines, SizeIs(2));
  EXPECT_EQ(figure.panels[0].baselines[1].label, "mean-value");
  EXPECT_EQ(figure.panels[0].baselines[1].y, 0.75);
  EXPECT_EQ(figure.panels[1].baselines[1].y, 0.5625);
}

TEST(GapFigure, AnEstimatorWithAndWithoutDirectionsIsACurveAndALine) {
  auto rows = head_rows("head");
  for (const std::string metric : {"median_relative_error", "relative_mse"}) {
    rows.push_back(row("head", "performer", 0, metric, 0.25));
  }
  const auto figure = gap_figures(rows)[0].figure;
  for (const auto& panel : figure.panels) {
    EXPECT_THAT(panel.series[0].x, ElementsAre(16, 32, 64, 128));
    ASSERT_THAT(panel.baselines, SizeIs(3));
    EXPECT_EQ(panel.baselines[2].label, "performer");
  }
}

TEST(GapFigure, AProjectionIsNamedUnlessItIsTheUsualOne) {
  ResultRow r = row("head", "performer", 16, "mse", 1);
  EXPECT_EQ(series_label(r, false), "performer");
  r.projection = "orthogonal";
  EXPECT_EQ(series_label(r, false), "performer, orthogonal");
  EXPECT_EQ(series_label(r, true), "performer, orthogonal");
  r.target = "gated";
  EXPECT_EQ(series_label(r, true), "performer, orthogonal (target: gated)");
}

TEST(GapFigure, AnEstimatorKeepsItsStyleInEveryHead) {
  auto rows = head_rows("a");
  add_estimator(rows, "b", "rfa", "ok");  // no performer here
  const auto figures = gap_figures(rows);
  ASSERT_THAT(figures, SizeIs(2));
  EXPECT_EQ(figures[0].figure.panels[0].series[1].label, "rfa");
  EXPECT_EQ(figures[0].figure.panels[0].series[1].style, figures[1].figure.panels[0].series[0].style);
}

TEST(GapFigure, HeadsWhoseFileNamesCollideAreNumbered) {
  auto rows = head_rows("a:b");
  const auto more = head_rows("a=b");
  rows.insert(rows.end(), more.begin(), more.end());
  const auto figures = gap_figures(rows);
  EXPECT_EQ(figures[0].name, "gap_a_b");
  EXPECT_EQ(figures[1].name, "gap_a_b_2");
}

TEST_F(PlotsTest, AnExperimentWithoutAFigureIsSaid) {
  auto rows = head_rows("head");
  for (auto& r : rows) r.experiment = "no-such";
  EXPECT_THAT(draw_figures(rows, directory_, {"svg"}),
              ElementsAre("no figure is known for the experiment 'no-such'"));
  EXPECT_THAT(draw_figures({}, directory_, {"svg"}), IsEmpty());
}

TEST(Axes, AnIntervalThatReachesZeroDoesNotFlattenTheRest) {
  Panel panel;
  panel.series.push_back({"rfa", {16, 32}, {1, 0.5}, {1e-12, -3}, {2, 1e9}, 0});
  const Range range = y_range({&panel, 1});
  EXPECT_GT(range.low, 0.01);
  EXPECT_LT(range.high, 100);
}

TEST(Axes, TicksAreThePowersOfTwoThatWereUsed) {
  Panel panel;
  panel.x_ticks = {16, 24, 32, 64, 100, 128};
  std::vector<std::string> labels;
  for (const auto& tick : x_ticks(panel, 9)) labels.push_back(tick.label);
  EXPECT_THAT(labels, ElementsAre("16", "32", "64", "128"));
  labels.clear();
  for (const auto& tick : x_ticks(panel, 2)) labels.push_back(tick.label);
  EXPECT_THAT(labels, ElementsAre("", "32", "", "128"));
}

TEST(Axes, EveryLogarithmicRangeHasTwoLabels) {
  for (const double decades : {0.6, 0.9, 1.5, 2.7, 5.0, 12.0, 40.0}) {
    for (const double low : {0.0013, 0.97, 31.0}) {
      const auto ticks = log_ticks({low, low * std::pow(10, decades)});
      const auto labelled =
          std::count_if(ticks.begin(), ticks.end(), [](const Tick& t) { return !t.label.empty(); });
      EXPECT_GE(labelled, 2) << decades << " decades from " << low;
      EXPECT_LE(labelled, 9) << decades << " decades from " << low;
    }
  }
}

TEST(Placement, LabelsOfEqualBaselinesDoNotOverlap) {
  auto heights = spread({50, 50, 51, 99.5}, 9, 0, 100);
  std::sort(heights.begin(), heights.end());
  for (std::size_t i = 1; i < heights.size(); ++i) EXPECT_GE(heights[i] - heights[i - 1], 8.99);
  EXPECT_THAT(heights, Each(Ge(0)));
  EXPECT_LE(heights.back(), 100);
}

TEST(Placement, AGuideHasItsSlopeAndKeepsClearOfTheData) {
  const auto panel = gap_figures(head_rows("head"))[0].figure.panels[0];
  const PanelFrame frame{140, 195, x_range(panel), y_range({&panel, 1})};
  const auto lines = place_guides(panel, frame, {40});
  ASSERT_TRUE(lines[0]);
  EXPECT_NEAR(std::log(lines[0]->y1 / lines[0]->y0) / std::log(lines[0]->x1 / lines[0]->x0), -0.5, 1e-9);
  const double clear = 0.5 / 1.5 * std::sqrt(16 / lines[0]->x0);  // the band's lower edge there
  const double above = 0.5 * 1.5 * std::sqrt(16 / lines[0]->x0);
  EXPECT_TRUE(lines[0]->y0 < 0.95 * clear || lines[0]->y0 > 1.05 * above);
}

// The most room a panel leaves is above its curves: a long guide of slope −1 does not fit there.
TEST(Placement, AGuideIsShortenedRatherThanDrawnThroughTheData) {
  Panel panel;
  panel.series.push_back({"a", {16, 128, 1024}, {1.4, 1.32, 1.25}, {1.35, 1.28, 1.2}, {1.45, 1.36, 1.3}, 0});
  panel.baselines = {{"zero", 1}, {"mean-value", 0.98}};
  panel.guides = {{-1, "slope −1"}};
  const PanelFrame frame{140, 195, x_range(panel), y_range({&panel, 1})};
  const auto line = place_guides(panel, frame, {39})[0];
  ASSERT_TRUE(line);
  EXPECT_NEAR(std::log(line->y1 / line->y0) / std::log(line->x1 / line->x0), -1, 1e-9);
  // The upper edge of the band, straight on these axes.
  const auto band = [](double x) {
    const bool left = x < 128;
    return (left ? 1.45 : 1.36) *
           std::pow(left ? 1.36 / 1.45 : 1.3 / 1.36, std::log2(x / (left ? 16 : 128)) / 3);
  };
  const bool above = line->y1 > band(line->x1) && line->label_y > band(line->label_x);
  const bool below = line->y0 < 0.98 && line->label_y < 0.98;
  EXPECT_TRUE(above || below) << line->y0 << " to " << line->y1;
}

TEST(Placement, AGuideWithoutRoomIsLeftOut) {
  Panel panel;
  panel.series.push_back({"a", {16, 1024}, {1, 1}, {0.1, 0.1}, {10, 10}, 0});
  panel.guides = {{-1, "slope −1"}};
  panel.y_range = Range{0.09, 11};
  EXPECT_FALSE(place_guides(panel, {140, 195, x_range(panel), *panel.y_range}, {39})[0]);
}

TEST(GapFigure, BothPanelsHaveOneXAxisWhateverTheyShow) {
  std::vector<ResultRow> rows;
  add_estimator(rows, "head", "performer", "ok");
  rows.push_back(row("head", "rfa", 65536, "median_relative_error", 0.1));
  const auto panels = gap_figures(rows)[0].figure.panels;
  ASSERT_THAT(panels, SizeIs(2));
  EXPECT_EQ(x_range(panels[1]).high, x_range(panels[0]).high);
  EXPECT_EQ(x_range(panels[1]).low, x_range(panels[0]).low);
  EXPECT_THAT(x_ticks(panels[1], 9), SizeIs(5));
}

TEST(GapFigure, WithoutAnyMeanSquareASentenceStandsForThePanel) {
  std::vector<ResultRow> rows;
  add_estimator(rows, "head", "rfa", "no-moment");
  const auto figure = gap_figures(rows)[0].figure;
  EXPECT_THAT(figure.panels, SizeIs(1));
  EXPECT_THAT(figure.subtitle, HasSubstr("no estimator here has a mean square error"));
}

TEST(Ticks, CountsThatAreNoPowersOfTwoAreLabelledWhereThereIsRoom) {
  Panel panel;
  panel.x_ticks = {1, 4, 16, 25, 36, 49, 100, 144};
  std::vector<std::string> labels;
  for (const auto& tick : x_ticks(panel, 5)) labels.push_back(tick.label);
  EXPECT_THAT(labels, ElementsAre("1", "4", "16", "", "", "49", "", "144"));
}

TEST(GapFigure, BaselinesAloneMakeNoFigure) {
  std::vector<ResultRow> rows{row("a", "zero", 0, "median_relative_error", 1),
                              row("b", "zero", 0, "median_relative_error", 1)};
  EXPECT_THAT(gap_figures(rows), IsEmpty());
  EXPECT_THAT(gap_overview(rows), IsEmpty());
}

TEST(GapOverview, SaysTheGeometryOfEveryHead) {
  auto rows = head_rows("a");
  for (const ResultRow& r : head_rows("b")) {
    rows.push_back(r);
    rows.back().length = 1024;
  }
  const Figure figure = gap_overview(rows)[0].figure;
  EXPECT_EQ(figure.panels[0].note, "l = 7, d = 5");
  EXPECT_EQ(figure.panels[1].note, "l = 1024, d = 5");
  const std::string script = gnuplot_script(figure, "gap", {"svg"});
  EXPECT_THAT(script, HasSubstr("'l = 1024, d = 5'"));
}

TEST(Placement, TextIsMeasuredInCharactersAndCutAtBlanks) {
  EXPECT_EQ(text_length("‖e‖ ½"), 5U);
  EXPECT_THAT(wrapped("one two three\nfour", 8), ElementsAre("one two", "three", "four"));
  EXPECT_THAT(wrapped("", 8), IsEmpty());
}

TEST(Script, BandsThatLeaveALogarithmicAxisEndAtItsRim) {
  Figure figure = small_figure();
  figure.panels[0].series[0].low = {-1, 0.4, 0.2, 0.1};
  figure.panels[0].series[0].high = {2, 1, kInfinity, 0.2};
  const std::string script = gnuplot_script(figure, "gap", {"svg"});
  EXPECT_THAT(script, HasSubstr("lowest = 0\n"));
  EXPECT_THAT(script, HasSubstr("using 3:(edge(column(5))):(edge(column(6))) with filledcurves"));
  figure.panels[0].log_y = false;
  EXPECT_THAT(gnuplot_script(figure, "gap", {"svg"}), HasSubstr("lowest = -1e300\n"));
}

TEST(Layout, NothingLeavesThePageOrLiesOnTheLegend) {
  std::vector<ResultRow> rows;
  for (int head = 0; head < 12; ++head) {
    for (const char estimator : {'a', 'b', 'c', 'd', 'e'}) {
      add_estimator(rows, "head" + std::to_string(head), std::string(40, estimator), "ok");
    }
  }
  for (const auto& figure : {gap_overview(rows)[0].figure, gap_figures(rows)[0].figure}) {
    const Layout layout = lay_out(figure);
    ASSERT_THAT(layout.legend, SizeIs(5));
    for (const auto& entry : layout.legend) {
      EXPECT_GT(entry.x, 0);
      EXPECT_GT(entry.y, 0);
      EXPECT_LT(entry.x + text_width(entry.label, layout.font), layout.width);
    }
    for (const auto& box : layout.frames) {
      EXPECT_GE(box.left, layout.font);
      EXPECT_LE(box.left + box.width, layout.width);
      EXPECT_LE(box.bottom + box.height, layout.subtitle_top);
      EXPECT_GT(box.bottom - layout.x_title_drop, layout.legend.front().y);
    }
  }
}

}  // namespace
}  // namespace attngap
