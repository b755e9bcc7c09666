#include "estimators/attention_estimator.hpp"

#include "estimators/error.hpp"
#include "estimators/exact_attention.hpp"

namespace attngap {

Matrix AttentionEstimator::target(const AttentionProblem& problem) const {
  if (problem.stream != nullptr) return streamed_target(problem, one_by_one);
  return target_of_sums(target_sums(problem));
}

AttentionEstimate AttentionEstimator::target_sums(const AttentionProblem& part) const {
  return exact_sums(part);
}

Matrix AttentionEstimator::target_of_sums(const AttentionEstimate& sums) const {
  Matrix output = sums.numerator.array().colwise() / sums.denominator.array();
  post_scaling().apply(output);
  return output;
}

Matrix AttentionEstimator::streamed_target(const AttentionProblem& problem, const Together& together) const {
  const auto owned = fitted(problem);
  const AttentionEstimator& whole = owned ? *owned : *this;
  return target_of_sums(sum_over_segments(
      problem, [&](const SegmentProblem& segment) { return whole.target_sums(segment.problem); }, together));
}

void AttentionEstimator::require_decomposable() const {
  require(denominator().is_none() && post_scaling().is_identity(),
          "{}: after a denominator policy or ppSBN's gamma and beta the output is no sum of control "
          "variates; leave "
          "those keys out",
          spec_.text());
}

Vector AttentionEstimator::best_shared_coefficient(const AttentionProblem& problem, Index query,
                                                   Index) const {
  require(independent_directions(),
          "{}: coefficient \"regression\" is known in closed form for independent directions only",
          spec_.text());
  return regression_coefficient(key_covariance(problem, query), key_weights(problem, query, 1, {}).expected,
                                problem.V.topRows(problem.visible_keys(query)));
}

Decomposition AttentionEstimator::decompose(const AttentionProblem& problem, Index query, Index draws,
                                            const StreamAddress& address,
                                            const CoefficientChoice& choice) const {
  require_decomposable();
  const KeyWeights weights = key_weights(problem, query, draws, address);
  CoefficientInputs inputs{choice.coefficient.value_or(own_coefficient()), choice.groups, nullptr};
  Vector best;
  if (inputs.coefficient == Coefficient::regression) {
    best = best_shared_coefficient(problem, query, draws);
    inputs.regression = &best;
  }
  return attngap::decompose(weights, problem.V.topRows(weights.drawn.size()), inputs);
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
