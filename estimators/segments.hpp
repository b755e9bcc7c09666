#pragma once

#include "estimators/matrix.hpp"

#include <span>
#include <vector>

namespace attngap {

/// Tokens begin … end−1.
struct Segment {
  Index begin = 0;
  Index end = 0;

  Index size() const { return end - begin; }
  bool operator==(const Segment&) const = default;
};

/// `tokens` cut into `count` contiguous segments as equal as possible, short ones first: (⌊n/C⌋+1)C − n of
/// them have ⌊n/C⌋ tokens, the rest one more. The layout of the released LARA code (HKUNLP,
/// efficient-attention). With more segments than tokens each segment is one token, repeated: token ⌊c n/C⌋.
std::vector<Segment> equal_segments(Index tokens, Index count);

/// What is left of `segment` outside `removed`, which is increasing and disjoint.
std::vector<Segment> without(Segment segment, std::span<const Segment> removed);

/// Number of tokens in disjoint segments.
Index total_size(std::span<const Segment> segments);

}  // namespace attngap
