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
/// Their variance is `kernel_variance` (feature_map.hpp). Degree laws that look at the data look at all pairs
/// of the rows.
class KernelLaw {
 public:
  /// Throws BadInput where the estimator's kernel estimate of a pair depends on the other rows (center=keys,
  /// ppsbn, gates), has a denominator to change, or the shapes do not agree. `estimator` must outlive the
  /// law.
  KernelLaw(const RatioEstimator& estimator, Matrix x, Matrix y);

  Index pairs() const { return X_.rows(); }
  KernelPrediction predict(Index pair, Index draws) const;

 private:
  double target(const Vector& x, const Vector& y) const;

  const RatioEstimator& estimator_;
  std::shared_ptr<const FeatureMap> law_;
  Index block_ = 1;
  Matrix X_, Y_;
};

}  // namespace attngap
