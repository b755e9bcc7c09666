#pragma once

#include "estimators/feature_map.hpp"
#include "estimators/radial_kernel.hpp"
#include "estimators/random_stream.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace attngap {

/// Normal numbers g_s of some replicates, one a direction, and their Hermite means
///
///   h_k = (1/m) Σ_s He_k(g_s)/√k!
///
/// at every count m, the first m numbers of a replicate: all that is random in the kernel estimates of any
/// radius up to `kLargestSeriesRadius`.
class HermiteDraws {
 public:
  /// Beyond this radius the terms of the series cancel.
  static constexpr double kLargestSeriesRadius = 4.0;

  /// `counts` increasing; T = `terms`.
  explicit HermiteDraws(std::vector<Index> counts, Index terms = terms_for(kLargestSeriesRadius));

  /// Draws the replicates from the one of this address on, in time O(m T) each.
  void draw(const StreamAddress& first, Index replicates);

  /// The least T for which Cramér's bound |He_k(g)| ≤ 1.0865 √k! e^{g²/4} leaves less than 10⁻¹² of the
  /// series at radii up to this one.
  static Index terms_for(double radius);

  const std::vector<Index>& counts() const { return counts_; }
  const Eigen::MatrixXd& normals() const { return normals_; }                         ///< m×R
  const Eigen::MatrixXd& means(std::size_t count) const { return means_.at(count); }  ///< R×T

 private:
  std::vector<Index> counts_;
  Index terms_;
  Eigen::MatrixXd normals_;
  std::vector<Eigen::MatrixXd> means_;
};

/// The kernel estimates over the kernel, K̂/K, of many pairs from the same normal numbers:
///
///   K̂/K = Σ_k c_k r^k/√k! h_k
///
/// (radial_kernel.hpp), T multiplications a pair, count and replicate in one matrix product, whatever m and
/// d; beyond the largest radius of the series the m products of a pair are formed one by one.
class RadialEstimates {
 public:
  /// A pair for each of `radii`, those of `kernel`, by draws of as many terms.
  RadialEstimates(const RadialKernel& kernel, Vector radii,
                  Index terms = HermiteDraws::terms_for(HermiteDraws::kLargestSeriesRadius));

  Index pairs() const { return radii_.size(); }

  /// The estimates of pairs `first` … `first + pairs − 1` at every count: of each one R×pairs matrix.
  void evaluate(const HermiteDraws& draws, Index first, Index pairs,
                std::span<Eigen::Ref<Eigen::MatrixXd>> estimates) const;

 private:
  RadialKernel kernel_;
  Vector radii_;
  Eigen::MatrixXd powers_;  // T×pairs: c_k r^k/√k!
};

/// Mean and variance over replicates of the kernel estimate over the kernel, K̂/K, one number a pair.
struct PairMoments {
  Vector mean;
  Vector variance;
};

/// The moments at many pairs (rows of X and Y), from replicates of `draws` independent directions that all
/// pairs share: `RadialEstimates`, with nothing kept of a replicate. Pairs are correlated through the shared
/// directions; each pair's moments are not touched by that. Throws BadInput where the map's product is no
/// function of one projection, or replicates < 2.
PairMoments sample_pair_moments(const FeatureMap& map, const Matrix& X, const Matrix& Y, Index draws,
                                std::int64_t replicates, std::uint64_t seed);

}  // namespace attngap
