#pragma once

#include "estimators/attention_estimator.hpp"

#include <memory>
#include <vector>

namespace attngap {

/// Several estimators of one problem, drawn together: those with equal sharing keys from the same directions,
/// and each at an address that does not depend on the others, so that adding or reordering estimators changes
/// no number.
class Ensemble {
 public:
  /// Problem and estimators must outlive the ensemble.
  Ensemble(const AttentionProblem& problem, const std::vector<const AttentionEstimator*>& estimators,
           const std::vector<Index>& counts, Precision precision);

  /// A workspace for one thread. It visits (position of the estimator, position of the count, estimate); an
  /// estimator that is not random is visited once with count position 0.
  std::unique_ptr<AttentionSampler> sampler() const;

 private:
  struct Group {
    std::vector<std::size_t> members;
    std::unique_ptr<SamplerPlan> plan;
  };
  std::vector<Group> groups_;
};

}  // namespace attngap
