#include "analysis/moments.hpp"

#include "estimators/random_stream.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include <boost/multiprecision/cpp_bin_float.hpp>
#include <gtest/gtest.h>

namespace attngap {
namespace {

using Exact = boost::multiprecision::cpp_bin_float_50;

std::vector<double> skewed_numbers(std::size_t count, double offset = 0.0) {
  std::vector<double> numbers(count);
  RandomStream({21, 0, 0}, Purpose::data).normals(0, numbers);
  for (double& x : numbers) x = offset + std::exp(0.5 * x);
  return numbers;
}

Moments moments_of(const std::vector<double>& numbers, std::size_t first, std::size_t last) {
  Moments moments;
  for (std::size_t i = first; i < last; ++i) moments.add(numbers[i]);
  return moments;
}

// Σ(x − mean)^k/n with fifty digits, in two passes.
double central(const std::vector<double>& numbers, int order) {
  Exact mean = 0, sum = 0;
  for (const double x : numbers) mean += Exact(x);
  mean /= numbers.size();
  if (order == 1) return static_cast<double>(mean);
  for (const double x : numbers) sum += pow(Exact(x) - mean, order);
  return static_cast<double>(sum / numbers.size());
}

// Compares with what each moment is made of: Σ|x − mean|^k/n is bounded by the even moment's scale.
void expect_moments(const Moments& found, const std::vector<double>& numbers, double tolerance) {
  const double deviation = std::sqrt(central(numbers, 2));
  EXPECT_EQ(found.count(), static_cast<std::int64_t>(numbers.size()));
  EXPECT_NEAR(found.mean(), central(numbers, 1), tolerance * (std::abs(central(numbers, 1)) + deviation));
  for (const int order : {2, 3, 4})
    EXPECT_NEAR(found.central_moment(order), central(numbers, order),
                tolerance * std::max(std::abs(central(numbers, order)), std::pow(deviation, order)))
        << "order " << order;
}

void expect_same_bits(const Moments& a, const Moments& b) {
  EXPECT_EQ(a.count(), b.count());
  EXPECT_EQ(std::bit_cast<std::uint64_t>(a.mean()), std::bit_cast<std::uint64_t>(b.mean()));
  for (const int order : {2, 3, 4})
    EXPECT_EQ(std::bit_cast<std::uint64_t>(a.central_moment(order)),
              std::bit_cast<std::uint64_t>(b.central_moment(order)));
}

TEST(Moments, OfFourNumbersAreThoseWorkedOnPaper) {
  Moments m;
  for (const double x : {1.0, 2.0, 4.0, 9.0}) m.add(x);  // deviations −3, −2, 0, 5
  EXPECT_EQ(m.count(), 4);
  EXPECT_DOUBLE_EQ(m.mean(), 4.0);
  EXPECT_DOUBLE_EQ(m.variance(), 38.0 / 3.0);
  EXPECT_DOUBLE_EQ(m.central_moment(2), 38.0 / 4.0);
  EXPECT_DOUBLE_EQ(m.central_moment(3), 90.0 / 4.0);
  EXPECT_DOUBLE_EQ(m.central_moment(4), 722.0 / 4.0);
  EXPECT_DOUBLE_EQ(m.standard_error_of_mean(), std::sqrt(38.0 / 12.0));
  EXPECT_DOUBLE_EQ(m.standard_error_of_variance(), std::sqrt((722.0 / 4.0 - 9.5 * 9.5 / 3.0) / 4.0));
}

TEST(Moments, OfManyNumbersAtOnceAreThoseOfOneAfterTheOther) {
  for (const double offset : {0.0, 1e6}) {
    const auto numbers = skewed_numbers(1001, offset);
    expect_moments(Moments::of(numbers), numbers, 1e-13);
    // The same bits wherever in memory the numbers are.
    std::vector<double> shifted(1, 0.0);
    shifted.insert(shifted.end(), numbers.begin(), numbers.end());
    expect_same_bits(Moments::of(numbers), Moments::of(std::span(shifted).subspan(1)));
  }
  EXPECT_EQ(Moments::of({}).count(), 0);
  EXPECT_TRUE(std::isnan(Moments::of({}).variance()));
}

TEST(Moments, AreUndefinedWhereThereAreTooFewNumbers) {
  Moments m;
  EXPECT_TRUE(std::isnan(m.variance()));
  EXPECT_TRUE(std::isnan(m.central_moment(2)));
  m.add(3.0);
  EXPECT_EQ(m.mean(), 3.0);
  EXPECT_EQ(m.central_moment(2), 0.0);
  EXPECT_TRUE(std::isnan(m.variance()));
  EXPECT_TRUE(std::isnan(m.standard_error_of_mean()));
  m.add(4.0);
  EXPECT_DOUBLE_EQ(m.variance(), 0.5);
  EXPECT_TRUE(std::isnan(m.standard_error_of_variance()));
  EXPECT_TRUE(std::isnan(m.central_moment(5)));
}

TEST(Moments, EqualTwoPassesInFiftyDigits) {
  const auto numbers = skewed_numbers(1001);
  expect_moments(moments_of(numbers, 0, numbers.size()), numbers, 1e-13);
}

// The numbers themselves are exact here, so that only the accumulation is on trial.
TEST(Moments, AreRightAtAMeanOfABillion) {
  std::vector<double> numbers;
  for (int i = 0; i < 1001; ++i) numbers.push_back(1e9 + 0.25 * ((i * 37) % 101) - 0.125 * ((i * 53) % 17));
  expect_moments(moments_of(numbers, 0, numbers.size()), numbers, 1e-8);
  Moments merged;
  for (std::size_t first = 0; first < 1001; first += 77)
    merged.merge(moments_of(numbers, first, std::min<std::size_t>(1001, first + 77)));
  expect_moments(merged, numbers, 1e-8);
}

// A sum of squares minus a square of the sum has no digit left at 1e9: what the test above would catch.
TEST(MomentsControl, SubtractingLargeSumsFailsAtAMeanOfABillion) {
  double sum = 0.0, squares = 0.0;
  std::vector<double> numbers;
  for (int i = 0; i < 1001; ++i) {
    numbers.push_back(1e9 + 0.25 * ((i * 37) % 101) - 0.125 * ((i * 53) % 17));
    sum += numbers.back();
    squares += numbers.back() * numbers.back();
  }
  const double subtracted = squares / 1001.0 - (sum / 1001.0) * (sum / 1001.0);
  EXPECT_GT(std::abs(subtracted - central(numbers, 2)), 1e-2 * central(numbers, 2));
}

TEST(Moments, MergeTheSameInAnyGrouping) {
  const auto numbers = skewed_numbers(500, 10.0);
  const Moments whole = moments_of(numbers, 0, 500);
  for (const std::size_t width : {1U, 2U, 7U, 64U, 250U, 499U}) {
    std::vector<Moments> blocks;
    for (std::size_t first = 0; first < 500; first += width)
      blocks.push_back(moments_of(numbers, first, std::min<std::size_t>(500, first + width)));
    Moments forwards, backwards;
    for (const Moments& block : blocks) forwards.merge(block);
    for (auto block = blocks.rbegin(); block != blocks.rend(); ++block) backwards.merge(*block);
    while (blocks.size() > 1) {  // a balanced tree
      std::vector<Moments> pairs;
      for (std::size_t i = 0; i < blocks.size(); i += 2) {
        pairs.push_back(blocks[i]);
        if (i + 1 < blocks.size()) pairs.back().merge(blocks[i + 1]);
      }
      blocks = pairs;
    }
    for (const Moments& merged : {forwards, backwards, blocks.front()}) {
      expect_moments(merged, numbers, 1e-12);
      EXPECT_NEAR(merged.variance(), whole.variance(), 1e-12 * whole.variance());
    }
  }
}

TEST(Moments, MergeInBlockOrderBitForBit) {
  const auto numbers = skewed_numbers(512);
  std::vector<Moments> blocks(8);
  for (std::size_t b = 0; b < 8; ++b) blocks[b] = moments_of(numbers, 64 * b, 64 * b + 64);
  Moments once, again;
  for (const Moments& block : blocks) once.merge(block);
  // Computed in another order, merged in the same one.
  std::vector<Moments> late(8);
  for (const std::size_t b : {5U, 2U, 7U, 0U, 1U, 6U, 3U, 4U})
    late[b] = moments_of(numbers, 64 * b, 64 * b + 64);
  for (const Moments& block : late) again.merge(block);
  expect_same_bits(once, again);
}

TEST(Moments, MergingNothingChangesNothing) {
  const Moments some = moments_of(skewed_numbers(7), 0, 7);
  Moments left = some, right;
  left.merge(Moments());
  right.merge(some);
  expect_same_bits(left, some);
  expect_same_bits(right, some);
}

}  // namespace
}  // namespace attngap
