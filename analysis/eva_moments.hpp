#pragma once

#include "estimators/attention_problem.hpp"
#include "estimators/names.hpp"

#include <cstdint>

namespace attngap {

/// Mean and variance of an attention output over draws, per output element.
struct OutputMoments {
  Matrix mean;                    ///< n×p
  Matrix variance;                ///< n×p, of one draw
  Matrix standard_error_of_mean;  ///< n×p
};

/// The moments of one `eva` estimate at every query, from draws of its groups alone.
///
///   EVA_n = exact_n + Σ_c Π_nc β̂_c:   E = exact_n + Σ_c Π_nc E β̂_c,   Var = Σ_c Π_nc² Var β̂_c
///
/// The estimate is linear in β̂, and the groups a query sees are independent; so a replicate costs O(l (d +
/// p)), the coefficients of the groups, whatever the number of queries, and the variance has no noise from
/// covariances that are zero. Draws are those of a run at the same seed and cell 0. Throws BadInput unless
/// `spec` is an eva with one draw a group that fits the problem, and replicates ≥ 2. Zheng, Yuan, Wang and
/// Kong 2023, eq. of the grouped form.
OutputMoments eva_moments(const AttentionProblem& problem, const Spec& spec, Index groups,
                          std::int64_t replicates, std::uint64_t seed);

}  // namespace attngap
