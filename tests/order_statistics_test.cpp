#include "analysis/order_statistics.hpp"

#include "estimators/random_stream.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

namespace attngap {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::size_t kMany = 60'001;  // beyond what is sorted as a whole

std::vector<double> normals(std::size_t count) {
  std::vector<double> numbers(count);
  RandomStream({32, 0, 0}, Purpose::resampling).normals(0, numbers);
  return numbers;
}

// Ranks from everywhere and in no order, close ones together, the first and the last among them.
std::vector<std::size_t> ranks_of(std::size_t count) {
  std::vector<std::size_t> ranks{0, count - 1};
  for (const double p : {0.5, 0.25, 0.75, 0.001, 0.99})
    for (const double step : {0.0, 0.003, -0.003, 0.2, -0.2}) {
      const double place = std::clamp(p + step, 0.0, 1.0) * static_cast<double>(count - 1);
      ranks.push_back(static_cast<std::size_t>(place));
      ranks.push_back(std::min(count - 1, static_cast<std::size_t>(place) + 1));
    }
  return ranks;
}

void expect_those_of_a_sort(const std::vector<double>& numbers) {
  std::vector<double> sorted = numbers;
  std::sort(sorted.begin(), sorted.end());
  OrderStatistics statistics(numbers);
  for (const std::size_t rank : ranks_of(numbers.size())) EXPECT_EQ(statistics[rank], sorted[rank]) << rank;
}

TEST(OrderStatistics, AreThoseOfASort) {
  for (const std::size_t count : {std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{8191},
                                  std::size_t{8192}, std::size_t{24'577}, kMany}) {
    SCOPED_TRACE(count);
    expect_those_of_a_sort(normals(count));
  }
}

TEST(OrderStatistics, DoNotDependOnTheOrderOfTheNumbers) {
  std::vector<double> numbers = normals(kMany);
  std::sort(numbers.begin(), numbers.end());
  expect_those_of_a_sort(numbers);
  std::reverse(numbers.begin(), numbers.end());
  expect_those_of_a_sort(numbers);
}

TEST(OrderStatistics, SurviveASampleThatMisleads) {
  // Every seventh number, and so all that a stride of seven sees, is large.
  static_assert(((kMany / 8192) | 1U) == 7);
  std::vector<double> numbers = normals(kMany);
  for (std::size_t i = 0; i < kMany; i += 7) numbers[i] += 100.0;
  expect_those_of_a_sort(numbers);
}

TEST(OrderStatistics, OfEqualAndInfiniteNumbersAreThemselves) {
  expect_those_of_a_sort(std::vector<double>(kMany, 0.25));
  std::vector<double> numbers = normals(kMany);
  for (std::size_t i = 0; i < kMany; ++i) {
    if (i % 3 == 0) numbers[i] = kInfinity;
    if (i % 3 == 1) numbers[i] = std::round(numbers[i]);
  }
  expect_those_of_a_sort(numbers);
  for (double& x : numbers) x = kInfinity;
  expect_those_of_a_sort(numbers);
}

}  // namespace
}  // namespace attngap
