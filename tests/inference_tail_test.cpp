#include "analysis/tail_inference.hpp"
#include "estimators/error.hpp"
#include "tests/stream_words.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <random>
#include <vector>

#include <Eigen/Cholesky>
#include <gtest/gtest.h>

namespace attngap {
namespace {

template <typename Law>
double variance_coverage(Law law, double truth, int count, std::uint64_t seed, double shrink = 1.0,
                         std::optional<double> kurtosis = {}) {
  testing_tools::StreamWords random(seed);
  constexpr int kTrials = 4000;
  int covered = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    Moments moments;
    for (int i = 0; i < count; ++i) moments.add(law(random));
    const Estimated variance = kurtosis ? variance_interval(moments, *kurtosis) : variance_interval(moments);
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

TEST(VarianceInterval, CoversWithTheKurtosisOfTheLaw) {
  const double normal = variance_coverage(std::normal_distribution<double>(1, 2), 4.0, 100, 74, 1.0, 3.0);
  const double exponential =
      variance_coverage(std::exponential_distribution<double>(1), 1.0, 500, 75, 1.0, 9.0);
  for (const double coverage : {normal, exponential}) {
    EXPECT_GE(coverage, 0.93);
    EXPECT_LE(coverage, 0.97);
  }
  EXPECT_LT(variance_coverage(std::exponential_distribution<double>(1), 1.0, 500, 75, 1.0, 3.0), 0.75);
}

// Six numbers of mean 3, and the normal quantile 1.959963984540054.
TEST(VarianceInterval, IsBonettsOnPaper) {
  const double numbers[] = {1.0, 2.0, 2.0, 3.0, 4.0, 6.0};
  Moments moments;
  double squares = 0.0, fourths = 0.0;
  for (const double x : numbers) {
    moments.add(x);
    squares += std::pow(x - 3.0, 2);
    fourths += std::pow(x - 3.0, 4);
  }
  const double z = 1.959963984540054, variance = squares / 5.0;
  const double c = 6.0 / (6.0 - z), kurtosis = 6.0 * fourths / (squares * squares);
  const double half = z * c * std::sqrt((kurtosis - 3.0 / 6.0) / 5.0);
  const Estimated interval = variance_interval(moments);
  EXPECT_NEAR(interval.value, variance, 1e-14);
  EXPECT_NEAR(interval.low, c * variance * std::exp(-half), 1e-12 * interval.low);
  EXPECT_NEAR(interval.high, c * variance * std::exp(half), 1e-12 * interval.high);
}

// The squares of such numbers are doubles, their fourth powers are not.
TEST(VarianceInterval, IsUnknownWhereTheFourthMomentIsBeyondADouble) {
  Moments moments;
  for (const double x : {1.0, -2.0, 2.0, 3.0, 4.0, 6.0}) moments.add(1e90 * x);
  const Estimated interval = variance_interval(moments);
  EXPECT_TRUE(std::isfinite(interval.value));
  EXPECT_TRUE(std::isnan(interval.low) && std::isnan(interval.high));
  EXPECT_LT(variance_interval(moments, 3.0).low, interval.value);
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

// Zhang and Stephens' estimate as their paper has it (σ and k from b = −θ on a grid), with PSIS's prior, of
// the 15 largest of 75 weights over the next largest.
TEST(ParetoShape, IsTheFormulaOfThePaper) {
  std::vector<double> weights = pareto_draws(0.9, 75, 85);
  std::vector<double> sorted = weights;
  std::sort(sorted.begin(), sorted.end());
  std::vector<long double> x;
  for (std::size_t i = 60; i < 75; ++i) x.push_back(sorted[i] - sorted[59]);
  const long double n = 15, points = 30 + 3, quartile = x[3];  // ⌊√15⌋ = 3; the ⌊n/4 + ½⌋ = 4th smallest
  std::vector<long double> b, logs;
  const auto shape_of = [&](long double at) {
    long double k = 0;
    for (const long double y : x) k += std::log1p(-at * y) / n;
    return k;
  };
  for (int j = 1; j <= points; ++j) {
    b.push_back(1 / x.back() + (1 - std::sqrt(points / (j - 0.5L))) / (3 * quartile));
    const long double k = shape_of(b.back());
    logs.push_back(n * (std::log(-b.back() / k) - k - 1));
  }
  long double estimate = 0;
  for (std::size_t j = 0; j < b.size(); ++j) {  // w_j = 1/Σ_i exp(l_i − l_j)
    long double others = 0;
    for (const long double l : logs) others += std::exp(l - logs[j]);
    estimate += b[j] / others;
  }
  const long double shrunk = (n * shape_of(estimate) + 10 * 0.5L) / (n + 10);
  EXPECT_NEAR(pareto_shape(weights).shape, static_cast<double>(shrunk), 1e-11);
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
