#include "estimators/random_stream.hpp"

#include "estimators/error.hpp"
#include "estimators/vector_math.hpp"

#include <algorithm>
#include <cmath>

#include <Eigen/Core>
#include <Random123/philox.h>

namespace attngap {
namespace {

// ((high, low) >> 11) + 1/2 in units of 2⁻⁵³, put together from parts that are exact and convert in vector
// registers.
double uniform_from(std::uint32_t high, std::uint32_t low) {
  const auto part = [](std::uint32_t bits) { return static_cast<double>(static_cast<std::int32_t>(bits)); };
  const double bits = part(high >> 16) * 0x1p37 + part(high & 0xffffU) * 0x1p21 + part(low >> 11);
  return (bits + 0.5) * 0x1p-53;
}

void require_block(std::uint64_t index) {
  require(index >> 32 == 0, "random stream: block {} is past the end of the stream (2^32 blocks)", index);
}

// Blocks of one stream are made several at a time.
constexpr std::size_t kLanes = 32;

// Ten rounds of Philox4x32 with Random123's constants on the blocks `first` …, in loops that compilers turn
// into vector code, and uniforms of their words; three times as fast as one block after another.
void lanes_of_uniforms(std::uint32_t first, const std::array<std::uint32_t, 3>& upper_counter,
                       std::array<std::uint32_t, 2> key, std::array<double, kLanes>& one,
                       std::array<double, kLanes>& other) {
  std::uint32_t word0[kLanes], word1[kLanes], word2[kLanes], word3[kLanes], high0[kLanes], high2[kLanes];
  for (std::size_t i = 0; i < kLanes; ++i) {
    word0[i] = first + static_cast<std::uint32_t>(i);
    word1[i] = upper_counter[0];
    word2[i] = upper_counter[1];
    word3[i] = upper_counter[2];
  }
  for (int round = 0; round < 10; ++round) {
    for (std::size_t i = 0; i < kLanes; ++i)
      high0[i] = static_cast<std::uint32_t>((std::uint64_t{word0[i]} * PHILOX_M4x32_0) >> 32);
    for (std::size_t i = 0; i < kLanes; ++i)
      high2[i] = static_cast<std::uint32_t>((std::uint64_t{word2[i]} * PHILOX_M4x32_1) >> 32);
    for (std::size_t i = 0; i < kLanes; ++i) {
      const std::uint32_t low0 = word0[i] * PHILOX_M4x32_0, low2 = word2[i] * PHILOX_M4x32_1;
      word0[i] = high2[i] ^ word1[i] ^ key[0];
      word2[i] = high0[i] ^ word3[i] ^ key[1];
      word1[i] = low2;
      word3[i] = low0;
    }
    key[0] += PHILOX_W32_0;
    key[1] += PHILOX_W32_1;
  }
  for (std::size_t i = 0; i < kLanes; ++i) one[i] = uniform_from(word0[i], word1[i]);
  for (std::size_t i = 0; i < kLanes; ++i) other[i] = uniform_from(word2[i], word3[i]);
}

}  // namespace

std::array<std::uint32_t, 4> philox4x32_10(const std::array<std::uint32_t, 4>& counter,
                                           const std::array<std::uint32_t, 2>& key) {
  const r123::Philox4x32::ctr_type result =
      r123::Philox4x32{}({{counter[0], counter[1], counter[2], counter[3]}}, {{key[0], key[1]}});
  return {result[0], result[1], result[2], result[3]};
}

RandomStream::RandomStream(const StreamAddress& address, Purpose purpose)
    : key_{static_cast<std::uint32_t>(address.seed), static_cast<std::uint32_t>(address.seed >> 32)},
      upper_counter_{static_cast<std::uint32_t>(purpose), address.replicate, address.cell} {}

std::array<std::uint32_t, 4> RandomStream::block(std::uint64_t index) const {
  require_block(index);
  return philox4x32_10(
      {static_cast<std::uint32_t>(index), upper_counter_[0], upper_counter_[1], upper_counter_[2]}, key_);
}

void RandomStream::words(std::uint64_t first, std::span<std::uint32_t> out) const {
  for (std::size_t i = 0; i < out.size(); i += 4) {
    const auto four = block((first + i) / 4);
    std::copy_n(four.begin(), std::min<std::size_t>(4, out.size() - i),
                out.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

void RandomStream::uniforms(std::uint64_t first, std::span<double> out) const {
  for (std::size_t i = 0; i < out.size(); i += 2) {
    const auto four = block((first + i) / 2);
    out[i] = uniform_from(four[0], four[1]);
    if (i + 1 < out.size()) out[i + 1] = uniform_from(four[2], four[3]);
  }
}

// The first and the second uniform of the blocks from `first` on.
void RandomStream::uniform_pairs(std::uint64_t first, std::span<double> one, std::span<double> other) const {
  require_block(first + one.size() - 1);
  std::array<double, kLanes> ones, others;
  for (std::size_t done = 0; done < one.size(); done += kLanes) {
    lanes_of_uniforms(static_cast<std::uint32_t>(first + done), upper_counter_, key_, ones, others);
    const std::size_t count = std::min(kLanes, one.size() - done);
    std::copy_n(ones.begin(), count, one.begin() + static_cast<std::ptrdiff_t>(done));
    std::copy_n(others.begin(), count, other.begin() + static_cast<std::ptrdiff_t>(done));
  }
}

void RandomStream::normals(std::uint64_t first, std::span<double> out) const {
  // The vector functions treat a tail like a body, so that a number never depends on how many neighbours were
  // asked for together with it.
  constexpr std::size_t kPairs = 128;
  alignas(64) std::array<double, kPairs> radius{}, turn{}, sine{}, cosine{};
  for (std::size_t done = 0; done < out.size(); done += 2 * kPairs) {
    const std::size_t pairs = std::min(kPairs, (out.size() - done + 1) / 2);
    uniform_pairs((first + done) / 2, std::span(radius).first(pairs), std::span(turn).first(pairs));
    const auto radii = std::span(radius).first(pairs);
    vector_log(radii);
    auto lengths = Eigen::Map<Eigen::ArrayXd>(radii.data(), static_cast<Eigen::Index>(pairs));
    lengths = (-2.0 * lengths).sqrt();
    vector_sincos_of_turns(std::span(turn).first(pairs), std::span(sine).first(pairs),
                           std::span(cosine).first(pairs));
    for (std::size_t i = 0; i < pairs; ++i) {
      out[done + 2 * i] = radius[i] * cosine[i];
      if (done + 2 * i + 1 < out.size()) out[done + 2 * i + 1] = radius[i] * sine[i];
    }
  }
}

}  // namespace attngap
