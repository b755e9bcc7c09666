#pragma once

#include "estimators/attention_estimate.hpp"
#include "estimators/key_stream.hpp"

#include <cstddef>
#include <functional>

namespace attngap {

/// Sums over keys in units of the kernel, added up part by part: each query's sum keeps the largest scale so
/// far, so that no part overflows.
class KernelSum {
 public:
  KernelSum(Index queries, Index value_dim);

  /// Adds what a part of the keys says of queries `first` ….
  void add(const AttentionEstimate& part, Index first);

  const AttentionEstimate& estimate() const { return sum_; }

 private:
  AttentionEstimate sum_;
};

/// Does work 0 … count−1, in any order or at once.
using Together = std::function<void(std::size_t count, const std::function<void(std::size_t)>& work)>;
/// In order, on this thread.
void one_by_one(std::size_t count, const std::function<void(std::size_t)>& work);

/// The sum of what `part` says of every segment of a streamed problem, added up in the order of the segments:
/// the same bits whatever `together` does at once. A few segments and their answers are held.
AttentionEstimate sum_over_segments(const AttentionProblem& streamed,
                                    const std::function<AttentionEstimate(const SegmentProblem&)>& part,
                                    const Together& together);

}  // namespace attngap
