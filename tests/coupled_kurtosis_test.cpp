// Kurtoses of kernel estimates of Gaussian features in closed form: of fixed norm, and of orthogonal
// directions.

#include "estimators/coupled_kurtosis.hpp"

#include "estimators/estimator_table.hpp"
#include "estimators/feature_map.hpp"
#include "estimators/kurtosis.hpp"
#include "estimators/ratio_estimator.hpp"
#include "estimators/special_functions.hpp"
#include "tests/house_problem.hpp"
#include "tests/quadrature.hpp"
#include "tests/statistical_assertions.hpp"

#include <cmath>
#include <numbers>
#include <string>

#include <boost/multiprecision/cpp_bin_float.hpp>
#include <gtest/gtest.h>

namespace attngap {
namespace {

using testing_tools::kernel_estimate;
using testing_tools::mean_is;
using testing_tools::one_pair;
using testing_tools::vector_of;
using Exact = boost::multiprecision::number<
    boost::multiprecision::cpp_bin_float<60, boost::multiprecision::digit_base_10, void, std::int64_t>>;

// ---- features of fixed norm ----

Exact spherical_0f1(const Exact& b, const Exact& z) {
  Exact term = 1, sum = 1;
  for (int k = 0; term > Exact("1e-58") * sum; ++k) {
    term *= z / ((b + k) * (k + 1));
    sum += term;
  }
  return sum;
}

TEST(SphericalFunctions, AreTheirSeriesInManyDigits) {
  for (const double b : {0.5, 1.0, 1.5, 2.5, 8.0, 32.0, 512.0})
    for (const double z : {0.0, 1e-16, 1e-9, 1e-4, 0.03, 0.7, 4.0, 60.0, 900.0}) {
      const Exact mean = spherical_0f1(b, z), square = mean * mean;
      const auto variance = static_cast<double>(spherical_0f1(b, Exact(4) * z) - square);
      const auto covariance = static_cast<double>(spherical_0f1(b, Exact(2) * z) - square);
      EXPECT_NEAR(spherical_variance(b, z), variance, 1e-13 * variance) << b << " " << z;
      EXPECT_NEAR(spherical_covariance(b, z), covariance, -1e-13 * covariance) << b << " " << z;
      const auto logarithm = static_cast<double>(log(mean));
      EXPECT_NEAR(log_hypergeometric_0f1(b, z), logarithm, 1e-13 * std::max(1.0, logarithm)) << b << " " << z;
    }
  EXPECT_NEAR(log_hypergeometric_0f1(0.5, 1e6), 2000 - std::log(2.0), 1e-10) << "ln cosh 2√z";
}

double kurtosis_in_many_digits(double d, double S) {
  const Exact c = Exact(d) / 2, t = Exact(d) * S / 4;
  const Exact mean = spherical_0f1(c, t);
  const Exact second = spherical_0f1(c, 4 * t) / pow(mean, 2) - 1;
  const Exact third = spherical_0f1(c, 9 * t) / pow(mean, 3);
  const Exact fourth = spherical_0f1(c, 16 * t) / pow(mean, 4) - 4 * third + 6 * (second + 1) - 3;
  return static_cast<double>(fourth / (second * second));
}

TEST(KurtosisOnTheSphere, IsItsSeriesInManyDigits) {
  for (const double d : {2.0, 3.0, 5.0, 16.0, 64.0, 1024.0})
    for (const double S : {1e-10, 1e-4, 0.02, 0.3, 0.49, 0.51, 1.0, 4.0, 30.0, 100.0}) {
      const double expected = kurtosis_in_many_digits(d, S);
      EXPECT_NEAR(kurtosis_on_the_sphere(d, S), expected, 1e-10 * expected) << d << " " << S;
    }
  for (const double S : {1e-6, 0.3, 2.0})
    EXPECT_NEAR(kurtosis_on_the_sphere(1.0, S), 1.0, 1e-10) << "two equally likely values";
  EXPECT_NEAR(kurtosis_on_the_sphere(5.0, 1e-12), 15.0 / 7.0, 1e-5);
  EXPECT_TRUE(std::isnan(kurtosis_on_the_sphere(5.0, 0.0)));
}

TEST(RegularizedFeatures, KeepTheDigitsOfNearlyOppositeVectors) {
  const FeatureMap& map = feature_map_named("regularized");
  Vector x = vector_of({0.3, -0.2, 0.1, 0.4, -0.25}), y = -x;
  for (const double apart : {1e-12, 1e-6, 1e-4, 1e-2, 0.5}) {
    y(2) = -x(2) + apart;
    const Exact S = pow(Exact(x(2)) + y(2), 2), mean = spherical_0f1(2.5, 1.25 * S);
    const Exact scale = exp(-Exact(x.squaredNorm()) - y.squaredNorm());
    const auto variance = static_cast<double>(scale * (spherical_0f1(2.5, 5 * S) - mean * mean));
    const auto covariance = static_cast<double>(scale * (spherical_0f1(2.5, 2.5 * S) - mean * mean));
    EXPECT_NEAR(map.variance(x, y, 1), variance, 1e-10 * variance) << apart;
    EXPECT_NEAR(map.orthogonal_covariance(x, y), covariance, -1e-10 * covariance) << apart;
  }
}

// ---- orthogonal directions ----

// Mixed raw moments of the products of a frame in the plane, w₁·z = r cos α |z| and w₂·z = r' sin α |z|, by
// quadrature over the angle, with the norms averaged in closed form: E exp(k r c) over r ~ chi(2).
double plane_kurtosis(ProjectedProduct product, double S) {
  const double length = std::sqrt(std::abs(S));
  const auto of = [&](double a) {
    if (product != ProjectedProduct::even) return std::exp(a);
    return S < 0.0 ? std::cos(a) : std::cosh(a);
  };
  const auto moment_at = [&](double cosine, int k) {
    if (product == ProjectedProduct::fixed_norm) return std::pow(of(std::sqrt(2.0) * length * cosine), k);
    return testing_tools::chi_expectation(2, [&](double r) { return std::pow(of(r * length * cosine), k); });
  };
  double raw[5] = {1.0, 0.0, 0.0, 0.0, 0.0};  // of the sum of both
  constexpr int kAngles = 64;                 // a periodic function: equal angles are a Gauss rule
  constexpr double kBinomial[5][5] = {{1}, {1, 1}, {1, 2, 1}, {1, 3, 3, 1}, {1, 4, 6, 4, 1}};
  for (int i = 0; i < kAngles; ++i) {
    const double alpha = 2.0 * std::numbers::pi * (i + 0.3) / kAngles;
    double first[5] = {1.0}, second[5] = {1.0};
    for (int k = 1; k <= 4; ++k) {
      first[k] = moment_at(std::cos(alpha), k);
      second[k] = moment_at(std::sin(alpha), k);
    }
    for (int k = 1; k <= 4; ++k)
      for (int j = 0; j <= k; ++j) raw[k] += kBinomial[k][j] * first[j] * second[k - j] / kAngles;
  }
  const double mean = raw[1], variance = raw[2] - mean * mean;
  return (raw[4] - 4 * raw[3] * mean + 6 * raw[2] * mean * mean - 3 * std::pow(mean, 4)) /
         (variance * variance);
}

TEST(CoupledKurtosis, OfAFrameOfThePlaneIsThatOfQuadrature) {
  for (const double S : {0.3, 1.9, 2.1, 3.0}) {
    for (const auto product :
         {ProjectedProduct::exponential, ProjectedProduct::even, ProjectedProduct::fixed_norm}) {
      const double expected = plane_kurtosis(product, S);
      EXPECT_NEAR(coupled_kurtosis(product, 2, S, 2, 2), expected, 1e-10 * expected) << S;
    }
    const double expected = plane_kurtosis(ProjectedProduct::even, -S);
    EXPECT_NEAR(coupled_kurtosis(ProjectedProduct::even, 2, -S, 2, 2), expected, 1e-10 * expected) << S;
  }
}

// Blocks of one direction are independent ones, and of many blocks only what each is by itself is left.
TEST(CoupledKurtosis, OfBlocksAddsTheirCumulants) {
  const Vector x = vector_of({0.4, -0.3, 0.2, 0.5, -0.1}), y = vector_of({0.1, 0.3, 0.4, -0.2, 0.3});
  for (const auto& entry : feature_maps()) {
    const FeatureMap& map = entry.get();
    if (entry.name == "arccos") {
      EXPECT_TRUE(std::isnan(kernel_kurtosis(map, x, y, 11, 5)));
      continue;
    }
    const double one = map.kurtosis(x, y);
    EXPECT_NEAR(map.orthogonal_kurtosis(x, y, 1, 1), one, 1e-10 * one) << entry.name;
    EXPECT_NEAR(map.orthogonal_kurtosis(x, y, 7, 1), 3 + (one - 3) / 7, 1e-10 * one) << entry.name;
    EXPECT_EQ(kernel_kurtosis(map, x, y, 7, 1), 3 + (one - 3) / 7) << entry.name;
    const double block = kernel_kurtosis(map, x, y, 5, 5);
    EXPECT_NEAR(kernel_kurtosis(map, x, y, 15, 5), 3 + (block - 3) / 3, 1e-10 * block) << entry.name;
    EXPECT_GT(std::abs(block - 3 - (one - 3) / 5), 1e-3 * std::abs(one - 3)) << "coupling shows";
    EXPECT_NEAR(kernel_kurtosis(map, x, y, 3, 5), map.orthogonal_kurtosis(x, y, 3, 3), 1e-10 * block);
    // A block of five and one of three: κ₄ and κ₂ are of the sums, 25 κ and 9 κ of the means.
    const double three = kernel_kurtosis(map, x, y, 3, 5);
    const double whole = 25 * kernel_variance(map, x, y, 5, 5), rest = 9 * kernel_variance(map, x, y, 3, 5);
    const double both = ((block - 3) * whole * whole + (three - 3) * rest * rest) / std::pow(whole + rest, 2);
    EXPECT_NEAR(kernel_kurtosis(map, x, y, 8, 5), 3 + both, 1e-9 * block) << entry.name;
  }
}

// The fourth central moment of drawn blocks, whose own variance the sample says: tails are light here.
TEST(CoupledKurtosis, IsThatOfDrawnEstimates) {
  const Vector x = vector_of({0.2, -0.15, 0.1, 0.25, -0.1}), y = vector_of({0.1, -0.3, 0.2, 0.1, -0.15});
  for (const char* name :
       {"performer", "performer:features=hyperbolic", "performer:features=regularized", "rfa"}) {
    const std::string text = name;
    const auto estimator =
        make_estimator(text + (text.find(':') == std::string::npos ? ":" : ",") + "projection=orthogonal");
    const Vector other = text == "rfa" ? Vector(-y) : y;
    const AttentionProblem pair = one_pair(x, other);
    const KernelMoments law = dynamic_cast<const RatioEstimator&>(*estimator).kernel_moments(pair, 5);
    Moments drawn;
    for (std::uint32_t r = 0; r < 20'000; ++r) {
      const AttentionEstimate estimate = testing_tools::draw_once(*estimator, pair, {5}, {29, 0, r}).back();
      drawn.add(std::pow(kernel_estimate(estimate) - law.mean, 4));
    }
    const double expected = law.kurtosis * law.variance * law.variance;
    EXPECT_TRUE(mean_is(drawn, expected)) << name;
    EXPECT_FALSE(mean_is(drawn, 2.0 * expected)) << name;
  }
}

// Between the two ways of computing, at the ends of what is known, and where nothing is.
TEST(CoupledKurtosis, IsContinuousAndSaysWhereItEnds) {
  for (const auto product :
       {ProjectedProduct::exponential, ProjectedProduct::even, ProjectedProduct::fixed_norm})
    for (const Index d : {2, 5, 64}) {
      const double below = coupled_kurtosis(product, d, std::nextafter(2.0, 0.0), d + 1, d);
      EXPECT_NEAR(coupled_kurtosis(product, d, 2.0, d + 1, d), below, 1e-10 * below) << d;
      const double fine = coupled_kurtosis(product, d, std::nextafter(1e-4, 0.0), d + 1, d);
      EXPECT_NEAR(coupled_kurtosis(product, d, 1e-4, d + 1, d), fine, 1e-10 * fine) << d;
      const double limit = coupled_kurtosis(product, d, 1e-15, d + 1, d);
      EXPECT_NEAR(coupled_kurtosis(product, d, 1e-300, d + 1, d), limit, 1e-10 * limit) << d;
      EXPECT_TRUE(std::isnan(coupled_kurtosis(product, d, 0.0, d + 1, d)));
      EXPECT_GT(coupled_kurtosis(product, d, 400.0, d + 1, d), 3.0) << d;
    }
  EXPECT_TRUE(std::isinf(coupled_kurtosis(ProjectedProduct::exponential, 5, 400.0, 5, 5)));
  EXPECT_TRUE(std::isnan(coupled_kurtosis(ProjectedProduct::even, 5, -4.1, 5, 5)));
}

}  // namespace
}  // namespace attngap
