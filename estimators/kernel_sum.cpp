#include "estimators/kernel_sum.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace attngap {

KernelSum::KernelSum(Index queries, Index value_dim) : sum_(queries, value_dim) {
  sum_.log_scale.setConstant(-std::numeric_limits<double>::infinity());
}

void KernelSum::add(const AttentionEstimate& part, Index first) {
  for (Index row = 0; row < part.denominator.size(); ++row) {
    const Index i = first + row;
    const double scale = std::max(sum_.log_scale(i), part.log_scale(row));
    const double kept = std::exp(sum_.log_scale(i) - scale), added = std::exp(part.log_scale(row) - scale);
    sum_.numerator.row(i) = kept * sum_.numerator.row(i) + added * part.numerator.row(row);
    sum_.denominator(i) = kept * sum_.denominator(i) + added * part.denominator(row);
    sum_.log_scale(i) = scale;
  }
}

void one_by_one(std::size_t count, const std::function<void(std::size_t)>& work) {
  for (std::size_t i = 0; i < count; ++i) work(i);
}

AttentionEstimate sum_over_segments(const AttentionProblem& streamed,
                                    const std::function<AttentionEstimate(const SegmentProblem&)>& part,
                                    const Together& together) {
  struct Part {
    Index first = 0;
    AttentionEstimate sums;
  };
  constexpr Index kAtOnce = 8;
  const Index seen = streamed.visible_keys(streamed.queries() - 1);
  const Index segments = (seen + kStreamedTokens - 1) / kStreamedTokens;
  KernelSum sum(streamed.queries(), streamed.value_dim());
  for (Index begin = 0; begin < segments; begin += kAtOnce) {
    std::vector<Part> parts(static_cast<std::size_t>(std::min(kAtOnce, segments - begin)));
    together(parts.size(), [&](std::size_t i) {
      const Index first = (begin + static_cast<Index>(i)) * kStreamedTokens;
      const SegmentProblem segment =
          read_segment(streamed, {first, std::min(first + kStreamedTokens, streamed.keys())});
      parts[i] = {segment.first, part(segment)};
    });
    for (const Part& each : parts) sum.add(each.sums, each.first);
  }
  return sum.estimate();
}

}  // namespace attngap
