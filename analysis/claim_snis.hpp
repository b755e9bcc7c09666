#pragma once

#include "analysis/claim_numerics.hpp"
#include "estimators/attention_estimator.hpp"
#include "estimators/key_pool.hpp"

#include <string>

namespace attngap {

/// Softmax attention as a mean over directions, from the library's own sums over keys, without a mask:
///
///   f(w) = Σ_m softmax_m(w·k_m − |k_m|²/2) v_m,   W_n(w) = ξ(q_n, w) Σ_m ξ(k_m, w)/Z_n,   A_n = E W_n f
class Snis {
 public:
  explicit Snis(const AttentionProblem& problem);

  Matrix integrand(const Matrix& W);            ///< f at the rows of W, R×p
  Vector importance(Index n, const Matrix& W);  ///< W_n at the rows of W, R
  Vector softmax(Index n) const;                ///< π_n, l
  const PreparedRows<double>& rows() const { return rows_; }

 private:
  PreparedRows<double> rows_;
  KeyPool pool_;
  Vector log_normalizer_;
};

/// The output of one draw of an estimator at one count, n×p.
Matrix one_output(const AttentionEstimator& estimator, const AttentionProblem& problem, Index draws,
                  const StreamAddress& address);

/// The direction of Randomized Attention's first draw for query n with weights π_n, 1×d, from its streams.
Matrix ra_direction(const AttentionProblem& problem, const Vector& pi, Index n, const StreamAddress& address);

/// The ratio of S positive features in one dimension, directions w ~ N(μ, 1) and h = W N(w; 0, 1)/N(w; μ, 1),
/// g = h f; μ = 0 is RFA, another one LARA with one proposal. Its mean is a double integral for every S:
///
///   E[Σ g_s/Σ h_s] = S ∫_0^∞ E[g e^{−th}] (E e^{−th})^{S−1} dt,   t = e^u
///
/// The trapezoid rule in u is used: the integrand falls at both ends. p = 1, query 0.
class LineRatio {
 public:
  explicit LineRatio(const AttentionProblem& problem, double proposal_mean = 0.0);
  double mean(int S) const;

  /// S·(mean(S) − exact) extrapolated to S = ∞ from S = 128, 256, …, 4096 by Richardson's scheme in 1/S.
  double limit_of_scaled_bias(double exact) const;

 private:
  Vector weights_, g_, h_;
};

/// A random problem of `shape` in one dimension with |q| ≤ 0.4 and |k| ≤ 0.6: the series of a bias in 1/S is
/// asymptotic, and its first terms are small enough there.
AttentionProblem mild_line(const ClaimSettings& settings, std::uint32_t which, const ProblemShape& shape);

/// One trigonometric direction in one dimension, query 0, p = 1: numerator and denominator as functions of w.
class TrigonometricLine {
 public:
  explicit TrigonometricLine(const AttentionProblem& problem) : problem_(problem) {}

  double numerator(double w) const;
  double denominator(double w) const;

  /// The smallest w > 0 where the denominator vanishes.
  double zero_of_denominator() const;

  /// E[ratio²; |w − zero| ≥ ε, |w − zero| ≤ 0.1] by quadrature.
  double truncated_second_moment(double zero, double epsilon) const;

 private:
  AttentionProblem problem_;
};

/// What draws of the library's `rfa` show beside it: how often the denominator is negative, and how the
/// sample MSE and the median error move with the number of draws.
std::string trigonometric_simulation(const ClaimSettings& settings);

}  // namespace attngap
