#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace attngap {

/// What a stream is for. Streams of different purposes never share a number: data and directions drawn from
/// one stream would make the directions rows of Q. The values are part of the numbers; never renumber.
enum class Purpose : std::uint32_t {
  data = 1,        ///< synthetic Q, K, V
  directions = 2,  ///< Gaussian directions, before orthogonalisation
  norms = 3,       ///< norms of orthogonal directions
  degrees = 4,     ///< degrees of random Maclaurin features
  signs = 5,       ///< their Rademacher vectors
  proposals = 6,   ///< draws of importance-sampling estimators
  keys = 7,        ///< sampled key indices
  gates = 8,       ///< random gate weights
  resampling = 9   ///< bootstrap and sub-sampling
};

/// Where a stream lives. Two different addresses give disjoint streams; one address gives the same numbers on
/// any thread, rank or machine, now and after a restart.
struct StreamAddress {
  std::uint64_t seed = 0;       ///< one per study
  std::uint32_t cell = 0;       ///< one per problem of a sweep
  std::uint32_t replicate = 0;  ///< one per independent draw
};

/// The numbers at an address, by index: number i is a function of (seed, cell, replicate, purpose, i) alone.
///
/// Philox4x32-10 with key = seed and counter = (block, purpose, replicate, cell); a block holds four words,
/// two uniforms or two normals. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011. Up to
/// 2³² blocks: 2³³ normals. `first` must be even for uniforms and normals, a multiple of four for words.
class RandomStream {
 public:
  RandomStream(const StreamAddress& address, Purpose purpose);

  /// Words first, first+1, …: uniform on 0 … 2³²−1.
  void words(std::uint64_t first, std::span<std::uint32_t> out) const;

  /// Numbers uniform on (0, 1): the centres of 2⁵³ equal cells.
  void uniforms(std::uint64_t first, std::span<double> out) const;

  /// Standard normals by Box and Muller (1958); the logarithm and the sine are vector_math's, not libm's.
  void normals(std::uint64_t first, std::span<double> out) const;

 private:
  std::array<std::uint32_t, 4> block(std::uint64_t index) const;
  void uniform_pairs(std::uint64_t first, std::span<double> one, std::span<double> other) const;

  std::array<std::uint32_t, 2> key_;
  std::array<std::uint32_t, 3> upper_counter_;
};

/// Philox4x32-10 itself, for the published known answers.
std::array<std::uint32_t, 4> philox4x32_10(const std::array<std::uint32_t, 4>& counter,
                                           const std::array<std::uint32_t, 2>& key);

}  // namespace attngap
