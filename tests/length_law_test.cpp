#include "analysis/length_law.hpp"

#include "analysis/moments.hpp"
#include "analysis/prediction.hpp"
#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"
#include "experiments/synthetic_stream.hpp"
#include "tests/quadrature.hpp"
#include "tests/statistical_assertions.hpp"

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>

namespace attngap {
namespace {

using testing_tools::normal_expectation;

const std::vector<std::string>& ruled_estimators() {
  static const std::vector<std::string> names{"performer", "performer:features=hyperbolic", "rfa"};
  return names;
}

const FeatureMap& map_of(const AttentionEstimator& estimator) {
  return dynamic_cast<const RatioEstimator&>(estimator).map();
}

Vector one(double x) {
  return Vector::Constant(1, x);
}

// The limits by quadrature over one key and over two, in one dimension, from the map's own pair moments.
struct ByQuadrature {
  ByQuadrature(const FeatureMap& map, double query, double tau) {
    const Vector q = one(query);
    const auto over_keys = [&](const auto& f) {
      return normal_expectation([&](double g) { return f(tau * g); });
    };
    const auto moment = [&](double k, double other) { return map.pair_moment(q, one(k), one(other)); };
    const auto over_pairs = [&](const auto& f) {
      return over_keys(
          [&](double k) { return over_keys([&](double other) { return f(k, other) * moment(k, other); }); });
    };
    const double Z = over_keys([&](double k) { return std::exp(query * k); });
    const double A = over_keys([&](double k) { return k * std::exp(query * k); }) / Z;
    const double squares = over_keys([&](double k) { return std::exp(2.0 * query * k); }) / (Z * Z);
    ew2 = over_pairs([](double, double) { return 1.0; }) / (Z * Z);
    const double cross = over_pairs([&](double k, double) { return std::exp(query * k); }) / (Z * Z * Z);
    independent_variance =
        over_keys([&](double k) { return moment(k, k); }) / (Z * Z) - 2.0 * cross + squares * ew2;
    independent_bias2 = over_keys([&](double k) {
                          const double row = over_keys([&](double other) { return moment(k, other); }) / Z;
                          return std::pow(row - ew2 * std::exp(query * k), 2);
                        }) /
                        (Z * Z);
    linear_variance = over_pairs([&](double k, double other) { return (k - A) * (other - A); }) / (Z * Z);
    linear_bias = -over_pairs([&](double k, double) { return k - A; }) / (Z * Z);
  }

  double ew2, independent_variance, independent_bias2, linear_variance, linear_bias;
};

TEST(LengthLaw, ItsLimitsAreThoseOfQuadrature) {
  for (const std::string& name : ruled_estimators())
    for (const double tau : {0.3, 0.45}) {
      const auto estimator = make_estimator(name);
      const double q = 0.8, r = -1.3;
      const auto law = LengthLaw::of(*estimator, tau * tau, 1);
      ASSERT_TRUE(law);
      const ByQuadrature expected(map_of(*estimator), q, tau);
      const auto close = [&](double got, double wanted) {
        EXPECT_NEAR(got, wanted, 1e-10 * std::abs(wanted)) << name << " tau " << tau;
      };
      close(law->ew2(q * q), expected.ew2);
      close(law->independent_variance(q * q), expected.independent_variance);
      close(law->independent_bias2(q * q), expected.independent_bias2);
      close(law->linear_variance(q * q, r * r, r * q), r * r * expected.linear_variance);
      close(law->linear_bias(q * q, r * q), r * expected.linear_bias);
    }
}

// Zheng, Wang and Kong's limit of E[W²] in d dimensions as the notes to the theory state it.
TEST(LengthLaw, OfPositiveFeaturesTheLimitOfEW2HasItsClosedForm) {
  const auto performer = make_estimator("performer");
  for (const Index d : {2, 16, 64}) {
    const double q2 = 1.7, t2 = 0.11, t4 = t2 * t2;
    const double expected =
        std::exp(q2 * (1.0 + 4.0 * t2 / (1.0 - t2) - t2) - 0.5 * static_cast<double>(d) * std::log1p(-t4));
    EXPECT_NEAR(LengthLaw::of(*performer, t2 * static_cast<double>(d), d)->ew2(q2), expected,
                1e-12 * expected);
  }
}

TEST(LengthLaw, TheConditionsOnTheNormOfTheKeysAreTauBelowOneAndTauSquaredBelowOneHalf) {
  const auto performer = make_estimator("performer");
  const auto law = [&](double tau2) { return *LengthLaw::of(*performer, 4.0 * tau2, 4); };
  EXPECT_TRUE(std::isfinite(law(0.45).independent_variance(1.0)));
  EXPECT_TRUE(std::isinf(law(0.5).independent_variance(1.0)));
  EXPECT_TRUE(std::isfinite(law(0.95).ew2(1.0)));
  EXPECT_TRUE(std::isinf(law(1.0).ew2(1.0)));
  EXPECT_TRUE(std::isinf(law(1.0).linear_variance(1.0, 1.0, 0.5)));
}

TEST(LengthLaw, WhereThePairSumIsNoGaussianFunctionThereIsNone) {
  for (const char* name : {"rmfa", "performer:features=regularized", "performer:projection=orthogonal",
                           "performer:center=keys", "rfa:kernel=arccos", "eva", "lara", "mean-value"})
    EXPECT_FALSE(LengthLaw::of(*make_estimator(name), 1.0, 4)) << name;
}

// The prediction on one head of l keys is the sum over its pairs; its mean over heads tends to the law.
TEST(LengthLaw, ThePredictionOnHeadsTendsToIt) {
  constexpr Index kDim = 4, kLength = 400;
  constexpr double kNorm2 = 0.4;  // τ² = 0.1
  for (const std::string& name : ruled_estimators())
    for (const char* values : {"independent", "linear"}) {
      const auto estimator = make_estimator(name);
      const LengthLaw law = *LengthLaw::of(*estimator, kNorm2, kDim);
      const Vector q = (Vector(kDim) << 0.5, -0.4, 0.3, 0.2).finished();
      Moments ratios;
      for (int seed = 1; seed <= 80; ++seed) {
        const SyntheticStream stream(
            parse_synthetic(fmt::format("gaussian,length={},dim={},norm={},values={},seed={}", kLength, kDim,
                                        std::sqrt(kNorm2), values, seed)));
        // What is left at order 1/l falls out between l and l/2 keys.
        const auto variance = [&](Index keys) {
          Matrix K, V;
          stream.read({0, keys}, K, V);
          const double unscale = std::pow(static_cast<double>(kDim), 0.25);
          const AttentionProblem problem = make_problem(q.transpose() * unscale, K, V);
          const double power = std::string(values) == "linear" ? 1.0 : static_cast<double>(keys);
          return power * predict(dynamic_cast<const RatioEstimator&>(*estimator), problem).variance.mean();
        };
        double expected = law.independent_variance(q.squaredNorm());
        if (stream.value_map().rows() > 0) {
          expected = 0.0;
          for (Index c = 0; c < kDim; ++c)
            expected += law.linear_variance(q.squaredNorm(), stream.value_map().row(c).squaredNorm(),
                                            stream.value_map().row(c).dot(q)) /
                        static_cast<double>(kDim);
        }
        ratios.add((2.0 * variance(kLength) - variance(kLength / 2)) / expected);
      }
      EXPECT_TRUE(testing_tools::mean_is(ratios, 1.0)) << name << " " << values;
      EXPECT_FALSE(testing_tools::mean_is(ratios, 1.5)) << name << " " << values;
    }
}

TEST(LengthLaw, ItsRowsAreAveragesOverQueriesWithTheStateOfTheWorst) {
  const auto performer = make_estimator("performer"), rfa = make_estimator("rfa");
  const Matrix Q = (Matrix(2, 2) << 0.1, 0.2, 0.6, -0.3).finished();
  const Matrix exact = Matrix::Constant(2, 3, 2.0);
  const LengthLaw law = *LengthLaw::of(*performer, 0.2, 2);
  const double a = Q.row(0).squaredNorm(), b = Q.row(1).squaredNorm();
  const auto few = law.metrics(Q, {}, exact, 1000, 5), many = law.metrics(Q, {}, exact, 1000, 4000);
  EXPECT_EQ(few[1].name, "predicted_variance");
  EXPECT_NEAR(few[1].estimated.value,
              (law.independent_variance(a) + law.independent_variance(b)) / (2.0 * 5.0 * 1000.0), 1e-15);
  EXPECT_NEAR(few[0].estimated.value,
              (law.independent_bias2(a) + law.independent_bias2(b)) / (2.0 * 25.0 * 1000.0), 1e-15);
  EXPECT_NEAR(few[2].estimated.value, (few[0].estimated.value + few[1].estimated.value) / 4.0, 1e-15);
  EXPECT_EQ(few[2].status, "not-valid");
  EXPECT_EQ(many[2].status, "ok");
  EXPECT_EQ(LengthLaw::of(*rfa, 0.2, 2)->metrics(Q, {}, exact, 1000, 4000)[2].status, "no-moment");
  const auto endless = LengthLaw::of(*performer, 1.2, 2)->metrics(Q, {}, exact, 1000, 4000);
  EXPECT_EQ(endless[1].status, "infinite-variance");
  EXPECT_TRUE(std::isinf(endless[1].estimated.value));
  const Matrix M = (Matrix(1, 2) << 0.7, 1.1).finished();
  const auto linear = law.metrics(Q, M, exact, 1000, 50);
  EXPECT_NEAR(linear[1].estimated.value,
              (law.linear_variance(a, M.squaredNorm(), M.row(0).dot(Q.row(0))) +
               law.linear_variance(b, M.squaredNorm(), M.row(0).dot(Q.row(1)))) /
                  100.0,
              1e-15);
}

}  // namespace
}  // namespace attngap
