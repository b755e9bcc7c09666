#include "analysis/prediction.hpp"
#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"
#include "tests/house_problem.hpp"
#include "tests/predicted.hpp"
#include "tests/statistical_assertions.hpp"

#include <cmath>

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace attngap {
namespace {

using namespace testing_tools;

// The same of a map with rows of its own, in units of the product of the means.
Matrix coupled_rows_of(const FeatureMap& map, const Vector& q, const Matrix& keys) {
  Vector kernels(keys.rows());
  for (Index m = 0; m < keys.rows(); ++m) kernels(m) = map.kernel(q, keys.row(m));
  const auto rows = map.orthogonal_rows(q.size());
  rows->start(q, keys, Vector::Constant(keys.rows(), 1.0 / kernels.sum()));
  const Vector inverses = kernels.cwiseInverse();
  return inverses.asDiagonal() * rows->covariances(0, keys.rows()) * inverses.asDiagonal();
}

// f of every pair of keys of one query, pair by pair.
Matrix coupled_pairs_of(const FeatureMap& map, const AttentionProblem& seen, Index query, Index keys) {
  if (!map.orthogonal_pairs())
    return coupled_rows_of(map, seen.scaled_queries().row(query), seen.scaled_keys().topRows(keys));
  const OrthogonalPairs kind = *map.orthogonal_pairs();
  const HaarPair pair(kind.factor, seen.head_dim());
  const Matrix z =
      (kind.sign * seen.scaled_keys().topRows(keys)).rowwise() + seen.scaled_queries().row(query);
  Matrix f(keys, keys);
  for (Index j = 0; j < keys; ++j)
    for (Index k = 0; k <= j; ++k) {
      const double A = z.row(j).squaredNorm(), B = z.row(k).squaredNorm();
      const double cosine2 = std::min(1.0, std::pow(z.row(j).dot(z.row(k)), 2) / (A * B));
      f(j, k) = f(k, j) = pair.excess(A, B, Vector::Constant(1, cosine2))(0);
    }
  return f;
}

struct OrthogonalSetting {
  const char* estimator;
  const char* map;
  Index keys;
};

// Positive features have a finite variance everywhere: what the table does not reach is unknown, not
// infinite.
TEST(PredictionOfOrthogonalDirections, BeyondTheTableTheyAreUnknownAndNotInfinite) {
  const auto orthogonal = make_estimator("performer:projection=orthogonal"),
             iid = make_estimator("performer");
  AttentionProblem problem = house_problem(5, {2, 3, 4, 2, 0.4});
  problem.Q.row(1) *= std::sqrt(70.0) / problem.scaled_queries().row(1).norm();
  problem.K.row(2).setZero();  // |q₁ + k₂|² = 70
  const RatioPrediction said = predict(as_ratio(orthogonal), problem);
  const RatioPrediction independent = predict(as_ratio(iid), problem);
  EXPECT_TRUE(std::isfinite(independent.ew2(1)));
  EXPECT_EQ(said.condition(0, 1 << 20), independent.condition(0, 1 << 20));
  EXPECT_EQ(said.condition(1, 1 << 20), "beyond-table");
  EXPECT_EQ(said.condition(1 << 20), "beyond-table");
  EXPECT_TRUE(said.variance_at(8).row(0).allFinite());
  EXPECT_TRUE(std::isnan(said.variance_at(8)(1, 0)));
  EXPECT_TRUE(std::isnan(said.bias_at(8)(1, 1)));
  const auto covariances = predicted_covariances(as_ratio(orthogonal), problem, 8);
  EXPECT_TRUE(covariances[0].allFinite());
  EXPECT_TRUE(covariances[1].array().isNaN().all());
}

// In the plane, whose rows are elementary, two blocks of keys: 2 + 2 coupled pairs of 4 directions.
TEST(PredictionOfOrthogonalDirections, OfArccosFeaturesAndManyKeysIsTheSumOverTheCoupledPairs) {
  const auto estimator = make_estimator("rfa:kernel=arccos,projection=orthogonal");
  const AttentionProblem problem = house_problem(6, {1, 150, 2, 2, 0.4});
  const AttentionProblem seen = as_ratio(estimator).prepared(problem);
  const Vector pi = estimator->key_weights(problem, 0, 1, {}).expected;
  const Matrix f = coupled_pairs_of(feature_map_named("arccos"), seen, 0, 150);
  const Matrix C = estimator->key_covariance(problem, 0);
  const Expected expected = from_covariance(C + f.cwiseProduct(pi * pi.transpose()), pi, problem.V);
  const RatioPrediction said = predict(as_ratio(estimator), problem);
  EXPECT_NEAR(said.ew2_at(4)(0), expected.ew2, 1e-11 * expected.ew2);
  EXPECT_LT((said.variance_at(4).row(0).transpose() * 4.0 - expected.variance).norm(), 1e-11);
  EXPECT_LT((said.bias_at(4).row(0).transpose() * 4.0 - expected.bias).norm(), 1e-11);
  EXPECT_GT((expected.variance - from_covariance(C, pi, problem.V).variance).norm(), 1e-3);
}

// Arccos features of three dimensions whose keys are all opposite to the query.
TEST(PredictionOfOrthogonalDirections, OfArccosFeaturesSayWhereTheirSeriesIsTooSlow) {
  AttentionProblem problem = house_problem(5, {2, 3, 3, 2, 0.4});
  problem.K.col(0) *= 1e-3;
  problem.K.col(1) *= 1e-3;
  problem.K.col(2).array() = 1.0;
  problem.Q.row(0) << 0.2, 0.0, 1.0;
  problem.Q.row(1) << 0.0, 0.0, -1.0;
  const auto estimator = make_estimator("rfa:kernel=arccos,projection=orthogonal");
  const RatioPrediction said = predict(as_ratio(estimator), problem);
  EXPECT_EQ(said.condition(0, 100), "no-moment");
  EXPECT_TRUE(said.variance_at(100).row(0).allFinite());
  EXPECT_EQ(said.condition(1, 100), "beyond-table");
  EXPECT_TRUE(std::isnan(said.variance_at(100)(1, 0)));
}

// The definition: C of independent directions and, for each coupled pair of them, π π' f.
TEST(PredictionOfOrthogonalDirections, IsTheSumOverTheCoupledPairs) {
  for (const OrthogonalSetting& setting :
       {OrthogonalSetting{"performer:projection=orthogonal", "positive", 150},
        OrthogonalSetting{"performer:features=hyperbolic,projection=orthogonal", "hyperbolic", 20},
        OrthogonalSetting{"performer:features=regularized,projection=orthogonal", "regularized", 20},
        OrthogonalSetting{"performer:projection=orthogonal,center=keys", "positive", 20},
        OrthogonalSetting{"rfa:projection=orthogonal,normalize=unit", "trigonometric", 20},
        OrthogonalSetting{"rfa:projection=orthogonal,gate=constant:0.9", "trigonometric", 40},
        OrthogonalSetting{"rfa:kernel=arccos,projection=orthogonal", "arccos", 20},
        OrthogonalSetting{"rfa:kernel=arccos,projection=orthogonal,gate=constant:0.9", "arccos", 40}}) {
    const auto estimator = make_estimator(setting.estimator);
    const bool causal = setting.keys == 40;
    const AttentionProblem problem = sample_queries(
        house_problem(5, {setting.keys, setting.keys, 4, 2, 0.4}, causal ? Mask::causal : Mask::none), 2);
    const RatioPrediction said = predict(as_ratio(estimator), problem);
    const AttentionProblem seen = as_ratio(estimator).prepared(problem);
    for (Index i = 0; i < 2; ++i) {
      const Vector pi = estimator->key_weights(problem, i, 1, {}).expected;
      const Matrix C = estimator->key_covariance(problem, i);
      const Matrix f = coupled_pairs_of(feature_map_named(setting.map), seen, i, pi.size());
      const Matrix V = problem.V.topRows(pi.size());
      // Coupled pairs: 3·2 of 3 directions; 4·3 of 4; twice 4·3 and 2·1 of 10.
      for (const auto& [m, pairs] : {std::pair{3, 6.0}, {4, 12.0}, {10, 26.0}}) {
        const Matrix all = C + pairs / m * f.cwiseProduct(pi * pi.transpose());
        const Expected expected = from_covariance(all, pi, V);
        const double scale = 1e-10 * V.rowwise().norm().maxCoeff() * expected.ew2;
        const auto close = [&, draws = m](const Matrix& found, const Vector& wanted) {
          return (found.row(i).transpose() * draws - wanted).norm() <=
                 (pi.size() == 1 ? scale : 1e-10 * wanted.norm() + 1e-3 * scale);
        };
        EXPECT_NEAR(said.ew2_at(m)(i), expected.ew2, 1e-10 * expected.ew2) << setting.estimator;
        EXPECT_TRUE(close(said.variance_at(m), expected.variance)) << setting.estimator;
        EXPECT_TRUE(close(said.bias_at(m) - said.offset, expected.bias)) << setting.estimator;
      }
    }
  }
}

// Where coupling takes a tenth off the variance or more, simulation sees it.
TEST(PredictionOfOrthogonalDirections, IsThatOfSimulatedRatios) {
  const AttentionProblem problem = house_problem(5, {3, 7, 5, 2, 0.2});
  for (const char* features : {"positive", "hyperbolic"}) {
    const auto estimator =
        make_estimator(fmt::format("performer:features={},projection=orthogonal", features));
    const auto independent = make_estimator(fmt::format("performer:features={}", features));
    const RatioPrediction said = predict(as_ratio(estimator), problem);
    const Index m = 120;
    const double predicted = said.variance_at(m)(1, 0);
    const double uncoupled = predict(as_ratio(independent), problem).variance_at(m)(1, 0);
    EXPECT_LT(predicted, 0.9 * uncoupled) << features;
    EXPECT_EQ(said.condition(1, m), "ok");
    const Moments moments = simulate(*estimator, problem, 1, m, 6000)[0];
    const double margin = left_out(said.ew2(1), m);
    EXPECT_TRUE(variance_agrees(moments, predicted, margin)) << features;
    EXPECT_FALSE(variance_agrees(moments, uncoupled, margin)) << features;
  }
}

TEST(PredictionOfOrthogonalDirections, OfOneDirectionOrBeyondReachIsNoOther) {
  const AttentionProblem problem = house_problem(5, {3, 7, 5, 2, 0.4});
  const RatioPrediction coupled =
      predict(as_ratio(make_estimator("performer:projection=orthogonal")), problem);
  const RatioPrediction free = predict(as_ratio(make_estimator("performer")), problem);
  EXPECT_EQ((coupled.variance_at(1) - free.variance_at(1)).norm(), 0.0);
  EXPECT_LT(coupled.ew2_at(2)(0), free.ew2_at(2)(0));
  // One dimension: a block of one.
  const AttentionProblem line = house_problem(5, {3, 7, 1, 2, 0.4});
  EXPECT_EQ((predict(as_ratio(make_estimator("performer:projection=orthogonal")), line).variance_at(9) -
             predict(as_ratio(make_estimator("performer")), line).variance_at(9))
                .norm(),
            0.0);
  AttentionProblem far = problem;
  far.Q.row(1).setConstant(10.0);
  const RatioPrediction said = predict(as_ratio(make_estimator("rfa:projection=orthogonal")), far);
  EXPECT_EQ(said.condition(1, 100), "beyond-table");
  EXPECT_EQ(said.condition(0, 100), "no-moment");
}

}  // namespace
}  // namespace attngap
