#include "analysis/decisions.hpp"
#include "estimators/error.hpp"
#include "tests/stream_words.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace attngap {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;

Moments normal_draws(testing_tools::StreamWords& random, int count, double mean) {
  std::normal_distribution<double> normal(mean, 1.0);
  Moments moments;
  for (int i = 0; i < count; ++i) moments.add(normal(random));
  return moments;
}

TEST(Holm, AdjustsAWorkedExample) {
  // Sorted: 4·.005 = .02, 3·.01 = .03, 2·.03 = .06, 1·.04 → .06 by monotonicity.
  EXPECT_THAT(holm_adjusted(std::vector{0.01, 0.04, 0.03, 0.005}),
              ElementsAre(DoubleNear(.03, 1e-15), DoubleNear(.06, 1e-15), DoubleNear(.06, 1e-15),
                          DoubleNear(.02, 1e-15)));
  EXPECT_THAT(holm_adjusted(std::vector{0.9, 0.8}), ElementsAre(1.0, 1.0));
  EXPECT_TRUE(holm_adjusted({}).empty());
  EXPECT_THROW(holm_adjusted(std::vector{1.5}), BadInput);
}

TEST(Holm, KeepsTheChanceOfAnyFalseRejection) {
  testing_tools::StreamWords random(51);
  std::uniform_real_distribution<double> uniform(0, 1);
  constexpr int kTrials = 20000;
  int adjusted = 0, unadjusted = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::vector<double> p(10);
    for (double& value : p) value = uniform(random);
    for (const double value : p) {
      if (value > 0.05) continue;
      ++unadjusted;
      break;
    }
    for (const double value : holm_adjusted(p)) {
      if (value > 0.05) continue;
      ++adjusted;
      break;
    }
  }
  // Independent: 1 − 0.995¹⁰ = 0.0489 with a standard error of 0.0015, and 4.89 of those at a rate of 1e-6.
  EXPECT_NEAR(adjusted / double(kTrials), 1 - std::pow(0.995, 10), 4.89 * 0.0015);
  EXPECT_GT(unadjusted / double(kTrials), 0.35);  // can fail: without it 40 % of the studies are wrong
}

TEST(EquivalenceTest, ErrsAtItsLevelOnTheMarginAndDecidesAwayFromIt) {
  testing_tools::StreamWords random(52);
  constexpr int kTrials = 4000;
  int on_margin = 0, inside = 0, outside = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    on_margin += equivalence_test(normal_draws(random, 40, 0.8), 0.8).verdict == Equivalence::equivalent;
    inside += equivalence_test(normal_draws(random, 40, 0.0), 0.8).verdict == Equivalence::equivalent;
    outside += equivalence_test(normal_draws(random, 40, 1.6), 0.8).verdict == Equivalence::refuted;
  }
  EXPECT_NEAR(on_margin / double(kTrials), 0.05, 4.89 * std::sqrt(0.05 * 0.95 / kTrials));
  EXPECT_GT(inside, 0.99 * kTrials);
  EXPECT_GT(outside, 0.99 * kTrials);
}

TEST(EquivalenceTest, SaysHowManyReplicatesWouldDecide) {
  testing_tools::StreamWords random(53);
  const EquivalenceVerdict few = equivalence_test(normal_draws(random, 10, 0.0), 0.1);
  ASSERT_EQ(few.verdict, Equivalence::undecided);
  EXPECT_GT(few.replicates_needed, 100);
  // With what it asks for, at its own mean, about 90 % are decided.
  const double truth = 0.05, margin = 0.1;
  Moments pilot;
  for (const double x : {truth - 1.0, truth + 1.0, truth - 1.0, truth + 1.0, truth, truth}) pilot.add(x);
  const double scale = std::sqrt(pilot.variance());
  const auto needed = static_cast<int>(equivalence_test(pilot, margin).replicates_needed);
  std::normal_distribution<double> normal(truth, scale);
  int decided = 0;
  for (int trial = 0; trial < 300; ++trial) {
    Moments moments;
    for (int i = 0; i < needed; ++i) moments.add(normal(random));
    decided += equivalence_test(moments, margin).verdict == Equivalence::equivalent;
  }
  EXPECT_NEAR(decided / 300.0, 0.9, 4.89 * std::sqrt(0.09 / 300));
  EXPECT_EQ(equivalence_test(Moments(), 1).verdict, Equivalence::undecided);
  EXPECT_THROW(equivalence_test(pilot, 0.0), BadInput);
  EXPECT_THROW(equivalence_test(pilot, 1.0, 0.5), BadInput);
}

// 60 looks, every 50 draws from 50 to 3000.
TEST(ConfidenceSequence, MissesUnderSixtyLooksNoMoreOftenThanItSays) {
  testing_tools::StreamWords random(54);
  std::exponential_distribution<double> exponential(1.0);
  constexpr int kTrials = 2000;
  int sequence = 0, interval = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    Moments moments;
    bool sequence_missed = false, interval_missed = false;
    for (int look = 1; look <= 60; ++look) {
      for (int i = 0; i < 50; ++i) moments.add(exponential(random));
      const Estimated now = confidence_sequence(moments, 0.05, 1000);
      sequence_missed |= now.low > 1 || now.high < 1;
      interval_missed |= std::abs(moments.mean() - 1) > 1.96 * moments.standard_error_of_mean();
    }
    sequence += sequence_missed;
    interval += interval_missed;
  }
  EXPECT_LE(sequence / double(kTrials), 0.05);
  EXPECT_GE(sequence, 1);                       // it is not merely wide
  EXPECT_GE(interval / double(kTrials), 0.25);  // can fail: a fixed-time interval, looked at sixty times
}

// Half the width of an interval of mean zero and variance one after `count` draws, an even number.
template <typename Interval>
double half_width(std::int64_t count, Interval interval) {
  const double deviation = std::sqrt((static_cast<double>(count) - 1.0) / static_cast<double>(count));
  Moments pair, moments;
  pair.add(deviation);
  pair.add(-deviation);
  for (std::int64_t pairs = count / 2; pairs > 0; pairs /= 2) {
    if (pairs % 2 == 1) moments.merge(pair);
    pair.merge(Moments(pair));
  }
  const Estimated e = interval(moments);
  return 0.5 * (e.high - e.low);
}

// The sum of many draws is a Brownian path, and between two looks a bridge: over the straight line between
// bounds b, b' above it, it goes with the probability exp(−2 (b − x)(b' − x')/Δt). So the sequence is watched
// after every draw, from the first to the 3·10⁵th, of which the 1/ρ² are 10⁴-fold. What is missed after
// that, by a path with a drift drawn from the mixture, is 3 % of α.
TEST(ConfidenceSequence, WatchedAfterEveryDrawCoversTheTruthNinetyFivePercentOfTheTime) {
  constexpr int kTrials = 6000;
  const auto sequence = [](const Moments& m) { return confidence_sequence(m, 0.05, 256); };
  const auto fixed = [](const Moments& m) {
    return Estimated{m.mean(), m.standard_error_of_mean(), -1.96 * m.standard_error_of_mean(),
                     1.96 * m.standard_error_of_mean()};
  };
  std::vector<double> times{0.0}, bounds{half_width(2, sequence) * 2.0}, ordinary{0.0};
  for (std::int64_t t = 2; t < 320'000; t = std::max(t + 2, 2 * (t * 52 / 100))) {
    times.push_back(static_cast<double>(t));
    bounds.push_back(half_width(t, sequence) * times.back());
    ordinary.push_back(half_width(t, fixed) * times.back());
  }
  testing_tools::StreamWords random(57);
  std::normal_distribution<double> normal(0.0, 1.0);
  double covered = 0.0, within = 0.0;
  for (int trial = 0; trial < kTrials; ++trial) {
    double inside = 1.0, x = 0.0;
    bool seen_inside = true;
    for (std::size_t look = 1; look < times.size(); ++look) {
      const double step = times[look] - times[look - 1], before = x;
      x += std::sqrt(step) * normal(random);
      for (const double side : {1.0, -1.0}) {
        const double first = bounds[look - 1] - side * before, last = bounds[look] - side * x;
        inside *= last <= 0.0 ? 0.0 : -std::expm1(-2.0 * std::max(first, 0.0) * last / step);
      }
      seen_inside = seen_inside && std::abs(x) <= ordinary[look];
    }
    covered += inside / kTrials;
    within += seen_inside ? 1.0 / kTrials : 0.0;
  }
  EXPECT_GT(covered, 0.93);  // seven standard errors
  EXPECT_LT(covered, 0.97);
  EXPECT_LT(within, 0.5);  // can fail: a fixed-time interval, looked at as often
}

TEST(ConfidenceSequence, IsTheFormulaAndNarrowestNearWhereItIsTuned) {
  testing_tools::StreamWords random(55);
  const Moments moments = normal_draws(random, 400, 2.0);
  const auto width = [&](double tuned) {
    const Estimated e = confidence_sequence(moments, 0.05, tuned);
    return e.high - e.low;
  };
  EXPECT_LT(width(400), width(100));
  EXPECT_LT(width(400), width(1600));
  // t = t*: x = tρ² = c + ln(c + 1), c = −2 ln α = 5.9915; half = s √(2(x+1)/(t x) ln(√(x+1)/α)).
  const double c = -2 * std::log(0.05), x = c + std::log(c + 1);
  const double half =
      std::sqrt(moments.variance() * 2 * (x + 1) / (400 * x) * std::log(std::sqrt(x + 1) / 0.05));
  EXPECT_NEAR(width(400), 2 * half, 1e-12);
  EXPECT_TRUE(std::isnan(confidence_sequence(Moments(), 0.05, 10).low));
  EXPECT_THROW(confidence_sequence(moments, 0.0, 10), BadInput);
  EXPECT_THROW(confidence_sequence(moments, 0.05, 0), BadInput);
}

}  // namespace
}  // namespace attngap
