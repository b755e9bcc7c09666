// The figures of kernel-variance and taylor-truncation, from rows made by hand.

#include "plots/kernel_figures.hpp"

#include "plots/truncation_figures.hpp"
#include "plots_support.hpp"

#include <fmt/format.h>

namespace attngap {
namespace {

using namespace testing;

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

ResultRow pair_row(const std::string& pair, const std::string& estimator, std::int64_t draws,
                   const std::string& metric, double value, const std::string& status = "ok") {
  ResultRow r = row("pair:" + pair, estimator, draws, metric, value);
  r.experiment = "kernel-variance";
  r.head_dim = 16;
  r.status = status;
  if (metric == "kernel_mean" || metric == "kernel_variance") {
    r.ci_low = status == "ok" ? value - 0.25 : kNaN;
    r.ci_high = status == "ok" ? value + 0.5 : kNaN;
  }
  return r;
}

// Two norms, two cosines, two counts; rfa is measured everywhere, performer is refused at cosine 1.
std::vector<ResultRow> pair_rows() {
  std::vector<ResultRow> rows;
  for (const std::string norm : {"0.5", "2"})
    for (const std::string cosine : {"-0.25", "1"})
      for (const std::string estimator : {"performer", "rfa"})
        for (const std::int64_t draws : {4, 16}) {
          const std::string pair = "norm=" + norm + ",cosine=" + cosine;
          const bool refused = estimator == "performer" && cosine == "1";
          const double variance = 8.0 / static_cast<double>(draws);
          rows.push_back(pair_row(pair, estimator, draws, "kernel_mean", refused ? 0.25 : 1,
                                  refused ? "heavy-tail" : "ok"));
          rows.push_back(pair_row(pair, estimator, draws, "kernel_variance",
                                  refused ? kNaN : variance + 0.125, refused ? "heavy-tail" : "ok"));
          rows.push_back(
              pair_row(pair, estimator, draws, "predicted_kernel_mean", estimator == "rfa" ? 1 : 0.75));
          rows.push_back(pair_row(pair, estimator, draws, "predicted_kernel_variance", variance));
        }
  return rows;
}

// A map of 2×2 points: rfa wins where the cosine is 1, performer at (2, −1), nobody at (0.5, −1).
std::vector<ResultRow> map_rows() {
  std::vector<ResultRow> rows;
  const auto add = [&](const std::string& pair, double performer, double rfa) {
    rows.push_back(pair_row(pair, "performer", 32, "predicted_kernel_mse", performer));
    rows.push_back(pair_row(pair, "rfa", 16, "predicted_kernel_mse", rfa));
    for (const std::size_t last : {rows.size() - 2, rows.size() - 1}) rows[last].dimension = 32;
  };
  add("norm=0.5,cosine=-1", 0.5, 0.5 * (1 + 1e-12));
  add("norm=0.5,cosine=1", 0.5, 0.25);
  add("norm=2,cosine=-1", 0.5, kInfinity);
  add("norm=2,cosine=1", 0.5, 0.0);
  return rows;
}

TEST(KernelVarianceFigure, HasAPanelANormWithLinesAndPoints) {
  const auto figures = kernel_variance_figures(pair_rows());
  ASSERT_THAT(figures, SizeIs(1));
  EXPECT_EQ(figures[0].name, "kernel_variance_dim16");
  EXPECT_THAT(figures[0].figure.title, HasSubstr("d = 16, m = 16 directions, 11 replicates"));
  ASSERT_THAT(figures[0].figure.panels, SizeIs(2));
  const auto& series = figures[0].figure.panels[1].series;
  ASSERT_THAT(series, SizeIs(4));
  EXPECT_EQ(series[0].label, "performer");
  EXPECT_EQ(series[0].look, Look::line);
  EXPECT_THAT(series[0].x, ElementsAre(-0.25, 1));
  EXPECT_THAT(series[0].y, ElementsAre(0.5, 0.5));
  EXPECT_EQ(series[2].look, Look::points);
  EXPECT_EQ(series[2].style, series[0].style);
  EXPECT_EQ(series[2].y[0], 0.625);
  EXPECT_TRUE(std::isnan(series[2].y[1])) << "a refused variance has a point";
  EXPECT_EQ(series[3].high[1], 1.125);
}

TEST(KernelVarianceFigure, AgainstMTakesTheCosineNearestZeroAndNeedsTwoCounts) {
  const auto figures = kernel_variance_by_m(pair_rows());
  ASSERT_THAT(figures, SizeIs(1));
  EXPECT_THAT(figures[0].figure.title, HasSubstr("cosine -0.25"));
  EXPECT_THAT(figures[0].figure.panels[0].series[0].x, ElementsAre(4, 16));
  EXPECT_THAT(figures[0].figure.panels[0].series[0].y, ElementsAre(2, 0.5));
  auto rows = pair_rows();
  std::erase_if(rows, [](const ResultRow& r) { return r.draws == 4; });
  EXPECT_THAT(kernel_variance_by_m(rows), IsEmpty());
}

TEST(KernelBiasFigure, ShowsOnlyWhatIsBiasedAndNoMeanThatWasRefused) {
  const auto figures = kernel_bias_figures(pair_rows());
  ASSERT_THAT(figures, SizeIs(1));
  const auto& series = figures[0].figure.panels[0].series;
  ASSERT_THAT(series, SizeIs(2));
  EXPECT_EQ(series[0].label, "performer");
  EXPECT_THAT(series[0].y, ElementsAre(-0.25, -0.25));
  EXPECT_EQ(series[1].y[0], 0);
  EXPECT_TRUE(std::isnan(series[1].y[1]));
  auto rows = pair_rows();
  std::erase_if(rows, [](const ResultRow& r) { return r.estimator == "performer"; });
  EXPECT_THAT(kernel_bias_figures(rows), IsEmpty());
}

TEST(KernelMap, GivesEveryPointToTheLeastErrorAndNoneToATie) {
  const auto figures = kernel_map(map_rows());
  ASSERT_THAT(figures, SizeIs(1));
  EXPECT_THAT(figures[0].figure.subtitle, HasSubstr("32 real features"));
  const Panel& panel = figures[0].figure.panels[0];
  EXPECT_EQ(panel.tile_width, 1.5);
  EXPECT_EQ(panel.tile_height, 2);
  ASSERT_THAT(panel.series, SizeIs(2));
  EXPECT_THAT(panel.series[0].x, ElementsAre(2));
  EXPECT_THAT(panel.series[0].y, ElementsAre(-1));
  EXPECT_THAT(panel.series[1].x, ElementsAre(0.5, 2));
  EXPECT_THAT(panel.series[1].y, ElementsAre(1, 1));
  EXPECT_THAT(kernel_map(pair_rows()), IsEmpty());
}

// A map over angles is drawn over angles, where its tiles are of one height.
TEST(KernelMap, OfAMapOverAnglesHasAngles) {
  std::vector<ResultRow> rows;
  for (const std::string norm : {"0.5", "1"})
    for (const double angle : {0.125, 0.375, 0.625, 0.875})
      rows.push_back(pair_row(fmt::format("norm={},cosine={}", norm, std::cos(3.141592653589793 * angle)),
                              "rfa", 16, "predicted_kernel_mse", 0.5));
  const auto figures = kernel_map(rows);
  ASSERT_THAT(figures, SizeIs(1));
  const Panel& panel = figures[0].figure.panels[0];
  EXPECT_THAT(panel.y_title, HasSubstr("radians"));
  EXPECT_NEAR(panel.tile_height, 3.141592653589793 / 4, 1e-12);
  ASSERT_THAT(panel.series[0].y, SizeIs(8));
  EXPECT_NEAR(panel.series[0].y[0], 3.141592653589793 * 0.875, 1e-12);
}

TEST(KernelFigures, AreDrawnWithEveryLook) {
  const auto figure = kernel_variance_figures(pair_rows())[0].figure;
  const std::string script = gnuplot_script(figure, "a", {"svg"});
  EXPECT_THAT(script, HasSubstr("with lines linestyle 1"));
  EXPECT_THAT(script, HasSubstr("with yerrorbars linestyle 2"));
  EXPECT_THAT(script, Not(HasSubstr("filledcurves")));
  EXPECT_THAT(figure_csv(figure), HasSubstr("norm=2,\"rfa, closed form\",1,0.5,nan,nan"));
  EXPECT_THAT(figure_csv(figure), HasSubstr("norm=2,rfa,1,0.625,0.375,1.125"));
  const std::string map = gnuplot_script(kernel_map(map_rows())[0].figure, "a", {"svg"});
  EXPECT_THAT(map, HasSubstr("(0.75):(1) with boxxyerror linestyle 2"));
}

// One head with a bound at even degrees only, and two ranges.
std::vector<ResultRow> truncation_rows() {
  std::vector<ResultRow> rows;
  for (const std::string data : {"exp:radius=1", "exp:radius=4", "head"})
    for (const std::int64_t degree : {0, 1, 2})
      for (const std::string metric :
           {"taylor_relative_error", "mean_total_variation", "max_total_variation", "total_variation_bound",
            "max_error", "max_error_bound", "relative_mse"}) {
        const bool of_range = metric == "taylor_relative_error" || metric == "total_variation_bound";
        if (data == "head" ? metric == "taylor_relative_error" : !of_range) continue;
        rows.push_back(row(data, "elementwise", 0, metric, std::pow(0.25, degree)));
        rows.back().experiment = "taylor-truncation";
        rows.back().target = data == "head" ? "full element-wise attention" : "exp";
        rows.back().dimension = degree + 1;
        if (metric.ends_with("_bound") && degree == 1) rows.back().value = kNaN;
      }
  return rows;
}

TEST(TruncationFigures, HaveACurveARangeAndAPageAHead) {
  const auto ranges = taylor_error_figures(truncation_rows());
  ASSERT_THAT(ranges, SizeIs(1));
  ASSERT_THAT(ranges[0].figure.panels[0].series, SizeIs(2));
  EXPECT_EQ(ranges[0].figure.panels[0].series[1].label, "R = 4");
  EXPECT_THAT(ranges[0].figure.panels[0].series[0].x, ElementsAre(0, 1, 2));
  EXPECT_TRUE(std::isnan(ranges[0].figure.panels[1].series[0].y[1]));
  const auto heads = truncation_figures(truncation_rows());
  ASSERT_THAT(heads, SizeIs(1));
  EXPECT_EQ(heads[0].name, "truncation_head");
  const auto& outputs = heads[0].figure.panels[1].series;
  ASSERT_THAT(outputs, SizeIs(3));
  EXPECT_THAT(outputs[0].y, ElementsAre(1, 0.5, 0.25));  // the root of a mean square
  EXPECT_TRUE(std::isnan(outputs[2].y[1]));
  EXPECT_THAT(heads[0].figure.panels[1].x_ticks, ElementsAre(0));
}

TEST(TaylorPolynomials, AreCurvesOverXWithTheirRelativeErrors) {
  std::vector<ResultRow> rows;
  for (const std::string x : {"-4", "0", "4"})
    for (const std::int64_t terms : {0, 1, 2}) {
      rows.push_back(row("exp:x=" + x, "elementwise", 0, "taylor_value", terms == 0 ? 2.0 : 1.0));
      rows.back().dimension = terms;
      rows.back().target = "exp";
    }
  const auto figures = taylor_polynomials(rows);
  ASSERT_THAT(figures, SizeIs(1));
  const auto& panels = figures[0].figure.panels;
  ASSERT_THAT(panels[0].series, SizeIs(3));
  EXPECT_EQ(panels[0].series[1].label, "degree 1");
  EXPECT_EQ(panels[0].series[2].label, "exp(x)");
  EXPECT_THAT(panels[0].series[0].x, ElementsAre(-4, 0, 4));
  EXPECT_THAT(panels[1].series[0].y, ElementsAre(0.5, 0.5, 0.5));
  EXPECT_THAT(taylor_polynomials(truncation_rows()), IsEmpty());
}

TEST_F(PlotsTest, KernelAndTruncationFiguresAreUnderstoodByGnuplot) {
  ASSERT_TRUE(find_program("gnuplot")) << "gnuplot is not on the PATH: install gnuplot-nox";
  auto rows = pair_rows();
  const auto map = map_rows();
  rows.insert(rows.end(), map.begin(), map.end());
  const auto truncation = truncation_rows();
  rows.insert(rows.end(), truncation.begin(), truncation.end());
  EXPECT_THAT(draw_figures(rows, directory_, {"svg"}), SizeIs(7 * 3));
  // In each of two panels rfa has two points and performer one, each drawn on a white one; the legend has
  // two.
  EXPECT_EQ(marks(directory_ / "kernel_variance_dim16.svg"), 2 * 3 * 2U + 2);
}

}  // namespace
}  // namespace attngap
