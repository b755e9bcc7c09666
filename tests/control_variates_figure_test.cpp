// The path from RFA over EVA to softmax, from rows made by hand.

#include "plots/control_variates_figure.hpp"

#include "plots_support.hpp"

#include <fmt/format.h>

namespace attngap {
namespace {

using namespace testing;

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::int64_t kKeys = 512;

void add(std::vector<ResultRow>& rows, const std::string& estimator, std::int64_t draws, double error) {
  const auto one = [&](const std::string& metric, double value) {
    rows.push_back(row("head", estimator, draws, metric, value));
    rows.back().experiment = "control-variates";
    rows.back().length = kKeys;
  };
  one("median_relative_error", error);
  one("q25_relative_error", error / 2);
  one("q75_relative_error", error * 2);
  one("relative_mse", error * error);
  rows.back().ci_low = error * error / 2;
  rows.back().ci_high = error * error * 2;
}

// Halved with four times the groups, and rounding with one a key.
std::vector<ResultRow> path_rows() {
  std::vector<ResultRow> rows;
  for (const std::int64_t draws : {8, 32}) {
    add(rows, "performer:coefficient=zero", draws, 2.0);
    add(rows, "performer:coefficient=ratio", draws, 1.0);
    add(rows, "performer:coefficient=key", draws, 1e-16);
    add(rows, "performer:coefficient=group,coefficient-groups=4", draws, 0.5);
    add(rows, "performer:coefficient=group,coefficient-groups=16", draws, 0.25);
  }
  add(rows, "eva:coefficient=ratio,window=8", 8, 1.0);
  add(rows, "eva:coefficient=group,window=8", 8, 0.375);
  add(rows, "eva:coefficient=key,window=8", 8, 0.0);
  return rows;
}

// The series of a label: its steps, then its end.
std::vector<Series> series_of(const Panel& panel, const std::string& label) {
  std::vector<Series> found;
  for (const Series& series : panel.series)
    if (series.label == label) found.push_back(series);
  return found;
}

Figure figure_of(const std::vector<ResultRow>& rows) {
  const auto figures = control_variates_path(rows);
  return figures.empty() ? Figure{} : figures[0].figure;
}

TEST(ControlVariatesPath, GoesFromOneGroupToOneAKey) {
  const auto figures = control_variates_path(path_rows());
  ASSERT_THAT(figures, SizeIs(1));
  EXPECT_EQ(figures[0].name, "control_variates_path_head");
  ASSERT_THAT(figures[0].figure.panels, SizeIs(2));
  const Panel& median = figures[0].figure.panels[0];
  const auto path = series_of(median, "performer, m = 32");
  ASSERT_THAT(path, SizeIs(2));
  EXPECT_THAT(path[0].x, ElementsAre(1, 4, 16));
  EXPECT_THAT(path[0].y, ElementsAre(1, 0.5, 0.25));
  EXPECT_THAT(path[0].low, ElementsAre(0.5, 0.25, 0.125));
  EXPECT_EQ(path[1].look, Look::points);
  EXPECT_THAT(path[1].x, ElementsAre(kKeys));
  EXPECT_THAT(path[1].y, ElementsAre(1e-16)) << "the data keep what was measured";
  EXPECT_EQ(path[1].style, path[0].style);
  EXPECT_THAT(median.x_tick_labels, ElementsAre("1", "4", "8", "16", "l = 512"));
  const auto squares = series_of(figures[0].figure.panels[1], "performer, m = 8");
  EXPECT_THAT(squares[0].y, ElementsAre(1, 0.25, 0.0625));
  EXPECT_THAT(squares[0].high, ElementsAre(2, 0.5, 0.125));
}

TEST(ControlVariatesPath, OfEvaHasAGroupAProposalUnlessItsNumberIsGiven) {
  auto rows = path_rows();
  const std::string label = "eva:window=8, m = 8";
  EXPECT_THAT(series_of(figure_of(rows).panels[0], label)[0].x, ElementsAre(1, 8));
  add(rows, "eva:coefficient=ratio,groups=64", 8, 1.0);
  add(rows, "eva:coefficient=group,groups=64", 8, 0.125);
  EXPECT_THAT(series_of(figure_of(rows).panels[0], "eva:groups=64, m = 8")[0].x, ElementsAre(1, 64));
}

TEST(ControlVariatesPath, DrawsSoftmaxOnTheAxisAndSaysThatItsErrorIsZero) {
  const Figure figure = figure_of(path_rows());
  EXPECT_THAT(figure.subtitle, HasSubstr("error of 0 is the point on the axis"));
  const Panel& median = figure.panels[0];
  EXPECT_GT(median.y_range->low, 0.01) << "the axis is that of the steps";
  EXPECT_LT(median.y_range->low, 0.125) << "below their bands";
  const std::string script = gnuplot_script(figure, "path", {"svg"});
  const std::string on_axis = "using 3:(column(4) < bottom ? bottom : column(4)) with points";
  EXPECT_EQ(count(script, on_axis), 6U) << "three ends in two panels, an exact 0 among them";
  EXPECT_EQ(count(gnuplot_script(small_figure(), "a", {"svg"}), "bottom :"), 1U) << "only edge() there";
}

TEST(ControlVariatesPath, NeedsAStepBetweenItsEnds) {
  auto rows = path_rows();
  std::erase_if(rows, [](const ResultRow& r) { return r.estimator.find("group") != std::string::npos; });
  EXPECT_THAT(control_variates_path(rows), IsEmpty());
  rows = path_rows();
  for (ResultRow& one : rows)
    if (one.metric == "relative_mse") one.status = "no-moment";
  const Figure figure = figure_of(rows);
  ASSERT_THAT(figure.panels, SizeIs(1));
  EXPECT_EQ(figure.panels[0].name, "median_relative_error");
}

TEST_F(PlotsTest, ThePathIsUnderstoodByGnuplot) {
  ASSERT_TRUE(find_program("gnuplot")) << "gnuplot is not on the PATH: install gnuplot-nox";
  const auto written = write_figure(figure_of(path_rows()), directory_, "path", {"svg"});
  EXPECT_THAT(written.paths, SizeIs(3));
  // Per panel 2 × 3 + 2 steps and 3 ends; the steps and the legend's three have a white mark below.
  EXPECT_EQ(marks(directory_ / "path.svg"), 2U * (8 + 3) + 3);
}

}  // namespace
}  // namespace attngap
