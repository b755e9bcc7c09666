#pragma once

#include "estimators/attention_estimate.hpp"
#include "estimators/post_scaling.hpp"

#include <string>
#include <string_view>

namespace attngap {

/// What becomes of a ratio's denominator D before the division; D is in units of the kernel, Σ_j K̂(q, k_j).
///
///   none        D
///   clamp:C     max(D, C)          released RFA and SchoenbAt code, C = 1; HKUNLP Performer, C = 0.01
///   epsilon:E   D + E
///   abs         |D|
///   floor:F     sign(D) max(|D|, F)
///
/// All but `none` change the estimator: their bias is measured like any other.
class DenominatorPolicy {
 public:
  DenominatorPolicy() = default;

  /// Throws BadInput on another form, or a C, E or F that is not positive.
  explicit DenominatorPolicy(std::string_view text);

  bool is_none() const { return kind_ == Kind::none; }

  /// Whether |D| is kept away from zero, so that a ratio has the moments of its numerator.
  bool bounds_away_from_zero() const { return kind_ == Kind::clamp || kind_ == Kind::floor; }

  /// The new D exp(−log_scale) from D exp(−log_scale).
  double apply(double scaled_denominator, double log_scale) const;

 private:
  enum class Kind { none, clamp, epsilon, absolute, floor };
  Kind kind_ = Kind::none;
  double bound_ = 0.0;
};

/// The attention output of an estimate: numerator over denominator, n×p, and what ppSBN does to it.
Matrix attention_output(const AttentionEstimate& estimate, const DenominatorPolicy& policy,
                        const PostScaling& post = {});

}  // namespace attngap
