#include "estimators/denominator.hpp"

#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"
#include "tests/house_problem.hpp"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>

namespace attngap {
namespace {

using testing::HasSubstr;
using testing_tools::draw_once;
using testing_tools::house_problem;
using testing_tools::kHouseDraws;
using testing_tools::sentence_of;

// D is in units of the kernel: the scaled denominator times exp(log_scale).
TEST(DenominatorPolicies, AreTheirFormulasInUnitsOfTheKernel) {
  for (const double log_scale : {0.0, -3.0, 2.0, 600.0})
    for (const double D : {-2.0, -0.01, 0.3, 5.0}) {
      const double scaled = D * std::exp(-log_scale);
      const auto applied = [&](const char* policy) {
        return DenominatorPolicy(policy).apply(scaled, log_scale) * std::exp(log_scale);
      };
      EXPECT_DOUBLE_EQ(applied("none"), D);
      EXPECT_DOUBLE_EQ(applied("clamp:0.5"), std::max(D, 0.5));
      EXPECT_DOUBLE_EQ(applied("epsilon:0.25"), D + 0.25);
      EXPECT_DOUBLE_EQ(applied("abs"), std::abs(D));
      EXPECT_DOUBLE_EQ(applied("floor:0.5"), std::copysign(std::max(std::abs(D), 0.5), D));
    }
}

TEST(DenominatorPolicies, SayWhetherTheyKeepAwayFromZero) {
  EXPECT_TRUE(DenominatorPolicy("clamp:0.5").bounds_away_from_zero());
  EXPECT_TRUE(DenominatorPolicy("floor:0.5").bounds_away_from_zero());
  for (const char* policy : {"none", "abs", "epsilon:0.5"})
    EXPECT_FALSE(DenominatorPolicy(policy).bounds_away_from_zero()) << policy;
}

TEST(DenominatorPolicies, RefuseWhatTheyAreNot) {
  EXPECT_THAT(sentence_of([] { DenominatorPolicy("clam:1"); }), HasSubstr("did you mean \"clamp\""));
  EXPECT_THAT(sentence_of([] { DenominatorPolicy("clamp"); }), HasSubstr("a number must follow"));
  EXPECT_THAT(sentence_of([] { DenominatorPolicy("abs:1"); }), HasSubstr("takes no number"));
  EXPECT_THAT(sentence_of([] { DenominatorPolicy("floor:0"); }), HasSubstr("must be positive"));
}

// They change the output and nothing else of the draw: the numerator and the raw denominator stay.
TEST(DenominatorPolicies, ActOnTheOutputOfEveryRatio) {
  const AttentionProblem problem = house_problem(71);
  for (const std::string name : {"performer", "rfa", "rmfa", "lara"}) {
    const auto plain = make_estimator(name), clamped = make_estimator(name + ":denominator=clamp:1e6");
    const AttentionEstimate draw = draw_once(*plain, problem, {kHouseDraws}, {1, 2, 3}).back();
    const AttentionEstimate same = draw_once(*clamped, problem, {kHouseDraws}, {1, 2, 3}).back();
    EXPECT_EQ(draw.numerator, same.numerator) << name;
    EXPECT_EQ(draw.denominator, same.denominator) << name;
    for (Index i = 0; i < problem.queries(); ++i) {
      const Vector expected = draw.numerator.row(i) * std::exp(draw.log_scale(i)) / 1e6;
      const Vector found = attention_output(same, clamped->denominator()).row(i);
      EXPECT_LT((found - expected).norm(), 1e-12 * expected.norm()) << name;
    }
  }
}

// Signed features have moments once the denominator is kept away from zero.
TEST(DenominatorPolicies, GiveMomentsToRatiosOfSignedFeatures) {
  for (const char* name : {"rfa", "rfa:kernel=arccos", "rmfa"}) {
    const std::string separator = std::string(name).find(':') == std::string::npos ? ":" : ",";
    EXPECT_FALSE(make_estimator(name)->has_moments()) << name;
    EXPECT_FALSE(make_estimator(name + separator + "denominator=abs")->has_moments()) << name;
    EXPECT_TRUE(make_estimator(name + separator + "denominator=floor:0.1")->has_moments()) << name;
  }
}

// One channel, one query q = 1 and keys −1 and −2: T_1(2qk) = 1 + 2qk is −1 and −3, times exp(−k²).
TEST(DenominatorPolicies, ActOnEveryChannelOfElementwiseAttention) {
  const AttentionProblem problem =
      make_problem(Matrix::Ones(1, 1), Matrix{{-1.0}, {-2.0}}, Matrix{{1.0}, {5.0}});
  const double a = -std::exp(-1.0), b = -3.0 * std::exp(-4.0), unit = std::exp(-1.0);  // exp(−q²)
  const auto output = [&](const char* name) {
    const AttentionEstimate estimate = draw_once(name, problem, {}, {}).back();
    return estimate.numerator(0, 0) / estimate.denominator(0);
  };
  EXPECT_NEAR(output("elementwise:degree=1"), (a + 5.0 * b) / (a + b), 1e-14);
  EXPECT_LT(draw_once("elementwise:degree=1", problem, {}, {}).back().denominator(0),
            0.0);  // counted as negative
  EXPECT_GT(draw_once("elementwise:degree=2", problem, {}, {}).back().denominator(0), 0.0);
  EXPECT_NEAR(output("elementwise:degree=1,denominator=abs"), (a + 5.0 * b) / std::abs(a + b), 1e-14);
  EXPECT_NEAR(output("elementwise:degree=1,denominator=clamp:0.5"), unit * (a + 5.0 * b) / 0.5, 1e-14);
  EXPECT_NEAR(output("elementwise:degree=1,denominator=epsilon:2"),
              unit * (a + 5.0 * b) / (unit * (a + b) + 2.0), 1e-14);
  EXPECT_THAT(sentence_of([] { make_estimator("elementwise:denominator=abs"); }),
              HasSubstr("belongs to degree="));
}

}  // namespace
}  // namespace attngap
