#include "analysis/prediction.hpp"

#include "analysis/moments.hpp"
#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/eva_groups.hpp"
#include "estimators/maclaurin.hpp"
#include "estimators/maclaurin_data.hpp"
#include "tests/house_problem.hpp"
#include "tests/statistical_assertions.hpp"

#include <array>
#include <cmath>

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace attngap {
namespace {

using namespace testing_tools;

const RatioEstimator& as_ratio(const std::unique_ptr<AttentionEstimator>& estimator) {
  return dynamic_cast<const RatioEstimator&>(*estimator);
}

struct Expected {
  Vector bias, variance;
  double ew2;
};

// The definition, from any matrix C = E[h hᵀ] of one direction.
Expected from_covariance(const Matrix& C, const Vector& pi, const Matrix& V) {
  const Matrix Y = V.rowwise() - (pi.transpose() * V).eval().row(0);
  return {-(Y.transpose() * C.rowwise().sum()), (Y.transpose() * C * Y).diagonal(), C.sum()};
}

struct Setting {
  const char* estimator;
  Mask mask;
  double spread = 0.4;
};

class Predicted : public testing::TestWithParam<Setting> {};

// 150 keys are two blocks of keys, and 71 queries two groups of queries that share a pass.
TEST_P(Predicted, ByProductsOrNotIsTheSumOverTheKeyCovariance) {
  const auto estimator = make_estimator(GetParam().estimator);
  const AttentionProblem all = house_problem(5, {150, 150, 5, 2, GetParam().spread}, GetParam().mask);
  const Index n = predicts_by_products(as_ratio(estimator), all) ? 71 : 3;
  const AttentionProblem problem = sample_queries(all, n);
  const RatioPrediction prediction = predict(as_ratio(estimator), problem);
  for (const Index i : {Index{0}, n / 2, n - 8, n - 7, n - 1}) {
    if (i < 0) continue;
    const Vector pi = estimator->key_weights(problem, i, 1, {}).expected;
    const Matrix V = problem.V.topRows(pi.size());
    const Expected expected = from_covariance(estimator->key_covariance(problem, i), pi, V);
    const double scale = 1e-10 * V.rowwise().norm().maxCoeff() * expected.ew2;
    EXPECT_NEAR(prediction.ew2(i), expected.ew2, 1e-10 * expected.ew2) << "query " << i;
    EXPECT_LE((prediction.bias.row(i).transpose() - expected.bias).norm(),
              pi.size() == 1 ? scale : 1e-10 * expected.bias.norm() + 1e-4 * scale)
        << "query " << i;
    EXPECT_LE((prediction.variance.row(i).transpose() - expected.variance).norm(),
              1e-10 * expected.variance.norm() + 1e-4 * scale)
        << "query " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Ratios, Predicted,
    testing::Values(Setting{"performer", Mask::none}, Setting{"performer", Mask::causal},
                    Setting{"performer:features=hyperbolic", Mask::none},
                    Setting{"performer:features=hyperbolic", Mask::causal},
                    Setting{"performer:features=regularized", Mask::causal},
                    Setting{"performer:center=keys", Mask::none}, Setting{"rfa", Mask::none},
                    Setting{"rfa", Mask::causal}, Setting{"rfa:normalize=unit,sigma=0.8", Mask::none},
                    Setting{"rfa:gate=constant:0.9", Mask::causal},
                    Setting{"rfa:gate=linear:3,normalize=unit", Mask::causal},
                    Setting{"rfa:kernel=arccos", Mask::none}, Setting{"rmfa", Mask::causal},
                    Setting{"rmfa:known=linear", Mask::none}, Setting{"rmfa:degrees=poisson", Mask::none},
                    Setting{"rmfa:kernel=inverse,ppsbn=paper", Mask::none}),
    [](const auto& instance) {
      std::string name =
          std::string(instance.param.estimator) + (instance.param.mask == Mask::causal ? "_causal" : "");
      for (char& c : name)
        if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
      return name;
    });

// What one Rademacher direction makes of the kernel at every key, with its probability.
struct Outcome {
  double probability;
  Vector h;
};

// Every outcome of one Maclaurin feature: every degree, and for each of its directions every vector of signs.
std::vector<Outcome> every_outcome(const RandomMaclaurin& law, const Vector& q, const Matrix& K) {
  const Index d = q.size();
  const std::vector<double> weights = law.weights(1);
  Vector known(K.rows());
  for (Index m = 0; m < K.rows(); ++m) known(m) = law.known_part(q.dot(K.row(m)));
  std::vector<Outcome> outcomes;
  for (std::size_t n = 0; n < weights.size(); ++n) {
    if (law.degrees().probability[n] == 0.0) continue;
    const unsigned bits = static_cast<unsigned>(n) * static_cast<unsigned>(d);
    for (unsigned signs = 0; signs < 1U << bits; ++signs) {
      Vector product = Vector::Constant(K.rows(), weights[n]);
      for (std::size_t j = 0; j < n; ++j) {
        Vector w(d);
        for (Index i = 0; i < d; ++i)
          w(i) =
              (signs >> (j * static_cast<std::size_t>(d) + static_cast<std::size_t>(i)) & 1U) != 0 ? 1 : -1;
        product = product.cwiseProduct(K * w) * w.dot(q);
      }
      outcomes.push_back(
          {law.degrees().probability[n] / std::ldexp(1.0, static_cast<int>(bits)), product + known});
    }
  }
  return outcomes;
}

// d ≤ 4 and at most four directions: up to 2^12 outcomes.
TEST(PredictionOfMaclaurinFeatures, IsTheEnumerationOfAllDegreesAndSigns) {
  for (const int known : {0, 1, 2}) {
    for (const Index d : {2, 3, 4}) {
      const AttentionProblem problem = house_problem(8, {3, 7, d, 2, 0.6});
      const std::array<const char*, 3> kNames{"none", "constant", "linear"};
      const auto estimator =
          make_estimator(fmt::format("rmfa:max-degree=3,known={}", kNames[static_cast<std::size_t>(known)]));
      MaclaurinOptions options;
      options.known = known;
      options.max_degree = 3;
      const RandomMaclaurin law(maclaurin_kernel_named("exp"), geometric_degrees(2.0), options);
      const RatioPrediction prediction = predict(as_ratio(estimator), problem);
      const Vector q = problem.scaled_queries().row(1);
      Matrix C = Matrix::Zero(7, 7);
      Vector mean = Vector::Zero(7);
      for (const Outcome& outcome : every_outcome(law, q, problem.scaled_keys())) {
        C += outcome.probability * outcome.h * outcome.h.transpose();
        mean += outcome.probability * outcome.h;
      }
      const double Z = mean.sum();
      const Expected expected = from_covariance(C / (Z * Z), mean / Z, problem.V);
      EXPECT_NEAR(prediction.ew2(1), expected.ew2, 1e-12 * expected.ew2);
      EXPECT_LT((prediction.bias.row(1).transpose() - expected.bias).norm(), 1e-11);
      EXPECT_LT((prediction.variance.row(1).transpose() - expected.variance).norm(), 1e-11);
      // A largest degree biases the kernel, and so what the ratio tends to.
      const Vector limit = problem.V.transpose() * mean / Z;
      EXPECT_LT((prediction.exact + prediction.offset - limit.transpose().replicate(3, 1)).row(1).norm(),
                1e-13);
      EXPECT_GT(prediction.offset.row(1).norm(), 1e-6);
      EXPECT_LT((prediction.bias_at(5) - prediction.offset - prediction.bias / 5).norm(), 1e-15);
    }
  }
}

// Σ_n a_n² (cⁿ − (z₁z₂)ⁿ)/D_n(m), with the D_n of the greedy order at this very m.
TEST(PredictionOfMaclaurinFeatures, OfAllocatedDegreesHasTheSharesOfItsCount) {
  const AttentionProblem problem = house_problem(8, {3, 7, 4, 2, 0.7});
  const auto estimator = make_estimator("rmfa:degrees=fixed,max-degree=3");
  MaclaurinOptions options;
  options.max_degree = 3;
  const MaclaurinKernel& kernel = maclaurin_kernel_named("exp");
  const DegreeAllocation shares =
      neyman_allocation(kernel, sample_pairs(problem, options.direction), options);
  const Matrix K = problem.scaled_keys();
  const PredictionsAt all(as_ratio(estimator), problem, {5, 9, 200});
  const Index counts[] = {5, 9, 200};
  for (std::size_t at = 0; at < 3; ++at) {
    const Index m = counts[at];
    const std::vector<double> D = shares.counts(m);
    for (Index i = 0; i < 3; ++i) {
      const Vector q = problem.scaled_queries().row(i);
      Matrix C(7, 7);
      Vector mean(7);
      for (Index j = 0; j < 7; ++j) {
        const double z1 = q.dot(K.row(j));
        mean(j) = 1.0 + z1 + z1 * z1 / 2.0 + z1 * z1 * z1 / 6.0;
        for (Index k = 0; k < 7; ++k) {
          const double z2 = q.dot(K.row(k));
          const double base =
              q.squaredNorm() * K.row(j).dot(K.row(k)) + 2.0 * z1 * z2 -
              2.0 * (q.array().square() * K.row(j).transpose().array() * K.row(k).transpose().array()).sum();
          C(j, k) = 0.0;
          const double a[] = {1.0, 1.0, 0.5, 1.0 / 6.0};
          for (int n = 0; n <= 3; ++n)
            C(j, k) += a[n] * a[n] * (std::pow(base, n) - std::pow(z1 * z2, n)) /
                       D[static_cast<std::size_t>(n)] * static_cast<double>(m);
        }
      }
      C += mean * mean.transpose();
      const double Z = mean.sum();
      const Expected expected = from_covariance(C / (Z * Z), mean / Z, problem.V);
      const RatioPrediction& said = all.at(at);
      EXPECT_NEAR(said.ew2_at(m)(i), expected.ew2, 1e-12 * expected.ew2) << m;
      EXPECT_LT((said.variance.row(i).transpose() - expected.variance).norm(),
                1e-11 * expected.variance.norm());
      EXPECT_LT((said.bias.row(i).transpose() - expected.bias).norm(), 1e-11 * expected.bias.norm() + 1e-13);
    }
  }
  EXPECT_GT(std::abs(all.at(0).ew2(0) - all.at(2).ew2(0)), 1e-3);  // five features are not many
  EXPECT_THROW(PredictionsAt(as_ratio(estimator), problem, {3}), BadInput);
}

// Channels a and b: Var(a + b) = Var a + Var b + 2 Cov.
TEST(Prediction, OfTheCovarianceOfChannelsIsThatOfTheirSums) {
  for (const char* name :
       {"performer", "rfa", "rmfa", "performer:projection=orthogonal", "rfa:kernel=arccos"}) {
    const auto estimator = make_estimator(name);
    const AttentionProblem problem = sample_queries(house_problem(5, {140, 140, 4, 3, 0.4}, Mask::causal), 3);
    AttentionProblem sums = problem;
    sums.V.col(0) += problem.V.col(1);
    sums.V.col(1) += problem.V.col(2);
    const Index m = 9;
    const Matrix variance = predict(as_ratio(estimator), problem).variance_at(m);
    const Matrix of_sums = predict(as_ratio(estimator), sums).variance_at(m);
    const auto covariances = predicted_covariances(as_ratio(estimator), problem, m);
    ASSERT_EQ(covariances.size(), 3U);
    for (Index i = 1; i < 3; ++i) {
      const Matrix& C = covariances[static_cast<std::size_t>(i)];
      const double scale = 1e-11 * variance.row(i).sum();
      EXPECT_LT((C.diagonal().transpose() - variance.row(i)).norm(), scale) << name;
      EXPECT_EQ((C - C.transpose()).norm(), 0.0);
      EXPECT_NEAR(C(0, 1), 0.5 * (of_sums(i, 0) - variance(i, 0) - variance(i, 1)), scale) << name;
      EXPECT_NEAR(C(1, 2), 0.5 * (of_sums(i, 1) - variance(i, 1) - variance(i, 2)), scale) << name;
      EXPECT_GT(std::abs(C(0, 1)), 1e3 * scale);
    }
  }
}

// One key: the ratio is its value whatever is drawn, and W is lognormal.
TEST(Prediction, OfOneKeyOrOfEqualValuesIsNoErrorAtAll) {
  const AttentionProblem one = house_problem(3, {3, 1, 5, 2, 0.5});
  const RatioPrediction single = predict(as_ratio(make_estimator("performer")), one);
  for (Index i = 0; i < 3; ++i) {
    const double S = (one.scaled_queries().row(i) + one.scaled_keys().row(0)).squaredNorm();
    EXPECT_NEAR(single.ew2(i), std::exp(S), 1e-12 * std::exp(S));
  }
  AttentionProblem equal = house_problem(3, {3, 7, 5, 2, 0.5});
  equal.V.rowwise() = equal.V.row(0).eval();
  const RatioPrediction same = predict(as_ratio(make_estimator("rfa")), equal);
  for (const RatioPrediction* said : {&single, &same}) {
    EXPECT_LT(said->variance.norm(), 1e-25);
    EXPECT_LT(said->bias.norm(), 1e-13);
  }
}

TEST(Prediction, BeyondTheRangeOfADoubleIsInfiniteAndSaysSo) {
  for (const char* name :
       {"performer", "performer:features=hyperbolic", "rfa", "rmfa", "rfa:kernel=arccos"}) {
    const auto estimator = make_estimator(name);
    const AttentionProblem problem = house_problem(3, {3, 7, 5, 2, 60.0});
    const RatioPrediction said = predict(as_ratio(estimator), problem);
    EXPECT_FALSE(said.ew2.hasNaN() || said.variance.hasNaN() || said.bias.hasNaN() || said.offset.hasNaN());
    if (std::string_view(name).find("arccos") != std::string_view::npos) continue;  // bounded by the norms
    EXPECT_TRUE(std::isinf(said.ew2.maxCoeff())) << name;
    for (const Metric& metric : predicted_metrics(said, 1000)) {
      EXPECT_FALSE(std::isnan(metric.estimated.value)) << name << " " << metric.name;
      EXPECT_NE(metric.status, "ok") << name;
    }
  }
  // In range though its factors are not: exp(|k|²/2) overflows, exp(−|k − k'|²/2) takes it back.
  AttentionProblem far = house_problem(3, {3, 7, 5, 2, 0.01});
  far.K.rowwise() += Eigen::RowVectorXd::Constant(5, 40.0);
  far.Q.rowwise() -= Eigen::RowVectorXd::Constant(5, 40.0);
  const RatioPrediction near = predict(as_ratio(make_estimator("performer")), far);
  EXPECT_LT(near.ew2.maxCoeff(), 1.1);
  EXPECT_EQ(near.condition(0, 100), "ok");
}

// The moments of the ratio over draws, channel by channel.
std::vector<Moments> simulate(const AttentionEstimator& estimator, const AttentionProblem& problem,
                              Index query, Index draws, std::uint32_t replicates) {
  std::vector<Moments> moments(static_cast<std::size_t>(problem.value_dim()));
  for (std::uint32_t r = 0; r < replicates; ++r) {
    const Matrix output = ratio(draw_once(estimator, problem, {draws}, {3, 0, r}).back());
    for (std::size_t c = 0; c < moments.size(); ++c) moments[c].add(output(query, static_cast<Index>(c)));
  }
  return moments;
}

// What first-order theory leaves out is a few (E[W²])²/m of what it says; the tests allow five.
double left_out(double ew2, Index draws) {
  return 5.0 * ew2 * ew2 / static_cast<double>(draws);
}

bool variance_agrees(const Moments& moments, double predicted, double relative_margin) {
  const double allowed = sigma_limit() * moments.standard_error_of_variance() + relative_margin * predicted;
  return std::abs(moments.variance() - predicted) <= allowed;
}

TEST(Prediction, OfTheVarianceIsThatOfSimulatedRatios) {
  for (const char* name : {"performer", "performer:features=hyperbolic", "performer:features=regularized",
                           "rmfa:known=linear"}) {
    const AttentionProblem problem = house_problem(5, {3, 7, 5, 2, 0.2});
    const auto estimator = make_estimator(name);
    const RatioPrediction said = predict(as_ratio(estimator), problem);
    const Index m = 120;
    const auto moments = simulate(*estimator, problem, 1, m, 8000);
    for (std::size_t c = 0; c < 2; ++c) {
      const double predicted = said.variance_at(m)(1, static_cast<Index>(c));
      const double margin = left_out(said.ew2(1), m);
      EXPECT_TRUE(variance_agrees(moments[c], predicted, margin)) << name << " " << c;
      EXPECT_FALSE(variance_agrees(moments[c], 1.35 * predicted, margin)) << name;  // 35 % would be seen
      EXPECT_FALSE(variance_agrees(moments[c], predicted / 1.35, margin)) << name;
    }
  }
}

TEST(Prediction, OfTheBiasIsThatOfSimulatedRatios) {
  const AttentionProblem problem = house_problem(5, {3, 7, 5, 2, 0.2});
  for (const char* name : {"performer", "performer:features=regularized"}) {
    const auto estimator = make_estimator(name);
    const RatioPrediction said = predict(as_ratio(estimator), problem);
    const Index m = 30;
    const Moments moments = simulate(*estimator, problem, 1, m, 60000)[1];
    const auto agrees = [&](double bias) {
      const double allowed =
          sigma_limit() * moments.standard_error_of_mean() + left_out(said.ew2(1), m) * std::abs(bias);
      return std::abs(moments.mean() - said.exact(1, 1) - bias) <= allowed;
    };
    const double bias = said.bias_at(m)(1, 1);
    EXPECT_TRUE(agrees(bias)) << name;
    EXPECT_FALSE(agrees(0.0)) << name;
    EXPECT_FALSE(agrees(-bias)) << name;
  }
}

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

struct GroupSums {
  Vector bias = Vector::Zero(2), variance = Vector::Zero(2);
  double ew2 = 1.0;
};

// Of one query of EVA and one direction a group, key by key: C is E over N(μ, I) of exp(w·z + |μ|² − |q|² −
// |k|²/2 − |k'|²/2)/Z² with z = 2q + k + k' − 2μ.
GroupSums sums_of_groups(const AttentionProblem& problem, const PreparedRows<double>& rows,
                         const EvaLayout& layout, const EvaWindow& part, Index query) {
  const Vector q = rows.Q.row(query);
  const double Z = (rows.K * q).array().exp().sum();
  GroupSums sums;
  for (const Index place : part.groups) {
    const EvaGroup& group = layout.groups[static_cast<std::size_t>(place)];
    std::vector<Index> keys;
    for (const Segment& own : group.tokens)
      for (Index k = own.begin; k < own.end; ++k) keys.push_back(k);
    double mass = 0.0, own_ew2 = 0.0;
    Vector A = Vector::Zero(2);
    for (const Index k : keys) {
      mass += std::exp(q.dot(rows.K.row(k))) / Z;
      A += std::exp(q.dot(rows.K.row(k))) / Z * problem.V.row(k).transpose();
    }
    A /= mass;
    for (const Index j : keys)
      for (const Index k : keys) {
        const Vector kj = rows.K.row(j), kk = rows.K.row(k), z = 2.0 * q + kj + kk - 2.0 * group.mean;
        const double C = std::exp(z.dot(group.mean) + 0.5 * z.squaredNorm() + group.mean.squaredNorm() -
                                  q.squaredNorm() - 0.5 * kj.squaredNorm() - 0.5 * kk.squaredNorm()) /
                         (Z * Z);
        const Vector left = problem.V.row(j).transpose() - A, right = problem.V.row(k).transpose() - A;
        sums.bias -= C / mass * right;
        sums.variance += C * left.cwiseProduct(right);
        own_ew2 += C / (mass * mass);
      }
    sums.ew2 = std::max(sums.ew2, own_ew2);
  }
  return sums;
}

// The definition: groups are ratios of their own, with C_mm' = E[h_m h_m'] of w ~ N(μ, I) pair by pair.
TEST(PredictionOfEva, IsTheSumOverItsGroups) {
  const AttentionProblem problem = house_problem(16, {7, 23, 4, 2, 0.6});
  for (const char* name :
       {"eva:groups=3,window=2", "eva:groups=1,window=0,proposal=zero", "eva:draws=5,window=3"}) {
    const auto estimator = make_estimator(name);
    const EvaOptions options = eva_options(estimator->spec());
    const Index m = 4;
    const PredictionsAt all(*estimator, problem, {m});
    const RatioPrediction& said = all.at(0);
    const auto S = static_cast<double>(options.draws_at(m));
    const PreparedRows<double> rows(problem);
    const EvaLayout layout(problem, rows, options.shape, options.chunks_at(m));
    for (const EvaWindow& part : layout.windows)
      for (const Index i : part.window.queries) {
        const GroupSums sums = sums_of_groups(problem, rows, layout, part, i);
        EXPECT_LT((said.bias_at(m).row(i).transpose() - sums.bias / S).norm(),
                  1e-11 * sums.bias.norm() + 1e-14);
        EXPECT_LT((said.variance_at(m).row(i).transpose() - sums.variance / S).norm(),
                  1e-11 * sums.variance.norm() + 1e-15)
            << name;
        EXPECT_NEAR(said.ew2(i), sums.ew2, 1e-11 * sums.ew2);
        EXPECT_EQ(said.condition(i, m), S >= 10.0 * sums.ew2 * sums.ew2 ? "ok" : "not-valid");
      }
  }
}

// One group with μ = 0 and no window is the ratio of positive features.
TEST(PredictionOfEva, OfOneStandardGroupIsThatOfThePerformer) {
  const AttentionProblem problem = house_problem(5, {3, 7, 5, 2, 0.4});
  const PredictionsAt eva(*make_estimator("eva:groups=1,window=0,proposal=zero"), problem, {50});
  const RatioPrediction performer = predict(as_ratio(make_estimator("performer")), problem);
  EXPECT_LT((eva.at(0).bias_at(50) - performer.bias_at(50)).norm(), 1e-11 * performer.bias_at(50).norm());
  EXPECT_LT((eva.at(0).variance_at(50) - performer.variance_at(50)).norm(),
            1e-11 * performer.variance_at(50).norm());
  EXPECT_LT((eva.at(0).ew2 - performer.ew2).norm(), 1e-12 * performer.ew2.norm());
}

TEST(PredictionOfEva, IsThatOfSimulatedOutputs) {
  const AttentionProblem problem = house_problem(5, {3, 7, 5, 2, 0.3});
  const auto estimator = make_estimator("eva:groups=2,window=0");
  const Index m = 120;
  const PredictionsAt said(*estimator, problem, {m});
  EXPECT_EQ(said.at(0).condition(1, m), "ok");
  const Moments moments = simulate(*estimator, problem, 1, m, 4000)[0];
  const double predicted = said.at(0).variance_at(m)(1, 0), margin = left_out(said.at(0).ew2(1), m);
  EXPECT_TRUE(variance_agrees(moments, predicted, margin));
  EXPECT_FALSE(variance_agrees(moments, 1.35 * predicted, margin));
  EXPECT_FALSE(variance_agrees(moments, predicted / 1.35, margin));
}

// The rule m ≥ 10 E[W²]² against simulation: where it holds the variance is within a third of the prediction,
// where only m ≥ 10 E[W²] holds it can be off by a factor of two, and the flag says no.
TEST(Prediction, IsFlaggedWhereSimulationDiffers) {
  const auto estimator = make_estimator("performer");
  const auto ratio_to_prediction = [&](double spread, double power, bool valid) {
    const AttentionProblem problem = house_problem(5, {3, 7, 5, 2, spread});
    const RatioPrediction said = predict(as_ratio(estimator), problem);
    const auto m = static_cast<Index>(std::ceil(10.0 * std::pow(said.ew2(1), power)));
    EXPECT_EQ(said.condition(1, m), valid ? "ok" : "not-valid") << spread;
    const Moments moments = simulate(*estimator, problem, 1, m, 3000)[0];
    const double predicted = said.variance_at(m)(1, 0);
    return std::pair(moments.variance() / predicted,
                     sigma_limit() * moments.standard_error_of_variance() / predicted);
  };
  for (const double spread : {0.2, 0.35, 0.5}) {
    const auto [found, error] = ratio_to_prediction(spread, 2.0, true);
    EXPECT_GT(found + error, 2.0 / 3.0) << spread;
    EXPECT_LT(found - error, 4.0 / 3.0) << spread;
  }
  const auto [found, error] = ratio_to_prediction(0.7, 1.0, false);
  EXPECT_LT(found + error, 2.0 / 3.0);
}

TEST(Prediction, IsOnlyForRatiosOfKnownFeaturesLeftAsTheyAre) {
  for (const NamedEstimator& row : estimator_table()) {
    const bool ratio =
        row.name == "performer" || row.name == "rfa" || row.name == "rmfa" || row.name == "eva";
    EXPECT_EQ(why_unpredictable(*make_estimator(row.name)).empty(), ratio) << row.name;
  }
  for (const char* name :
       {"eva:released-code=on", "eva:mass=mean", "eva:deterministic=on", "rfa:denominator=abs",
        "performer:denominator=epsilon:0.1", "rmfa:ppsbn=paper,gamma=2"})
    EXPECT_NE(why_unpredictable(*make_estimator(name)), "") << name;
  for (const char* name : {"performer:projection=orthogonal", "rfa:projection=orthogonal",
                           "rfa:kernel=arccos,projection=orthogonal"})
    EXPECT_EQ(why_unpredictable(*make_estimator(name)), "") << name;
}

TEST(Prediction, AsMetricsIsAveragedOverQueriesAndChannels) {
  const AttentionProblem problem = house_problem(5, {3, 7, 5, 2, 0.3});
  const RatioPrediction said = predict(as_ratio(make_estimator("performer")), problem);
  const auto metrics = predicted_metrics(said, 1000);
  double bias2 = 0.0, variance = 0.0, square = 0.0;
  for (Index i = 0; i < 3; ++i)
    for (Index c = 0; c < 2; ++c) {
      bias2 += std::pow(said.bias_at(1000)(i, c), 2) / 6;
      variance += said.variance_at(1000)(i, c) / 6;
      square += std::pow(said.exact(i, c), 2) / 6;
    }
  ASSERT_EQ(metrics.size(), 3U);
  EXPECT_NEAR(metrics[0].estimated.value, bias2, 1e-14 * bias2);
  EXPECT_NEAR(metrics[1].estimated.value, variance, 1e-14 * variance);
  EXPECT_NEAR(metrics[2].estimated.value, (bias2 + variance) / square, 1e-12);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(metrics[i].name, gap_metric_names()[10 + i].name);
    EXPECT_EQ(metrics[i].status, "ok");
    EXPECT_EQ(predicted_metrics(said, 2)[i].status, "not-valid");
    EXPECT_TRUE(std::isnan(metrics[i].estimated.std_error));
  }
  const RatioPrediction signed_features = predict(as_ratio(make_estimator("rfa")), problem);
  EXPECT_EQ(signed_features.condition(1 << 20), "no-moment");
}

}  // namespace
}  // namespace attngap
