// The figures of distributions and of one query's control variates, from numbers made by hand.

#include "plots/distribution_figures.hpp"

#include "plots/decomposition_figure.hpp"
#include "plots/report_chart.hpp"
#include "plots_support.hpp"

#include <fmt/format.h>

namespace attngap {
namespace {

using namespace testing;

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

ResultRow level_row(const std::string& estimator, std::int64_t draws, const std::string& metric,
                    double value) {
  ResultRow r = row("head", estimator, draws, metric, value);
  r.experiment = "distributions";
  r.std_error = 0.01;
  r.ci_low = value / 2;
  r.ci_high = std::min(1.0, value * 2);
  return r;
}

// Two estimators at two m; the shares do not depend on m.
std::vector<ResultRow> distribution_rows() {
  std::vector<ResultRow> rows;
  for (const std::string estimator : {"performer", "rfa"})
    for (const std::int64_t draws : {4, 16}) {
      for (const auto& [level, share] : {std::pair{"0.1", 1.0}, {"1", 0.5}, {"10", 0.25}, {"100", 0.125}})
        rows.push_back(level_row(estimator, draws, fmt::format("relative_error_above:x={}", level), share));
      for (const auto& [level, share] :
           {std::pair{"-1", 0.0}, {"-0.1", 0.0625}, {"0", 0.25}, {"1", 0.75}, {"10", 1.0}})
        rows.push_back(level_row(estimator, draws, fmt::format("denominator_below:x={}", level), share));
    }
  return rows;
}

TEST(ErrorDistributionFigure, HasRidgesAndTailsAtTheFewestAndTheMostDraws) {
  const auto figures = error_distribution_figures(distribution_rows());
  ASSERT_THAT(figures, SizeIs(1));
  EXPECT_EQ(figures[0].name, "errors_head");
  const auto& panels = figures[0].figure.panels;
  ASSERT_THAT(panels, SizeIs(4));
  EXPECT_EQ(panels[0].title, "m = 4");
  EXPECT_EQ(panels[1].title, "m = 16");
  // Half, a quarter and an eighth of the errors in three decades; the first estimator is on top.
  const Series& top = panels[0].series[0];
  EXPECT_EQ(top.label, "performer");
  ASSERT_THAT(top.y, SizeIs(3));
  EXPECT_DOUBLE_EQ(top.y[0] - 1, 2 * (top.y[1] - 1));
  EXPECT_DOUBLE_EQ(top.y[0] - 1, 4 * (top.y[2] - 1));
  EXPECT_THAT(top.low, ElementsAre(1, 1, 1));
  EXPECT_NEAR(top.x[1], std::sqrt(10), 1e-12);
  EXPECT_THAT(panels[0].series[1].low, ElementsAre(0, 0, 0));
  EXPECT_THAT(panels[0].note, HasSubstr("performer: 12.5 %"));  // beyond the last level
  EXPECT_THAT(panels[2].series[0].x, ElementsAre(0.1, 1, 10, 100));
  EXPECT_THAT(panels[2].series[0].y, ElementsAre(1, 0.5, 0.25, 0.125));
  EXPECT_EQ(panels[2].series[0].high[1], 1);
  EXPECT_THAT(panels[2].guides, SizeIs(2));
  EXPECT_THAT(error_distribution_figures(head_rows("head")), IsEmpty());
}

TEST(DenominatorFigure, MarksTheNegativePart) {
  const auto figures = denominator_figures(distribution_rows());
  ASSERT_THAT(figures, SizeIs(1));
  const auto& panels = figures[0].figure.panels;
  ASSERT_THAT(panels, SizeIs(2));
  EXPECT_EQ(panels[1].title, "rfa, m = 16");
  ASSERT_THAT(panels[1].series, SizeIs(3));
  const Series &above = panels[1].series[0], &below = panels[1].series[1];
  EXPECT_THAT(above.x, SizeIs(2));
  EXPECT_THAT(below.x, SizeIs(2));
  for (const double x : below.x) EXPECT_LT(x, 0);
  EXPECT_NE(above.style, below.style);
  // The areas on the axis asinh(10 x) are the shares between the levels.
  EXPECT_NEAR(below.y[0] * (std::asinh(-1) - std::asinh(-10)), 0.0625, 1e-12);
  EXPECT_NEAR(below.y[1] * (0 - std::asinh(-1)), 0.1875, 1e-12);
  EXPECT_NEAR(above.y[0] * std::asinh(10), 0.5, 1e-12);
  EXPECT_THAT(panels[1].note, HasSubstr("below 0: 25 ± 1 %"));
  EXPECT_EQ(panels[1].series[2].look, Look::dashes);
}

TEST(ReportCharts, OfLevelsAreDrawnAgainstTheLevel) {
  const auto chart = report_charts(distribution_rows())[0];
  EXPECT_THAT(chart.metrics, ElementsAre("relative_error_above", "denominator_below"));
  EXPECT_EQ(chart.variables[0].name, "x");
  EXPECT_THAT(chart.points[1].at[0], 1);
}

KeyTerms terms_of(std::size_t keys) {
  KeyTerms terms;
  terms.name = "head";
  terms.title = "a title";
  for (std::size_t m = 0; m < keys; ++m) {
    const auto number = static_cast<double>(m);
    terms.pi.push_back(1);
    terms.h.push_back(2);
    terms.share.push_back(number);
    terms.term.push_back({number, -number});
    terms.error.push_back({0, 0});
  }
  return terms;
}

TEST(DecompositionFigure, ShowsEveryKeyOfAShortRow) {
  const auto [name, figure] = decomposition_figure(terms_of(7));
  EXPECT_EQ(name, "decomposition_head");
  EXPECT_EQ(figure.panels[0].series[0].look, Look::heat);
  ASSERT_THAT(figure.panels, SizeIs(4));
  const Series& heat = figure.panels[0].series[0];
  EXPECT_THAT(heat.x, SizeIs(14));
  EXPECT_THAT(heat.value, ElementsAre(0, 1, 2, 3, 4, 5, 6, 0, -1, -2, -3, -4, -5, -6));
  EXPECT_EQ(figure.panels[0].heat_limit, 6);
  EXPECT_EQ(figure.panels[1].heat_limit, 1) << "nothing but zeros";
  EXPECT_EQ(figure.panels[0].x_title, "key");
  EXPECT_THAT(figure_csv(figure), HasSubstr("panel,series,x,y,low,high,value\nterm,term,0,0,nan,nan,0\n"));
}

TEST(DecompositionFigure, AddsUpNeighboursOfALongRow) {
  const auto terms = terms_of(600);
  const auto figure = decomposition_figure(terms).figure;
  EXPECT_THAT(figure.panels[0].x_title, HasSubstr("3 neighbours"));
  const Series& heat = figure.panels[0].series[0];
  ASSERT_THAT(heat.value, SizeIs(2 * 200));
  EXPECT_EQ(heat.x[0], 1);
  EXPECT_EQ(heat.value[1], 3 + 4 + 5);
  double sum = 0;
  for (const double y : figure.panels[3].series[0].y) sum += y;
  EXPECT_EQ(sum, 599 * 600 / 2);
  EXPECT_THAT(figure.panels[2].series[1].y, ::testing::Each(3));
}

TEST_F(PlotsTest, DistributionsAndTermsAreUnderstoodByGnuplot) {
  ASSERT_TRUE(find_program("gnuplot")) << "gnuplot is not on the PATH: install gnuplot-nox";
  EXPECT_THAT(draw_figures(distribution_rows(), directory_, {"svg", "png"}), SizeIs(2 * 4));
  const auto [name, figure] = decomposition_figure(terms_of(7));
  write_figure(figure, directory_, name, {"svg", "png", "pdf"});
  const std::string svg = read(directory_ / "decomposition_head.svg");
  EXPECT_THAT(svg, HasSubstr("their sum over keys is the estimate"));
  EXPECT_EQ(count(svg, "<image"), 2U);
  EXPECT_EQ(count(svg, "data:image/png;base64"), 2U) << "a picture beside it would be lost when it is copied";
  for (const std::size_t keys : {1U, 7U}) {  // a row of an image is none to gnuplot
    KeyTerms one_channel = terms_of(keys);
    for (auto* numbers : {&one_channel.term, &one_channel.error})
      for (auto& row : *numbers) row.resize(1);
    write_figure(decomposition_figure(one_channel).figure, directory_, "one", {"svg", "png", "pdf"});
    EXPECT_EQ(count(read(directory_ / "one.svg"), "<image"), 0U);
  }
  EXPECT_THAT(read(directory_ / "denominators_head.svg"), HasSubstr("below 0: 25 ± 1 %"));
}

}  // namespace
}  // namespace attngap
