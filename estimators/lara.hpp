#pragma once

#include "estimators/attention_estimator.hpp"
#include "estimators/mis_weights.hpp"

#include <memory>

namespace attngap {

/// What a `lara` specification asks for (the keys are explained below).
struct LaraOptions {
  ProposalMean proposal = ProposalMean::sum;
  MisWeights weights = MisWeights::balance;
  double coefficient = 1.0;
  Index draws = 1;
  bool self_normalized = true;
  bool antithetic = false;
  bool released_noise = false;
  bool clamp = false;
  bool deterministic = false;

  /// Directions a proposal costs.
  Index directions() const { return antithetic ? 2 * draws : draws; }

  /// Whether some weight, or with it h, can be negative.
  bool signed_weights() const {
    return weights == MisWeights::optimal || (weights == MisWeights::paper && !clamp);
  }
};

/// Reads the keys of a `lara` specification. Throws BadInput on a value that cannot be used.
LaraOptions lara_options(const Spec& spec);

/// The means μ_c of `count` proposals, C×d, of contiguous chunks of the keys and of the queries' tokens.
Matrix lara_means(const PreparedRows<double>& rows, Index count, ProposalMean proposal);

/// `lara`: Linear Randomized Attention (Zheng, Wang and Kong, ICML 2022), multiple importance sampling of
/// RA's integrand with C Gaussian proposals q_c = N(μ_c, I) that all queries share:
///
///   g_n = Σ_c a_nc ξ(q_n, w_c) Σ_m ξ(k_m, w_c) v_m,   h_n = Σ_c a_nc ξ(q_n, w_c) Σ_m ξ(k_m, w_c),   w_c ~
///   q_c a_nc = α_nc(w_c) N(w_c; 0, I)/q_c(w_c),   Σ_c α_nc(w) = 1,   ξ(x, w) = exp(w·x − |x|²/2)
///
/// m counts C; both means run over C contiguous chunks, of the keys and of the queries' tokens. Time
/// O((n + l) C S d + n C S p). g and h are unbiased for Z_n A_n and Z_n whatever α is.
///
/// Counts are not nested: another C has other chunks, so each count is drawn on its own, from the same noise.
/// Under a causal mask no future value has weight, but the proposals are means over all tokens; time is then
/// O(n C S (d + p)) with a state of C S p numbers, and `weights=optimal` is not offered.
///
/// Keys. `proposal`: ProposalMean. `draws=S` a proposal. `weights`: MisWeights; `coefficient`: a of the
/// paper's. `normalized`: self, g/h, biased and consistent in S; none, g/Z_n with the exact Z_n, unbiased.
/// `antithetic=on`: every draw is the pair μ ± ε. `denominator`: of h. Departures of the released code:
/// `noise=released`, `clamp=on` (α raised to 1e-8, so that Σ α > 1), `deterministic=on` (w = μ, as at
/// evaluation); `released-code=on` is noise, clamp and weights=paper together.
///
/// Moments exist where the weights are positive and self-normalised: the estimate lies in the hull of the
/// values. The unnormalised g has a variance too, because E_q[(p/q)²] of Gaussians of equal covariance is
/// finite. With negative weights h may be near 0, and the ratio has no moments unless `denominator` bounds
/// it.
std::unique_ptr<AttentionEstimator> make_lara(const Spec& spec);

}  // namespace attngap
