#pragma once

#include "estimators/attention_problem.hpp"
#include "estimators/segments.hpp"

#include <algorithm>

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

}  // namespace attngap
