#pragma once

#include "estimators/key_stream.hpp"
#include "experiments/synthetic.hpp"

#include <vector>

namespace attngap {

/// One sequence of scaled tokens x̃ of a synthetic problem, any part of which can be made at any time:
///
///   gaussian   x̃ ~ N(0, norm²/d I), independent
///   sphere     x̃ = norm · u, u uniform on the unit sphere, independent: |x̃| = norm exactly
///   ball       x̃ = R uᵗ w, w uniform on the unit sphere, u uniform on (0, 1), t = 1/d, independent: uniform
///   in
///              the ball of radius R = norm √((d+2)/d), where E|x̃|² = R² d/(d+2) = norm²
///   ar1        x̃₀ as gaussian, x̃ₜ = rho x̃ₜ₋₁ + √(1 − rho²) zₜ with zₜ as gaussian: the same marginal law,
///              and E x̃ₜ·x̃ₜ₊ₕ = rhoʰ norm²
///   clustered  x̃ = norm (√(1 − spread²) c + spread z/√d), c one of `clusters` directions uniform on the
///              sphere, chosen uniformly and shared by queries and keys, z ~ N(0, I)
///
/// Numbers come from the stream (seed, part, 0, Purpose::data), one part a sequence; a token's bits do not
/// depend on what else is read.
class TokenSequence {
 public:
  enum class Side { queries, keys };

  /// Of ar1, whose tokens hang together, the state at every kStreamedTokens is found here, once.
  TokenSequence(SyntheticSpec spec, Side side);

  /// x̃ of these tokens: size×d.
  Matrix read(Segment tokens) const;

 private:
  Matrix read_ar1(Segment tokens) const;
  void scale_to_ball(Segment tokens, Matrix& directions) const;
  void add_centres(Segment tokens, Matrix& rows) const;

  SyntheticSpec spec_;
  Side side_;
  Matrix centres_;                          // clustered
  std::vector<Eigen::RowVectorXd> states_;  // ar1: token kStreamedTokens·(i+1) − 1, before scaling
};

/// A synthetic problem as a stream. Queries and keys are independent given the centres. Values:
/// `independent` are N(0, 1); `linear` are v = A k̃ / norm, A (value_dim×d) with rows √d times a direction
/// uniform on the sphere, so that an entry of v has mean square 1 over the draw of the keys and A (and given
/// A, where k̃ is isotropic). Its first tokens do not depend on `length`.
class SyntheticStream final : public KeyStream {
 public:
  explicit SyntheticStream(SyntheticSpec spec);

  Index keys() const override { return spec_.length; }
  void read(Segment tokens, Matrix& K, Matrix& V) const override;

  /// M of linear values v = M k̃ (value_dim×d); empty for independent ones.
  const Matrix& value_map() const { return value_map_; }

  /// The problem without keys at `count` evenly spread queries (0: all), as `sample_queries` spreads them.
  AttentionProblem queries(Index count) const;

 private:
  SyntheticSpec spec_;
  TokenSequence queries_, keys_;
  Matrix value_map_;
};

/// The whole problem. Throws BadInput, with what mends it, when it does not fit the memory of this machine.
AttentionProblem make_synthetic(const SyntheticSpec& spec, std::string_view mend = "make it shorter");

}  // namespace attngap
