#include "estimators/estimator_table.hpp"
#include "estimators/feature_map.hpp"
#include "estimators/projection.hpp"
#include "estimators/ratio_estimator.hpp"
#include "tests/house_problem.hpp"
#include "tests/statistical_assertions.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace attngap {
namespace {

using testing_tools::fourth_moment_of_mean;
using testing_tools::kernel_estimate;
using testing_tools::mean_is;
using testing_tools::one_pair;
using testing_tools::variance_is;
using testing_tools::vector_of;

// |x + y|² = 0.85 and |x − y|² = 0.78: below one, where the standard error of a variance can be trusted.
const Vector kX = vector_of({0.45, -0.3, 0.25, 0.2, -0.15});
const Vector kY = vector_of({-0.05, 0.35, 0.45, 0.1, -0.3});
constexpr std::uint32_t kReplicates = 10'000;

std::string estimator_of(std::string_view map, std::string_view projection) {
  for (const NamedFeatureMap& row : feature_maps()) {
    if (row.name == map) return fmt::format("{},projection={}", row.estimator, projection);
  }
  return "unknown feature map " + std::string(map);
}

// K̂ of the real pass at every count, in the kernel's own units.
std::vector<Moments> simulate(const std::string& estimator, const std::vector<Index>& counts) {
  const auto problem = one_pair(kX, kY);
  const auto made = make_estimator(estimator);
  const std::vector<const AttentionEstimator*> group{made.get()};
  const auto plan = made->plan(problem, group, counts, Precision::float64);
  const auto sampler = plan->sampler();
  std::vector<Moments> kernels(counts.size());
  for (std::uint32_t r = 0; r < kReplicates; ++r)
    sampler->draw({91, 0, r}, [&](auto, std::size_t count, const AttentionEstimate& estimate) {
      kernels[count].add(kernel_estimate(estimate));
    });
  return kernels;
}

// Directions that share a block: ⌊m/d⌋ d(d−1) + r(r−1) ordered pairs, r = m mod d.
double coupled_pairs(Index m, Index d) {
  const Index full = m / d, rest = m % d;
  return static_cast<double>(full * d * (d - 1) + rest * (rest - 1));
}

double kernel_variance(const FeatureMap& map, std::string_view projection, Index m) {
  const double mean = map.kernel(kX, kY);
  const double alone = map.pair_moment(kX, kY, kY) - mean * mean;
  const double coupled = map.orthogonal_pair_moment(kX, kY) - mean * mean;
  const double pairs = projection == "orthogonal" ? coupled_pairs(m, kX.size()) : 0.0;
  const auto draws = static_cast<double>(m);
  return (draws * alone + pairs * coupled) / (draws * draws);
}

// Fourth central moment of one direction's product from its raw moments E Xᵏ. With s = |x ± y|² they are sums
// of exponentials of k² s/2; see the binomial expansions of cos^k and cosh^k.
double fourth_moment(std::string_view map) {
  const double sum = (kX + kY).squaredNorm(), difference = (kX - kY).squaredNorm();
  const double norms = 0.5 * (kX.squaredNorm() + kY.squaredNorm());
  std::vector<double> raw{1.0};
  for (int k = 1; k <= 4; ++k) {
    double moment = 0.0;
    if (map == "positive") {
      moment = std::exp(-k * norms + 0.5 * k * k * sum);
    } else {
      const bool trigonometric = map == "trigonometric";
      double binomial = 1.0;
      for (int j = 0; j <= k; ++j) {
        const double h = k - 2 * j;
        moment += binomial * std::exp(trigonometric ? -0.5 * h * h * difference : 0.5 * h * h * sum);
        binomial = binomial * (k - j) / (j + 1);
      }
      moment *= std::exp((trigonometric ? k : -k) * norms) / std::pow(2.0, k);
    }
    raw.push_back(moment);
  }
  return raw[4] - 4.0 * raw[3] * raw[1] + 6.0 * raw[2] * raw[1] * raw[1] - 3.0 * std::pow(raw[1], 4);
}

using Law = std::tuple<std::string_view, std::string_view>;
class EveryMapAndProjection : public testing::TestWithParam<Law> {};

// m below, at and above d = 5, with a full and a cut block.
TEST_P(EveryMapAndProjection, HasAnUnbiasedKernelOfTheVarianceOfItsLaw) {
  const auto [name, projection] = GetParam();
  const FeatureMap& map = feature_map_named(name);
  const std::vector<Index> counts{1, 3, 5, 11, 15};
  const auto kernels = simulate(estimator_of(name, projection), counts);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const double variance = kernel_variance(map, projection, counts[i]);
    EXPECT_TRUE(mean_is(kernels[i], map.kernel(kX, kY), variance)) << "m = " << counts[i];
    if (projection == "iid" && (name == "positive" || name == "hyperbolic" || name == "trigonometric")) {
      const double fourth = fourth_moment_of_mean(kernel_variance(map, "iid", 1), fourth_moment(name),
                                                  static_cast<double>(counts[i]));
      EXPECT_TRUE(variance_is(kernels[i], variance, fourth)) << "m = " << counts[i];
    } else {
      EXPECT_TRUE(variance_is(kernels[i], variance)) << "m = " << counts[i];
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tables, EveryMapAndProjection, testing::ValuesIn([] {
                           std::vector<Law> laws;
                           for (const auto& map : feature_maps())
                             for (const auto& projection : projections())
                               laws.emplace_back(map.name, projection.name);
                           return laws;
                         }()),
                         [](const auto& law) {
                           return std::string(std::get<0>(law.param)) + "_" +
                                  std::string(std::get<1>(law.param));
                         });

TEST(KernelEstimateControl, RejectsAMeanOffByTwoPercentAndAVarianceOffByFifteenPercent) {
  const FeatureMap& map = feature_map_named("positive");
  const Moments kernel = simulate("performer", {11}).front();
  const double variance = kernel_variance(map, "iid", 11);
  const double fourth =
      fourth_moment_of_mean(kernel_variance(map, "iid", 1), fourth_moment("positive"), 11.0);
  EXPECT_FALSE(mean_is(kernel, 1.02 * map.kernel(kX, kY), variance));
  EXPECT_FALSE(variance_is(kernel, 1.15 * variance, fourth));
}

// Orthogonal directions under the variance of independent ones: at m = d the law says 10 to 60 % less.
TEST(KernelEstimateControl, RejectsIndependenceOfOrthogonalDirections) {
  for (const std::string_view name : {"hyperbolic", "trigonometric"}) {
    const Moments kernel = simulate(estimator_of(name, "orthogonal"), {5}).front();
    EXPECT_FALSE(variance_is(kernel, kernel_variance(feature_map_named(name), "iid", 5))) << name;
  }
}

// All pairs coupled, not only those of one block: what m > d would be without the cut into blocks.
TEST(KernelEstimateControl, RejectsCouplingAcrossBlocks) {
  const FeatureMap& map = feature_map_named("trigonometric");
  const Moments kernel = simulate("rfa:projection=orthogonal", {15}).front();
  const double mean = map.kernel(kX, kY);
  const double coupled = map.orthogonal_pair_moment(kX, kY) - mean * mean;
  const double all_pairs = kernel_variance(map, "iid", 15) + 15.0 * 14.0 / 225.0 * coupled;
  EXPECT_FALSE(variance_is(kernel, all_pairs));
}

// Orthogonality lowers the variance of every map at these sizes (Choromanski et al. 2021, Theorem 2).
TEST(KernelEstimate, OrthogonalDirectionsLowerTheVariance) {
  for (const auto& row : feature_maps())
    for (const Index m : {2, 5, 11})
      EXPECT_LT(kernel_variance(row.get(), "orthogonal", m), kernel_variance(row.get(), "iid", m))
          << row.name;
}

}  // namespace
}  // namespace attngap
