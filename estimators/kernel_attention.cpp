#include "estimators/kernel_attention.hpp"

#include <algorithm>
#include <cmath>

namespace attngap {
namespace {

constexpr Index kQueryBlock = 64;
constexpr Index kKeyBlock = 256;

// ln of the largest weight among the first keys: one number a query.
double highest_weight(const Vector& log_weights, Index keys) {
  return log_weights.size() == 0 ? 0.0 : log_weights.head(keys).maxCoeff();
}

// Queries first … first+count−1 against all their keys.
void attend(const AttentionProblem& problem, const ScoreKernel& kernel, const Vector& log_weights,
            Index first, Index count, AttentionEstimate& result) {
  const double root = std::sqrt(problem.scale);
  const Matrix queries = problem.Q.middleRows(first, count) * root;
  const Vector query_norms = queries.rowwise().norm();
  auto highest = result.log_scale.segment(first, count);
  for (Index i = 0; i < count; ++i) highest(i) = highest_weight(log_weights, problem.visible_keys(first + i));
  auto numerator = result.numerator.middleRows(first, count);
  auto denominator = result.denominator.segment(first, count);

  const Index last_key = problem.visible_keys(first + count - 1);
  for (Index key = 0; key < last_key; key += kKeyBlock) {
    const Index width = std::min(kKeyBlock, last_key - key);
    const Matrix keys = problem.K.middleRows(key, width) * root;
    const Vector key_norms = keys.rowwise().norm();
    Matrix weights = queries * keys.transpose();
    for (Index i = 0; i < count; ++i) {
      for (Index j = 0; j < width; ++j) {
        const bool visible = key + j < problem.visible_keys(first + i);
        const double weight =
            log_weights.size() == 0 || !visible ? 1.0 : std::exp(log_weights(key + j) - highest(i));
        weights(i, j) = visible ? weight * kernel(weights(i, j), query_norms(i), key_norms(j)) : 0.0;
      }
    }
    denominator += weights.rowwise().sum();
    numerator.noalias() += weights * problem.V.middleRows(key, width);
  }
}

}  // namespace

AttentionEstimate kernel_sums(const AttentionProblem& problem, const ScoreKernel& kernel,
                              const Vector& log_weights) {
  AttentionEstimate result(problem.queries(), problem.value_dim());
  for (Index first = 0; first < problem.queries(); first += kQueryBlock)
    attend(problem, kernel, log_weights, first, std::min(kQueryBlock, problem.queries() - first), result);
  return result;
}

}  // namespace attngap
