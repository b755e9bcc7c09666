#include "analysis/tail_inference.hpp"
#include "estimators/error.hpp"
#include "tests/stream_words.hpp"

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include <Eigen/Cholesky>
#include <gtest/gtest.h>

namespace attngap {
namespace {

template <typename Law>
double variance_coverage(Law law, double truth, int count, std::uint64_t seed, double shrink = 1.0) {
  testing_tools::StreamWords random(seed);
  constexpr int kTrials = 4000;
  int covered = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    Moments moments;
    for (int i = 0; i < count; ++i) moments.add(law(random));
    const Estimated variance = variance_interval(moments);
    covered += variance.value + shrink * (variance.low - variance.value) <= truth &&
               truth <= variance.value + shrink * (variance.high - variance.value);
  }
  return covered / double(kTrials);
}

TEST(VarianceInterval, CoversForLightAndHeavyKurtosis) {
  const double normal = variance_coverage(std::normal_distribution<double>(1, 2), 4.0, 100, 71);
  const double uniform = variance_coverage(std::uniform_real_distribution<double>(0, 1), 1 / 12.0, 100, 72);
  const double exponential = variance_coverage(std::exponential_distribution<double>(1), 1.0, 2000, 73);
  for (const double coverage : {normal, uniform, exponential}) {
    EXPECT_GE(coverage, 0.93);
    EXPECT_LE(coverage, 0.97);
  }
  // Can fail: the half width of the χ² interval, right at kurtosis 3, is √(2/8) of what kurtosis 9 needs.
  EXPECT_LT(variance_coverage(std::exponential_distribution<double>(1), 1.0, 2000, 73, 0.5), 0.75);
  EXPECT_TRUE(std::isnan(variance_interval(Moments()).low));
}

std::vector<double> pareto_draws(double shape, int count, std::uint64_t seed) {
  testing_tools::StreamWords random(seed);
  std::uniform_real_distribution<double> uniform(0, 1);
  std::vector<double> draws;
  for (int i = 0; i < count; ++i) draws.push_back(std::pow(1 - uniform(random), -shape));
  return draws;
}

TEST(ParetoShape, FindsTheShapeAndRefusesAboveSevenTenths) {
  for (const double shape : {0.2, 0.5, 1.0, 1.5}) {
    const TailShape found = pareto_shape(pareto_draws(shape, 100000, 81));
    // 948 exceedances: standard error (1 + k)/√948 and a shrinkage of (k − ½)/96.
    EXPECT_NEAR(found.shape, shape, 4.89 * (1 + shape) / std::sqrt(948.0) + 0.02) << shape;
    EXPECT_EQ(found.trusted, found.shape <= 0.7);
  }
  EXPECT_TRUE(pareto_shape(pareto_draws(0.3, 100000, 82)).trusted);
  EXPECT_FALSE(pareto_shape(pareto_draws(1.2, 100000, 82)).trusted);
}

TEST(ParetoShape, DoesNotDependOnUnitsAndKnowsBoundedWeights) {
  std::vector<double> draws = pareto_draws(0.8, 4000, 83);
  const double shape = pareto_shape(draws).shape;
  for (double& w : draws) w = 1e6 * w;
  EXPECT_NEAR(pareto_shape(draws).shape, shape, 1e-9);
  testing_tools::StreamWords random(84);
  std::uniform_real_distribution<double> uniform(0, 1);
  for (double& w : draws) w = uniform(random);
  EXPECT_LT(pareto_shape(draws).shape, 0.0);
  EXPECT_TRUE(pareto_shape(std::vector<double>(100, 3.0)).trusted);
  EXPECT_THROW(pareto_shape(std::vector<double>(24, 1.0)), BadInput);
  EXPECT_THROW(pareto_shape(std::vector<double>(50, std::numeric_limits<double>::infinity())), BadInput);
}

TEST(GlsSlope, CoversWithCorrelatedErrorsAndOrdinaryErrorsDoNot) {
  constexpr int kPoints = 6, kTrials = 4000;
  Eigen::VectorXd x(kPoints);
  Eigen::MatrixXd covariance(kPoints, kPoints);
  for (int i = 0; i < kPoints; ++i) {
    x(i) = (4 + i) * std::log(2.0);
    for (int j = 0; j < kPoints; ++j) covariance(i, j) = 0.01 * std::pow(0.8, std::abs(i - j));
  }
  const Eigen::MatrixXd root = covariance.llt().matrixL();
  testing_tools::StreamWords random(91);
  std::normal_distribution<double> normal;
  int covered = 0, ordinary = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    Eigen::VectorXd y(kPoints);
    for (int i = 0; i < kPoints; ++i) y(i) = normal(random);
    y = (3.0 - x.array()).matrix() + root * y;
    const Estimated slope = gls_slope(x, y, covariance);
    covered += slope.low <= -1 && -1 <= slope.high;
    const Estimated wrong =
        gls_slope(x, y, Eigen::MatrixXd(0.002 * Eigen::MatrixXd::Identity(kPoints, kPoints)));
    ordinary += wrong.low <= -1 && -1 <= wrong.high;
  }
  EXPECT_GE(covered / double(kTrials), 0.93);
  EXPECT_LE(covered / double(kTrials), 0.97);
  EXPECT_LT(ordinary / double(kTrials), 0.93);
}

TEST(GlsSlope, IsExactOnALineAndRefusesTheRest) {
  const Eigen::VectorXd x = Eigen::VectorXd::LinSpaced(5, 1, 5);
  const Eigen::MatrixXd unit = Eigen::MatrixXd::Identity(5, 5);
  const Estimated slope = gls_slope(x, (2.0 - 0.5 * x.array()).matrix(), unit);
  EXPECT_NEAR(slope.value, -0.5, 1e-14);
  EXPECT_NEAR(slope.std_error, 1 / std::sqrt(10.0), 1e-14);  // Σ(x − x̄)² = 10
  EXPECT_THROW(gls_slope(x, x.head(4), unit), BadInput);
  EXPECT_THROW(gls_slope(x, x, -unit), BadInput);
}

}  // namespace
}  // namespace attngap
