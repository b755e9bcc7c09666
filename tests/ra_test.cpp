#include "estimators/estimator_table.hpp"
#include "estimators/exact_attention.hpp"
#include "tests/house_problem.hpp"
#include "tests/snis_reference.hpp"
#include "tests/statistical_assertions.hpp"

#include <cmath>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace attngap {
namespace {

using testing_tools::draw_once;
using testing_tools::gaussian_expectation;
using testing_tools::house_problem;
using testing_tools::kHouseDraws;
using testing_tools::ratio;
using testing_tools::sigma_limit;
using testing_tools::simulate;
using testing_tools::SnisReference;
using testing_tools::worst_sigma;

constexpr StreamAddress kAddress{3, 1, 4};

// E RA_n when keys are drawn from `weights` and the noise has `deviation`.
Vector expected_answer(const SnisReference& reference, Index n, const Vector& weights, double deviation) {
  Vector mean = Vector::Zero(reference.V.cols());
  for (Index m = 0; m < weights.size(); ++m)
    mean += weights(m) * gaussian_expectation(reference.Q.row(n) + reference.K.row(m), deviation,
                                              [&](const Vector& w) { return reference.integrand(w); });
  return mean;
}

TEST(RandomizedAttention, ItsDensityIsTheMixtureOverKeysOfTheImportanceWeights) {
  const auto problem = house_problem(1);
  const SnisReference reference(problem);
  const Vector w = testing_tools::normal_matrix(9, 1, 1, 5).row(0);
  for (Index n = 0; n < 3; ++n) {
    double mixture = 0.0;
    for (Index m = 0; m < 7; ++m)
      mixture += reference.softmax(n)(m) *
                 std::exp(0.5 * w.squaredNorm() -
                          0.5 * (w.transpose() - reference.Q.row(n) - reference.K.row(m)).squaredNorm());
    EXPECT_NEAR(reference.importance(n, w) / mixture, 1.0, 1e-12);
  }
}

TEST(RandomizedAttention, IsUnbiasedByQuadratureInOneAndTwoDimensions) {
  for (const Index d : {Index{1}, Index{2}}) {
    const auto problem = house_problem(2, {.head_dim = d});
    const SnisReference reference(problem);
    const Matrix exact = exact_attention(problem).output;
    for (Index n = 0; n < 3; ++n)
      EXPECT_LT((expected_answer(reference, n, reference.softmax(n), 1.0).transpose() - exact.row(n)).norm(),
                1e-12);
  }
}

TEST(RandomizedAttention, IsTheIntegrandAtAKeyOfTheSoftmaxPlusTheQueryPlusNoise) {
  const auto problem = house_problem(3);
  const SnisReference reference(problem);
  Matrix expected = Matrix::Zero(3, 2);
  for (Index s = 0; s < 2; ++s)
    for (Index n = 0; n < 3; ++n)
      expected.row(n) += 0.5 * reference.integrand(reference.sampled_direction(kAddress, s, n)).transpose();
  const auto estimate = draw_once("ra", problem, {2}, kAddress).front();
  EXPECT_LT((estimate.numerator - expected).norm(), 1e-12);
  EXPECT_EQ(estimate.denominator, Vector::Ones(3));
  EXPECT_LT((estimate.log_scale - exact_attention(problem).log_normalizer).norm(), 1e-12);
}

TEST(RandomizedAttention, DrawsAreNested) {
  const auto problem = house_problem(4);
  const auto several = draw_once("ra", problem, {2, 5, kHouseDraws}, kAddress);
  EXPECT_EQ(several[1].numerator, draw_once("ra", problem, {5}, kAddress)[0].numerator);
  EXPECT_EQ(several[2].numerator, draw_once("ra", problem, {kHouseDraws}, kAddress)[0].numerator);
  EXPECT_NE(several[1].numerator, several[2].numerator);
}

TEST(RandomizedAttention, KeyWeightsSumToTheEstimateAndToOne) {
  const auto problem = house_problem(5);
  const auto estimator = make_estimator("ra");
  const auto estimate = draw_once(*estimator, problem, {kHouseDraws}, kAddress).front();
  for (Index n = 0; n < 3; ++n) {
    const KeyWeights weights = estimator->key_weights(problem, n, kHouseDraws, kAddress);
    EXPECT_NEAR(weights.drawn.sum(), 1.0, 1e-12);
    EXPECT_LT((weights.drawn.transpose() * problem.V - estimate.numerator.row(n)).norm(), 1e-12);
    EXPECT_LT((weights.direction_sums.colwise().mean().head(2) - estimate.numerator.row(n)).norm(), 1e-12);
    EXPECT_LT((weights.expected - SnisReference(problem).softmax(n)).norm(), 1e-12);
  }
}

TEST(RandomizedAttention, VariesLessThanTheValueOfASampledKey) {
  const auto problem = house_problem(6, {.head_dim = 2});
  const SnisReference reference(problem);
  for (Index n = 0; n < 3; ++n) {
    const Vector pi = reference.softmax(n), exact = reference.V.transpose() * pi;
    double trace = 0.0, of_keys = 0.0;
    for (Index m = 0; m < 7; ++m) {
      trace +=
          pi(m) * gaussian_expectation(reference.Q.row(n) + reference.K.row(m), 1.0, [&](const Vector& w) {
            return Vector::Constant(1, (reference.integrand(w) - exact).squaredNorm());
          })(0);
      of_keys += pi(m) * (reference.V.row(m).transpose() - exact).squaredNorm();
    }
    EXPECT_LT(trace, of_keys);
  }
}

TEST(RandomizedAttention, IsUnbiasedInSimulation) {
  const auto problem = house_problem(7);
  const Matrix exact = exact_attention(problem).output;
  EXPECT_LE(worst_sigma(simulate("ra", problem, 2, 20'000, exact), exact), sigma_limit());
}

// The released noise and the two released ways without a sampled key are biased by what quadrature says: the
// mean is there, and it is not at softmax attention.
TEST(RandomizedAttention, ReleasedFormsHaveTheBiasThatQuadratureSays) {
  auto problem = house_problem(8, {.head_dim = 2, .spread = 2.0});
  problem.scale = 0.25;  // released noise of deviation 1/2, as at d = 16
  const SnisReference reference(problem);
  const Matrix exact = exact_attention(problem).output;
  const auto around = [&](const std::string& text, const auto& mean_of) {
    Matrix expected(3, 2);
    for (Index n = 0; n < 3; ++n) expected.row(n) = mean_of(n);
    const auto moments = simulate(text, problem, 1, 40'000, exact);
    EXPECT_LE(worst_sigma(moments, expected), sigma_limit()) << text;
    EXPECT_GT(worst_sigma(moments, exact), 2.0 * sigma_limit()) << text << " is caught";
    EXPECT_GT((expected - exact).norm(), 0.02) << text;  // of values of deviation one
  };
  around("ra:noise=released", [&](Index n) {
    return expected_answer(reference, n, reference.softmax(n), std::sqrt(problem.scale));
  });
  const auto at = [&](Index n, const Vector& key) {
    return gaussian_expectation(reference.Q.row(n).transpose() + key, 1.0,
                                [&](const Vector& w) { return reference.integrand(w); });
  };
  around("ra:proposal=mean", [&](Index n) { return at(n, reference.K.colwise().mean().transpose()); });
  around("ra:proposal=expected",
         [&](Index n) { return at(n, reference.K.transpose() * reference.softmax(n)); });
}

TEST(RandomizedAttention, ACausalQuerySeesNoFutureKey) {
  auto problem = house_problem(9, {}, Mask::causal);
  for (const char* text : {"ra", "ra:proposal=mean", "ra:proposal=expected"}) {
    const Matrix before = draw_once(text, problem, {kHouseDraws}, kAddress)[0].numerator;
    auto changed = problem;
    changed.K.bottomRows(2).setConstant(1.5);
    changed.V.bottomRows(2).setConstant(100.0);
    const Matrix after = draw_once(text, changed, {kHouseDraws}, kAddress)[0].numerator;
    EXPECT_LT((before - after).topRows(5).norm(), 1e-12) << text;
    EXPECT_GT((before - after).bottomRows(1).norm(), 1.0) << text;
  }
}

TEST(RandomizedAttention, IsFiniteOnHostileNorms) {
  const auto problem = house_problem(10, {.spread = 1e4});
  EXPECT_TRUE(draw_once("ra", problem, {kHouseDraws}, kAddress)[0].numerator.allFinite());
}

}  // namespace
}  // namespace attngap
