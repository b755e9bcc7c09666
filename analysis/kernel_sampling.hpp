#pragma once

#include "estimators/feature_map.hpp"

#include <cstdint>

namespace attngap {

/// Mean and variance over replicates of the kernel estimate over the kernel, K̂/K, one number a pair.
struct PairMoments {
  Vector mean;
  Vector variance;
};

/// The moments at many pairs (rows of X and Y), from replicates of `draws` independent directions that all
/// pairs share.
///
///   K̂/K = Σ_k c_k r^k/k! h_k,   h_k = (1/m) Σ_s He_k(g_s)
///
/// (radial_kernel.hpp): all that is random is h, the same for every pair, so a replicate costs m·T for the T
/// terms and then T multiplications a pair, in one matrix product for many replicates, whatever m and d. T is
/// the least for which Cramér's bound |He_k(g)| ≤ 1.0865 √k! e^{g²/4} leaves less than 10⁻¹² at the largest
/// radius; beyond radius 4, where the terms cancel, the pair's m products are formed one by one. Pairs are
/// correlated through the shared directions; each pair's moments are not touched by that. Throws BadInput
/// where the map's product is no function of one projection, or replicates < 2.
PairMoments sample_pair_moments(const FeatureMap& map, const Matrix& X, const Matrix& Y, Index draws,
                                std::int64_t replicates, std::uint64_t seed);

}  // namespace attngap
