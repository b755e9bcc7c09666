#include "analysis/kernel_prediction.hpp"

#include "analysis/moments.hpp"
#include "estimators/estimator_table.hpp"
#include "tests/house_problem.hpp"
#include "tests/statistical_assertions.hpp"

#include <cmath>

#include <gmock/gmock.h>

namespace attngap {
namespace {

using namespace testing_tools;

KernelPrediction predict_pair(const char* name, const Vector& x, const Vector& y, Index draws) {
  const auto estimator = make_estimator(name);
  return KernelLaw(dynamic_cast<const RatioEstimator&>(*estimator), x.transpose(), y.transpose())
      .predict(0, draws);
}

// The variance without cancellation is the pair moment minus the squared kernel, and goes on where nothing is
// left of that difference.
TEST(KernelVariance, IsThePairMomentLessTheSquaredKernel) {
  const Vector x = normal_matrix(2, 1, 5, 1, 0.4), y = normal_matrix(2, 2, 5, 1, 0.4);
  for (const NamedFeatureMap& row : feature_maps()) {
    const FeatureMap& map = row.get();
    const double closed = map.variance(x, y, 11);
    EXPECT_NEAR(closed, map.FeatureMap::variance(x, y, 11), 1e-13 * map.pair_moment(x, y, y)) << row.name;
  }
  const Vector tiny = 1e-7 * x;
  const double S = (2.0 * tiny).squaredNorm();
  EXPECT_NEAR(feature_map_named("positive").variance(tiny, tiny, 1), S, 1e-10 * S);
  EXPECT_NEAR(feature_map_named("hyperbolic").variance(tiny, tiny, 1), S * S / 2, 1e-10 * S * S);
  EXPECT_NEAR(feature_map_named("trigonometric").variance(tiny, -tiny, 1), S * S / 2, 1e-10 * S * S);
}

// x+y or x−y as good as zero: with z = S/2 the excess of an orthogonal pair is −z²/(d/2 + 1) to leading
// order, and the variance keeps its digits.
TEST(KernelVariance, OfOrthogonalDirectionsKeepsItsDigitsWhereItVanishes) {
  for (const Index d : {2, 3, 8, 65}) {
    const Vector x = normal_matrix(9, static_cast<std::uint32_t>(d), d, 1, 1e-6);
    const double S = (2.0 * x).squaredNorm(), m = 2.0 * static_cast<double>(d) + 1.0;
    const double pairs = 2.0 * static_cast<double>(d * (d - 1));
    const double excess = pairs / (m * m) * S * S / (2.0 * static_cast<double>(d) + 4.0);
    const auto of = [&](const char* name, const Vector& y) {
      return kernel_variance(feature_map_named(name), x, y, static_cast<Index>(m), d);
    };
    // The next order is S.
    EXPECT_NEAR(of("hyperbolic", x), S * S / (2.0 * m) - excess, 1e-9 * excess) << d;
    EXPECT_NEAR(of("trigonometric", -x), S * S / (2.0 * m) - excess, 1e-9 * excess) << d;
    EXPECT_NEAR(of("positive", x), std::expm1(S) / m - excess, 1e-9 * S / m) << d;
    EXPECT_EQ(of("hyperbolic", -x), 0.0);
  }
}

// Squared kernels of exp(−1072) and variances of exp(±365): no factor may leave the range of a double where
// their product does not.
TEST(KernelVariance, OfLargeNormsIsADoubleWhereItCanBe) {
  const Vector x = vector_of({40.0, 0.0, 0.0}), y = vector_of({-13.4, 0.0, 0.0});
  const double log_variance = 26.6 * 26.6 - 1072.0;
  for (const Index block : {1, 3}) {
    const double positive = kernel_variance(feature_map_named("positive"), x, y, 5, block);
    EXPECT_NEAR(std::log(5.0 * positive), log_variance, 1e-11);
    const double hyperbolic = kernel_variance(feature_map_named("hyperbolic"), x, y, 5, block);
    EXPECT_NEAR(std::log(10.0 * hyperbolic), log_variance, 1e-11);
  }
  const Vector far = vector_of({14.0, 0.0, 0.0});
  const double signed_one = kernel_variance(feature_map_named("trigonometric"), far, -far, 5, 1);
  EXPECT_NEAR(std::log(10.0 * signed_one), 392.0, 1e-11);
  const double coupled = kernel_variance(feature_map_named("trigonometric"), far, -far, 5, 3);
  // ₁F₁(3; 3/2; −392) is Γ(3/2)/Γ(−3/2) 392⁻³ to a relative 1/50, of 8 pairs of 25.
  const double pair = std::tgamma(1.5) / std::tgamma(-1.5) * std::pow(392.0, -3);
  EXPECT_NEAR(coupled / signed_one - 1.0, 10.0 * 8.0 / 25.0 * pair, 0.05 * 3.2 * pair);
}

// Published values at d = m = 8 and |x + y|² = 0.8, in units where the mean is exp(|x + y|²/2): 0.341 for
// independent directions, 0.287 for orthogonal ones.
TEST(KernelVariance, OfOrthogonalDirectionsCountsThePairsOfABlock) {
  Vector x = Vector::Zero(8);
  x(0) = std::sqrt(0.2);
  const double unit = std::exp(0.8) / std::exp(0.4);  // e^S/K²
  EXPECT_NEAR(unit * predict_pair("performer", x, x, 8).variance, 0.341, 5e-4);
  EXPECT_NEAR(unit * predict_pair("performer:projection=orthogonal", x, x, 8).variance, 0.287, 5e-4);
  // 19 directions are two blocks and three more: 2·56 + 6 pairs.
  const FeatureMap& map = feature_map_named("positive");
  const double K = map.kernel(x, x);
  const double by_hand =
      (19 * (map.pair_moment(x, x, x) - K * K) + 118 * (map.orthogonal_pair_moment(x, x) - K * K)) /
      (19.0 * 19.0);
  EXPECT_NEAR(predict_pair("performer:projection=orthogonal", x, x, 19).variance, by_hand, 1e-13);
  EXPECT_EQ(predict_pair("performer:projection=orthogonal", x, x, 1).variance,
            predict_pair("performer", x, x, 1).variance);
}

TEST(KernelVariance, IsThatOfSimulatedEstimates) {
  const Vector x = normal_matrix(4, 1, 3, 1, 0.2), y = normal_matrix(4, 2, 3, 1, 0.2);
  for (const char* name :
       {"performer:projection=orthogonal", "rfa:projection=orthogonal", "rfa", "rmfa", "rmfa:known=linear",
        "rmfa:degrees=fixed,max-degree=3", "performer:features=regularized"}) {
    const KernelPrediction said = predict_pair(name, x, y, 7);
    Moments moments;
    for (std::uint32_t r = 0; r < 20000; ++r)
      moments.add(kernel_estimate(draw_once(name, one_pair(x, y), {7}, {6, 0, r}).back()));
    EXPECT_TRUE(mean_is(moments, said.mean, said.variance)) << name;
    EXPECT_TRUE(variance_is(moments, said.variance)) << name;
    EXPECT_FALSE(variance_is(moments, 1.3 * said.variance)) << name;
  }
}

TEST(KernelPrediction, SaysWhatIsInfiniteAndWhatIsBiased) {
  const Vector x = vector_of({0.8, 0.0}), y = vector_of({0.9, 0.0});
  EXPECT_EQ(predict_pair("rmfa:kernel=inverse", 0.5 * x, y, 4).condition, "ok");
  const KernelPrediction wide = predict_pair("rmfa:kernel=inverse", x, y, 4);
  EXPECT_EQ(wide.condition, "infinite-variance");  // 2 |x|²|y|² ≥ 1, and x·y < 1
  EXPECT_NEAR(wide.mean, 1.0 / (1.0 - 0.72), 1e-12);
  EXPECT_TRUE(std::isinf(wide.variance));
  EXPECT_EQ(predict_pair("rmfa:kernel=inverse", -2.0 * x, y, 4).condition, "no-mean");  // x·y = −1.44
  EXPECT_EQ(predict_pair("performer", 40.0 * x, y, 4).condition, "beyond-double");
  const KernelPrediction regularized = predict_pair("performer:features=regularized", x, y, 4);
  EXPECT_NEAR(regularized.kernel, std::exp(0.72), 1e-14);
  EXPECT_LT(regularized.mean, 0.99 * regularized.kernel);
  const KernelPrediction truncated = predict_pair("rmfa:max-degree=1", x, y, 4);
  EXPECT_NEAR(truncated.mean, 1.72, 1e-14);
  const KernelPrediction unit = predict_pair("rfa:normalize=unit,sigma=2", x, 3.0 * y, 4);
  EXPECT_NEAR(unit.kernel, std::exp(0.25), 1e-14);
}

TEST(KernelPrediction, RefusesWhatDependsOnOtherRows) {
  const Vector x = vector_of({0.8, 0.1, 0.3});
  for (const char* name : {"performer:center=keys", "rmfa:ppsbn=paper", "rfa:gate=constant:0.5"})
    EXPECT_THAT(sentence_of([&] { predict_pair(name, x, x, 4); }), testing::HasSubstr(name));
}

}  // namespace
}  // namespace attngap
