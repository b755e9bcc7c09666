#include "estimators/decomposition.hpp"

#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/exact_attention.hpp"
#include "tests/house_problem.hpp"
#include "tests/statistical_assertions.hpp"

#include <gmock/gmock.h>

namespace attngap {
namespace {

using namespace testing_tools;

constexpr double kRounding = 1e-12;

// Every query of a small problem under one estimator, with what its decomposition needs.
class RatioDecomposition : public testing::TestWithParam<const char*> {
 protected:
  RatioDecomposition()
      : problem_(house_problem(3, {3, 7, 5, 2, 0.7})), estimator_(make_estimator(GetParam())) {}

  KeyWeights weights(Index query, std::uint32_t replicate = 0, Index draws = kHouseDraws) const {
    return estimator_->key_weights(problem_, query, draws, {1, 0, replicate});
  }
  Decomposition parts(Index query, Coefficient coefficient, Index groups = 3) const {
    const KeyWeights w = weights(query);
    Vector regression;
    if (coefficient == Coefficient::regression)
      regression =
          regression_coefficient(estimator_->key_covariance(problem_, query), w.expected, problem_.V);
    return decompose(w, problem_.V, {coefficient, groups, &regression});
  }

  AttentionProblem problem_;
  std::unique_ptr<AttentionEstimator> estimator_;
};

TEST_P(RatioDecomposition, WithTheRatioCoefficientIsTheEstimateOfTheSameDraw) {
  const Matrix direct = ratio(draw_once(*estimator_, problem_, {kHouseDraws}, {1, 0, 0}).back());
  for (Index i = 0; i < problem_.queries(); ++i) {
    const Vector estimate = parts(i, Coefficient::ratio).estimate;
    EXPECT_LT((estimate - direct.row(i).transpose()).norm(), kRounding * (1 + direct.row(i).norm()))
        << "query " << i;
  }
}

TEST_P(RatioDecomposition, WithEachKeysOwnValueIsItsExactAttentionWithoutError) {
  for (Index i = 0; i < problem_.queries(); ++i) {
    const Decomposition own = parts(i, Coefficient::key);
    EXPECT_LT((own.estimate - own.exact).norm(), kRounding);
    EXPECT_EQ(own.error.norm(), 0.0);
  }
}

TEST_P(RatioDecomposition, ErrorsOfKeysSumToTheErrorUnderEveryPolicy) {
  for (const Coefficient policy :
       {Coefficient::zero, Coefficient::oracle, Coefficient::ratio, Coefficient::group}) {
    const Decomposition split = parts(1, policy);
    const Vector sum = split.error.colwise().sum();
    EXPECT_LT((sum - (split.estimate - split.exact)).norm(), kRounding * (1 + sum.norm()));
  }
}

TEST_P(RatioDecomposition, CollapsesToTheFormulaOfASharedCoefficient) {
  const KeyWeights w = weights(2);
  const Vector g = problem_.V.transpose() * w.drawn;
  const double h = w.drawn.sum();
  EXPECT_LT((parts(2, Coefficient::zero).estimate - g).norm(), kRounding);
  const Decomposition oracle = parts(2, Coefficient::oracle);
  EXPECT_LT((oracle.estimate - (g - oracle.exact * (h - 1.0))).norm(), kRounding);
}

TEST_P(RatioDecomposition, OneGroupIsTheRatioAndSingletonsAreExact) {
  const Vector ratio_estimate = parts(0, Coefficient::ratio).estimate;
  const Decomposition one_group = parts(0, Coefficient::group, 1);
  EXPECT_LT((one_group.estimate - ratio_estimate).norm(), kRounding);
  const Decomposition singletons = parts(0, Coefficient::group, problem_.keys());
  EXPECT_LT((singletons.estimate - singletons.exact).norm(), kRounding);
  EXPECT_GT((one_group.estimate - one_group.exact).norm(), 1e-3);  // not both by accident
}

TEST_P(RatioDecomposition, GroupsAreTheMassWeightedRatiosOfTheGroups) {
  const Decomposition grouped = parts(1, Coefficient::group, 3);
  Vector sum = Vector::Zero(problem_.value_dim());
  for (Index c = 0; c < 3; ++c) {
    double mass = 0, h = 0;
    Vector g = Vector::Zero(problem_.value_dim());
    for (Index m = 0; m < problem_.keys(); ++m) {
      if (grouped.group[static_cast<std::size_t>(m)] != c) continue;
      mass += grouped.pi(m);
      h += grouped.h(m);
      g += grouped.g.row(m);
    }
    sum += mass * g / h;
  }
  EXPECT_LT((grouped.estimate - sum).norm(), kRounding);
}

TEST_P(RatioDecomposition, ExpectedWeightsSumToOneAndDirectionSumsAverageToTheDraw) {
  const KeyWeights w = weights(0);
  EXPECT_NEAR(w.expected.sum(), 1.0, kRounding);
  ASSERT_EQ(w.direction_sums.rows(), kHouseDraws);
  const Vector mean = w.direction_sums.colwise().mean();
  EXPECT_NEAR(mean(problem_.value_dim()), w.drawn.sum(), kRounding * (1 + w.drawn.cwiseAbs().sum()));
  EXPECT_LT((mean.head(problem_.value_dim()) - problem_.V.transpose() * w.drawn).norm(), 1e-11);
}

TEST(EstimatedCoefficient, IsTheRatioWhereTheDenominatorDoesNotVary) {
  const AttentionProblem problem = house_problem(3);
  const Decomposition estimated =
      make_estimator("ra")->decompose(problem, 1, 5, {1, 0, 0}, {Coefficient::estimated, 1});
  const Decomposition ratio =
      make_estimator("ra")->decompose(problem, 1, 5, {1, 0, 0}, {Coefficient::ratio, 1});
  EXPECT_LT((estimated.estimate - ratio.estimate).norm(), kRounding);
}

TEST(RegressionCoefficient, IsRefusedWhereDirectionsAreNotIndependent) {
  const AttentionProblem problem = house_problem(3);
  for (const char* name : {"performer:projection=orthogonal", "rmfa:degrees=fixed,max-degree=3"})
    EXPECT_THAT(sentence_of([&] { make_estimator(name)->best_shared_coefficient(problem, 0, 11); }),
                testing::HasSubstr("independent directions only"))
        << name;
}

TEST_P(RatioDecomposition, RegressionIsTheBestSharedCoefficient) {
  const Matrix C = estimator_->key_covariance(problem_, 0);
  const Vector pi = weights(0).expected;
  const Vector best = regression_coefficient(C, pi, problem_.V);
  // Variance of channel 0 of Σ (h_m − π_m)(v_m − β), of one direction: a quadratic form in the covariance.
  const Matrix covariance = C - pi * pi.transpose();
  const auto variance = [&](double beta) {
    const Vector rest = problem_.V.col(0).array() - beta;
    return rest.dot(covariance * rest);
  };
  EXPECT_LT(variance(best(0)), variance(best(0) + 1e-3));
  EXPECT_LT(variance(best(0)), variance(best(0) - 1e-3));
}

INSTANTIATE_TEST_SUITE_P(GaussianRatios, RatioDecomposition,
                         testing::Values("performer", "performer:features=hyperbolic",
                                         "performer:features=regularized", "rfa"),
                         [](const auto& instance) {
                           std::string name = instance.param;
                           for (char& c : name)
                             if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
                           return name;
                         });

// The mean of h is π, so that every policy with a coefficient of its own choosing is unbiased; and the
// variance of one direction's sum is the closed form. Small norms, where sample variances can be trusted.
TEST(KeyWeights, HaveMeanPiAndTheClosedFormVariance) {
  const AttentionProblem problem = house_problem(5, {3, 7, 5, 2, 0.3});
  const auto estimator = make_estimator("performer");
  const Matrix C = estimator->key_covariance(problem, 0);
  const Vector pi = estimator->key_weights(problem, 0, 1, {}).expected;
  Moments first_key, total;
  for (std::uint32_t r = 0; r < 20000; ++r) {
    const Vector h = estimator->key_weights(problem, 0, 1, {9, 0, r}).drawn;
    first_key.add(h(0));
    total.add(h.sum());
  }
  const double total_variance = C.sum() - 1.0;
  EXPECT_TRUE(mean_is(first_key, pi(0), C(0, 0) - pi(0) * pi(0)));
  EXPECT_TRUE(mean_is(total, 1.0, total_variance));
  EXPECT_TRUE(variance_is(total, total_variance));
  EXPECT_FALSE(mean_is(first_key, 1.05 * pi(0), C(0, 0) - pi(0) * pi(0)));  // five per cent would be seen
  EXPECT_FALSE(variance_is(total, 1.3 * total_variance));
}

TEST(Coefficients, NeedWhatTheySay) {
  const AttentionProblem problem = house_problem(3);
  const auto estimator = make_estimator("performer");
  const KeyWeights one = estimator->key_weights(problem, 0, 1, {});
  EXPECT_THAT(sentence_of([&] {
                decompose(one, problem.V, {Coefficient::estimated, 1, nullptr});
              }),
              testing::HasSubstr("at least two"));
  EXPECT_THAT(sentence_of([&] {
                decompose(one, problem.V, {Coefficient::regression, 1, nullptr});
              }),
              testing::HasSubstr("closed-form"));
  EXPECT_THAT(sentence_of([] { coefficient_named("ration"); }), testing::HasSubstr("\"ratio\""));
  EXPECT_THAT(sentence_of([&] { make_estimator("zero")->key_weights(problem, 0, 1, {}); }),
              testing::HasSubstr("not a sum"));
}

TEST(KeyWeights, SeeOnlyVisibleKeys) {
  const AttentionProblem problem = house_problem(4, {7, 7, 5, 2, 0.7}, Mask::causal);
  const auto estimator = make_estimator("performer");
  const Matrix direct = ratio(draw_once(*estimator, problem, {kHouseDraws}, {1, 0, 0}).back());
  for (Index i = 0; i < problem.queries(); ++i) {
    const KeyWeights w = estimator->key_weights(problem, i, kHouseDraws, {1, 0, 0});
    ASSERT_EQ(w.drawn.size(), i + 1);
    const Decomposition parts = decompose(w, problem.V.topRows(i + 1), {});
    EXPECT_LT((parts.estimate - direct.row(i).transpose()).norm(), kRounding);
    EXPECT_LT((parts.exact - exact_attention(problem).output.row(i).transpose()).norm(), kRounding);
  }
}

}  // namespace
}  // namespace attngap
