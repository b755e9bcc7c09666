#include "estimators/segments.hpp"

#include <algorithm>

namespace attngap {

std::vector<Segment> equal_segments(Index tokens, Index count) {
  std::vector<Segment> segments;
  const Index size = tokens / count;
  const Index short_ones = (size + 1) * count - tokens;
  for (Index c = 0, begin = 0; c < count; ++c) {
    if (size == 0) begin = c * tokens / count;
    const Index end = begin + (size == 0 || c >= short_ones ? size + 1 : size);
    segments.push_back({begin, end});
    begin = end;
  }
  return segments;
}

std::vector<Segment> without(Segment segment, std::span<const Segment> removed) {
  std::vector<Segment> rest;
  for (const Segment& hole : removed) {
    if (hole.end <= segment.begin || hole.begin >= segment.end) continue;
    if (hole.begin > segment.begin) rest.push_back({segment.begin, hole.begin});
    segment.begin = std::min(hole.end, segment.end);
  }
  if (segment.size() > 0) rest.push_back(segment);
  return rest;
}

Index total_size(std::span<const Segment> segments) {
  Index size = 0;
  for (const Segment& segment : segments) size += segment.size();
  return size;
}

}  // namespace attngap
