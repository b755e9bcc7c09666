#include "estimators/attention_estimator.hpp"

#include "estimators/error.hpp"
#include "estimators/exact_attention.hpp"

namespace attngap {

Matrix AttentionEstimator::target(const AttentionProblem& problem) const {
  return exact_attention(problem).output;
}

KeyWeights AttentionEstimator::key_weights(const AttentionProblem&, Index, Index,
                                           const StreamAddress&) const {
  throw BadInput(
      fmt::format("{} is not a sum of random terms per key; choose another estimator", spec_.name));
}

Matrix AttentionEstimator::key_covariance(const AttentionProblem&, Index) const {
  throw BadInput(
      fmt::format("{}: no closed form of its covariance along a row of attention is known", spec_.text()));
}

}  // namespace attngap
