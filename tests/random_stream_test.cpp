#include "estimators/random_stream.hpp"

#include "estimators/error.hpp"
#include "estimators/vector_math.hpp"
#include "tests/statistical_assertions.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include <boost/math/distributions/normal.hpp>
#include <gtest/gtest.h>

namespace attngap {
namespace {

using testing_tools::frequency_is;
using testing_tools::is_distributed_as;
using testing_tools::mean_is;
using testing_tools::variance_is;

constexpr StreamAddress kHome{20240229, 3, 7};
constexpr std::size_t kMany = 200'001;

std::vector<double> normals(const StreamAddress& address, std::uint64_t first, std::size_t count,
                            Purpose purpose = Purpose::directions) {
  std::vector<double> numbers(count);
  RandomStream(address, purpose).normals(first, numbers);
  return numbers;
}

std::vector<double> uniforms(const StreamAddress& address, std::uint64_t first, std::size_t count) {
  std::vector<double> numbers(count);
  RandomStream(address, Purpose::degrees).uniforms(first, numbers);
  return numbers;
}

std::vector<std::uint32_t> words(const StreamAddress& address, std::uint64_t first, std::size_t count) {
  std::vector<std::uint32_t> numbers(count);
  RandomStream(address, Purpose::signs).words(first, numbers);
  return numbers;
}

Moments moments_of(const std::vector<double>& numbers) {
  Moments moments;
  for (const double x : numbers) moments.add(x);
  return moments;
}

double normal_cdf(double x) {
  return boost::math::cdf(boost::math::normal(), x);
}

// Random123, tests/kat_vectors, the rows philox4x32 10.
TEST(Philox, GivesThePublishedAnswers) {
  using Words = std::array<std::uint32_t, 4>;
  EXPECT_EQ(philox4x32_10({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32_10({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32_10({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

// The address of a number is a contract: block, purpose, replicate and cell are the counter, the seed is the
// key.
TEST(RandomStream, WordsAreTheBlocksAtTheirAddress) {
  const StreamAddress address{0x0123456789abcdefULL, 5, 9};
  const auto block =
      philox4x32_10({2, static_cast<std::uint32_t>(Purpose::signs), 9, 5}, {0x89abcdef, 0x01234567});
  const auto drawn = words(address, 8, 4);
  EXPECT_TRUE(std::equal(drawn.begin(), drawn.end(), block.begin()));
}

TEST(RandomStream, NormalsOfASubRangeAreThoseOfTheWholeBitForBit) {
  const auto whole = normals(kHome, 0, 1031);
  for (const std::size_t first : {0U, 2U, 130U, 254U, 256U, 258U, 700U})
    for (const std::size_t count : {1U, 2U, 3U, 7U, 8U, 255U, 256U, 257U, 331U}) {
      const auto part = normals(kHome, first, count);
      EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + static_cast<std::ptrdiff_t>(first)))
          << count << " normals from number " << first;
    }
}

// Normals come from blocks made many at a time, uniforms from Random123's own, one at a time.
TEST(RandomStream, NormalsAreThoseOfTheUniformsBitForBit) {
  const RandomStream stream({0x123456789abcdefULL, 5, 9}, Purpose::directions);
  std::vector<double> normals(1502), uniforms(1502), radius, turn;
  stream.normals(38, normals);
  stream.uniforms(38, uniforms);
  for (std::size_t i = 0; i < uniforms.size(); i += 2) {
    radius.push_back(uniforms[i]);
    turn.push_back(uniforms[i + 1]);
  }
  std::vector<double> sine(turn.size()), cosine(turn.size());
  vector_log(radius);
  vector_sincos_of_turns(turn, sine, cosine);
  for (std::size_t i = 0; i < radius.size(); ++i) {
    EXPECT_EQ(normals[2 * i], std::sqrt(-2.0 * radius[i]) * cosine[i]);
    EXPECT_EQ(normals[2 * i + 1], std::sqrt(-2.0 * radius[i]) * sine[i]);
  }
}

TEST(RandomStream, UniformsAndWordsOfASubRangeAreThoseOfTheWhole) {
  const auto whole = uniforms(kHome, 0, 101);
  const auto part = uniforms(kHome, 38, 11);
  EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + 38));
  const auto all_words = words(kHome, 0, 101);
  const auto some_words = words(kHome, 36, 11);
  EXPECT_TRUE(std::equal(some_words.begin(), some_words.end(), all_words.begin() + 36));
}

TEST(RandomStream, EveryPartOfTheAddressMovesEveryNumber) {
  const std::vector<std::pair<StreamAddress, Purpose>> addresses{
      {{1, 1, 1}, Purpose::directions},
      {{2, 1, 1}, Purpose::directions},
      {{1 + (std::uint64_t{1} << 32), 1, 1}, Purpose::directions},
      {{1, 2, 1}, Purpose::directions},
      {{1, 1, 2}, Purpose::directions},
      {{1, 1, 1}, Purpose::data},
      {{1, 1, 1}, Purpose::norms},
  };
  std::set<double> seen;
  for (const auto& [address, purpose] : addresses)
    for (const double x : normals(address, 0, 11, purpose)) seen.insert(x);
  EXPECT_EQ(seen.size(), addresses.size() * 11);
  EXPECT_EQ(normals({1, 1, 1}, 0, 11), normals({1, 1, 1}, 0, 11));
}

TEST(RandomStream, RefusesToRunPastItsEnd) {
  EXPECT_NO_THROW(words(kHome, (std::uint64_t{4} << 32) - 4, 4));
  EXPECT_THROW(words(kHome, std::uint64_t{4} << 32, 4), BadInput);
}

TEST(RandomStream, UniformsLieInsideTheUnitIntervalAndAreUniform) {
  const auto sample = uniforms(kHome, 0, kMany);
  const auto [least, most] = std::minmax_element(sample.begin(), sample.end());
  EXPECT_GT(*least, 0.0);
  EXPECT_LT(*most, 1.0);
  EXPECT_TRUE(mean_is(moments_of(sample), 0.5, 1.0 / 12.0));
  EXPECT_TRUE(variance_is(moments_of(sample), 1.0 / 12.0, 1.0 / 80.0));
  EXPECT_TRUE(is_distributed_as(sample, [](double u) { return u; }));
}

TEST(RandomStream, NormalsAreStandardNormal) {
  const auto sample = normals(kHome, 0, kMany);
  EXPECT_TRUE(mean_is(moments_of(sample), 0.0, 1.0));
  EXPECT_TRUE(variance_is(moments_of(sample), 1.0, 3.0));
  EXPECT_TRUE(is_distributed_as(sample, normal_cdf));
  Moments cubes, fourths;
  for (const double x : sample) {
    cubes.add(x * x * x);
    fourths.add(x * x * x * x);
  }
  EXPECT_TRUE(mean_is(cubes, 0.0, 15.0));
  EXPECT_TRUE(mean_is(fourths, 3.0, 105.0 - 9.0));
}

// Box and Muller make two normals of one radius; lag one within a pair, lag two across pairs.
TEST(RandomStream, NeighbouringNormalsAreUncorrelatedAndSoAreTheirSquares) {
  const auto sample = normals(kHome, 0, kMany);
  for (const std::size_t lag : {1U, 2U, 3U, 256U}) {
    Moments products, squares;
    for (std::size_t i = 0; i + lag < sample.size(); i += 2 * lag) {
      const double a = sample[i], b = sample[i + lag];
      products.add(a * b);
      squares.add((a * a - 1.0) * (b * b - 1.0));
    }
    EXPECT_TRUE(mean_is(products, 0.0, 1.0)) << "lag " << lag;
    EXPECT_TRUE(mean_is(squares, 0.0, 4.0)) << "lag " << lag;
  }
}

TEST(RandomStream, EachBitOfAWordIsSetHalfTheTime) {
  const auto sample = words(kHome, 0, 50'000);
  for (unsigned bit = 0; bit < 32; ++bit) {
    const auto hits = std::count_if(sample.begin(), sample.end(), [&](auto w) { return (w >> bit) & 1U; });
    EXPECT_TRUE(frequency_is(static_cast<std::size_t>(hits), sample.size(), 0.5)) << "bit " << bit;
  }
}

TEST(RandomStreamControl, RejectsNormalsShiftedByTwoPercentOfASigma) {
  auto sample = normals(kHome, 0, kMany);
  for (double& x : sample) x += 0.02;
  EXPECT_FALSE(mean_is(moments_of(sample), 0.0, 1.0));
  EXPECT_FALSE(is_distributed_as(sample, normal_cdf));
}

TEST(RandomStreamControl, RejectsNormalsStretchedByTwoPercent) {
  auto sample = normals(kHome, 0, kMany);
  for (double& x : sample) x *= 1.02;
  EXPECT_FALSE(variance_is(moments_of(sample), 1.0, 3.0));
}

TEST(RandomStreamControl, RejectsUniformsBentByAPowerOfOnePointZeroThree) {
  auto sample = uniforms(kHome, 0, kMany);
  for (double& u : sample) u = std::pow(u, 1.03);
  EXPECT_FALSE(mean_is(moments_of(sample), 0.5, 1.0 / 12.0));
  EXPECT_FALSE(is_distributed_as(sample, [](double u) { return u; }));
}

TEST(RandomStreamControl, RejectsASumOfSixUniformsAsNormal) {
  const auto parts = uniforms(kHome, 0, 6 * kMany);
  Moments fourths;
  for (std::size_t i = 0; i < kMany; ++i) {
    double x = -3.0;
    for (std::size_t j = 0; j < 6; ++j) x += parts[6 * i + j];
    fourths.add(4.0 * x * x * x * x);  // the variance of the sum is one half
  }
  EXPECT_FALSE(mean_is(fourths, 3.0, 105.0 - 9.0));  // its fourth moment is 2.8
}

TEST(RandomStreamControl, RejectsABitSetFiftyTwoPercentOfTheTime) {
  EXPECT_FALSE(frequency_is(26'000, 50'000, 0.5));
}

TEST(RandomStreamControl, RejectsNormalsThatShareATwentiethOfTheirNeighbour) {
  const auto sample = normals(kHome, 0, kMany);
  Moments products;
  for (std::size_t i = 0; i + 1 < sample.size(); i += 2)
    products.add(sample[i] * (0.05 * sample[i] + sample[i + 1]));
  EXPECT_FALSE(mean_is(products, 0.0, 1.0));
}

}  // namespace
}  // namespace attngap
