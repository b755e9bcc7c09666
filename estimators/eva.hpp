#pragma once

#include "estimators/attention_estimator.hpp"

#include <memory>

namespace attngap {

/// `eva`: attention with control variates (Zheng, Yuan, Wang and Kong, "Efficient Attention via Control
/// Variates", ICLR 2023). Keys in the exact set E of a query's window have their own coefficient v_m, those
/// of group P_c share β̂_c:
///
///   EVA_n = [Σ_{m∈E} exp(q_n·k_m) v_m + Σ_c M_nc β̂_c] / [Σ_{m∈E} exp(q_n·k_m) + Σ_c M_nc]
///   β̂_c = Σ_s ω_ns f_c(w_cs),   f_c(w) = Σ_{m∈P_c} softmax_m(w·k_m − |k_m|²/2) v_m,   w_cs ~ N(μ_c, I)
///   ω_ns ∝ exp(w_cs·(q_n − μ_c)) Σ_{m∈P_c} ξ(k_m, w_cs): β̂_c = g_c/h_c, which for S = 1 does not depend on
///   q_n
///
/// With exact masses M_nc = Σ_{m∈P_c} exp(q_n·k_m), bias = Σ_c Π_nc (E β̂_c − A_nc) and Var = Σ_c Π_nc² Var
/// β̂_c, Π = M/Z. No windows and one group with μ = 0 is RFA; a window or singletons for everything is
/// softmax.
///
/// m counts the chunks the groups are cut from (EvaLayout), or with `groups=C` the draws S a group. Counts
/// are not nested (another C has other groups); each is drawn on its own from the same noise. All that does
/// not depend on the draw is computed once: a draw then takes O(l S (d + p) + n C p) at S = 1, with memory
/// O(n (C + p)). Exact masses cost O(n l d) once. The denominator is 1, since D is no random number;
/// log_scale is ln D.
///
/// Keys. `window`, `overlap`, `grid`: WindowShape, 0 for none. `groups`, `draws`: see above. `proposal`:
/// ProposalMean. `mass`: GroupMass. Departures of the released code, each on its own: `noise=released`
/// (deviation √scale), `cover=everything` (chunks keep the tokens of the window, which count twice; causal: a
/// chunk is seen from later chunks), `mass=mean` (no ln |P_c|), `deterministic=on` (w = μ, as at evaluation).
/// `released-code=on` is the first three together.
///
/// Under a causal mask a query's window ends at its own token, and its groups lie wholly before the window.
std::unique_ptr<AttentionEstimator> make_eva(const Spec& spec);

}  // namespace attngap
