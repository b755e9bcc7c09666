#pragma once

#include "estimators/attention_estimator.hpp"
#include "estimators/attention_problem.hpp"

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace attngap::testing_tools {

/// Shapes that cannot agree by accident: 3 queries, 7 keys, d = 5, p = 2. `spread` is the standard deviation
/// of the entries of Q and K.
struct HouseSizes {
  Index queries = 3;
  Index keys = 7;
  Index head_dim = 5;
  Index value_dim = 2;
  double spread = 1.0;
};
inline constexpr Index kHouseDraws = 11;

/// A matrix of independent normals with this standard deviation; `which` tells matrices of one seed apart.
Matrix normal_matrix(std::uint64_t seed, std::uint32_t which, Index rows, Index cols, double spread = 1.0);

/// A problem from a seed. With a causal mask there are as many queries as keys; sample_queries thins them.
AttentionProblem house_problem(std::uint64_t seed, const HouseSizes& sizes = {}, Mask mask = Mask::none);

/// One draw of one estimator at every count.
std::vector<AttentionEstimate> draw_once(const AttentionEstimator& estimator, const AttentionProblem& problem,
                                         const std::vector<Index>& counts, const StreamAddress& address,
                                         Precision precision = Precision::float64);
std::vector<AttentionEstimate> draw_once(std::string_view estimator, const AttentionProblem& problem,
                                         const std::vector<Index>& counts, const StreamAddress& address,
                                         Precision precision = Precision::float64);

/// Numerator over denominator.
Matrix ratio(const AttentionEstimate& estimate);

/// A vector of the given entries.
Vector vector_of(std::initializer_list<double> entries);

/// A problem of one query and one key with value 1 and scale 1: its denominator is one kernel estimate.
AttentionProblem one_pair(const Vector& x, const Vector& y);

/// The kernel estimate φ(x)·φ(y) of one draw in the kernel's own units.
double kernel_estimate(const AttentionEstimate& estimate);

/// What the message of a BadInput thrown by `action` says; "nothing was thrown" otherwise.
std::string sentence_of(const std::function<void()>& action);

}  // namespace attngap::testing_tools
