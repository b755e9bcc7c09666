// The figures of gap-vs-length and speed-vs-length, from rows made by hand.

#include "plots/length_figures.hpp"

#include "plots_support.hpp"

namespace attngap {
namespace {

using namespace testing;

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

ResultRow at(const std::string& data, const std::string& estimator, std::int64_t length, std::int64_t draws,
             const std::string& metric, double value, const std::string& status = "ok") {
  ResultRow r = row(data, estimator, draws, metric, value);
  r.experiment = "gap-vs-length";
  r.length = length;
  r.status = status;
  return r;
}

// One estimator at m = 64 and ⌈√l⌉, a baseline, and a prediction at m = 64.
std::vector<ResultRow> rows_of(const std::string& data) {
  std::vector<ResultRow> rows;
  for (const std::int64_t length : {256, 1024, 4096}) {
    const double l = static_cast<double>(length);
    rows.push_back(at(data, "mean-value", length, 0, "mse", 8 / l));
    rows.push_back(at(data, "mean-value", length, 0, "median_relative_error", 0.5));
    for (const std::int64_t draws : {64L, std::lround(std::sqrt(l))}) {
      if (draws == 64 && length == 4096 && rows.back().draws == 64) continue;
      const double mse = 64 / l / static_cast<double>(draws);
      rows.push_back(at(data, "performer", length, draws, "mse", mse));
      rows.push_back(at(data, "performer", length, draws, "relative_mse", mse * l));
      rows.push_back(at(data, "performer", length, draws, "median_relative_error", std::sqrt(mse * l)));
      rows.push_back(at(data, "performer", length, draws, "q25_relative_error", 0.25));
      rows.push_back(at(data, "performer", length, draws, "q75_relative_error", 0.75));
      const std::string valid = draws == 64 ? "ok" : "not-valid";
      rows.push_back(at(data, "performer", length, draws, "predicted_bias2", mse / 4, valid));
      rows.push_back(at(data, "performer", length, draws, "predicted_variance", mse / 2, valid));
      rows.push_back(at(data, "performer", length, draws, "predicted_relative_mse", 3 * mse * l / 4, valid));
    }
  }
  return rows;
}

const Series& series_of(const Panel& panel, const std::string& label) {
  for (const Series& series : panel.series)
    if (series.label == label) return series;
  throw std::runtime_error("no series " + label);
}

TEST(LengthFigures, ACurveIsAnEstimatorAtOneRuleOfTheCount) {
  const auto figures = length_figures(rows_of("head"));
  ASSERT_THAT(figures, SizeIs(1));
  EXPECT_EQ(figures[0].name, "length_head");
  const Panel& median = figures[0].figure.panels[0];
  EXPECT_THAT(median.series, SizeIs(3));
  const Series& fixed = series_of(median, "performer, m = 64");
  EXPECT_THAT(fixed.x, ElementsAre(256, 1024, 4096));
  EXPECT_THAT(fixed.y, ElementsAre(1, 1, 1));
  EXPECT_THAT(fixed.low, ElementsAre(0.25, 0.25, 0.25));
  EXPECT_THAT(series_of(median, "performer, m = ⌈√l⌉").y, ElementsAre(2, std::sqrt(2.0), 1));
  EXPECT_THAT(series_of(median, "mean-value").low, IsEmpty());
}

TEST(LengthFigures, ThePredictionIsDrawnWhereItIsValid) {
  const Panel panel = length_figures(rows_of("head"))[0].figure.panels[1];
  const Series& theory = series_of(panel, "performer, m = 64 (predicted)");
  EXPECT_EQ(theory.look, Look::dashes);
  EXPECT_THAT(theory.y, ElementsAre(0.75 / 256, 0.75 / 1024, 0.75 / 4096));
  EXPECT_EQ(theory.style, series_of(panel, "performer, m = 64").style);
  for (const Series& series : panel.series) EXPECT_NE(series.label, "performer, m = ⌈√l⌉ (predicted)");
  EXPECT_THAT(panel.note, HasSubstr("predicted without a draw"));
}

TEST(LengthFigures, WithoutMomentsThereIsNoMeanSquareAndWithoutALimitTheNoteSaysSo) {
  auto rows = rows_of("head");
  for (ResultRow& r : rows) {
    if (r.metric == "mse" && r.draws > 0) r.status = "no-moment";
    if (r.metric == "predicted_variance") r.status = "infinite-variance";
  }
  const Panel panel = length_figures(rows)[0].figure.panels[1];
  EXPECT_THAT(panel.note, HasSubstr("no finite mean square: performer"));
  EXPECT_THAT(panel.note, HasSubstr("the relative gap grows"));
  EXPECT_THAT(length_figures(rows_of("head"))[0].figure.panels[1].note, Not(HasSubstr("grows")));
}

TEST(LengthFigures, HeadsSharePanelsOfOneEstimatorAtTheLargestCommonCount) {
  auto rows = rows_of("independent");
  EXPECT_THAT(length_regimes(rows), IsEmpty());
  for (const ResultRow& r : rows_of("linear")) rows.push_back(r);
  const auto figures = length_regimes(rows);
  ASSERT_THAT(figures, SizeIs(1));
  EXPECT_EQ(figures[0].name, "length_regimes_performer");
  EXPECT_THAT(figures[0].figure.title, HasSubstr("m = 64"));
  const Panel& mse = figures[0].figure.panels[0];
  EXPECT_THAT(series_of(mse, "linear").y, ElementsAre(1.0 / 256, 1.0 / 1024, 1.0 / 4096));
  EXPECT_EQ(series_of(mse, "independent").x.size(), 3U);
}

TEST(CrossoverLength, IsWhereSpeedPassesOneForGoodOnLogarithms) {
  const std::vector<double> lengths{256, 1024, 4096};
  const auto at = [&](std::vector<double> speedups) { return crossover_length(lengths, speedups); };
  EXPECT_NEAR(*at({0.5, 2, 8}), 512, 1e-9);
  EXPECT_NEAR(*at({2, 0.25, 4}), 2048, 1e-9);
  EXPECT_FALSE(at({2, 3, 4}));
  EXPECT_FALSE(at({2, 3, 0.5}));
  EXPECT_FALSE(at({0.1, 0.2, 0.3}));
}

TEST(SpeedFigures, TheNoteSaysWhereAnEstimatorIsAsFastAsExactAttention) {
  std::vector<ResultRow> rows;
  for (const std::int64_t length : {256, 1024}) {
    const double l = static_cast<double>(length);
    rows.push_back(at("head", "exact", length, 0, "seconds", l * l / 65536, "scaled"));
    rows.push_back(at("head", "exact", length, 0, "peak_bytes", 1048576, "scaled"));
    rows.push_back(at("head", "performer", length, 64, "seconds", l / 128));
    rows.push_back(at("head", "performer", length, 64, "peak_bytes", 2097152));
    rows.push_back(at("head", "performer", length, 64, "speedup", l / 512));
  }
  const auto figures = speed_figures(rows);
  ASSERT_THAT(figures, SizeIs(1));
  EXPECT_EQ(figures[0].name, "speed_head");
  EXPECT_THAT(figures[0].figure.subtitle, HasSubstr("m = 64"));
  const auto& panels = figures[0].figure.panels;
  EXPECT_THAT(series_of(panels[0], "exact").y, ElementsAre(1, 16));
  EXPECT_THAT(series_of(panels[1], "exact").y, ElementsAre(1, 1));
  EXPECT_THAT(series_of(panels[2], "performer").y, ElementsAre(2, 2));
  EXPECT_THAT(panels[1].note, HasSubstr("performer: l ≈ 512"));
}

}  // namespace
}  // namespace attngap
