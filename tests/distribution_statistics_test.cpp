// Counts of errors and denominators at fixed levels, exactly; their expectation, by simulation.

#include "analysis/distribution_statistics.hpp"

#include "estimators/estimator_table.hpp"
#include "estimators/exact_attention.hpp"
#include "house_problem.hpp"
#include "statistical_assertions.hpp"

#include <cmath>
#include <limits>

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace attngap {
namespace {

using namespace testing_tools;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

TEST(DistributionLevels, AreShortNumbersThatDependOnNoData) {
  EXPECT_EQ(error_levels().front(), 0.001);
  EXPECT_EQ(error_levels().back(), 10000);
  EXPECT_EQ(error_levels().size(), 7 * 8 + 1U);
  const auto levels = denominator_levels();
  EXPECT_EQ(levels.size(), 2 * (4 * 8 + 1) + 1U);
  for (std::size_t i = 0; i < levels.size(); ++i) EXPECT_EQ(levels[i], -levels[levels.size() - 1 - i]) << i;
  for (const auto& all : {error_levels(), levels})
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (i > 0) {
        EXPECT_LT(all[i - 1], all[i]);
      }
      EXPECT_LE(fmt::format("{}", all[i]).size(), 7U) << all[i];
    }
}

// Two queries whose exact outputs are 2 and 4, and whose denominators are e and e² on average.
struct TwoQueries {
  Matrix exact = Matrix::Zero(2, 1);
  Vector log_mean = vector_of({1, 2});

  TwoQueries() { exact << 2, 4; }

  // An estimate with these relative errors and these denominators over their expectations.
  static AttentionEstimate estimate(double error0, double error1, double ratio0, double ratio1) {
    AttentionEstimate e(2, 1);
    e.log_scale << 1.5, -3;
    e.denominator << ratio0 * std::exp(1 - 1.5), ratio1 * std::exp(2 + 3.0);
    e.numerator << 2 * (1 + error0) * e.denominator(0), 4 * (1 + error1) * e.denominator(1);
    return e;
  }
};

double share(const std::vector<LevelMetric>& metrics, std::string_view name, double level) {
  for (const LevelMetric& one : metrics)
    if (one.metric.name == name && one.level == level) return one.metric.estimated.value;
  ADD_FAILURE() << name << " has no level " << level;
  return kNaN;
}

TEST(Distributions, CountWhatLiesBeyondEveryLevel) {
  const TwoQueries two;
  DistributionAccumulator accumulator(two.exact, two.log_mean);
  std::vector<std::vector<double>> blocks;
  accumulator.start_block();
  accumulator.add(TwoQueries::estimate(0.05, -0.3, 0.9, -0.02));
  accumulator.add(TwoQueries::estimate(7, 1e9, -70, 1.2));
  blocks.push_back(accumulator.block());
  accumulator.start_block();
  accumulator.add(TwoQueries::estimate(kNaN, 1e-9, 1e6, -1e6));
  blocks.push_back(accumulator.block());
  ASSERT_TRUE(is_distribution_block(blocks[0], 2, true, 2));
  ASSERT_TRUE(is_distribution_block(blocks[1], 2, true, 1));

  const auto metrics = distribution_metrics(2, true, blocks);
  EXPECT_EQ(metrics.size(), error_levels().size() + denominator_levels().size());
  const auto above = [&](double level) { return 6 * share(metrics, "relative_error_above", level); };
  EXPECT_DOUBLE_EQ(above(0.001), 5);
  EXPECT_DOUBLE_EQ(above(0.1), 4);
  EXPECT_DOUBLE_EQ(above(0.32), 3);
  EXPECT_DOUBLE_EQ(above(5.6), 3);
  EXPECT_DOUBLE_EQ(above(7.5), 2);
  EXPECT_DOUBLE_EQ(above(10000), 2);  // 1e9, and what is no number
  const auto below = [&](double level) { return 6 * share(metrics, "denominator_below", level); };
  EXPECT_DOUBLE_EQ(below(-100), 1);
  EXPECT_DOUBLE_EQ(below(-56), 2);
  EXPECT_DOUBLE_EQ(below(0), 3);
  EXPECT_DOUBLE_EQ(below(0.75), 3);
  EXPECT_DOUBLE_EQ(below(1), 4);
  EXPECT_DOUBLE_EQ(below(100), 5);
}

TEST(Distributions, AValueOnALevelIsBeyondItAndNotBelow) {
  const TwoQueries two;
  DistributionAccumulator accumulator(two.exact, two.log_mean);
  accumulator.add(TwoQueries::estimate(1, 0, 0, 0.5));  // 0/0 for the first: no number
  const auto metrics = distribution_metrics(2, true, {accumulator.block()});
  EXPECT_EQ(share(metrics, "denominator_below", 0), 0);
  EXPECT_EQ(share(metrics, "denominator_below", 0.01), 0.5);
  Matrix exact = Matrix::Ones(1, 1);
  DistributionAccumulator on_level(exact, std::nullopt);
  AttentionEstimate estimate(1, 1);
  estimate.numerator << 2;
  estimate.denominator << 1;
  on_level.add(estimate);
  const auto errors = distribution_metrics(1, false, {on_level.block()});
  EXPECT_EQ(errors.size(), error_levels().size());
  EXPECT_EQ(share(errors, "relative_error_above", 1), 1);
  EXPECT_EQ(share(errors, "relative_error_above", 1.3), 0);
}

// Shares by replicate 1, ½, 0: mean ½ with standard error ½/√3.
TEST(Distributions, HaveErrorsByReplicateAndAnIntervalWhereNothingWasMet) {
  const TwoQueries two;
  DistributionAccumulator accumulator(two.exact, std::nullopt);
  for (const auto& [a, b] : {std::pair{0.5, 0.5}, {0.5, 0.0}, {0.0, 0.0}})
    accumulator.add(TwoQueries::estimate(a, b, 1, 1));
  for (const LevelMetric& one : distribution_metrics(2, false, {accumulator.block()})) {
    const Estimated& found = one.metric.estimated;
    EXPECT_EQ(one.metric.status, "ok");
    if (one.level < 0.5) {
      EXPECT_DOUBLE_EQ(found.value, 0.5);
      EXPECT_DOUBLE_EQ(found.std_error, 0.5 / std::sqrt(3));
      EXPECT_EQ(found.low, 0.0);  // cut
      EXPECT_EQ(found.high, 1.0);
    } else {
      EXPECT_EQ(found.value, 0.0);
      EXPECT_TRUE(std::isnan(found.std_error));
      EXPECT_EQ(found.low, 0.0);
      // Three replicates without it in a row have this chance where a replicate has it with chance `high`.
      EXPECT_NEAR(std::pow(1 - found.high, 3), 0.025, 1e-12);
    }
  }
}

TEST(Distributions, RefuseBlocksThatAreNone) {
  const TwoQueries two;
  DistributionAccumulator accumulator(two.exact, two.log_mean);
  accumulator.add(TwoQueries::estimate(1, 1, 1, 1));
  const auto block = accumulator.block();
  EXPECT_TRUE(is_distribution_block(block, 2, true, 1));
  EXPECT_FALSE(is_distribution_block(block, 2, true, 2));
  EXPECT_FALSE(is_distribution_block(block, 3, true, 1));
  EXPECT_FALSE(is_distribution_block(block, 2, false, 1));
  for (const double wrong : {-1.0, 0.5, kNaN, kInfinity}) {
    auto spoilt = block;
    spoilt[3] = wrong;
    EXPECT_FALSE(is_distribution_block(spoilt, 2, true, 1)) << wrong;
  }
}

TEST(MeanDenominators, OfSoftmaxFeaturesAreItsNormalizers) {
  for (const Mask mask : {Mask::none, Mask::causal}) {
    const AttentionProblem problem = house_problem(5, {}, mask);
    const auto estimator = make_estimator("performer");
    const Vector log_mean = *log_mean_denominators(dynamic_cast<const RatioEstimator&>(*estimator), problem);
    const Matrix Q = problem.scaled_queries(), K = problem.scaled_keys();
    for (Index i = 0; i < problem.queries(); ++i) {
      double sum = 0.0;
      for (Index j = 0; j < problem.visible_keys(i); ++j) sum += std::exp(Q.row(i).dot(K.row(j)));
      EXPECT_NEAR(log_mean(i), std::log(sum), 1e-12);
    }
  }
}

TEST(MeanDenominators, OfGatedAttentionAreNotKnown) {
  const auto estimator = make_estimator("rfa:gate=constant:0.5");
  EXPECT_FALSE(log_mean_denominators(dynamic_cast<const RatioEstimator&>(*estimator),
                                     house_problem(5, {}, Mask::causal)));
}

// The denominator over its expectation has mean 1; a claim that is off by two percent is rejected.
TEST(MeanDenominators, AreTheMeansOfTheDraws) {
  constexpr int kReplicates = 6000;
  for (const std::string name : {"performer", "performer:projection=orthogonal", "performer:center=keys",
                                 "performer:features=hyperbolic", "performer:features=regularized", "rfa",
                                 "rfa:kernel=arccos", "rfa:normalize=unit", "rmfa", "rmfa:known=constant",
                                 "rmfa:kernel=sqrt,ppsbn=code,force=on", "rmfa:max-degree=2"}) {
    const AttentionProblem problem = house_problem(8, {.spread = 0.4});
    const auto estimator = make_estimator(name);
    const Vector log_mean = *log_mean_denominators(dynamic_cast<const RatioEstimator&>(*estimator), problem);
    Moments moments;
    Moments off;
    const Index query = 2;
    for (std::uint32_t replicate = 0; replicate < kReplicates; ++replicate) {
      const AttentionEstimate estimate =
          draw_once(*estimator, problem, {kHouseDraws}, {3, 0, replicate}).front();
      const double ratio =
          estimate.denominator(query) * std::exp(estimate.log_scale(query) - log_mean(query));
      moments.add(ratio);
      off.add(1.02 * ratio);
    }
    EXPECT_TRUE(mean_is(moments, 1.0)) << name;
    if (name == "performer") {
      EXPECT_FALSE(mean_is(off, 1.0)) << name;
    }
  }
}

}  // namespace
}  // namespace attngap
