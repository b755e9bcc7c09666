// The figures of gap-vs-length and speed-vs-length, from rows made by hand.

#include "plots/length_figures.hpp"

#include "plots/cost_figures.hpp"
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

TEST(LengthFigures, WithoutAMomentThereIsNoMeanSquareAndWithoutALimitTheNoteSaysSo) {
  auto rows = rows_of("head");
  for (ResultRow& r : rows) {
    if (r.metric == "mse" && r.draws > 0) r.status = "no-moment";
    if (r.metric == "predicted_variance") r.status = "infinite-variance";
  }
  rows.push_back(at("head", "lara", 256, 64, "mse", 0.25));
  const Panel panel = length_figures(rows)[0].figure.panels[1];
  EXPECT_THAT(panel.note, HasSubstr("no finite mean square: performer"));
  EXPECT_THAT(panel.note, HasSubstr("the relative gap grows"));
  EXPECT_THAT(length_figures(rows_of("head"))[0].figure.panels[1].note, Not(HasSubstr("grows")));
}

TEST(LengthFigures, APanelInWhichOnlyBaselinesHaveAMeanSquareIsLeftOut) {
  auto rows = rows_of("head");
  for (ResultRow& r : rows) {
    if (r.metric == "mse" && r.draws > 0) r.status = "no-moment";
    if (r.metric.starts_with("predicted_")) r.status = "no-moment";
  }
  const Figure figure = length_figures(rows)[0].figure;
  ASSERT_THAT(figure.panels, SizeIs(1));
  EXPECT_EQ(figure.panels[0].name, "median_relative_error");
  EXPECT_THAT(figure.subtitle, HasSubstr("no estimator here has a mean square error"));
  EXPECT_THAT(length_figures(rows_of("head"))[0].figure.panels, SizeIs(2));
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

// Exact attention and RA of one draw are quadratic, LARA of 49 linear; RA takes three times as long.
std::vector<ResultRow> cost_rows() {
  std::vector<ResultRow> rows;
  for (const std::int64_t length : {256, 1024}) {
    const double l = static_cast<double>(length);
    const auto add = [&](const std::string& estimator, std::int64_t draws, double seconds, double bytes) {
      rows.push_back(at("head", estimator, length, draws, "seconds", seconds));
      rows.push_back(at("head", estimator, length, draws, "peak_bytes", bytes));
      if (draws == 0) return;
      const double speedup = l * l / seconds;
      rows.push_back(at("head", estimator, length, draws, "speedup", speedup));
      rows.back().ci_low = estimator == "ra" ? -1.0 : speedup / 2;
      rows.back().ci_high = speedup * 4;
    };
    add("exact", 0, l * l, 1000);
    add("ra", 1, 3 * l * l, 2500);
    add("lara", 49, 64 * l, 500);
  }
  return rows;
}

TEST(RelativeCostFigures, AreTimeAndMemoryOverThoseOfExactAttention) {
  const auto figures = relative_cost_figures(cost_rows());
  ASSERT_THAT(figures, SizeIs(1));
  EXPECT_EQ(figures[0].name, "relative_cost_head");
  const auto& panels = figures[0].figure.panels;
  ASSERT_THAT(panels, SizeIs(2));
  EXPECT_THAT(series_of(panels[0], "ra, m = 1").y, ElementsAre(3, 3));
  EXPECT_THAT(series_of(panels[0], "lara, m = 49").y, ElementsAre(0.25, 0.0625));
  EXPECT_THAT(series_of(panels[0], "lara, m = 49").low, ElementsAre(0.0625, 0.015625));
  EXPECT_THAT(series_of(panels[0], "lara, m = 49").high, ElementsAre(0.5, 0.125));
  EXPECT_THAT(series_of(panels[0], "ra, m = 1").high, ElementsAre(kInfinity, kInfinity));
  EXPECT_THAT(series_of(panels[0], "exact").y, ElementsAre(1, 1));
  EXPECT_THAT(series_of(panels[1], "ra, m = 1").y, ElementsAre(2.5, 2.5));
  EXPECT_THAT(series_of(panels[1], "lara, m = 49").y, ElementsAre(0.5, 0.5));
  EXPECT_THAT(panels[0].series, SizeIs(3)) << "no curve of LARA at RA's count, nor of RA at LARA's";
  for (const Panel& panel : panels) EXPECT_THAT(panel.y_title, HasSubstr("of a whole head"));
}

TEST(SpeedFigures, MemoryIsSaidToBeOfAWholeHead) {
  const auto panels = speed_figures(cost_rows())[0].figure.panels;
  EXPECT_THAT(panels[2].y_title, HasSubstr("peak memory of a whole head"));
}

// So many sequences take so many times as long, and exact attention more the longer they are.
std::vector<ResultRow> batch_rows(const std::vector<std::int64_t>& batches) {
  std::vector<ResultRow> rows;
  for (const std::int64_t length : {8, 32, 128})
    for (const std::int64_t batch : batches)
      for (const std::string estimator : {"exact", "elementwise:degree=1"}) {
        const double each = static_cast<double>(batch * (estimator == "exact" ? length : 2));
        rows.push_back(at("head", estimator, length, 0, "seconds", each));
        rows.push_back(at("head", estimator, length, 0, "state_bytes", 1048576 * each));
        if (estimator != "exact")
          rows.push_back(at("head", estimator, length, 0, "speedup", static_cast<double>(length) / 2));
        for (std::size_t i = rows.size() - (estimator == "exact" ? 2 : 3); i < rows.size(); ++i)
          rows[i].queries = batch;
      }
  return rows;
}

TEST(DecodingBatchFigures, AreAgainstTheNumberOfSequencesAtTheEndsOfTheLengths) {
  const auto figures = decoding_batch_figures(batch_rows({1, 4, 16}));
  ASSERT_THAT(figures, SizeIs(1));
  EXPECT_EQ(figures[0].name, "decoding_batch_head");
  const auto& panels = figures[0].figure.panels;
  ASSERT_THAT(panels, SizeIs(6));
  EXPECT_THAT(panels[0].x_title, HasSubstr("batch"));
  EXPECT_THAT(panels[0].title, HasSubstr("l = 8 "));
  EXPECT_THAT(panels[5].title, HasSubstr("l = 128 "));
  EXPECT_THAT(panels[0].x_ticks, ElementsAre(1, 4, 16));
  const Series& exact = series_of(panels[3], "exact");
  EXPECT_THAT(exact.x, ElementsAre(1, 4, 16));
  EXPECT_THAT(exact.y, ElementsAre(128, 512, 2048));
  EXPECT_THAT(series_of(panels[3], "elementwise:degree=1").y, ElementsAre(2, 8, 32));
  EXPECT_THAT(series_of(panels[4], "elementwise:degree=1").y, ElementsAre(64, 64, 64));
  EXPECT_THAT(series_of(panels[5], "exact").y, ElementsAre(128, 512, 2048));
  EXPECT_THAT(decoding_batch_figures(batch_rows({4})), IsEmpty());
}

TEST(DecodingFigures, EveryBatchHasItsOwn) {
  const auto figures = decoding_figures(batch_rows({1, 4}));
  ASSERT_THAT(figures, SizeIs(2));
  EXPECT_EQ(figures[0].name, "decoding_head_1");
  EXPECT_EQ(figures[1].name, "decoding_head_4");
  EXPECT_THAT(figures[1].figure.title, HasSubstr("4 sequences side by side"));
  EXPECT_THAT(series_of(figures[1].figure.panels[0], "exact").y, ElementsAre(32, 128, 512));
  EXPECT_EQ(decoding_figures(batch_rows({4}))[0].name, "decoding_head");
}

}  // namespace
}  // namespace attngap
