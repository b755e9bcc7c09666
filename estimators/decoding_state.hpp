#pragma once

#include "estimators/attention_estimate.hpp"
#include "estimators/direction_source.hpp"
#include "estimators/feature_map.hpp"

#include <memory>
#include <span>
#include <vector>

namespace attngap {

/// One token's gate, as logarithms: S ← g S + (1 − g) φ(k)⊗[v 1]. By default S ← S + φ(k)⊗[v 1].
struct TokenGate {
  double log_keep = 0.0;  ///< ln g
  double log_take = 0.0;  ///< ln(1 − g)
};

/// Attention of random features, one token after another: the state Σ_j φ(k_j)⊗[v_j 1] in O(m p) memory,
/// whatever the number of tokens, carried across segments by keeping (or saving) the state.
///
///   push(k, v)   S ← S + φ(k)⊗[v 1]         read(q)   φ(q)·S: numerator and denominator
///
/// Keys and queries are the scaled vectors k̃, q̃. Positive maps keep one logarithmic shift a feature, raised
/// when a larger key comes; other maps keep one for the norm factor; a gate g lowers the shift by ln g
/// instead of touching the sums, so that long forgetting neither overflows nor underflows. Double precision.
/// Copies share the directions, whose source has scratch space: keep the copies of one state on one thread.
class DecodingState {
 public:
  /// With the directions of a drawn source, cut into these panels. The map must outlive the state.
  DecodingState(const FeatureMap& map, std::shared_ptr<DirectionSource<double>> source,
                std::vector<DirectionPanel> panels, Index value_dim);

  /// With given directions Ω (m×d).
  DecodingState(const FeatureMap& map, const Matrix& Omega, Index value_dim);

  /// Adds a token: key (d) and value (p).
  void push(const Vector& key, const Vector& value, const TokenGate& gate = {});

  /// The estimate of one query (d) from the tokens so far: 1×p, 1, 1. Throws BadInput before the first push.
  AttentionEstimate read(const Vector& query) const;

  /// The estimate of the first `draws` directions, which must be the end of a panel.
  AttentionEstimate read(const Vector& query, Index draws) const;

  /// Σ φ(k)⊗[v 1] and its shifts as numbers: 1 + (features or 1) + features·(p+1) of them.
  std::vector<double> save() const;

  /// Takes up a saved state; throws BadInput if it was of another shape.
  void restore(std::span<const double> saved);

 private:
  Eigen::RowVectorXd features(const Vector& x) const;
  void raise(Index slot, double exponent);

  const FeatureMap* map_;
  std::shared_ptr<DirectionSource<double>> source_;
  std::vector<DirectionPanel> panels_;
  std::vector<Index> ends_;  // features up to the end of each panel
  bool empty_ = true;
  Vector shift_;  // one a feature in the log domain, otherwise one for all
  Matrix sums_;   // features×(p+1), in units of exp(shift)
};

}  // namespace attngap
