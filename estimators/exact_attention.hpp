#pragma once

#include "estimators/attention_estimate.hpp"
#include "estimators/attention_problem.hpp"

namespace attngap {

/// Exact softmax attention at every query of a problem.
struct ExactAttention {
  Matrix output;  ///< n×p: A_i = Σ_j π_ij v_j,  π_ij = exp(scale q_i·k_j) / Z_i over the visible keys
  Vector log_normalizer;  ///< n: ln Z_i = ln Σ_j exp(scale q_i·k_j)
};

/// Streams over blocks of keys with a running maximum per query, so that no n×l matrix exists and logits of
/// any finite size are safe. Time O(n l (d + p)), extra memory O(block). The maximum-shifted sum is that of
/// Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018. Double precision. Takes
/// streamed problems.
ExactAttention exact_attention(const AttentionProblem& problem);

/// The same as the sums Σ_j exp(logit_j) v_j and Σ_j exp(logit_j) of one estimate: A over 1, at log_scale ln
/// Z.
AttentionEstimate exact_sums(const AttentionProblem& problem);

}  // namespace attngap
