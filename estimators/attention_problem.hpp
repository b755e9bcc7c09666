#pragma once

#include "estimators/matrix.hpp"

#include <optional>
#include <string>
#include <vector>

namespace attngap {

/// Which keys a query sees: all, or those up to its own position.
enum class Mask { none, causal };

class KeyStream;

/// One attention problem: softmax(scale · Q Kᵀ + mask) V, the quantity every estimator is held against.
///
/// Q is n×d, K is l×d, V is l×p. Under the causal mask query i sees keys 0 … positions[i]; without one it
/// sees all l keys.
struct AttentionProblem {
  Matrix Q;
  Matrix K;
  Matrix V;
  double scale = 0.0;  ///< multiplies q·k; 1/√d in the papers
  Mask mask = Mask::none;
  std::vector<Index> positions;  ///< n token positions, strictly increasing; which tokens the rows of Q are
  Vector gates = {};             ///< l given gates g_t of a forgetting recurrence (rfa:gate=given), or none

  /// Where keys and values come from if they are not held: then K is 0×d and V 0×p. Only what says so takes
  /// such a problem (AttentionEstimator::streams, exact_attention).
  const KeyStream* stream = nullptr;

  Index queries() const { return Q.rows(); }
  Index keys() const;
  Index head_dim() const { return K.cols(); }
  Index value_dim() const { return V.cols(); }

  /// How many keys query i sees.
  Index visible_keys(Index i) const;

  /// q̃ = √scale · q, so that q̃·k̃ is the logit; the features of the papers take these.
  Matrix scaled_queries() const;
  Matrix scaled_keys() const;  ///< k̃ = √scale · k
};

/// A checked problem. `scale` defaults to 1/√d. `source` names the data in messages.
///
/// Throws BadInput on zero rows, mismatched shapes, NaN or infinity (with array and index), a scale that is
/// not positive and finite, or a causal mask with n ≠ l.
AttentionProblem make_problem(Matrix Q, Matrix K, Matrix V, Mask mask = Mask::none,
                              std::optional<double> scale = std::nullopt, const std::string& source = "data");

/// `count` evenly spread places of 0 … n−1, first and last among them; all n of them if count ≥ n.
std::vector<Index> spread_queries(Index n, Index count);

/// The same problem at `count` evenly spread queries, as `spread_queries` spreads them.
AttentionProblem sample_queries(const AttentionProblem& problem, Index count);

/// The problem of some of its tokens, given in increasing order: their keys and values, and of
/// self-attention their queries (of cross attention, n ≠ l, all queries). Throws BadInput on none.
AttentionProblem at_tokens(const AttentionProblem& problem, const std::vector<Index>& tokens);

/// Tokens 0 … count−1.
std::vector<Index> first_tokens(Index count);
/// `count` evenly spaced tokens of l: ⌊i l/count⌋.
std::vector<Index> strided_tokens(Index keys, Index count);

}  // namespace attngap
