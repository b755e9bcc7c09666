// Kernel estimates of many pairs from shared normals, against the pairs one by one and the closed forms.

#include "analysis/kernel_sampling.hpp"

#include "analysis/moments.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/radial_kernel.hpp"
#include "estimators/random_stream.hpp"
#include "estimators/ratio_estimator.hpp"
#include "tests/house_problem.hpp"
#include "tests/quadrature.hpp"

#include <array>
#include <cmath>

#include <gtest/gtest.h>

namespace attngap {
namespace {

using testing_tools::normal_expectation;
using testing_tools::normal_matrix;
using testing_tools::sentence_of;

constexpr std::array kRadial{"performer", "performer:features=hyperbolic", "rfa"};

struct Named {
  explicit Named(const std::string& name) : estimator(make_estimator(name)) {}
  const FeatureMap& map() const { return dynamic_cast<const RatioEstimator&>(*estimator).map(); }
  std::unique_ptr<AttentionEstimator> estimator;
};

double ratio_at(const RadialKernel& kernel, double radius, double g) {
  double ratio = 0.0;
  kernel.ratios(radius, {&g, 1}, {&ratio, 1});
  return ratio;
}

TEST(RadialKernel, HasMeanOneAndTheVarianceOfTheMap) {
  const Matrix pair = 0.4 * normal_matrix(3, 0, 2, 5);
  const Vector x = pair.row(0), y = pair.row(1);
  for (const char* name : kRadial) {
    const Named named(name);
    const RadialKernel kernel = RadialKernel::of(named.map()).value();
    const double radius = kernel.radius(x, y), exact = named.map().kernel(x, y);
    const double mean = normal_expectation([&](double g) { return ratio_at(kernel, radius, g); });
    const double square =
        normal_expectation([&](double g) { return std::pow(ratio_at(kernel, radius, g), 2); });
    const double variance = named.map().variance(x, y, 1) / (exact * exact);
    EXPECT_NEAR(mean, 1.0, 1e-12) << name;
    EXPECT_NEAR(square - 1.0, variance, 1e-10 * (1.0 + variance)) << name;
  }
}

TEST(RadialKernel, IsTheHermiteSeriesOfItsCoefficients) {
  for (const char* name : kRadial) {
    const RadialKernel kernel = RadialKernel::of(Named(name).map()).value();
    for (const double g : {-2.5, 0.0, 0.3, 3.1}) {
      const double radius = 1.3;
      double sum = 0.0, before = 0.0, now = 1.0, power = 1.0;  // He_{k−1}, He_k, r^k/k!
      for (int k = 0; k < 60; ++k) {
        sum += kernel.coefficient(k) * power * now;
        const double next = g * now - k * before;
        before = now;
        now = next;
        power *= radius / (k + 1);
      }
      EXPECT_NEAR(sum, ratio_at(kernel, radius, g), 1e-12) << name << " at " << g;
    }
  }
}

// Radii on both sides of where the series is used, and replicates and pairs that fill no block.
TEST(PairMoments, AreThoseOfThePairsOneByOne) {
  constexpr Index kPairs = 7, kDraws = 11, kDim = 5;
  constexpr std::int64_t kReplicates = 300;
  Matrix X = 0.5 * normal_matrix(5, 0, kPairs, kDim), Y = 0.5 * normal_matrix(6, 0, kPairs, kDim);
  X.row(kPairs - 1) *= 5.0 / X.row(kPairs - 1).norm();
  Y.row(kPairs - 1).setZero();
  for (const char* name : kRadial) {
    const Named named(name);
    const RadialKernel kernel = RadialKernel::of(named.map()).value();
    const PairMoments moments = sample_pair_moments(named.map(), X, Y, kDraws, kReplicates, 9);
    for (Index i = 0; i < kPairs; ++i) {
      const double radius = kernel.radius(X.row(i), Y.row(i));
      Moments direct;
      for (std::uint32_t r = 0; r < kReplicates; ++r) {
        std::array<double, kDraws> normals{}, ratios{};
        RandomStream({9, 0, r}, Purpose::directions).normals(0, normals);
        kernel.ratios(radius, normals, ratios);
        double sum = 0.0;
        for (const double ratio : ratios) sum += ratio;
        direct.add(sum / kDraws);
      }
      const double size = std::sqrt(direct.variance()) + std::abs(direct.mean());
      EXPECT_NEAR(moments.mean(i), direct.mean(), 1e-11 * size) << name << " pair " << i;
      EXPECT_NEAR(moments.variance(i), direct.variance(), 1e-10 * size * size) << name << " pair " << i;
    }
  }
}

TEST(PairMoments, RefuseWhatIsNoFunctionOfOneProjection) {
  const Matrix X = normal_matrix(1, 0, 2, 5), Y = normal_matrix(2, 0, 2, 5);
  const auto refused = [&](const std::string& name) {
    const Named named(name);
    return sentence_of([&] { sample_pair_moments(named.map(), X, Y, 3, 5, 1); });
  };
  EXPECT_NE(refused("rfa:kernel=arccos").find("no function of one projection"), std::string::npos);
  EXPECT_NE(refused("rmfa").find("no function of one projection"), std::string::npos);
  EXPECT_NE(sentence_of([&] { sample_pair_moments(Named("rfa").map(), X, Y, 3, 1, 1); }).find("replicates"),
            std::string::npos);
}

}  // namespace
}  // namespace attngap
