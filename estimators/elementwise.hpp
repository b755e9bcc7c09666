#pragma once

#include "estimators/attention_estimator.hpp"
#include "estimators/elementwise_state.hpp"

#include <memory>
#include <optional>
#include <vector>

namespace attngap {

/// Throws BadInput unless d = p: element-wise attention gives each channel its own weights and its own value.
void check_elementwise(const AttentionProblem& problem);

/// Full element-wise attention, d one-dimensional Nadaraya–Watson smoothers of bandwidth 1/√2 (n×d):
///
///   y_ic = Σ_j w_ijc v_jc / Σ_j w_ijc,   w_ijc = exp(−(q_ic − k_jc)²)      over the visible keys j
///
/// The inputs are used as they are: the paper has no scale, so the problem's is ignored. Streamed over keys
/// with the nearest key's exponent taken off, so no n×l×d tensor exists and distant keys do not vanish. Time
/// O(n l d). Throws BadInput unless d = p. Feng, "Element-wise attention is all you need", 2025, eqs.
/// (2)–(4).
Matrix elementwise_attention(const AttentionProblem& problem);

/// The same with e^{2qk} replaced by T_t(2qk), t = `degree` (ElementwiseState): n×d, time O((n + l) t d),
/// causal by prefix sums. For odd t the weights can be negative and the denominator can vanish. Throws
/// BadInput unless d = p.
Matrix elementwise_taylor(const AttentionProblem& problem, Index degree,
                          Accumulation accumulation = Accumulation::float64);

/// Outputs at every degree, and how often their denominators are not positive.
struct ElementwiseByDegree {
  std::vector<Matrix> output;                   ///< degree 0 … t, each n×d
  std::vector<Index> nonpositive_denominators;  ///< of n·d, per degree; NaN counts
};

/// elementwise_taylor at all degrees 0 … t at the cost of degree t alone, because degree t' is a prefix of
/// every sum. Throws BadInput unless d = p.
ElementwiseByDegree elementwise_by_degree(const AttentionProblem& problem, Index degree,
                                          Accumulation accumulation = Accumulation::float64);

/// `elementwise`: no draws; its target is the full form, which it is itself without a degree. Each channel
/// has a denominator of its own, to which the denominator policy applies, so an estimate holds the output as
/// numerator over a denominator of 1; of −1 where the denominator of some channel is negative. Keys: degree,
/// terms (degree + 1; not both), accumulate and denominator (need a degree). The run's precision does not
/// apply. Its terms per key are those of one channel: a problem with d = p = 1.
std::unique_ptr<AttentionEstimator> make_elementwise(const Spec& spec);

/// An empty state of `elementwise` with the keys of this specification; none for the full form, whose weights
/// need every key. Throws BadInput where make_elementwise does.
std::optional<ElementwiseState> elementwise_state(const Spec& spec, Index channels);

}  // namespace attngap
