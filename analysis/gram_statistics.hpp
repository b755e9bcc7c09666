#pragma once

#include "analysis/gap_statistics.hpp"
#include "estimators/ratio_estimator.hpp"

#include <span>
#include <vector>

namespace attngap {

/// The metrics of `gram_metrics`, for `attngap list`.
std::span<const NamedMetric> gram_metric_names();

/// The points as a problem whose numerators are their Gram matrix: queries and keys are the rows of `points`
/// (n×d), the values the unit vectors, scale 1, so that exp(log_scale_i) numerator_ij = K̂(x_i, x_j).
AttentionProblem gram_problem(const Matrix& points);

/// K(x_i, x_j), n×n, RatioEstimator::target_kernel at every pair of rows of `points`. Time O(n² d).
Matrix gram_target(const RatioEstimator& estimator, const Matrix& points);

/// How far one draw is from the Gram matrix.
struct GramError {
  double mean_absolute = 0.0;  ///< Σ_ij |K̂_ij − K_ij| / n²
  double relative = 0.0;       ///< ‖K̂ − K‖_F / ‖K‖_F
};

/// Of an estimate of `gram_problem`; all n² pairs count, those of a point with itself too, as in Kar and
/// Karnick 2012.
GramError gram_error(const AttentionEstimate& estimate, const Matrix& exact);

/// Means over the draws with standard errors and 95 % intervals:
///
///   gram_error            of `mean_absolute`
///   relative_gram_error   of `relative`
///
/// Status `no-moment` without numbers where `has_variance` is false, as neither mean need exist; `nonfinite`
/// where a draw was not a number.
std::vector<Metric> gram_metrics(std::span<const GramError> errors, bool has_variance);

}  // namespace attngap
