// Kernel estimates of pairs over their closed forms: what the rows of kernel-variance say.

#include "analysis/kernel_statistics.hpp"
#include "command_line_support.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/maclaurin.hpp"
#include "estimators/random_stream.hpp"
#include "experiments/kernel_variance_run.hpp"
#include "experiments/run_store.hpp"
#include "tests/house_problem.hpp"
#include "tests/quadrature.hpp"
#include "tests/statistical_assertions.hpp"

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <map>
#include <tuple>

namespace attngap {
namespace {

using testing::read_text;
using ::testing::SizeIs;
using testing::with;
using testing::Words;
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

class KernelVariance : public testing::CommandLineTest {
 protected:
  std::vector<ResultRow> run(const std::string& out, const Words& more) const {
    const auto finished = attngap(
        with({"run", "kernel-variance", "--out", out, "--formats", "none", "--quiet", "--seed", "7"}, more));
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    EXPECT_EQ(finished.err, "");
    return RunStore::open_existing(path(out)).rows();
  }
  std::string results(const std::string& out) const { return read_text(path(out) + "/results.csv"); }
};

const Words kSmall{"--estimators",
                   "performer",
                   "rfa:projection=orthogonal",
                   "rmfa",
                   "performer:features=hyperbolic",
                   "rmfa:kernel=inverse",
                   "--norms",
                   "0.4,1.3",
                   "--cosines=-0.5,1",
                   "--dims",
                   "5",
                   "--features",
                   "3,11",
                   "--replicates",
                   "41",
                   "--map",
                   "3"};

using Key = std::tuple<std::string, std::string, std::string, std::int64_t, std::int64_t>;
std::map<Key, std::map<std::string, ResultRow>> by_series(const std::vector<ResultRow>& rows) {
  std::map<Key, std::map<std::string, ResultRow>> series;
  for (const ResultRow& row : rows)
    if (row.metric != "predicted_kernel_mse")
      series[{row.data, row.estimator, row.projection, row.head_dim, row.draws}][row.metric] = row;
  return series;
}

// |x + y|² ≤ 1, where the standard error of a sample variance can be trusted. The variance of the sample's
// own standard error is the limit of what its kurtosis knows, as in every test of a variance here.
TEST_F(KernelVariance, RowsAgreeWithTheirClosedForms) {
  const auto rows = run("out", {"--estimators",
                                "performer",
                                "performer:features=hyperbolic",
                                "rfa",
                                "performer:features=regularized",
                                "rfa:kernel=arccos",
                                "rfa:projection=orthogonal",
                                "rmfa",
                                "rmfa:degrees=fixed,max-degree=4",
                                "rmfa:degrees=poisson",
                                "--norms",
                                "0.5",
                                "--cosines=-0.5,0,0.5,1",
                                "--dims",
                                "5",
                                "--features",
                                "5,11",
                                "--replicates",
                                "4000",
                                "--map",
                                "0"});
  const auto series = by_series(rows);
  EXPECT_THAT(series, SizeIs(9 * 4 * 2));
  int rejected = 0, refused = 0;
  for (const auto& [key, metrics] : series) {
    const ResultRow& mean = metrics.at("kernel_mean");
    const ResultRow& variance = metrics.at("kernel_variance");
    const double expected_mean = metrics.at("predicted_kernel_mean").value;
    const double expected = metrics.at("predicted_kernel_variance").value;
    const double error = std::sqrt(expected / 4000);
    if (expected == 0) {
      EXPECT_EQ(variance.value, 0);
      EXPECT_NEAR(mean.value, expected_mean, 1e-14);
      continue;
    }
    EXPECT_TRUE(within_limit((mean.value - expected_mean) / error, mean.value, expected_mean, error))
        << std::get<0>(key) << " " << std::get<1>(key);
    if (variance.status == "heavy-tail") {
      ++refused;
      continue;
    }
    ASSERT_EQ(variance.status, "ok") << std::get<0>(key) << " " << std::get<1>(key);
    EXPECT_TRUE(within_limit((variance.value - expected) / variance.std_error, variance.value, expected,
                             variance.std_error))
        << std::get<0>(key) << " " << std::get<1>(key);
    rejected += !within_limit((variance.value - 1.5 * expected) / variance.std_error, 0, 0, 1);
  }
  // One feature a degree: a few values far out carry the variance of the fixed allocation at m = 5.
  EXPECT_LE(refused, 4);
  EXPECT_GE(rejected, 55) << "a variance that is half too large would pass";
}

// How many intervals of how many miss the closed form, by side; `width` shrinks them about the variance.
struct Misses {
  std::size_t rows = 0, below = 0, above = 0;

  void count(const ResultRow& variance, double expected, double width = 1.0) {
    if (variance.status != "ok" || expected == 0.0) return;
    ++rows;
    above += variance.value * std::pow(variance.ci_low / variance.value, width) > expected ? 1 : 0;
    below += variance.value * std::pow(variance.ci_high / variance.value, width) < expected ? 1 : 0;
  }
  // That the share of intervals that hold it is between 93 and 97 %, and of neither side do more than 5 %
  // miss it, within the noise of as many rows.
  bool honest() const {
    const auto n = static_cast<double>(rows);
    const auto share = [&](std::size_t hits) { return static_cast<double>(hits) / n; };
    const auto noise = [&](double p) { return testing_tools::sigma_limit() * std::sqrt(p * (1.0 - p) / n); };
    const double held = 1.0 - share(below + above);
    return held > 0.93 - noise(0.93) && held < 0.97 + noise(0.97) &&
           std::max(share(below), share(above)) < 0.05 + noise(0.05);
  }
};

// Of estimators that draw whole directions pairs are independent. The others share their normal numbers among
// the pairs of a dimension, which miss together: a pair a seed and dimension.
TEST_F(KernelVariance, IntervalsHoldTheClosedFormAsOftenAsTheySay) {
  const Words whole{"performer:features=regularized",
                    "rfa:kernel=arccos",
                    "rfa:projection=orthogonal",
                    "performer:projection=orthogonal",
                    "performer:features=hyperbolic,projection=orthogonal",
                    "rfa:kernel=arccos,projection=orthogonal",
                    "rmfa",
                    "rmfa:known=linear",
                    "rmfa:degrees=optimal",
                    "rmfa:degrees=fixed,max-degree=4"};
  const Words radial{"rfa", "performer", "performer:features=hyperbolic"};
  const Words norms{"0.3", "0.5", "0.7", "0.9"};
  const Words cosines{"-0.9", "-0.7", "-0.5", "-0.3", "0", "0.2", "0.4", "0.6", "0.8"};
  std::map<std::string, Misses> by_estimator;
  Misses all, halved;
  const auto count = [&](const std::string& out, const Words& estimators, const std::string& norm,
                         const std::string& cosine, std::size_t seed) {
    const Words grid{"--norms",
                     norm,
                     "--cosines=" + cosine,
                     "--dims",
                     "3,5,8",
                     "--features",
                     "8",
                     "--replicates",
                     "400",
                     "--map",
                     "0",
                     "--seed",
                     std::to_string(seed),
                     "--formats",
                     "none",
                     "--quiet",
                     "--out",
                     path(out)};
    const auto finished = attngap(with(with({"run", "kernel-variance", "--estimators"}, estimators), grid));
    ASSERT_EQ(finished.exit_code, 0) << finished.err;
    for (const auto& [key, metrics] : by_series(RunStore::open_existing(path(out)).rows())) {
      const ResultRow& variance = metrics.at("kernel_variance");
      const double expected = metrics.at("predicted_kernel_variance").value;
      by_estimator[std::get<1>(key) + " " + std::get<2>(key)].count(variance, expected);
      all.count(variance, expected);
      halved.count(variance, expected, 0.5);
    }
  };
  count("whole", whole, fmt::format("{}", fmt::join(norms, ",")), fmt::format("{}", fmt::join(cosines, ",")),
        7);
  for (std::size_t seed = 0; seed < norms.size() * cosines.size(); ++seed)
    count(fmt::format("radial{}", seed), radial, norms[seed / cosines.size()], cosines[seed % cosines.size()],
          seed + 1);
  EXPECT_THAT(by_estimator, SizeIs(whole.size() + radial.size()));
  for (const auto& [name, misses] : by_estimator)
    EXPECT_TRUE(misses.honest()) << name << ": of " << misses.rows << " rows " << misses.below
                                 << " below and " << misses.above << " above";
  EXPECT_TRUE(all.honest()) << "of " << all.rows << " rows " << all.below << " below and " << all.above
                            << " above";
  EXPECT_GT(all.rows, 1000U);
  EXPECT_FALSE(halved.honest()) << "intervals of half the width would pass";
}

// What a cell holds is for the disk and the memory alone.
TEST_F(KernelVariance, NumbersDoNotDependOnWhichPairsMakeACell) {
  const Words whole{"--estimators", "performer", "rmfa",         "--dims", "3", "--features", "4",
                    "--map",        "0",         "--replicates", "200000"};  // two pairs a cell
  const auto many = by_series(run("many", with(whole, {"--norms", "0.5,5", "--cosines=0,0.9"})));
  std::size_t same = 0;
  for (const auto& [key, metrics] : by_series(run("few", with(whole, {"--norms", "0.5", "--cosines=0"}))))
    for (const auto& [name, row] : metrics) {
      EXPECT_EQ(fmt::format("{}", many.at(key).at(name).value), fmt::format("{}", row.value)) << name;
      ++same;
    }
  EXPECT_EQ(same, 9U);
}

// Choromanski et al. 2021, Figure 2: r = 2 sinh²(t/2)/(eˢ − 1), t = 2l²(1 − cos), s = 2l²(1 + cos), for as
// many directions; the map gives both as many real features, of which rfa has two a direction.
TEST_F(KernelVariance, AMapOverAnglesIsOfTheMiddlesOfEqualCells) {
  run("angles", {"--estimators", "rfa", "performer", "--norms", "0.5,2", "--cosines=0", "--dims", "5",
                 "--features", "4", "--replicates", "25", "--map", "7", "--map-over", "angle"});
  std::map<std::string, std::map<std::string, double>> pairs;
  for (const ResultRow& row : RunStore::open_existing(path("angles")).rows())
    if (row.metric == "predicted_kernel_mse")
      pairs[row.data][row.estimator] = row.value * static_cast<double>(row.draws);
  ASSERT_THAT(pairs, SizeIs(49));
  for (int i = 0; i < 7; ++i)
    for (int j = 0; j < 7; ++j) {
      const double length = 2.0 * (i + 0.5) / 7, cosine = std::cos(std::acos(-1.0) * (j + 0.5) / 7);
      const auto found = std::find_if(pairs.begin(), pairs.end(), [&](const auto& pair) {
        double l = 0, c = 0;
        return std::sscanf(pair.first.c_str(), "pair:norm=%lf,cosine=%lf", &l, &c) == 2 &&
               std::abs(l - length) < 1e-12 && std::abs(c - cosine) < 1e-12;
      });
      ASSERT_NE(found, pairs.end()) << length << " " << cosine;
      const double t = 2 * length * length * (1 - cosine), s = 2 * length * length * (1 + cosine);
      const double ratio = 2 * std::pow(std::sinh(t / 2), 2) / std::expm1(s);
      EXPECT_NEAR(found->second.at("rfa") / found->second.at("performer") / ratio, 1.0, 1e-9) << found->first;
    }
}

TEST_F(KernelVariance, ResultsAreTheSameBytesForAnyNumberOfThreadsAndResume) {
  run("one", with(kSmall, {"--threads", "1"}));
  run("three", with(kSmall, {"--threads", "3"}));
  EXPECT_EQ(results("three"), results("one"));
  const auto before = testing::files_below(path("one"));
  run("one", kSmall);
  EXPECT_EQ(testing::changed_files(before, testing::files_below(path("one"))), "");
  run("seed", with(kSmall, {"--threads", "3", "--precision", "float"}));
  EXPECT_NE(results("seed"), results("one")) << "the comparison sees nothing";
}

TEST_F(KernelVariance, AnInterruptedRunResumesToTheSameBytes) {
  const Words more{"--estimators", "performer",  "rmfa", "--norms",      "0.5,1", "--cosines=0,0.5", "--dims",
                   "32",           "--features", "512",  "--replicates", "600",   "--map",           "3"};
  run("whole", more);
  const Words command = with(
      {"run", "kernel-variance", "--out", path("cut"), "--formats", "none", "--quiet", "--seed", "7"}, more);
  testing::RunningProgram program(command);
  const auto started = [&] {
    try {
      return !RunStore::open_existing(path("cut")).finished_blocks(0).empty() ||
             RunStore::open_existing(path("cut")).cell_finished(0);
    } catch (const BadInput&) {
      return false;  // not made yet
    }
  };
  while (program.running() && !started()) continue;
  ASSERT_TRUE(program.running()) << "it ended before it could be interrupted";
  program.send(SIGINT);
  EXPECT_EQ(program.wait().exit_code, 3);
  EXPECT_FALSE(RunStore::open_existing(path("cut")).cell_finished(1));
  run("cut", more);
  EXPECT_EQ(results("cut"), results("whole"));
}

TEST_F(KernelVariance, AnotherEstimatorChangesNoRowOfTheOthersAndOrderDecidesNothing) {
  const Words grid{"--norms",    "0.4,1.3", "--cosines=-0.5,1", "--dims", "5",
                   "--features", "3,11",    "--replicates",     "41",     "--map",
                   "0"};
  const auto few = by_series(run("few", with({"--estimators", "rfa", "rmfa"}, grid)));
  auto many = by_series(run("many", with(kSmall, {"--estimators", "rfa"})));
  for (const auto& [key, metrics] : few)
    for (const auto& [name, row] : metrics)
      EXPECT_EQ(fmt::format("{}", many[key][name].value), fmt::format("{}", row.value))  // NaN equals NaN
          << std::get<1>(key) << " " << name;
  run("turned", with({"--estimators", "rmfa", "rfa"}, grid));
  EXPECT_EQ(results("turned"), results("few"));
}

TEST_F(KernelVariance, TiltedRowsStandWhereTheSampleIsRefused) {
  const auto series = by_series(
      run("out", {"--estimators", "performer", "performer:projection=orthogonal", "rfa", "--norms", "2",
                  "--cosines=1", "--dims", "5", "--features", "3", "--replicates", "500", "--map", "0"}));
  const auto& heavy = series.at({"pair:norm=2,cosine=1", "performer", "iid", 5, 3});
  EXPECT_EQ(heavy.at("kernel_variance").status, "heavy-tail");
  const double exact = heavy.at("predicted_kernel_variance").value;
  EXPECT_NEAR(heavy.at("tilted_kernel_variance").value, exact, 1e-12 * exact);
  for (const auto& [key, metrics] : series)
    EXPECT_EQ(metrics.contains("tilted_kernel_variance"), &metrics == &heavy) << std::get<1>(key);
}

// Unit-normalised inputs have one angle and no norm: E K̂ = e^{cos θ/σ²} whatever the norm, and softmax of the
// given inputs e^{|x|² cos θ}.
TEST_F(KernelVariance, UnitNormalisedInputsHaveNoNorm) {
  const Words grid{"--estimators",
                   "rfa:normalize=unit,sigma=1.5",
                   "--norms",
                   "0.5,2",
                   "--cosines=0.3",
                   "--dims",
                   "5",
                   "--features",
                   "16",
                   "--replicates",
                   "2000",
                   "--map",
                   "0"};
  for (const bool softmax : {false, true}) {
    const auto series = by_series(
        run(softmax ? "softmax" : "target", with(grid, softmax ? Words{"--against", "softmax"} : Words{})));
    ASSERT_THAT(series, SizeIs(2));
    for (const auto& [key, metrics] : series) {
      const double norm = std::get<0>(key).starts_with("pair:norm=0.5,") ? 0.5 : 2.0;
      const double mean = softmax ? std::exp(0.3 / 2.25 - norm * norm * 0.3) : 1.0;
      const double variance = mean * mean * 2.0 / 16.0 * std::pow(std::sinh(0.7 / 2.25), 2);
      EXPECT_NEAR(metrics.at("predicted_kernel_mean").value, mean, 1e-13 * mean);
      EXPECT_NEAR(metrics.at("predicted_kernel_variance").value, variance, 1e-12 * variance);
      const double error = std::sqrt(variance / 2000);
      const ResultRow &sampled = metrics.at("kernel_mean"), &spread = metrics.at("kernel_variance");
      EXPECT_TRUE(within_limit((sampled.value - mean) / error, sampled.value, mean, error)) << softmax;
      EXPECT_TRUE(within_limit((spread.value - variance) / spread.std_error, spread.value, variance,
                               spread.std_error))
          << softmax;
      EXPECT_FALSE(within_limit((spread.value - 1.5 * variance) / spread.std_error, 0, 0, 1));
    }
  }
}

TEST_F(KernelVariance, WhereAKernelDoesNotExistRowsSayNoMoment) {
  const auto series = by_series(run("out", kSmall));
  const auto& outside = series.at({"pair:norm=1.3,cosine=1", "rmfa:kernel=inverse", "", 5, 3});
  for (const auto& [name, row] : outside) {
    EXPECT_EQ(row.status, "no-moment") << name;
    EXPECT_TRUE(std::isnan(row.value)) << name;
  }
  EXPECT_EQ(series.at({"pair:norm=0.4,cosine=1", "rmfa:kernel=inverse", "", 5, 3}).at("kernel_mean").status,
            "ok");
}

TEST_F(KernelVariance, TheMapHasEverySoftmaxEstimatorAtEqualFeatures) {
  std::size_t points = 0;
  for (const ResultRow& row : run("out", kSmall)) {
    if (row.metric != "predicted_kernel_mse") continue;
    ++points;
    EXPECT_EQ(row.dimension, 22) << row.estimator;
    EXPECT_EQ(row.target, "softmax");
    EXPECT_EQ(row.replicates, 1);
  }
  EXPECT_EQ(points, 9U * 4);  // the inverse kernel is another target
}

TEST_F(KernelVariance, RefusesWhatItCannotMeasure) {
  const Words command{"run", "kernel-variance", "--out", "out", "--estimators"};
  const auto refused = [&](const Words& more, const std::string& said) {
    expect_refused(with(command, more), {said});
  };
  refused({"eva"}, "eva is no ratio of random features");
  refused({"zero"}, "zero is no ratio");
  refused({"performer:center=keys"}, "leave center= out");
  refused({"rmfa:ppsbn=paper"}, "leave ppsbn= out");
  refused({"rfa:gate=constant:0.9"}, "leave gate= out");
  refused({"rfa", "--norms", "1,0.5"}, "0.5 follows 1");
  refused({"rfa", "--norms", "0"}, "--norms: 0 must be above 0 and at most 10");
  refused({"rfa", "--cosines=1.5"}, "--cosines: 1.5 must be from -1 to 1");
  refused({"rfa", "--cosines=-0.5,x"}, "--cosines = \"x\", must be a finite number");
  refused({"rfa", "--dims", "1"}, "--dims: 1 must be from 2 to 4096");
  refused({"rfa", "--map", "1"}, "--map = 1, must be 0");
  refused({"rfa", "--map-over", "angel"}, "angle");
  refused({"rfa", "--replicates", "24"}, "--replicates = 24, must be at least 25");
  refused({"rfa", "--data", testing::kEasy}, "--data means nothing to kernel-variance; leave it out");
  refused({"rfa", "--radii", "1"}, "--radii means nothing to kernel-variance");
  refused({"rfa", "--features", "16777216", "--dims", "4096"}, "GiB of memory");
  expect_refused({"run", "kernel-variance", "--out", "out"}, {"--estimators is missing"});
  expect_refused(CommandLineTest::run(testing::kEasy, {"--norms", "1"}),
                 {"--norms means nothing to gap-vs-features; leave it out"});
}

}  // namespace
}  // namespace attngap
