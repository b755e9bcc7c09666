// What a criterion makes of rows: each kind where it holds, where it fails and where the rows do not say.

#include "experiments/criterion.hpp"

#include "estimators/error.hpp"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>

namespace attngap {
namespace {

using ::testing::HasSubstr;

ResultRow row(const std::string& estimator, std::int64_t draws, double value, double std_error) {
  ResultRow row;
  row.data = "head";
  row.estimator = estimator;
  row.metric = "mse";
  row.draws = draws;
  row.length = 100;
  row.value = value;
  row.std_error = std_error;
  return row;
}

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

TEST(Criterion, WithoutAnErrorTheNumbersDecide) {
  const Criterion below = comparing(CriterionKind::below);
  EXPECT_EQ(judged(below, {row("a", 4, 1.0, 0.0), row("b", 4, 1.1, std::nan(""))}), Judgement::holds);
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

TEST(Criterion, RowsWithoutANumberAreNotThere) {
  const double none = std::numeric_limits<double>::quiet_NaN();
  const Criterion below = comparing(CriterionKind::below);
  EXPECT_EQ(judged(below, {row("a", 4, none, none), row("b", 4, 1.0, 0.0)}), Judgement::undecided);
  EXPECT_THAT(judge(below, {}).evidence, HasSubstr("no row"));
}

TEST(Criterion, BetweenAndRatioLookAtTheWorstPoint) {
  Criterion between = comparing(CriterionKind::between);
  between.low = 1.0;
  between.high = 2.0;
  EXPECT_EQ(judged(between, {row("a", 4, 1.5, 0.1), row("a", 8, 1.7, 0.05)}), Judgement::holds);
  EXPECT_EQ(judged(between, {row("a", 4, 1.5, 0.1), row("a", 8, 1.9, 0.05)}), Judgement::undecided);
  EXPECT_EQ(judged(between, {row("a", 4, 1.5, 0.1), row("a", 8, 2.2, 0.05)}), Judgement::fails);
  EXPECT_EQ(judged(between, {row("a", 4, 2.0, 0.0)}), Judgement::holds) << "an end belongs to the range";

  Criterion ratio = comparing(CriterionKind::ratio);
  ratio.low = 1.8;
  ratio.high = 2.2;
  // 4/2 with 3 % and 4 %: 2 ± 0.1, two errors from either end.
  EXPECT_EQ(judged(ratio, {row("a", 4, 4.0, 0.12), row("b", 4, 2.0, 0.08)}), Judgement::undecided);
  EXPECT_EQ(judged(ratio, {row("a", 4, 4.0, 0.04), row("b", 4, 2.0, 0.02)}), Judgement::holds);
  EXPECT_EQ(judged(ratio, {row("a", 4, 6.0, 0.04), row("b", 4, 2.0, 0.02)}), Judgement::fails);
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
  EXPECT_THAT(judge(slope, rows).evidence, HasSubstr("one of 2 series: head, b"));
}

TEST(Criterion, AgreementAllowsWhatChanceDoesAndNoMore) {
  const Criterion agree = comparing(CriterionKind::agree);
  // One point and a false alarm of 10⁻⁴: 3.89 standard errors.
  const auto off_by = [&](double sigmas) {
    return judged(agree, {row("a", 4, 1.0 + 0.01 * sigmas, 0.01), row("b", 4, 1.0, std::nan(""))});
  };
  EXPECT_EQ(off_by(3.88), Judgement::holds);
  EXPECT_EQ(off_by(3.90), Judgement::fails);
  EXPECT_EQ(judged(agree, {row("a", 4, 1.0, 0.3), row("b", 4, 1.0, 0.0)}), Judgement::undecided)
      << "errors so large could not disagree";
  EXPECT_EQ(judged(agree, {row("a", 4, 1.0 + 1e-14, 1e-16), row("b", 4, 1.0, 0.0)}), Judgement::holds)
      << "rounding is no disagreement";
}

TEST(Criterion, KnowsItsFields) {
  EXPECT_NO_THROW(require_row_field("estimator", false));
  EXPECT_NO_THROW(require_row_field("length", true));
  EXPECT_THROW(require_row_field("length", false), BadInput);
  EXPECT_THROW(require_row_field("estimater", false), BadInput);
}

}  // namespace
}  // namespace attngap
