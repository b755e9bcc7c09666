#pragma once

#include "estimators/attention_problem.hpp"
#include "estimators/segments.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace attngap {

/// Keys and values of a problem that is never held as a whole: any segment of tokens can be had again, with
/// the same bits. Safe to read from several threads.
class KeyStream {
 public:
  virtual ~KeyStream() = default;
  virtual Index keys() const = 0;

  /// Writes the keys and values of these tokens: size×d and size×p.
  virtual void read(Segment tokens, Matrix& K, Matrix& V) const = 0;
};

/// Tokens that are read at a time: some megabytes a thread, and long against the 256 queries whose features
/// each segment evaluates anew.
inline constexpr Index kStreamedTokens = 8192;

/// A segment of a streamed problem as a stored problem of its own, at the queries that see some of it: rows
/// `first` … of the whole problem's Q. A query beyond the segment sees all of it, as if it stood at the
/// segment's last token.
struct SegmentProblem {
  Index first = 0;
  Segment tokens{};
  AttentionProblem problem;
};

/// The segment `tokens` of a streamed problem.
SegmentProblem read_segment(const AttentionProblem& streamed, Segment tokens);

/// Calls `use` with every segment of a streamed problem that some query sees, in order, until it returns
/// false.
template <typename Use>
void for_each_segment(const AttentionProblem& streamed, const Use& use) {
  const Index keys = streamed.keys();
  const Index seen = streamed.visible_keys(streamed.queries() - 1);
  for (Index begin = 0; begin < seen; begin += kStreamedTokens)
    if (!use(read_segment(streamed, {begin, std::min(begin + kStreamedTokens, keys)}))) return;
}

/// Calls `use(K, V, first)` with all keys and values, held or streamed, in pieces of kStreamedTokens: what is
/// summed piece by piece has the same bits either way.
template <typename Use>
void for_each_piece(const AttentionProblem& problem, const Use& use) {
  Matrix K, V;
  for (Index begin = 0; begin < problem.keys(); begin += kStreamedTokens) {
    const Segment tokens{begin, std::min(begin + kStreamedTokens, problem.keys())};
    if (problem.stream != nullptr) {
      problem.stream->read(tokens, K, V);
    } else {
      K = problem.K.middleRows(tokens.begin, tokens.size());
      V = problem.V.middleRows(tokens.begin, tokens.size());
    }
    use(std::as_const(K), std::as_const(V), begin);
  }
}

/// The problem of some of its keys, held or streamed, given in increasing order with token 0 among them: all
/// queries, each of which sees those of the keys that it saw.
AttentionProblem at_keys(const AttentionProblem& problem, const std::vector<Index>& tokens);

}  // namespace attngap
