#pragma once

#include "estimators/attention_estimator.hpp"

#include <memory>

namespace attngap {

/// `ra`: Randomized Attention (Zheng, Wang and Kong, "Linear Complexity Randomized Self-attention Mechanism",
/// ICML 2022), the exactly unbiased estimator that RFA is a self-normalised importance sampler of:
///
///   RA_n = (1/S) Σ_s f(w_ns),   w_ns ~ p_n = Σ_m π_nm N(q_n + k_m, I)
///   f(w) = Σ_m softmax_m(w·k_m − |k_m|²/2) v_m = E[v_m | w]
///
/// in scaled q and k. It is sampled as m ~ Categorical(π_n), w = q_n + k_m + ε; f lies in the hull of the
/// values, and Cov(RA) ≤ Cov_π(v_m). Draws are nested: m counts S. Time O(n l (d + p)) a draw. There is
/// nothing to divide by: the denominator is 1, with the exact ln Z_n, which the sampling needs, as log_scale.
///
/// Keys. `proposal`: sampled; mean (μ = q + mean visible key) and expected (μ = q + Σ_m π_m k_m), the
/// released num_samples = 0 and −1, are biased. `noise=released`: the released code's noise deviation √scale
/// instead of 1, biased as well.
std::unique_ptr<AttentionEstimator> make_randomized_attention(const Spec& spec);

}  // namespace attngap
