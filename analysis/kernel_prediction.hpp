#pragma once

#include "estimators/attention_problem.hpp"
#include "estimators/ratio_estimator.hpp"

#include <memory>
#include <string_view>

namespace attngap {

/// The law of a kernel estimate K̂(x, y) = φ(x)·φ(y) of m directions, exactly.
struct KernelPrediction {
  double kernel = 0.0;    ///< what the estimator is after: exp(x·y), or the kernel its keys ask for
  double mean = 0.0;      ///< E K̂: differs from `kernel` where the features are biased
  double variance = 0.0;  ///< Var K̂
  /// ok; infinite-variance; no-mean (the series of a Maclaurin kernel does not converge, |x·y| at or beyond
  /// its radius); beyond-double (finite, but too large to be written down).
  std::string_view condition;
};

/// The kernel estimates of an estimator at the pairs (x_i, y_i), rows of N×d matrices used unscaled.
///
///   independent directions   Var K̂ = (E K̂₁² − K²)/m
///   orthogonal blocks        Var K̂ = (1/m²) [m (E K̂₁² − K²) + N_pairs (P − K²)],
///                            N_pairs = ⌊m/d⌋ d (d−1) + r (r−1), r = m mod d, P the pair moment of two
///                            directions of a block
///
/// Yu et al. 2016; Choromanski et al. 2021. Degree laws that look at the data look at all pairs of the rows.
class KernelLaw {
 public:
  /// Throws BadInput where the estimator's kernel estimate of a pair depends on the other rows (center=keys,
  /// ppsbn, gates) or the shapes do not agree. `estimator` must outlive the law.
  KernelLaw(const RatioEstimator& estimator, Matrix x, Matrix y);

  Index pairs() const { return X_.rows(); }
  KernelPrediction predict(Index pair, Index draws) const;

 private:
  double variance(const Vector& x, const Vector& y, Index draws) const;
  double target(const Vector& x, const Vector& y) const;

  const RatioEstimator& estimator_;
  std::shared_ptr<const FeatureMap> law_;
  Matrix X_, Y_;
};

}  // namespace attngap
