#pragma once

#include "estimators/attention_estimate.hpp"

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

}  // namespace attngap
