#include "analysis/tilted_moments.hpp"

#include "estimators/feature_map.hpp"
#include "tests/house_problem.hpp"

#include <cmath>

#include <gtest/gtest.h>

namespace attngap {
namespace {

using testing_tools::sentence_of;
using testing_tools::vector_of;

constexpr std::int64_t kDraws = 200;

// |x + y|² = 20.25: a plain sample of the second moment would need exp(20) draws.
const Vector kX = vector_of({1.5, -0.8, 0.4, 1.1, -0.5});
const Vector kY = vector_of({1.4, -0.9, 0.6, 0.9, -0.8});
const Vector kOther = vector_of({-0.3, 0.7, 1.2, 0.1, 0.9});

// What is left of the variance is the rounding of exponents of up to a few hundred, 2⁻⁵³ relative each.
constexpr double kRounding = 1e-13;

class TiltedMoments : public testing::TestWithParam<const char*> {
 protected:
  const FeatureMap& map() const { return feature_map_named(GetParam()); }
};

TEST_P(TiltedMoments, OfAMeanHaveNoVarianceAndAreTheKernel) {
  const Moments mean = tilted_kernel_mean(map(), kX, kY, kDraws, {3, 0, 0});
  EXPECT_EQ(mean.count(), kDraws);
  EXPECT_NEAR(mean.mean(), 1.0, kRounding);
  EXPECT_LT(std::sqrt(mean.variance()), kRounding);
}

TEST_P(TiltedMoments, OfASecondMomentHaveNoVarianceAndAreTheClosedForm) {
  const double kernel = std::exp(kX.dot(kY));
  const double exact = map().pair_moment(kX, kY, kY) / (kernel * kernel);
  const Moments second = tilted_pair_moment(map(), kX, kY, kY, kDraws, {3, 1, 0});
  EXPECT_NEAR(second.mean(), exact, kRounding * exact);
  EXPECT_LT(std::sqrt(second.variance()), kRounding * exact);
}

TEST_P(TiltedMoments, OfTwoKeysHaveNoVarianceAndAreTheClosedForm) {
  const double exact = map().pair_moment(kX, kY, kOther) / std::exp(kX.dot(kY) + kX.dot(kOther));
  const Moments pair = tilted_pair_moment(map(), kX, kY, kOther, kDraws, {3, 2, 0});
  EXPECT_NEAR(pair.mean(), exact, kRounding * exact);
  EXPECT_LT(std::sqrt(pair.variance()), kRounding * exact);
}

// A formula with one mistake is found, whatever the tail: of the exponent, and of a lost factor.
TEST_P(TiltedMoments, RejectAClosedFormThatIsOffByOnePartInAMillion) {
  const double kernel = std::exp(kX.dot(kY));
  const double exact = map().pair_moment(kX, kY, kY) / (kernel * kernel);
  const Moments second = tilted_pair_moment(map(), kX, kY, kY, kDraws, {3, 1, 0});
  for (const double wrong : {1e-6, -1e-6})
    EXPECT_GT(std::abs(second.mean() - (1.0 + wrong) * exact), 1e6 * kRounding * exact);
}

INSTANTIATE_TEST_SUITE_P(Maps, TiltedMoments, testing::Values("positive", "hyperbolic"));

TEST(TiltedMomentsControl, PlainSamplingMissesTheSecondMomentByMoreThanHalf) {
  const FeatureMap& map = feature_map_named("positive");
  const double exact = std::exp((kX + kY).squaredNorm());
  Moments plain;
  for (std::uint32_t r = 0; r < 10'000; ++r) {
    Vector w(6);
    RandomStream({5, 0, r}, Purpose::directions).normals(0, {w.data(), 6});
    plain.add(std::exp(2.0 * (w.head(5).dot(kX + kY) - 0.5 * (kX + kY).squaredNorm())));
  }
  EXPECT_LT(plain.mean(), 0.5 * exact) << "then nobody needs the tilt";
  EXPECT_NEAR(tilted_pair_moment(map, kX, kY, kY, 2, {3, 0, 0}).mean(), exact, kRounding * exact);
}

TEST(TiltedMomentsInput, RefuseMapsThatAreNoSumsOfExponentialsAndUnequalLengths) {
  for (const char* name : {"trigonometric", "regularized", "arccos"}) {
    const FeatureMap& map = feature_map_named(name);
    EXPECT_NE(sentence_of([&] { tilted_kernel_mean(map, kX, kY, 2, {}); }).find(name), std::string::npos);
    EXPECT_NE(sentence_of([&] { tilted_pair_moment(map, kX, kY, kY, 2, {}); }).find(name), std::string::npos);
  }
  const FeatureMap& map = feature_map_named("positive");
  EXPECT_NE(sentence_of([&] {
              tilted_kernel_mean(map, kX, vector_of({1, 2}), 2, {});
            }).find("5 and 2"),
            std::string::npos);
  EXPECT_NE(sentence_of([&] {
              tilted_pair_moment(map, kX, kY, vector_of({1, 2}), 2, {});
            }).find("5, 5 and 2"),
            std::string::npos);
}

}  // namespace
}  // namespace attngap
