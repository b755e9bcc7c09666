// What a criterion makes of rows: each kind where it holds, where it fails and where the rows do not say.

#include "experiments/criterion.hpp"

#include "estimators/error.hpp"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>

namespace attngap {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

ResultRow row(const std::string& estimator, std::int64_t draws, double value, double std_error) {
  ResultRow row;
  row.data = "head";
  row.estimator = estimator;
  row.metric = "mse";
  row.draws = draws;
  row.length = 100;
  row.value = value;
  row.std_error = std_error;
  row.status = "ok";
  return row;
}

ResultRow with_status(ResultRow row, const std::string& status) {
  row.status = status;
  return row;
}

ResultRow of_metric(ResultRow row, const std::string& metric) {
  row.metric = metric;
  return row;
}

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

RowSelection of(const std::string& estimator) {
  RowSelection selection;
  selection.words["estimator"] = estimator;
  return selection;
}

Judgement judged(const Criterion& criterion, const std::vector<ResultRow>& rows) {
  return judge(criterion, rows).judgement;
}

Criterion comparing(CriterionKind kind) {
  Criterion criterion;
  criterion.kind = kind;
  criterion.left = of("a");
  criterion.right = of("b");
  return criterion;
}

TEST(Criterion, BelowIsDecidedAtThreeErrorsOfTheClosestPoint) {
  const Criterion below = comparing(CriterionKind::below);
  const auto at = [&](double left) {
    return judged(below, {row("a", 4, 0.1, 0.0), row("b", 4, 1.0, 0.0), row("a", 8, left, 0.03),
                          row("b", 8, 1.0, 0.04)});  // the error of the difference is 0.05
  };
  EXPECT_EQ(at(0.849), Judgement::holds);
  EXPECT_EQ(at(0.851), Judgement::undecided);
  EXPECT_EQ(at(1.149), Judgement::undecided);
  EXPECT_EQ(at(1.151), Judgement::fails);
}

TEST(Criterion, NotAboveFailsAtThreeErrorsAndIsUndecidedWhereThoseAreLarge) {
  const Criterion step = comparing(CriterionKind::not_above);
  const auto at = [&](double left, double error) {
    return judged(step, {row("a", 4, 0.1, 0.0), row("b", 4, 1.0, 0.0), row("a", 8, left, 0.6 * error),
                         row("b", 8, 1.0, 0.8 * error)});
  };
  EXPECT_EQ(at(0.5, 0.05), Judgement::holds);
  EXPECT_EQ(at(1.149, 0.05), Judgement::holds) << "not above, as far as chance allows to say";
  EXPECT_EQ(at(1.151, 0.05), Judgement::fails);
  const auto alone = [&](double left, double error) {
    return judged(step, {row("a", 8, left, error), row("b", 8, 1.0, 0.0)});
  };
  EXPECT_EQ(alone(1.0, 0.21), Judgement::undecided) << "nothing below 1.6 could be told from it";
  EXPECT_EQ(alone(1.0, 0.19), Judgement::holds);
  EXPECT_EQ(alone(0.3, 0.21), Judgement::holds) << "three errors below";
  EXPECT_EQ(alone(1.7, 0.21), Judgement::fails);
  EXPECT_EQ(alone(1.0, 0.0), Judgement::holds) << "without an error, no more is not above";
  EXPECT_EQ(alone(1.001, 0.0), Judgement::fails);
  EXPECT_EQ(judged(step, {row("a", 8, 1.0, 0.0)}), Judgement::undecided);
}

TEST(Criterion, BelowShowsTheClosestOfNumbersWithoutAnError) {
  const Criterion below = comparing(CriterionKind::below);
  const std::vector<ResultRow> rows{row("a", 4, 0.1, 0.0), row("b", 4, 1.0, 0.0), row("a", 8, 5.0, 0.0),
                                    row("b", 8, 6.0, 0.0)};
  EXPECT_THAT(judge(below, rows).evidence, HasSubstr("5 against 6 at head, a, m = 8"));
  EXPECT_THAT(judge(below, rows).evidence, HasSubstr("largest ratio 0.833"));
}

TEST(Criterion, WithoutAnErrorTheNumbersDecide) {
  const Criterion below = comparing(CriterionKind::below);
  EXPECT_EQ(judged(below, {row("a", 4, 1.0, 0.0), row("b", 4, 1.1, 0.0)}), Judgement::holds);
  EXPECT_EQ(judged(below, {row("a", 4, 1.1, 0.0), row("b", 4, 1.0, 0.0)}), Judgement::fails);
  EXPECT_EQ(judged(below, {row("a", 4, 1.0, 0.0), row("b", 4, 1.0, 0.0)}), Judgement::undecided);
}

TEST(Criterion, ComparesOnlyRowsOfOnePoint) {
  const Criterion below = comparing(CriterionKind::below);
  EXPECT_EQ(judged(below, {row("a", 4, 2.0, 0.0), row("b", 8, 1.0, 0.0)}), Judgement::undecided)
      << "another count is another point";
  Criterion across = below;
  across.left.ranges["draws"] = {4, 4};
  EXPECT_EQ(judged(across, {row("a", 4, 2.0, 0.0), row("b", 8, 1.0, 0.0)}), Judgement::undecided)
      << "a field that one side names narrows that side";
  across.right.ranges["draws"] = {8, 8};
  EXPECT_EQ(judged(across, {row("a", 4, 2.0, 0.0), row("b", 8, 1.0, 0.0)}), Judgement::fails)
      << "one that both name need not agree";
}

TEST(Criterion, OnlyMetricsWithoutADrawMayLackAStandardError) {
  const Criterion below = comparing(CriterionKind::below);
  const auto at = [&](const std::string& metric) {
    return judge(below,
                 {of_metric(row("a", 4, 1.0, kNone), metric), of_metric(row("b", 4, 1.1, kNone), metric)});
  };
  for (const char* exact :
       {"predicted_kernel_variance", "predicted_bias2", "taylor_error", "max_error_bound"})
    EXPECT_EQ(at(exact).judgement, Judgement::holds) << exact;
  for (const char* drawn : {"mse", "kernel_mean", "relative_error_above:x=0.1", "speedup"}) {
    EXPECT_EQ(at(drawn).judgement, Judgement::undecided) << drawn;
    EXPECT_THAT(at(drawn).evidence, HasSubstr("1 of 1 points have no number (the first: head, a, m = 4, l = "
                                              "100: no standard error)"));
  }
}

TEST(Criterion, CountsThePointsWithoutANumber) {
  const Criterion below = comparing(CriterionKind::below);
  const std::vector<ResultRow> all{row("a", 4, 1.0, 0.0), row("b", 4, 2.0, 0.0), row("a", 8, 1.0, 0.0),
                                   row("b", 8, 2.0, 0.0)};
  EXPECT_EQ(judged(below, all), Judgement::holds);
  EXPECT_THAT(judge(below, all).evidence, Not(HasSubstr("no number")));

  const auto spoilt = [&](ResultRow one) {
    std::vector<ResultRow> rows = all;
    rows.back() = std::move(one);
    return judge(below, rows);
  };
  for (const ResultRow& one :
       {row("b", 8, kNone, kNone), row("b", 8, 2.0, kNone), with_status(row("b", 8, 2.0, 0.1), "no-moment"),
        with_status(row("b", 8, 2.0, 0.1), "heavy-tail"), row("b", 16, 2.0, 0.1)}) {
    EXPECT_EQ(spoilt(one).judgement, Judgement::undecided) << one.value << " " << one.status;
    EXPECT_THAT(spoilt(one).evidence, HasSubstr("1 of 2 points have no number (the first: head, "));
  }
  EXPECT_EQ(spoilt(with_status(row("b", 8, 2.0, 0.0), "scaled")).judgement, Judgement::holds);
  EXPECT_THAT(judge(below, {}).evidence, HasSubstr("no row"));
}

TEST(Criterion, MayDoWithoutAStatedShareOfPointsAndNeverWithoutAll) {
  Criterion below = comparing(CriterionKind::below);
  std::vector<ResultRow> rows;
  for (const std::int64_t draws : {4, 8, 16, 32}) {
    rows.push_back(row("a", draws, 1.0, 0.0));
    rows.push_back(row("b", draws, draws == 4 ? kNone : 2.0, 0.0));
  }
  below.missing = 0.25;
  EXPECT_EQ(judged(below, rows), Judgement::holds);
  EXPECT_THAT(judge(below, rows).evidence, HasSubstr("1 of 4 points have no number"));
  below.missing = 0.24;
  EXPECT_EQ(judged(below, rows), Judgement::undecided);
  EXPECT_THAT(judge(below, rows).evidence, HasSubstr("more than the share of 0.24"));
  rows[2].value = 3.0;
  EXPECT_EQ(judged(below, rows), Judgement::fails) << "what is missing does not save what is wrong";
  below.missing = 0.99;
  EXPECT_EQ(judged(below, {row("a", 4, 1.0, 0.0), row("b", 4, kNone, 0.0)}), Judgement::undecided);
}

TEST(Criterion, BetweenAndRatioLookAtTheWorstPoint) {
  Criterion between = comparing(CriterionKind::between);
  between.low = 1.0;
  between.high = 2.0;
  EXPECT_EQ(judged(between, {row("a", 4, 1.5, 0.1), row("a", 8, 1.7, 0.05)}), Judgement::holds);
  EXPECT_EQ(judged(between, {row("a", 4, 1.5, 0.1), row("a", 8, 1.9, 0.05)}), Judgement::undecided);
  EXPECT_EQ(judged(between, {row("a", 4, 1.5, 0.1), row("a", 8, 2.2, 0.05)}), Judgement::fails);
  EXPECT_EQ(judged(between, {row("a", 4, 2.0, 0.0)}), Judgement::holds) << "an end belongs to the range";

  EXPECT_THAT(
      judge(between, {row("a", 4, 1.5, 0.1), row("a", 8, 1.9, 0.05)}).evidence,
      HasSubstr("values from 1.5 to 1.9 over 2 points; asked for [1, 2]; closest to an end: 1.9 ± 0.05 at "
                "head, a, m = 8"));
  EXPECT_THAT(judge(between, {row("a", 4, 1.2, 0.0), row("a", 8, 1.9, 0.0)}).evidence,
              HasSubstr("closest to an end: 1.9 at head, a, m = 8"))
      << "of numbers without an error, too";
  EXPECT_THAT(judge(between, {row("a", 4, 1.5, 0.1)}).evidence,
              HasSubstr("value 1.5 ± 0.1 at head, a, m = 4"));

  Criterion ratio = comparing(CriterionKind::ratio);
  ratio.low = 1.8;
  ratio.high = 2.2;
  // 4/2 with 3 % and 4 %: 2 ± 0.1, two errors from either end.
  EXPECT_EQ(judged(ratio, {row("a", 4, 4.0, 0.12), row("b", 4, 2.0, 0.08)}), Judgement::undecided);
  EXPECT_EQ(judged(ratio, {row("a", 4, 4.0, 0.04), row("b", 4, 2.0, 0.02)}), Judgement::holds);
  EXPECT_EQ(judged(ratio, {row("a", 4, 6.0, 0.04), row("b", 4, 2.0, 0.02)}), Judgement::fails);
}

// Fieller's: 1/2 with 3 errors of 0.3 below is anything from 1/2.9 to 1/1.1, which the delta method, 0.5 ±
// 0.225, would put below 0.75; and where 0 is within the errors of what divides, nothing is decided.
TEST(Criterion, ARatioIsDecidedByBothErrorsWhereWhatDividesIsSmallToo) {
  Criterion ratio = comparing(CriterionKind::ratio);
  const auto between = [&](double low, double high, double below, double error) {
    ratio.low = low;
    ratio.high = high;
    return judged(ratio, {row("a", 4, 1.0, 0.0), row("b", 4, below, error)});
  };
  EXPECT_EQ(between(1 / 2.91, 1 / 1.09, 2.0, 0.3), Judgement::holds);
  EXPECT_EQ(between(1 / 2.89, 1 / 1.09, 2.0, 0.3), Judgement::undecided);
  EXPECT_EQ(between(1 / 2.91, 1 / 1.11, 2.0, 0.3), Judgement::undecided);
  EXPECT_EQ(between(0.2, 1 / 2.91, 2.0, 0.3), Judgement::fails);
  EXPECT_EQ(between(1 / 1.09, 2.0, 2.0, 0.3), Judgement::fails);
  EXPECT_EQ(between(-1e9, 1e9, 2.0, 0.67), Judgement::undecided) << "2 is less than 3 errors from 0";
  EXPECT_EQ(between(-1e9, 1e9, 2.0, 0.66), Judgement::holds);
  EXPECT_EQ(between(0.5, 0.5, 2.0, 0.0), Judgement::holds) << "an end belongs to the range";
}

TEST(Criterion, SlopeIsOfTheLogarithms) {
  Criterion slope = comparing(CriterionKind::slope);
  slope.low = -0.6;
  slope.high = -0.4;
  std::vector<ResultRow> rows;
  for (const std::int64_t draws : {16, 64, 256}) {
    const double value = 3.0 / std::sqrt(static_cast<double>(draws));
    rows.push_back(row("a", draws, value, 0.01 * value));
  }
  EXPECT_EQ(judged(slope, rows), Judgement::holds);
  EXPECT_THAT(judge(slope, rows).evidence, HasSubstr("-0.500 ["));

  for (ResultRow& one : rows) one.std_error = 0.3 * one.value;
  EXPECT_EQ(judged(slope, rows), Judgement::undecided) << "the interval is wider than the range";

  for (ResultRow& one : rows) {
    one.value = 3.0 / static_cast<double>(one.draws);
    one.std_error = 0.01 * one.value;
  }
  EXPECT_EQ(judged(slope, rows), Judgement::fails);
}

// Six counts that double share their draws: the error of the slope is a tenth larger than without, and only
// against counts of draws.
TEST(Criterion, SlopesOfNestedDrawsAreKnownLessWellThanOfIndependentOnes) {
  Criterion slope = comparing(CriterionKind::slope);
  const auto at = [&](double half, const std::string& against) {
    std::vector<ResultRow> rows;
    for (const std::int64_t count : {4, 8, 16, 32, 64, 128}) {
      const double value = 1.0 / static_cast<double>(count);
      rows.push_back(row("a", against == "draws" ? count : 4, value, 0.1 * value));
      if (against == "length") rows.back().length = count;
    }
    slope.against = against;
    slope.low = -1.0 - half;
    slope.high = -1.0 + half;
    return judged(slope, rows);
  };
  const double independent = 1.96 * 0.1 / (std::log(2.0) * std::sqrt(17.5));
  EXPECT_EQ(at(1.01 * independent, "length"), Judgement::holds);
  EXPECT_EQ(at(1.01 * independent, "draws"), Judgement::undecided);
  EXPECT_EQ(at(1.5 * independent, "draws"), Judgement::holds);
}

TEST(Criterion, EverySeriesMustHaveTheSlope) {
  Criterion slope = comparing(CriterionKind::slope);
  slope.left = {};
  slope.low = -1.1;
  slope.high = -0.9;
  std::vector<ResultRow> rows;
  for (const std::int64_t draws : {16, 64, 256}) {
    rows.push_back(row("a", draws, 1.0 / static_cast<double>(draws), 0.0));
    rows.push_back(row("b", draws, 1.0, 0.0));
  }
  EXPECT_EQ(judged(slope, rows), Judgement::fails);
  EXPECT_THAT(judge(slope, rows).evidence, HasSubstr("head, b, the farthest beyond a limit of 2 series"));
}

TEST(Criterion, SlopeShowsTheSeriesNearestToItsLimit) {
  Criterion slope = comparing(CriterionKind::slope);
  slope.left = {};
  slope.low = -1.2;
  slope.high = -0.8;
  std::vector<ResultRow> rows;
  for (const std::int64_t draws : {16, 64, 256})
    for (const auto& [name, exponent] :
         std::vector<std::pair<std::string, double>>{{"a", -1.0}, {"b", -1.1}, {"c", -0.95}, {"d", -1.05}})
      rows.push_back(row(name, draws, std::pow(static_cast<double>(draws), exponent), 0.0));
  EXPECT_EQ(judged(slope, rows), Judgement::holds);
  EXPECT_THAT(judge(slope, rows).evidence, HasSubstr("-1.100 [-1.100, -1.100] against draws from 16 to 256"));
  EXPECT_THAT(
      judge(slope, rows).evidence,
      HasSubstr("head, b, the nearest to a limit of 4 series, whose slopes are from -1.100 to -0.950"));

  slope.high = -0.97;  // c is beyond it, whatever the others are
  EXPECT_EQ(judged(slope, rows), Judgement::fails);
  EXPECT_THAT(judge(slope, rows).evidence, HasSubstr("head, c, the farthest beyond"));
}

TEST(Criterion, ASeriesWithoutASlopeIsNoSeries) {
  Criterion slope = comparing(CriterionKind::slope);
  slope.left = {};
  slope.low = -1.1;
  slope.high = -0.9;
  std::vector<ResultRow> rows{row("a", 4, 0.25, 0.0), row("a", 8, 0.125, 0.0), row("b", 4, 1.0, 0.0)};
  EXPECT_EQ(judged(slope, rows), Judgement::undecided);
  EXPECT_THAT(judge(slope, rows).evidence, HasSubstr("1 of 3 points have no number"));
  EXPECT_THAT(judge(slope, rows).evidence, HasSubstr("alone in its series"));
  rows.back() = row("a", 16, -0.1, 0.0);
  EXPECT_THAT(judge(slope, rows).evidence, HasSubstr("no logarithm"));
}

TEST(Criterion, ASeriesMayBeAgainstTheHeadDimension) {
  Criterion slope = comparing(CriterionKind::slope);
  slope.left = {};
  slope.against = "head_dim";
  slope.low = 1.9;
  slope.high = 2.1;
  std::vector<ResultRow> rows;
  for (const std::int64_t dim : {5, 7, 11}) {
    rows.push_back(row("a", 4, static_cast<double>(dim * dim), 0.0));
    rows.back().head_dim = dim;
  }
  EXPECT_EQ(judged(slope, rows), Judgement::holds);
}

TEST(Criterion, AgreementAllowsWhatChanceDoesAndNoMore) {
  const Criterion agree = comparing(CriterionKind::agree);
  // One point and a false alarm of 10⁻⁴: 3.89 standard errors.
  const auto off_by = [&](double sigmas) {
    return judged(agree, {row("a", 4, 1.0 + 0.01 * sigmas, 0.01), row("b", 4, 1.0, 0.0)});
  };
  EXPECT_EQ(off_by(3.88), Judgement::holds);
  EXPECT_EQ(off_by(3.90), Judgement::fails);
  EXPECT_EQ(judged(agree, {row("a", 4, 1.0, 0.3), row("b", 4, 1.0, 0.0)}), Judgement::undecided)
      << "errors so large could not disagree";
  EXPECT_EQ(judged(agree, {row("a", 4, 1.0 + 1e-14, 1e-16), row("b", 4, 1.0, 0.0)}), Judgement::holds)
      << "rounding is no disagreement";
}

TEST(Criterion, RatiosOverZeroAreNoNumbers) {
  Criterion ratio = comparing(CriterionKind::ratio);
  ratio.high = 2.0;
  EXPECT_EQ(judged(ratio, {row("a", 4, 1.0, 0.0), row("b", 4, 1.0, 0.0), row("a", 8, 1.0, 0.0),
                           row("b", 8, 0.0, 0.0)}),
            Judgement::undecided);
  EXPECT_EQ(judged(ratio, {row("a", 4, 3.0, 0.0), row("b", 4, 1.0, 0.0), row("a", 8, 1.0, 0.0),
                           row("b", 8, 0.0, 0.0)}),
            Judgement::fails);
}

// The complaint about a selection of what no row has; empty where there is none.
std::string complaint(const RowSelection& selection, const std::vector<ResultRow>& rows) {
  try {
    selection.require_met(rows, "here");
    return "";
  } catch (const BadInput& error) {
    return error.what();
  }
}

TEST(RowSelection, SelectsOnlyWhatSomeRowHas) {
  const std::vector<ResultRow> rows{row("performer", 4, 1.0, 0.0), row("rfa", 8, 1.0, 0.0)};
  RowSelection selection = of("rfa");
  selection.ranges["draws"] = {5, 9};
  EXPECT_EQ(complaint(selection, rows), "");
  selection.ranges["draws"] = {5, 7};
  EXPECT_EQ(complaint(selection, rows), "here: no row has draws from 5 to 7; the rows have 4, 8");
  selection.ranges["draws"] = {4, 4};
  EXPECT_EQ(complaint(selection, rows),
            "here: no row has estimator \"rfa\", draws 4 together; leave out or mend one of them");
  selection.words["estimator"] = "performr";
  EXPECT_EQ(complaint(selection, rows),
            "here: no row has estimator \"performr\"; did you mean \"performer\" or \"rfa\"?");
}

}  // namespace
}  // namespace attngap
