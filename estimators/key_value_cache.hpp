#pragma once

#include "estimators/matrix.hpp"

namespace attngap {

/// Softmax attention, one token after another: the keys and values of all tokens so far, O(l (d + p)) numbers
/// and as much time for a token. What the recurrent states of constant size are held against.
///
///   push(k, v)   appends a token         read(q)   Σ_j softmax(q·k_j) v_j over the tokens so far
///
/// Keys and queries are the scaled vectors k̃, q̃.
class KeyValueCache {
 public:
  /// An empty cache with room for `tokens` of head dimension d and value dimension p.
  KeyValueCache(Index tokens, Index head_dim, Index value_dim);

  /// Adds a token. Throws BadInput on other sizes, or when the room is used up.
  void push(const Eigen::Ref<const Eigen::RowVectorXd>& key,
            const Eigen::Ref<const Eigen::RowVectorXd>& value);

  /// The output of one query (1×p). Throws BadInput before the first push.
  Eigen::RowVectorXd read(const Eigen::Ref<const Eigen::RowVectorXd>& query) const;

  /// Forgets all tokens but the first `tokens`.
  void shorten(Index tokens) { tokens_ = tokens; }

  Index tokens() const { return tokens_; }

 private:
  Index tokens_ = 0;
  Matrix keys_, values_;
};

}  // namespace attngap
