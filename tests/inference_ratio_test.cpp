#include "analysis/ratio_inference.hpp"
#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"
#include "tests/house_problem.hpp"
#include "tests/stream_words.hpp"

#include <cmath>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace attngap {
namespace {

struct Pairs {
  std::vector<double> x, y;
};

// Normal pairs of correlation 0.6 with E y / E x = 1.5.
Pairs draw(testing_tools::StreamWords& random, int count, double mean_x) {
  std::normal_distribution<double> normal;
  Pairs pairs;
  for (int i = 0; i < count; ++i) {
    const double first = normal(random), second = normal(random);
    pairs.x.push_back(mean_x + first);
    pairs.y.push_back(1.5 * mean_x + 0.6 * first + 0.8 * second);
  }
  return pairs;
}

bool covers(const Estimated& e, double truth) {
  return e.low <= truth && truth <= e.high;
}

TEST(RatioInference, IntervalsCoverTheTruthInNinetyFivePercent) {
  testing_tools::StreamWords random(61);
  constexpr int kTrials = 4000;
  int delta = 0, jackknife = 0, fieller = 0, narrow = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    const Pairs pairs = draw(random, 40, 2.0);
    delta += covers(ratio_delta(pairs.y, pairs.x), 1.5);
    jackknife += covers(ratio_jackknife(pairs.y, pairs.x), 1.5);
    fieller += covers(ratio_fieller(pairs.y, pairs.x).ratio, 1.5);
    Estimated wrong = ratio_delta(pairs.y, pairs.x);  // can fail: standard errors 20 % too small
    wrong.low += 0.2 * (wrong.value - wrong.low);
    wrong.high -= 0.2 * (wrong.high - wrong.value);
    narrow += covers(wrong, 1.5);
  }
  for (const int covered : {delta, jackknife, fieller}) {
    EXPECT_GE(covered / double(kTrials), 0.93);
    EXPECT_LE(covered / double(kTrials), 0.97);
  }
  EXPECT_LT(narrow / double(kTrials), 0.93);
}

TEST(RatioInference, FiellerCoversWhereTheDenominatorIsNearZeroBySayingSo) {
  testing_tools::StreamWords random(62);
  constexpr int kTrials = 4000;
  int fieller = 0, unbounded = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    const Pairs pairs = draw(random, 20, 0.6);  // x̄ about 2.7 standard errors from zero
    const FiellerInterval interval = ratio_fieller(pairs.y, pairs.x);
    fieller += covers(interval.ratio, 1.5);
    unbounded += !interval.bounded;
  }
  EXPECT_GE(fieller / double(kTrials), 0.93);
  EXPECT_GT(unbounded, 100);
}

// All θ with |y − θx| ≤ z √(yy − 2θ xy + θ² xx): the ends have equality, whatever the signs.
TEST(RatioInference, FiellersEndsOfTwoMeansAreTheRatiosThatAZTestDoesNotReject) {
  for (const double sign : {1.0, -1.0})
    for (const double covariance : {0.0, 0.01, -0.015}) {
      const PairOfMeans means{2.0, sign * 1.5, 0.02, covariance, 0.04};
      const FiellerInterval interval = ratio_fieller(means, 3.0);
      ASSERT_TRUE(interval.bounded);
      EXPECT_LT(interval.ratio.low, sign * 2.0 / 1.5);
      EXPECT_GT(interval.ratio.high, sign * 2.0 / 1.5);
      for (const double end : {interval.ratio.low, interval.ratio.high})
        EXPECT_NEAR(std::abs(means.y - end * means.x),
                    3.0 * std::sqrt(means.yy - 2 * end * means.xy + end * end * means.xx), 1e-12);
      // x is 7.5 standard errors from 0.
      EXPECT_TRUE(ratio_fieller(means, 7.499).bounded);
      EXPECT_FALSE(ratio_fieller(means, 7.501).bounded);
    }
  const FiellerInterval known = ratio_fieller(PairOfMeans{1.0, 3.0}, 3.0);
  EXPECT_EQ(known.ratio.low, 1.0 / 3.0);
  EXPECT_EQ(known.ratio.high, 1.0 / 3.0);
  const double one_sided = ratio_fieller(PairOfMeans{6.0, 2.0, 0.25, 0.0, 0.0}, 3.0).ratio.high;
  EXPECT_NEAR(one_sided, (6.0 + 3.0 * 0.5) / 2.0, 1e-14) << "a known denominator is a constant factor";
}

TEST(RatioInference, FiellersEndsAreTheRatiosThatATestDoesNotReject) {
  testing_tools::StreamWords random(63);
  const Pairs pairs = draw(random, 15, 3.0);
  const Estimated ratio = ratio_fieller(pairs.y, pairs.x).ratio;
  for (const double end : {ratio.low, ratio.high}) {
    std::vector<double> residual;
    for (std::size_t i = 0; i < 15; ++i) residual.push_back(pairs.y[i] - end * pairs.x[i]);
    const Estimated mean = mean_with_interval(residual);  // the t interval of y − θx just touches 0
    EXPECT_NEAR(std::min(std::abs(mean.low), std::abs(mean.high)), 0.0, 1e-10);
  }
}

TEST(RatioInference, JackknifeTakesOffTheBiasOfOrderOneOverN) {
  testing_tools::StreamWords random(64);
  constexpr int kTrials = 40000;
  Estimated plain, corrected;
  std::vector<double> plain_values, corrected_values;
  for (int trial = 0; trial < kTrials; ++trial) {
    const Pairs pairs = draw(random, 10, 2.0);
    plain_values.push_back(ratio_delta(pairs.y, pairs.x).value);
    corrected_values.push_back(ratio_jackknife(pairs.y, pairs.x).value);
  }
  plain = mean_with_interval(plain_values);
  corrected = mean_with_interval(corrected_values);
  // (θ s_xx − s_xy)/(n x̄²) = (1.5 − 0.6)/40 = 0.0225 to first order.
  EXPECT_NEAR(plain.value - 1.5, 0.0225, 4.89 * plain.std_error + 0.004);
  EXPECT_NEAR(corrected.value, 1.5, 4.89 * corrected.std_error + 0.002);
  EXPECT_GT(std::abs(plain.value - 1.5), 4.89 * plain.std_error + 0.002);  // can fail
}

// Rows [g, h] of three channels-and-denominators: what is left when one row is struck out.
TEST(OutputJackknife, StrikesOutOneDirectionAfterTheOther) {
  Matrix sums(4, 3);
  sums << 1.0, 2.0, 1.5, -0.5, 1.0, 0.75, 2.0, 0.25, 1.25, 0.5, 3.0, 2.0;
  const auto output = output_jackknife(sums);
  ASSERT_EQ(output.size(), 2U);
  for (Index c = 0; c < 2; ++c) {
    const double all = sums.col(c).sum() / sums.col(2).sum();
    double mean = 0.0, squares = 0.0;
    double without[4];
    for (Index s = 0; s < 4; ++s) {
      without[s] = (sums.col(c).sum() - sums(s, c)) / (sums.col(2).sum() - sums(s, 2));
      mean += without[s] / 4.0;
    }
    for (const double theta : without) squares += (theta - mean) * (theta - mean);
    EXPECT_NEAR(output[static_cast<std::size_t>(c)].value, 4.0 * all - 3.0 * mean, 1e-14);
    EXPECT_NEAR(output[static_cast<std::size_t>(c)].std_error, std::sqrt(0.75 * squares), 1e-14);
  }
  EXPECT_THROW(output_jackknife(sums.topRows(1)), BadInput);
}

// One draw of 64 directions against the exact output: its interval covers, and the correction takes the bias
// away.
TEST(OutputJackknife, CoversTheExactOutputOfAttentionInNinetyFivePercent) {
  const AttentionProblem problem = testing_tools::house_problem(5, {3, 7, 5, 2, 0.3});
  const auto estimator = make_estimator("performer");
  const double exact = estimator->target(problem)(1, 0);
  constexpr int kTrials = 4000;
  int covered = 0, narrow = 0;
  for (std::uint32_t trial = 0; trial < kTrials; ++trial) {
    const Estimated output =
        output_jackknife(estimator->key_weights(problem, 1, 64, {9, 0, trial}).direction_sums).front();
    covered += covers(output, exact);
    const double half = 0.8 * (output.high - output.value);  // can fail: errors 20 % too small
    narrow += std::abs(output.value - exact) <= half;
  }
  EXPECT_GE(covered / double(kTrials), 0.93);
  EXPECT_LE(covered / double(kTrials), 0.97);
  EXPECT_LT(narrow / double(kTrials), 0.93);
}

TEST(RatioInference, ConstantsHaveNoErrorAndTheRestIsRefused) {
  const std::vector<double> ones{2, 2, 2}, threes{6, 6, 6};
  EXPECT_EQ(ratio_delta(threes, ones).value, 3.0);
  EXPECT_EQ(ratio_delta(threes, ones).std_error, 0.0);
  EXPECT_EQ(ratio_fieller(threes, ones).ratio.low, 3.0);
  EXPECT_DOUBLE_EQ(ratio_jackknife(threes, ones).value, 3.0);
  EXPECT_THROW(ratio_delta(threes, std::vector<double>{1, 2}), BadInput);
  EXPECT_THROW(ratio_jackknife(std::vector<double>{1}, std::vector<double>{1}), BadInput);
}

}  // namespace
}  // namespace attngap
