#pragma once

#include "analysis/gap_statistics.hpp"
#include "estimators/ratio_estimator.hpp"

#include <span>
#include <vector>

namespace attngap {

/// The metrics of `kernel_metrics` and of the map of closed forms, for `attngap list`.
std::span<const NamedMetric> kernel_metric_names();

/// What a kernel estimate does, in units of its target: everything is relative to K (means) or K²
/// (variances).
///
///   kernel_mean, kernel_variance                        of K̂/K over replicates, with 95 % intervals
///   predicted_kernel_mean, predicted_kernel_variance    E K̂/K and Var K̂/K² in closed form
///
/// Status of the measured two: `heavy-tail` where the sample variance and every interval built on it would
/// lie, and are not given. Where the law's kurtosis γ is known it alone decides, by √((γ − 1)/R), the
/// relative standard error of a sample variance of R replicates: above 1/4, and γ above 4 (up to 32
/// replicates, a pilot: 30). That does not look at the sample, and intervals take γ from the law, so that 95
/// % are 95 %. Where γ is not known (arccos features and far cosines of orthogonal directions, whose tails
/// are light) the Pareto shape of the squared deviations decides, above 0.7. `infinite-variance` where the
/// closed form diverges, `nonfinite` where an estimate was not a number. Where K or E K̂ does not exist, or K
/// is 0, all have status `no-moment` and no value. A variance within the rounding of equal estimates is 0
/// where the law's is so too, and `heavy-tail` where it is not: then the draws that vary are missing.
///
/// `estimates` are K̂/K, one a replicate, at least 25; empty where there is no K. `law` is in the kernel's
/// units.
std::vector<Metric> kernel_metrics(std::span<const double> estimates, const KernelMoments& law);

/// Var K̂/K² of `draws` independent directions of positive or hyperbolic features by tilted sampling
/// (tilted_moments.hpp), right at any norm: metric tilted_kernel_variance, the Monte Carlo that stands where
/// kernel_variance is refused. Throws BadInput for another map.
Metric tilted_kernel_variance(const FeatureMap& map, const AttentionProblem& pair, Index draws,
                              const StreamAddress& address);

/// The mean square error of the kernel estimate relative to K², Var K̂/K² + (E K̂/K − 1)²: metric
/// predicted_kernel_mse, by which estimators of one target are ranked.
Metric predicted_kernel_mse(const KernelMoments& law);

}  // namespace attngap
