#include "analysis/inference.hpp"

#include "analysis/moments.hpp"
#include "estimators/random_stream.hpp"
#include "tests/statistical_assertions.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

namespace attngap {
namespace {

// Nominal coverage is 95 %. Between 93 % and 97 % is accepted; with this many trials the band is nine
// standard errors wide on each side, so that the interval is on trial and not the seed.
constexpr int kTrials = 10'000;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::vector<double> normals(std::uint32_t trial, std::size_t count) {
  std::vector<double> numbers(count);
  RandomStream({31, 0, trial}, Purpose::resampling).normals(0, numbers);
  return numbers;
}

// How often the interval of a trial covers the truth.
template <typename Interval>
double coverage(double truth, Interval interval) {
  int covered = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    const Estimated e = interval(static_cast<std::uint32_t>(trial));
    covered += e.low <= truth && truth <= e.high ? 1 : 0;
  }
  return static_cast<double>(covered) / kTrials;
}

TEST(StudentT, HasTheQuantilesOfTheTables) {
  EXPECT_NEAR(student_t_quantile(0.975, 1), 12.706204736, 1e-8);
  EXPECT_NEAR(student_t_quantile(0.975, 10), 2.228138852, 1e-8);
  EXPECT_NEAR(student_t_quantile(0.975, 1e7), 1.959964, 1e-5);
  EXPECT_TRUE(std::isnan(student_t_quantile(0.975, 0)));
  EXPECT_TRUE(std::isnan(student_t_quantile(0.975, std::nan(""))));
}

TEST(MeanWithInterval, IsTheMeanOnPaper) {
  const std::vector<double> numbers{1.0, 2.0, 4.0, 9.0};
  const Estimated e = mean_with_interval(numbers);
  EXPECT_DOUBLE_EQ(e.value, 4.0);
  EXPECT_DOUBLE_EQ(e.std_error, std::sqrt(38.0 / 12.0));
  EXPECT_NEAR(e.high - e.value, 3.182446305 * e.std_error, 1e-8);
  EXPECT_DOUBLE_EQ(e.high - e.value, e.value - e.low);
}

TEST(MeanWithInterval, OfOneNumberHasNoInterval) {
  const Estimated e = mean_with_interval(std::vector<double>{3.0});
  EXPECT_EQ(e.value, 3.0);
  EXPECT_TRUE(std::isnan(e.std_error));
  EXPECT_TRUE(std::isnan(e.low));
}

TEST(MeanWithInterval, CoversTheTruthNinetyFivePercentOfTheTime) {
  for (const std::size_t count : {3U, 11U}) {
    const double covered =
        coverage(0.0, [&](auto trial) { return mean_with_interval(normals(trial, count)); });
    EXPECT_GT(covered, 0.93) << count << " numbers";
    EXPECT_LT(covered, 0.97) << count << " numbers";
  }
}

// Three normals and the normal's quantile instead of Student's: 81 %.
TEST(MeanWithIntervalControl, TheNormalQuantileCoversTooLittle) {
  const double covered = coverage(0.0, [](auto trial) {
    Estimated e = mean_with_interval(normals(trial, 3));
    return Estimated{e.value, e.std_error, e.value - 1.96 * e.std_error, e.value + 1.96 * e.std_error};
  });
  EXPECT_LT(covered, 0.93);
}

TEST(Jackknife, OfTheMeanHasTheStandardErrorOfTheMean) {
  const auto numbers = normals(0, 11);
  const Estimated mean = mean_with_interval(numbers);
  std::vector<double> without;
  for (const double x : numbers) without.push_back((11.0 * mean.value - x) / 10.0);
  const Estimated jackknife = jackknife_interval(mean.value, without);
  EXPECT_NEAR(jackknife.std_error, mean.std_error, 1e-13);
  EXPECT_NEAR(jackknife.low, mean.low, 1e-13);
  EXPECT_NEAR(jackknife.high, mean.high, 1e-13);
}

TEST(Jackknife, IsUndefinedBelowTwoGroupsAndWhereAThetaIs) {
  EXPECT_TRUE(std::isnan(jackknife_interval(1.0, std::vector<double>{1.0}).std_error));
  EXPECT_TRUE(std::isnan(jackknife_interval(1.0, std::vector<double>{1.0, std::nan("")}).std_error));
  EXPECT_TRUE(std::isnan(jackknife_interval(1.0, std::vector<double>{}).std_error));
}

TEST(SortedQuantile, InterpolatesAsNumpyDoes) {
  const std::vector<double> sorted{1.0, 2.0, 4.0, 9.0};
  EXPECT_DOUBLE_EQ(sorted_quantile(sorted, 0.0), 1.0);
  EXPECT_DOUBLE_EQ(sorted_quantile(sorted, 0.25), 1.75);
  EXPECT_DOUBLE_EQ(sorted_quantile(sorted, 0.5), 3.0);
  EXPECT_DOUBLE_EQ(sorted_quantile(sorted, 0.9), 7.5);
  EXPECT_DOUBLE_EQ(sorted_quantile(sorted, 1.0), 9.0);
  EXPECT_DOUBLE_EQ(sorted_quantile(sorted, -0.1), 1.0);
  EXPECT_DOUBLE_EQ(sorted_quantile(sorted, 1.1), 9.0);
  EXPECT_TRUE(std::isnan(sorted_quantile({}, 0.5)));
}

TEST(SortedQuantile, PassesOverInfinitiesOnlyWhenItMust) {
  const std::vector<double> sorted{1.0, 2.0, kInfinity, kInfinity};
  EXPECT_DOUBLE_EQ(sorted_quantile(sorted, 0.25), 1.75);
  EXPECT_EQ(sorted_quantile(sorted, 0.5), kInfinity);
  EXPECT_EQ(sorted_quantile(sorted, 0.9), kInfinity);
}

TEST(SortedQuantile, OfAnUndefinedLevelIsUndefined) {
  EXPECT_TRUE(std::isnan(sorted_quantile(std::vector<double>{7.0}, std::nan(""))));
  EXPECT_TRUE(std::isnan(sorted_quantile(std::vector<double>{1.0, 2.0, 3.0}, std::nan(""))));
}

TEST(ClusteredQuantile, OfOneClusterHasAValueAndNoInterval) {
  const Estimated one = clustered_quantile(std::vector<double>{7.0}, 1, 0.5);
  EXPECT_EQ(one.value, 7.0);
  EXPECT_TRUE(std::isnan(one.std_error));
  EXPECT_TRUE(std::isnan(one.low));
  // Two clusters with the same share below the median: the spread of the shares is zero, and means nothing.
  const Estimated two = clustered_quantile(std::vector<double>{1.0, 4.0, 2.0, 3.0}, 2, 0.5);
  EXPECT_EQ(two.value, 2.5);
  EXPECT_TRUE(std::isnan(two.std_error) && std::isnan(two.low) && std::isnan(two.high));
  const Estimated enough = clustered_quantile(std::vector<double>{1.0, 2.0, 4.0}, 1, 0.5);
  EXPECT_GT(enough.std_error, 0.0);
  const Estimated three = clustered_quantile(std::vector<double>{9.0, 7.0, 8.0}, 3, 0.5);
  EXPECT_EQ(three.value, 8.0);
  EXPECT_TRUE(std::isnan(three.high));
}

TEST(ClusteredQuantile, OfInfiniteNumbersKeepsItsFiniteEnd) {
  std::vector<double> numbers;
  for (int i = 0; i < 40; ++i) numbers.push_back(i < 22 ? i : kInfinity);
  const Estimated median = clustered_quantile(numbers, 1, 0.5);
  EXPECT_DOUBLE_EQ(median.value, 19.5);
  EXPECT_LT(median.low, 19.5);
  EXPECT_EQ(median.high, kInfinity);
}

// Numbers of a cluster share most of their randomness: x = 0.8 g_cluster + 0.6 e, standard normal all in all.
std::vector<double> clustered_numbers(std::uint32_t trial, std::size_t clusters, std::size_t size) {
  const auto g = normals(trial, clusters * (size + 1));
  std::vector<double> numbers;
  for (std::size_t c = 0; c < clusters; ++c)
    for (std::size_t i = 0; i < size; ++i)
      numbers.push_back(0.8 * g[c * (size + 1)] + 0.6 * g[c * (size + 1) + 1 + i]);
  return numbers;
}

TEST(ClusteredQuantile, CoversTheTruthNinetyFivePercentOfTheTime) {
  constexpr double kUpperQuartile = 0.6744897501960817;  // of the standard normal
  for (const auto& [p, truth] : {std::pair{0.5, 0.0}, {0.25, -kUpperQuartile}, {0.75, kUpperQuartile}}) {
    const double covered = coverage(
        truth, [p = p](auto trial) { return clustered_quantile(clustered_numbers(trial, 64, 3), 3, p); });
    EXPECT_GT(covered, 0.93) << "p = " << p;
    EXPECT_LT(covered, 0.97) << "p = " << p;
  }
}

// Taking every number for a cluster of its own forgets what they share.
TEST(ClusteredQuantileControl, ForgettingTheClustersCoversTooLittle) {
  const double covered =
      coverage(0.0, [](auto trial) { return clustered_quantile(clustered_numbers(trial, 64, 3), 1, 0.5); });
  EXPECT_LT(covered, 0.93);
}

TEST(ClusteredQuantile, HasTheStandardErrorOfTheMedian) {
  Moments medians, errors;
  for (std::uint32_t trial = 0; trial < 2000; ++trial) {
    const Estimated e = clustered_quantile(clustered_numbers(trial, 256, 1), 1, 0.5);
    medians.add(e.value);
    errors.add(e.std_error);
  }
  // Half the distance between two order statistics is off by the curvature of the density, a few percent.
  EXPECT_NEAR(errors.mean() / std::sqrt(medians.variance()), 1.0, 0.1);
}

}  // namespace
}  // namespace attngap
