#include "estimators/exact_attention.hpp"

#include "estimators/kernel_sum.hpp"
#include "estimators/key_stream.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace attngap {
namespace {

constexpr Index kQueryBlock = 64;
constexpr Index kKeyBlock = 256;
constexpr double kNever = -std::numeric_limits<double>::infinity();

// Queries first … first+count−1 against all their keys.
void attend(const AttentionProblem& problem, Index first, Index count, ExactAttention& result) {
  const Matrix queries = problem.Q.middleRows(first, count) * problem.scale;
  auto output = result.output.middleRows(first, count);
  auto maximum = result.log_normalizer.segment(first, count);
  Vector mass = Vector::Zero(count);
  Matrix logits(count, kKeyBlock);
  output.setZero();
  maximum.setConstant(kNever);

  const Index last_key = problem.visible_keys(first + count - 1);
  for (Index key = 0; key < last_key; key += kKeyBlock) {
    const Index width = std::min(kKeyBlock, last_key - key);
    auto block = logits.leftCols(width);
    block.noalias() = queries * problem.K.middleRows(key, width).transpose();
    for (Index i = 0; i < count; ++i) {
      const Index visible = std::clamp<Index>(problem.visible_keys(first + i) - key, 0, width);
      if (visible == 0) {
        block.row(i).setZero();
        continue;
      }
      auto row = block.row(i).head(visible);
      const double raised = std::max(maximum(i), row.maxCoeff());
      const double kept = std::exp(maximum(i) - raised);
      row = (row.array() - raised).exp();
      block.row(i).tail(width - visible).setZero();
      mass(i) = mass(i) * kept + row.sum();
      output.row(i) *= kept;
      maximum(i) = raised;
    }
    output.noalias() += block * problem.V.middleRows(key, width);
  }
  for (Index i = 0; i < count; ++i) output.row(i) /= mass(i);
  maximum.array() += mass.array().log();
}

// The parts of a sum of exponentials, each with its own log normaliser, merged as one.
ExactAttention attend_stream(const AttentionProblem& problem) {
  const AttentionEstimate all = sum_over_segments(
      problem, [](const SegmentProblem& segment) { return exact_sums(segment.problem); }, one_by_one);
  return {all.denominator.cwiseInverse().asDiagonal() * all.numerator,
          all.log_scale.array() + all.denominator.array().log()};
}

}  // namespace

ExactAttention exact_attention(const AttentionProblem& problem) {
  if (problem.stream != nullptr) return attend_stream(problem);
  ExactAttention result{Matrix(problem.queries(), problem.value_dim()), Vector(problem.queries())};
  for (Index first = 0; first < problem.queries(); first += kQueryBlock)
    attend(problem, first, std::min(kQueryBlock, problem.queries() - first), result);
  return result;
}

AttentionEstimate exact_sums(const AttentionProblem& problem) {
  ExactAttention exact = exact_attention(problem);
  AttentionEstimate sums;
  sums.numerator = std::move(exact.output);
  sums.denominator.setOnes(sums.numerator.rows());
  sums.log_scale = std::move(exact.log_normalizer);
  return sums;
}

}  // namespace attngap
