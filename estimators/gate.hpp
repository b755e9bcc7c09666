#pragma once

#include "estimators/attention_problem.hpp"
#include "estimators/segments.hpp"

#include <cstdint>
#include <string_view>

namespace attngap {

/// The gates of a causal recurrence S_t = g_t S_{t−1} + (1 − g_t) φ(k_t)⊗v_t, one a token, as logarithms so
/// that a saturated gate is still a number (Peng et al. 2021, section 3.1).
struct Gates {
  Vector log_keep;  ///< l: ln g_t
  Vector log_take;  ///< l: ln(1 − g_t)
};

/// The given gates g_t in (0, 1); g_0 may be 0, as it multiplies the empty state. Throws BadInput otherwise.
Gates given_gates(const Vector& keep);

/// g_t = sigmoid(w·k̃_t + b) for keys l×d.
Gates linear_gates(const Matrix& keys, const Vector& weight, double bias);

/// g_t = (t − 1)/t, t = 1 … tokens: every token weighs 1/t, so that the gated ratio is the ungated one. (A
/// constant gate is not.)
Gates running_mean_gates(Index tokens);

/// ln of the unrolled weights (1 − g_i) Π_{j=i+1}^{t} g_j that token i = 0 … t has at token t.
Vector log_unrolled_weights(const Gates& gates, Index t);

/// The same for all t at once, up to the factor Π_{j=1}^{t} g_j that all tokens share and a ratio does not
/// see: ln(1 − g_i) − Σ_{j=1}^{i} ln g_j. All gates but g_0 must be positive.
Vector log_relative_weights(const Gates& gates);

/// The same of tokens `first` …, whose gates these are: `kept` is Σ_{j=1}^{first−1} ln g_j and goes on to the
/// last of them.
Vector log_relative_weights(const Gates& gates, Index first, double& kept);

/// What `gate=` says: none; constant:G; linear:SEED, whose w ~ N(0, I/d) and b ~ N(0, 1) come from that seed;
/// or given, the gates of the problem.
class GateRule {
 public:
  GateRule() = default;

  /// Throws BadInput on another form, or a G outside (0, 1).
  explicit GateRule(std::string_view text);

  bool is_none() const { return kind_ == Kind::none; }

  /// Throws BadInput where gate=given finds no gates, another number of them than keys, or one outside (0,
  /// 1).
  void check(const AttentionProblem& problem) const;

  /// The gates of some tokens of a problem, whose keys the features see as given (size×d). Throws as `check`.
  Gates gates(const AttentionProblem& problem, Segment tokens, const Matrix& keys) const;

 private:
  enum class Kind { none, constant, linear, given };
  Kind kind_ = Kind::none;
  double constant_ = 0.0;
  std::uint64_t seed_ = 0;
};

}  // namespace attngap
