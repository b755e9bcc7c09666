#pragma once

#include "estimators/proposals.hpp"

#include <Eigen/QR>

namespace attngap {

/// How multiple importance sampling shares an integrand among C proposals q_c with equally many draws each:
/// weights α_c(w) with Σ_c α_c(w) = 1 for every w, negative ones allowed. Σ_c α_c(w_c) p f/q_c then has mean
/// ∫ p f. Q(w) = Σ_c q_c(w).
///
///   balance   q_c/Q (Veach and Guibas, SIGGRAPH 1995)
///   paper     q_c/Q + a(r'_nc − mean_c r'_nc), r'_nc = exp(q_n·q̃_c) / Σ_n' exp(q_n'·q̃_c), a = 1 (Zheng, Wang
///             and Kong, ICML 2022, as in the released mis-opt)
///   optimal   of least variance for each scalar integrand, see OptimalMisWeights
///   constant  1/C
enum class MisWeights { balance, paper, optimal, constant };

/// ln Q(w_r)/N(w_r; 0, I), R, from log_proposal_ratios.
Vector log_mixture(const Matrix& log_ratios);

/// q_c(w_r)/Q(w_r), R×C, from log_proposal_ratios: rows sum to one.
Matrix balance_heuristic(const Matrix& log_ratios);

/// a(r'_nc − mean_c r'_nc) of the weights `paper`, n×C: rows sum to zero. Where the rows are a sample of the
/// tokens' queries, the sum over n' is estimated from them.
Matrix query_tilt(const PreparedRows<double>& rows, const Matrix& mean_queries, double coefficient);

/// The weights of least variance for a scalar integrand p f (Kondapaneni et al., "Optimal multiple importance
/// sampling", SIGGRAPH 2019):
///
///   α*_c = q_c/Q + q_c (r_c − Σ_c' (q_c'/Q) r_c'),   r_c = m_c/(p f),   G m = B,
///   G_cc' = ∫ q_c q_c'/Q,   B_c = ∫ q_c p f/Q.
///
/// Put into Σ_c α_c p f/q_c they give the balance heuristic plus the control variates of Owen and Zhou (JASA
/// 2000):
///
///   Σ_c [p f/Q](w_c) + Σ_c' m_c' (1 − Σ_c (q_c'/Q)(w_c)),
///
/// which never divides by f, so that every component of [f 1] has its own coefficients m. G and B are
/// averages over a pilot sample from the proposals, the same for every draw: Σ_c α_c(w) = 1 holds for any m,
/// so the error of m costs variance, never bias. This works in any dimension. Memory O((n + C + p) J C), J
/// pilot draws a proposal.
class OptimalMisWeights {
 public:
  OptimalMisWeights(const PreparedRows<double>& rows, const Matrix& means);

  /// What the pilot's integrands [f 1] are multiplied by for the queries of a segment of rows, count×JC, to
  /// add up to Σ_c' m_c' excess_c' in units of Z_n; excess_c' = 1 − Σ_c (q_c'/Q)(w_c), averaged over a
  /// proposal's draws.
  Matrix pilot_coefficients(const Vector& excess, Segment queries) const;

  const Matrix& pilot() const { return pilot_; }      ///< JC×d directions
  const Matrix& average() const { return average_; }  ///< JC×p, f of them

 private:
  Matrix pilot_, average_;
  Matrix balance_;  // JC×C
  Matrix weights_;  // n×JC: self-normalised importance weights of p_n
  Eigen::CompleteOrthogonalDecomposition<Eigen::MatrixXd> gram_;
};

}  // namespace attngap
