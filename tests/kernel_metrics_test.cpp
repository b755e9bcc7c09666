// The law of a kernel estimate at a pair, and what of a sample of estimates is told.

#include "analysis/kernel_statistics.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/maclaurin.hpp"
#include "estimators/random_stream.hpp"
#include "experiments/kernel_variance_run.hpp"
#include "tests/quadrature.hpp"
#include "tests/statistical_assertions.hpp"

#include <algorithm>
#include <cmath>

namespace attngap {
namespace {

using ::testing::SizeIs;
using testing_tools::normal_expectation;
using testing_tools::within_limit;

KernelMoments moments_of(const std::string& estimator, const AttentionProblem& pair, Index draws) {
  const auto made = make_estimator(estimator);
  return dynamic_cast<const RatioEstimator&>(*made).kernel_moments(pair, draws);
}

// ---- the pairs and the closed forms ----

TEST(PairProblem, HasTheNormsAndTheCosineInEveryDimension) {
  for (const Index dim : {2, 3, 5, 16, 65})
    for (const double cosine : {-1.0, -0.3, 0.0, 0.9, 1.0}) {
      const AttentionProblem pair = pair_problem(1.7, cosine, dim);
      const Vector x = pair.scaled_queries().row(0), y = pair.scaled_keys().row(0);
      EXPECT_NEAR(x.norm(), 1.7, 1e-14);
      EXPECT_NEAR(y.norm(), 1.7, 1e-14);
      EXPECT_NEAR(x.dot(y), 1.7 * 1.7 * cosine, 1e-14);
      EXPECT_NEAR((x.array() * y.array()).square().sum(), std::pow(1.7, 4) / static_cast<double>(dim), 1e-13);
    }
}

// With z = x ± y the product is a function of w·z ~ N(0, |z|²) alone: a quadrature in one dimension.
TEST(KernelMoments, AreThoseOfQuadrature) {
  const double norm = 1.1, cosine = 0.4;
  const AttentionProblem pair = pair_problem(norm, cosine, 7);
  const double sum = norm * std::sqrt(2.0 + 2.0 * cosine), difference = norm * std::sqrt(2.0 - 2.0 * cosine);
  const double norms = norm * norm, kernel = std::exp(norms * cosine);
  const std::map<std::string, std::function<double(double)>> products{
      {"performer", [&](double g) { return std::exp(sum * g - norms); }},
      {"performer:features=hyperbolic", [&](double g) { return std::cosh(sum * g) * std::exp(-norms); }},
      {"rfa", [&](double g) { return std::cos(difference * g) * std::exp(norms); }}};
  for (const auto& entry : products) {
    const std::string& name = entry.first;
    const auto& product = entry.second;  // no structured binding: a lambda captures it
    const double mean = normal_expectation(product);
    const double variance = normal_expectation([&](double g) { return std::pow(product(g) - mean, 2); });
    for (const Index draws : {1, 11}) {
      const KernelMoments law = moments_of(name, pair, draws);
      EXPECT_NEAR(law.target, kernel, 1e-13 * kernel) << name;
      EXPECT_NEAR(law.mean, mean, 1e-10 * mean) << name;
      EXPECT_NEAR(law.variance, variance / static_cast<double>(draws), 1e-10 * variance) << name;
    }
  }
}

// x = −y makes every positive product 1·K, x = y every trigonometric one: nothing varies.
TEST(KernelMoments, VanishExactlyWhereTheEstimateIsExact) {
  for (const char* map : {"positive", "hyperbolic"})
    EXPECT_EQ(moments_of(fmt::format("performer:features={}", map), pair_problem(2, -1, 5), 3).variance, 0.0);
  for (const char* law : {"iid", "orthogonal"})
    EXPECT_EQ(moments_of(fmt::format("rfa:projection={}", law), pair_problem(2, 1, 5), 11).variance, 0.0);
  EXPECT_GT(moments_of("rfa", pair_problem(2, 0.999, 5), 3).variance, 0.0);
}

TEST(KernelMoments, OfOrthogonalDirectionsCoupleBlocksOnly) {
  const AttentionProblem pair = pair_problem(0.6, 0.5, 5);
  const double one = moments_of("rfa:projection=orthogonal", pair, 1).variance;
  EXPECT_DOUBLE_EQ(one, moments_of("rfa", pair, 1).variance);
  const double five = moments_of("rfa:projection=orthogonal", pair, 5).variance;
  EXPECT_LT(five, one / 5);
  EXPECT_NEAR(moments_of("rfa:projection=orthogonal", pair, 10).variance, five / 2, 1e-12 * five);
}

// |x + y|² = 576: coupling takes little from a variance that no double holds.
TEST(KernelMoments, OfOrthogonalDirectionsBeyondADoubleAreInfinite) {
  for (const char* name :
       {"performer:projection=orthogonal", "performer:features=hyperbolic,projection=orthogonal"})
    for (const Index draws : {1, 2, 64}) {
      EXPECT_TRUE(std::isinf(moments_of(name, pair_problem(12, 1, 3), draws).variance)) << name << draws;
      const double far = moments_of(name, pair_problem(9, 1, 3), draws).variance;
      EXPECT_TRUE(far > 1e200 && std::isfinite(far)) << name << draws;
    }
}

TEST(KernelMoments, TellTheTargetFromTheMean) {
  const AttentionProblem pair = pair_problem(1.5, 0.2, 6);
  const KernelMoments regularized = moments_of("performer:features=regularized", pair, 1);
  EXPECT_LT(regularized.mean, 0.95 * regularized.target);
  const KernelMoments arccos = moments_of("rfa:kernel=arccos", pair, 1);
  EXPECT_EQ(arccos.mean, arccos.target);
  // T_2 of exp at x·y = 0.45.
  const KernelMoments cut = moments_of("rmfa:max-degree=2", pair, 1);
  EXPECT_NEAR(cut.mean, 1 + 0.45 + 0.45 * 0.45 / 2, 1e-14);
  EXPECT_NEAR(cut.target, std::exp(0.45), 1e-14);
}

TEST(KernelMoments, HaveNoMeanOutsideTheRadiusAndNoVarianceInsideIt) {
  EXPECT_TRUE(std::isnan(moments_of("rmfa:kernel=inverse", pair_problem(1.2, 1, 5), 1).mean));
  const KernelMoments inside = moments_of("rmfa:kernel=inverse", pair_problem(0.95, 0.1, 65), 1);
  EXPECT_NEAR(inside.mean, 1 / (1 - 0.09025), 1e-14);
  EXPECT_TRUE(std::isinf(inside.variance));
  EXPECT_TRUE(std::isfinite(moments_of("rmfa:kernel=inverse", pair_problem(0.5, 0.1, 5), 1).variance));
  // The radius itself, which x·y may round to either side of.
  for (const Index dim : {2, 3, 5, 16, 64})
    for (const double cosine : {-1.0, 1.0})
      EXPECT_TRUE(std::isnan(moments_of("rmfa:kernel=inverse", pair_problem(1, cosine, dim), 1).mean)) << dim;
}

// Σ_n (a_n √mⁿ)·Σ_n a_n √mⁿ of the optimal law and e^{λ + m/λ} of Poisson degrees of mean λ = √m are both
// e^{2√m}; a variance of 10⁻⁸ is the difference of that and e^{2z}.
TEST(KernelMoments, OfLawsOfDegreesKeepTheirDigitsAtSmallNorms) {
  for (const double norm : {1e-4, 3e-2, 0.7})
    for (const double cosine : {-0.3, 0.7, 1.0}) {
      const AttentionProblem pair = pair_problem(norm, cosine, 5);
      const Vector x = pair.scaled_queries().row(0), y = pair.scaled_keys().row(0);
      const double z = x.dot(y),
                   root = std::sqrt(maclaurin_pair_base(MaclaurinDirection::rademacher, x, y, y));
      const double exact = std::exp(2.0 * z) * std::expm1(2.0 * (root - z));
      EXPECT_NEAR(moments_of("rmfa:degrees=optimal", pair, 1).variance, exact, 1e-12 * exact);
      if (root > 1e-3) {
        EXPECT_NEAR(moments_of("rmfa:degrees=poisson", pair, 1).variance, exact, 1e-12 * exact);
      }
    }
  // m = 0, which may round to either side.
  for (const double norm : {1e-4, 0.5, 0.9})
    EXPECT_LT(moments_of("rmfa:degrees=optimal", pair_problem(norm, 0, 2), 1).variance, 1e-7);
}

// ---- the metrics ----

std::vector<double> sample(std::size_t count, double (*of)(double)) {
  std::vector<double> normals(count);
  RandomStream({17, 0, 0}, Purpose::data).normals(0, normals);
  for (double& x : normals) x = of(x);
  return normals;
}

TEST(KernelMetrics, GiveLightTailsAnIntervalAndRefuseHeavyOnes) {
  const auto light = kernel_metrics(sample(4000, [](double g) { return 1 + 0.1 * g; }), {1, 1, 0.01});
  ASSERT_THAT(light, SizeIs(4));
  EXPECT_EQ(light[1].name, "kernel_variance");
  EXPECT_EQ(light[1].status, "ok");
  EXPECT_TRUE(within_limit((light[1].estimated.value - 0.01) / (0.01 * std::sqrt(2.0 / 3999)),
                           light[1].estimated.value, 0.01, 0.01 * std::sqrt(2.0 / 3999)));
  EXPECT_LT(light[1].estimated.low, 0.01);
  EXPECT_GT(light[1].estimated.high, 0.01);
  // exp(2g − 2): |x + y|² = 4, relative variance e⁴ − 1.
  const auto heavy =
      kernel_metrics(sample(4000, [](double g) { return std::exp(2 * g - 2); }), {1, 1, std::exp(4.0) - 1});
  EXPECT_EQ(heavy[1].status, "heavy-tail");
  EXPECT_TRUE(std::isnan(heavy[1].estimated.value));
  EXPECT_TRUE(std::isnan(heavy[0].estimated.low));
  EXPECT_EQ(heavy[3].status, "ok");
  EXPECT_DOUBLE_EQ(heavy[3].estimated.value, std::exp(4.0) - 1);
}

// A log-normal whose sample happens to look tame, with the kurtosis of its law: e⁴ˢ + 2e³ˢ + 3e²ˢ − 3, S
// = 1.5².
TEST(KernelMetrics, BelieveTheLawRatherThanATameSample) {
  auto estimates = sample(4000, [](double g) { return std::exp(1.5 * std::min(g, 2.0) - 1.125); });
  const double s = 2.25, variance = std::exp(s) - 1;
  const double kurtosis = std::exp(4 * s) + 2 * std::exp(3 * s) + 3 * std::exp(2 * s) - 3;
  EXPECT_EQ(kernel_metrics(estimates, {1, 1, variance})[1].status, "ok")
      << "k̂ sees nothing beyond the sample";
  const auto judged = kernel_metrics(estimates, {1, 1, variance, kurtosis});
  EXPECT_EQ(judged[1].status, "heavy-tail");
  EXPECT_TRUE(std::isnan(judged[1].estimated.value));

  // The edge: √((γ − 1)/R) = 1/4 at γ = 251, R = 4000; the error is the law's, not the sample's.
  EXPECT_EQ(kernel_metrics(estimates, {1, 1, variance, 251.001})[1].status, "heavy-tail");
  const auto at_edge = kernel_metrics(estimates, {1, 1, variance, 250.999})[1];
  EXPECT_EQ(at_edge.status, "ok");
  EXPECT_NEAR(at_edge.estimated.std_error / at_edge.estimated.value, 0.25, 1e-4);
}

// By √((γ − 1)/R) ≤ 1/4 unless γ ≤ 4, up to 32 replicates γ ≤ 30; whatever the sample looks like.
TEST(KernelMetrics, JudgeASampleVarianceByTheLawAlone) {
  const auto status = [](std::size_t replicates, double kurtosis, double (*of)(double)) {
    return std::string(kernel_metrics(sample(replicates, of), {1, 1, 0.01, kurtosis})[1].status);
  };
  const auto tame = [](double g) { return 1 + 0.1 * g; };
  const auto wild = [](double g) { return std::exp(2 * g - 2); };
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(status(400, kNone, wild), "heavy-tail") << "k̂ sees it";
  for (const auto of : {+tame, +wild}) {
    EXPECT_EQ(status(400, 25.9, of), "ok");
    EXPECT_EQ(status(400, 26.1, of), "heavy-tail");
    EXPECT_EQ(status(40, 4.0, of), "ok");
    EXPECT_EQ(status(40, 4.1, of), "heavy-tail");
    EXPECT_EQ(status(32, 30.0, of), "ok");
    EXPECT_EQ(status(32, 30.1, of), "heavy-tail");
    EXPECT_EQ(status(33, 30.0, of), "heavy-tail");
    EXPECT_EQ(status(400, std::numeric_limits<double>::infinity(), of), "heavy-tail");
  }
}

// Estimates of 1e86 times the kernel, whose fourth power no double holds.
TEST(KernelMetrics, HaveAnIntervalWhereverThereIsAVariance) {
  constexpr double kUnit = 0x1p286;
  const auto near = kernel_metrics(sample(100, [](double g) { return g; }), {1, 1, 1});
  const auto far = kernel_metrics(sample(100, [](double g) { return kUnit * g; }), {1, 1, kUnit * kUnit});
  ASSERT_EQ(far[1].status, "ok");
  EXPECT_EQ(far[1].estimated.low, kUnit * kUnit * near[1].estimated.low);
  EXPECT_EQ(far[1].estimated.high, kUnit * kUnit * near[1].estimated.high);
  EXPECT_EQ(far[1].estimated.std_error, kUnit * kUnit * near[1].estimated.std_error);
}

TEST(KernelMetrics, KnowTheKurtosisOfAMeanOfDirections) {
  const AttentionProblem pair = pair_problem(1, 0.5, 5);
  const Vector x = pair.scaled_queries().row(0), y = pair.scaled_keys().row(0);
  const double one = feature_map_named("positive").kurtosis(x, y);
  EXPECT_NEAR(moments_of("performer", pair, 11).kurtosis, 3 + (one - 3) / 11, 1e-12 * one);
  const double blocks = kernel_kurtosis(feature_map_named("positive"), x, y, 11, 5);
  EXPECT_DOUBLE_EQ(moments_of("performer:projection=orthogonal", pair, 11).kurtosis, blocks);
  EXPECT_GT(blocks, 3 + (one - 3) / 11) << "the tail stays and the variance shrinks";
  EXPECT_TRUE(std::isnan(moments_of("rfa:kernel=arccos,projection=orthogonal", pair, 11).kurtosis));
  const double regularized = feature_map_named("regularized").kurtosis(x, y);
  EXPECT_DOUBLE_EQ(moments_of("performer:features=regularized", pair, 11).kurtosis,
                   3 + (regularized - 3) / 11);
}

TEST(KernelMetrics, SayWhatDoesNotExist) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  // The arccos kernel of opposite vectors is 0, and nothing is relative to it.
  for (const KernelMoments& law : {KernelMoments{kNone, kNone, kNone}, KernelMoments{0.0, 0.0, 0.0}})
    for (const Metric& metric : kernel_metrics({}, law)) {
      EXPECT_EQ(metric.status, "no-moment");
      EXPECT_TRUE(std::isnan(metric.estimated.value));
    }
  const auto estimates = sample(100, [](double g) { return g; });
  const auto infinite = kernel_metrics(estimates, {1, 1, std::numeric_limits<double>::infinity()});
  EXPECT_EQ(infinite[1].status, "infinite-variance");
  EXPECT_TRUE(std::isnan(infinite[1].estimated.value));
  EXPECT_EQ(infinite[3].status, "infinite-variance");
  auto broken = estimates;
  broken[7] = kNone;
  EXPECT_EQ(kernel_metrics(broken, {1, 1, 1})[0].status, "nonfinite");
  EXPECT_EQ(kernel_metrics(std::vector<double>(30, 1 + 1e-15), {1, 1, 0})[1].estimated.value, 0.0);
}

// Of arccos features of nearly opposite vectors all 30 products are 0, and the law has a variance all the
// same.
TEST(KernelMetrics, OfEqualDrawsOfALawThatVariesAreRefused) {
  const std::vector<double> nothing(30, 0.0);
  for (const double variance : {1e-4, 2400.0}) {
    const auto metrics = kernel_metrics(nothing, {1, 1, variance});
    EXPECT_EQ(metrics[0].status, "heavy-tail");
    EXPECT_TRUE(std::isnan(metrics[0].estimated.low));
    EXPECT_EQ(metrics[1].status, "heavy-tail");
    EXPECT_TRUE(std::isnan(metrics[1].estimated.value));
  }
  const auto infinite = kernel_metrics(nothing, {1, 1, std::numeric_limits<double>::infinity()});
  EXPECT_EQ(infinite[1].status, "infinite-variance");
  // A closed form's own rounding is no variance.
  EXPECT_EQ(kernel_metrics(nothing, {1, 1, 1e-17})[1].status, "ok");
}

// |x + y|² = 16: the sample variance of any affordable number of draws is wrong by orders of magnitude.
TEST(KernelMetrics, AreCheckedByTiltedDrawsAtAnyNorm) {
  for (const char* name : {"positive", "hyperbolic"}) {
    const AttentionProblem pair = pair_problem(2, 1, 5);
    const KernelMoments law = moments_of(fmt::format("performer:features={}", name), pair, 11);
    const double exact = law.variance / (law.target * law.target);
    const Metric tilted = tilted_kernel_variance(feature_map_named(name), pair, 11, {3, 0, 0});
    EXPECT_NEAR(tilted.estimated.value, exact, 1e-12 * exact) << name;
    EXPECT_LT(tilted.estimated.std_error, 1e-12 * exact) << name;
  }
}

// |x + y|² = 10⁻⁸: what is left of the moments after their difference has few digits, and says so.
TEST(KernelMetrics, OfTiltedDrawsSayHowFewDigitsADifferenceHas) {
  for (const char* name : {"positive", "hyperbolic"}) {
    const AttentionProblem pair = pair_problem(1e-4, -0.5, 2);
    const double exact = moments_of(fmt::format("performer:features={}", name), pair, 1).variance;
    const Estimated tilted = tilted_kernel_variance(feature_map_named(name), pair, 1, {3, 0, 0}).estimated;
    EXPECT_LE(tilted.low, exact) << name;
    EXPECT_GE(tilted.high, exact) << name;
    EXPECT_LT(tilted.std_error, 1e-13) << name;
  }
}

TEST(KernelMetrics, AreInUnitsOfTheTarget) {
  const auto metrics = kernel_metrics(sample(100, [](double g) { return g; }), {4, 2, 8});
  EXPECT_EQ(metrics[2].estimated.value, 0.5);
  EXPECT_EQ(metrics[3].estimated.value, 0.5);
  EXPECT_EQ(predicted_kernel_mse({4, 2, 8}).estimated.value, 0.75);
}

// ---- the experiment ----

}  // namespace
}  // namespace attngap
