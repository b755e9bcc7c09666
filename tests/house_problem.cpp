#include "tests/house_problem.hpp"

#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"

#include <cmath>

namespace attngap::testing_tools {

Matrix normal_matrix(std::uint64_t seed, std::uint32_t which, Index rows, Index cols, double spread) {
  Matrix matrix(rows, cols);
  RandomStream({seed, which, 0}, Purpose::data)
      .normals(0, {matrix.data(), static_cast<std::size_t>(matrix.size())});
  return matrix * spread;
}

AttentionProblem house_problem(std::uint64_t seed, const HouseSizes& sizes, Mask mask) {
  const Index queries = mask == Mask::causal ? sizes.keys : sizes.queries;
  return make_problem(normal_matrix(seed, 1, queries, sizes.head_dim, sizes.spread),
                      normal_matrix(seed, 2, sizes.keys, sizes.head_dim, sizes.spread),
                      normal_matrix(seed, 3, sizes.keys, sizes.value_dim), mask);
}

std::vector<AttentionEstimate> draw_once(const AttentionEstimator& estimator, const AttentionProblem& problem,
                                         const std::vector<Index>& counts, const StreamAddress& address,
                                         Precision precision) {
  const std::vector<const AttentionEstimator*> group{&estimator};
  const auto plan = estimator.plan(problem, group, counts, precision);
  std::vector<AttentionEstimate> estimates;
  plan->sampler()->draw(address, [&](std::size_t, std::size_t, const AttentionEstimate& estimate) {
    estimates.push_back(estimate);
  });
  return estimates;
}

std::vector<AttentionEstimate> draw_once(std::string_view estimator, const AttentionProblem& problem,
                                         const std::vector<Index>& counts, const StreamAddress& address,
                                         Precision precision) {
  return draw_once(*make_estimator(estimator), problem, counts, address, precision);
}

Matrix ratio(const AttentionEstimate& estimate) {
  return estimate.denominator.cwiseInverse().asDiagonal() * estimate.numerator;
}

Vector vector_of(std::initializer_list<double> entries) {
  Vector vector(static_cast<Index>(entries.size()));
  Index i = 0;
  for (const double entry : entries) vector(i++) = entry;
  return vector;
}

AttentionProblem one_pair(const Vector& x, const Vector& y) {
  return make_problem(x.transpose(), y.transpose(), Matrix::Ones(1, 1), Mask::none, 1.0);
}

double kernel_estimate(const AttentionEstimate& estimate) {
  return estimate.denominator(0) * std::exp(estimate.log_scale(0));
}

std::string sentence_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const BadInput& error) {
    return error.what();
  }
  return "nothing was thrown";
}

}  // namespace attngap::testing_tools
