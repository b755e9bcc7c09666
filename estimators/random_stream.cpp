#include "estimators/random_stream.hpp"

#include "estimators/error.hpp"
#include "estimators/vector_math.hpp"

#include <algorithm>
#include <cmath>

#include <Random123/philox.h>

namespace attngap {
namespace {

double uniform_from(std::uint32_t high, std::uint32_t low) {
  const std::uint64_t bits = ((std::uint64_t{high} << 32) | low) >> 11;
  return (static_cast<double>(bits) + 0.5) * 0x1p-53;
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
  require(index >> 32 == 0, "random stream: block {} is past the end of the stream (2^32 blocks)", index);
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

void RandomStream::normals(std::uint64_t first, std::span<double> out) const {
  // The vector functions treat a tail like a body, so that a number never depends on how many neighbours were
  // asked for together with it.
  constexpr std::size_t kPairs = 128;
  alignas(64) std::array<double, kPairs> radius{}, turn{}, sine{}, cosine{};
  for (std::size_t done = 0; done < out.size(); done += 2 * kPairs) {
    const std::size_t pairs = std::min(kPairs, (out.size() - done + 1) / 2);
    for (std::size_t i = 0; i < pairs; ++i) {
      const auto four = block((first + done) / 2 + i);
      radius[i] = uniform_from(four[0], four[1]);
      turn[i] = uniform_from(four[2], four[3]);
    }
    const auto radii = std::span(radius).first(pairs);
    vector_log(radii);
    for (double& r : radii) r = std::sqrt(-2.0 * r);
    vector_sincos_of_turns(std::span(turn).first(pairs), std::span(sine).first(pairs),
                           std::span(cosine).first(pairs));
    for (std::size_t i = 0; i < pairs; ++i) {
      out[done + 2 * i] = radius[i] * cosine[i];
      if (done + 2 * i + 1 < out.size()) out[done + 2 * i + 1] = radius[i] * sine[i];
    }
  }
}

}  // namespace attngap
