#include "estimators/exact_attention.hpp"

#include "estimators/kernel_sum.hpp"
#include "estimators/key_stream.hpp"
#include "estimators/segments.hpp"
#include "estimators/vector_math.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <utility>

namespace attngap {
namespace {

constexpr Index kQueryBlock = 64;
constexpr Index kKeyBlock = 256;
constexpr double kNever = -std::numeric_limits<double>::infinity();

// What is known of the queries after some of their keys: sums of e^{logit − maximum} v and of e^{logit −
// maximum}, and the maximum of the logits.
struct Running {
  Running(Index queries, Index value_dim)
      : output(Matrix::Zero(queries, value_dim)),
        mass(Vector::Zero(queries)),
        maximum(Vector::Constant(queries, kNever)) {}

  Matrix output;
  Vector mass, maximum;
};

// Turns the logits of a query into weights, and scales what it has summed to their maximum.
void weigh(std::span<double> logits, Index query, Running& sums) {
  Eigen::Map<Eigen::RowVectorXd> row(logits.data(), static_cast<Index>(logits.size()));
  const double raised = std::max(sums.maximum(query), row.maxCoeff());
  row.array() -= raised;
  vector_exp(logits);
  if (raised != sums.maximum(query)) {
    const double kept = std::exp(sums.maximum(query) - raised);
    sums.mass(query) *= kept;
    sums.output.row(query) *= kept;
    sums.maximum(query) = raised;
  }
  sums.mass(query) += row.sum();
}

// Queries first … first+count−1 against keys key … key+width−1, of which each query sees a prefix.
void attend(const AttentionProblem& problem, const Matrix& queries, Segment rows, Segment keys, Running& sums,
            Matrix& logits) {
  logits.resize(rows.size(), keys.size());
  logits.noalias() =
      queries.middleRows(rows.begin, rows.size()) * problem.K.middleRows(keys.begin, keys.size()).transpose();
  for (Index i = 0; i < rows.size(); ++i) {
    const Index visible =
        std::clamp<Index>(problem.visible_keys(rows.begin + i) - keys.begin, 0, keys.size());
    logits.row(i).tail(keys.size() - visible).setZero();
    if (visible > 0) weigh({&logits(i, 0), static_cast<std::size_t>(visible)}, rows.begin + i, sums);
  }
  sums.output.middleRows(rows.begin, rows.size()).noalias() +=
      logits * problem.V.middleRows(keys.begin, keys.size());
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
  const Index n = problem.queries();
  const Matrix queries = problem.Q * problem.scale;
  Running sums(n, problem.value_dim());
  Matrix logits;
  // A block of keys meets all queries while it is in cache: many keys come from main memory once.
  for (Index key = 0; key < problem.keys(); key += kKeyBlock) {
    const Segment keys{key, std::min(key + kKeyBlock, problem.keys())};
    for (Index first = 0; first < n; first += kQueryBlock) {
      const Segment rows{first, std::min(first + kQueryBlock, n)};
      if (problem.visible_keys(rows.end - 1) > key) attend(problem, queries, rows, keys, sums, logits);
    }
  }
  for (Index i = 0; i < n; ++i) sums.output.row(i) /= sums.mass(i);
  return {std::move(sums.output), sums.maximum.array() + sums.mass.array().log()};
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
