// The ratio of the variances of trigonometric and positive features, from rows made by hand.

#include "plots/kernel_ratio_figure.hpp"
#include "plots_support.hpp"

#include <fmt/format.h>

namespace attngap {
namespace {

using namespace testing;

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr double kPi = 3.141592653589793;

std::string pair_of(double length, double angle) {
  return fmt::format("pair:norm={},cosine={}", length, std::cos(angle));
}

void add(std::vector<ResultRow>& rows, const std::string& pair, const std::string& estimator,
         const std::string& metric, double of_one) {
  // As in a run: a map gives both as many real features, which are twice as many directions of performer.
  const bool map = metric == "predicted_kernel_mse";
  const std::int64_t draws = map && estimator == "performer" ? 32 : 16;
  rows.push_back(row(pair, estimator, draws, metric, of_one / static_cast<double>(draws)));
  rows.back().experiment = "kernel-variance";
  rows.back().head_dim = 16;
  if (metric == "kernel_variance") rows.back().std_error = 0.1 * rows.back().value;
  if (metric == "tilted_kernel_variance") rows.back().std_error = 0.0;
}

// One direction of either, by Choromanski et al. 2021.
double trigonometric(double length, double angle) {
  return 2 * std::pow(std::sinh(length * length * (1 - std::cos(angle))), 2);
}
double positive(double length, double angle) {
  return std::expm1(2 * length * length * (1 + std::cos(angle)));
}

void add_both(std::vector<ResultRow>& rows, double length, double angle, const std::string& metric) {
  add(rows, pair_of(length, angle), "rfa", metric, trigonometric(length, angle));
  add(rows, pair_of(length, angle), "performer", metric, positive(length, angle));
}

// A map of these lengths and the middles of so many cells of angles, and pairs of length 1.
std::vector<ResultRow> ratio_rows(const std::vector<double>& lengths, int angles) {
  std::vector<ResultRow> rows;
  for (const double length : lengths)
    for (int i = 0; i < angles; ++i) add_both(rows, length, kPi * (i + 0.5) / angles, "predicted_kernel_mse");
  for (const double angle : {kPi / 2, 0.75 * kPi, 0.95 * kPi}) {
    add_both(rows, 1, angle, "predicted_kernel_variance");
    add_both(rows, 1, angle, "kernel_variance");
  }
  return rows;
}

Figure figure_of(const std::vector<ResultRow>& rows) {
  const auto figures = kernel_ratio(rows);
  return figures.empty() ? Figure{} : figures[0].figure;
}

TEST(KernelRatio, IsOverAngleAndLength) {
  const Figure figure = figure_of(ratio_rows({0.5, 1, 1.5}, 4));
  ASSERT_THAT(figure.panels, SizeIs(2));
  const Panel& map = figure.panels[0];
  EXPECT_THAT(map.x_title, HasSubstr("radians"));
  EXPECT_EQ(map.x_tick_labels.back(), "π");
  EXPECT_EQ(map.x_ticks.back(), kPi);
  const Series& cells = map.series[0];
  ASSERT_THAT(cells.value, SizeIs(12));
  for (std::size_t i = 0; i < 12; ++i) {
    EXPECT_NEAR(cells.x[i], kPi * (static_cast<double>(i % 4) + 0.5) / 4, 1e-12);
    EXPECT_NEAR(cells.value[i],
                std::log10(trigonometric(cells.y[i], cells.x[i]) / positive(cells.y[i], cells.x[i])), 1e-12);
  }
  EXPECT_EQ(map.y_range->low, 0.25);
  EXPECT_EQ(map.y_range->high, 1.75);
}

// The map ends its colours, not its numbers, and says so.
TEST(KernelRatio, SaysWhereColoursEndAndKeepsTheNumbers) {
  const Figure figure = figure_of(ratio_rows({1, 2}, 16));
  const auto& values = figure.panels[0].series[0].value;
  EXPECT_GT(*std::max_element(values.begin(), values.end()), figure.panels[0].heat_limit);
  EXPECT_EQ(figure.panels[0].heat_limit, 3);
  EXPECT_THAT(figure.panels[0].note, HasSubstr("below 10⁻³ and above 10³"));
  EXPECT_THAT(figure.panels[0].note, HasSubstr("[−π, π]"));
}

// The angles of r = 1, to their last printed digit; half of it is a rounding, and the rest the chord between
// angles π/400 apart.
TEST(KernelRatio, IsOneAtTheAnglesOfThePaper) {
  const std::vector<std::pair<double, double>> known{
      {0.25, 2.497}, {0.5, 2.083}, {1, 1.743}, {1.5, 1.648}, {2, 1.614}};
  const Figure figure = figure_of(ratio_rows({0.25, 0.5, 1, 1.5, 2}, 400));
  const Series& one = figure.panels[0].series[1];
  EXPECT_EQ(one.label, "r = 1");
  ASSERT_THAT(one.x, SizeIs(5));
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(one.y[i], known[i].first);
    EXPECT_NEAR(one.x[i], known[i].second, 5.5e-4) << one.y[i];
  }
}

// 0.432 at a right angle, 17.8 at 135 and 1029 at 171 degrees: on one line with the map's values.
TEST(KernelRatio, DrawsOneLineThroughMapAndPairs) {
  const Figure figure = figure_of(ratio_rows({0.5, 1}, 8));
  const Panel& slice = figure.panels[1];
  EXPECT_EQ(slice.title, "at l = 1");
  const Series& line = slice.series[0];
  EXPECT_EQ(line.look, Look::line);
  ASSERT_THAT(line.x, SizeIs(11)) << "eight angles of the map and three of pairs";
  EXPECT_TRUE(std::is_sorted(line.x.begin(), line.x.end()));
  EXPECT_TRUE(std::is_sorted(line.y.begin(), line.y.end()));
  const std::vector<std::pair<double, double>> known{{0.5, 0.432}, {0.75, 17.8}, {0.95, 1029.0}};
  for (const auto& pair : known) {
    const auto at = std::find_if(line.x.begin(), line.x.end(),
                                 [&](double x) { return std::abs(x - kPi * pair.first) < 1e-9; });
    ASSERT_NE(at, line.x.end());
    EXPECT_NEAR(line.y[static_cast<std::size_t>(at - line.x.begin())] / pair.second, 1.0, 3e-3);
  }
  const Series& points = slice.series[1];
  EXPECT_EQ(points.look, Look::points);
  EXPECT_THAT(points.y, SizeIs(3));
  // Two errors of 10 % of the same directions: up to 20 % of the logarithm.
  EXPECT_NEAR(std::log(points.high[0] / points.y[0]), 1.959964 * 0.2, 1e-12);
  EXPECT_EQ(slice.note, "") << "no point is missing";
}

TEST(KernelRatio, SaysWhyAPointIsMissingOrByAChangeOfMeasure) {
  auto rows = ratio_rows({0.5, 1}, 8);
  for (ResultRow& one : rows)
    if (one.metric == "kernel_variance" && one.estimator == "performer" && one.data == pair_of(1, kPi / 2)) {
      one.status = "heavy-tail";
      one.value = one.std_error = kNaN;
    }
  Panel slice = figure_of(rows).panels[1];
  EXPECT_THAT(slice.series, SizeIs(2));
  EXPECT_THAT(slice.series[1].y, SizeIs(2));
  EXPECT_THAT(slice.note,
              AllOf(HasSubstr("not all points: at 1 of 3 angles"), HasSubstr("too heavy a tail")));

  add(rows, pair_of(1, kPi / 2), "performer", "tilted_kernel_variance", positive(1, kPi / 2));
  slice = figure_of(rows).panels[1];
  ASSERT_THAT(slice.series, SizeIs(3));
  EXPECT_THAT(slice.series[2].label, HasSubstr("change of measure"));
  EXPECT_NEAR(slice.series[2].y[0], trigonometric(1, kPi / 2) / positive(1, kPi / 2), 1e-12);
  EXPECT_THAT(slice.note, AllOf(HasSubstr("at 1 of 3 angles"), Not(HasSubstr("not all points"))));
}

TEST(KernelRatio, OfAMapOverCosinesHasTheSliceAlone) {
  auto rows = ratio_rows({0.5, 1}, 8);
  std::erase_if(rows, [](const ResultRow& r) { return r.metric == "predicted_kernel_mse"; });
  for (const double length : {0.5, 1.0})
    for (const double cosine : {-0.75, -0.25, 0.25, 0.75})
      add_both(rows, length, std::acos(cosine), "predicted_kernel_mse");
  const Figure figure = figure_of(rows);
  ASSERT_THAT(figure.panels, SizeIs(1));
  EXPECT_EQ(figure.panels[0].name, "ratio");
  EXPECT_THAT(figure.panels[0].series[0].x, SizeIs(7));
}

TEST(KernelRatio, NeedsBothEstimatorsAndAMap) {
  auto rows = ratio_rows({0.5, 1}, 4);
  std::erase_if(rows, [](const ResultRow& r) { return r.estimator == "rfa"; });
  EXPECT_THAT(kernel_ratio(rows), IsEmpty());
  rows = ratio_rows({0.5, 1}, 4);
  std::erase_if(rows, [](const ResultRow& r) { return r.metric == "predicted_kernel_mse"; });
  EXPECT_THAT(kernel_ratio(rows), IsEmpty());
  rows = ratio_rows({0.5, 1}, 4);
  for (ResultRow& one : rows) one.projection = "orthogonal";
  EXPECT_THAT(kernel_ratio(rows), IsEmpty()) << "their variance is not in proportion to 1/m";
}

}  // namespace
}  // namespace attngap
