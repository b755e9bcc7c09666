#pragma once

#include "experiments/cell_runner.hpp"

namespace attngap {

/// Bias and variance of kernel estimates against norm, angle, dimension and m, by Monte Carlo and in closed
/// form: experiment `kernel-variance`.
///
/// A pair is a norm and a cosine in one dimension d: |x| = |y| = norm, x with equal entries, so that
/// Σ x_i² y_i² = |x|²|y|²/d as for most directions (Rademacher features see it; no other law sees a
/// direction). Independent positive, hyperbolic and trigonometric features see one projection of a direction
/// (`RadialKernel`): all pairs of a dimension have the same normal numbers, so that their errors go together.
/// Every other estimator draws whole directions, of its own at every pair, and those that can share them at a
/// pair do. One draw serves every m. Where features are independent positive or hyperbolic ones,
/// tilted_kernel_variance checks the closed form at any norm. A pair outside an estimator's domain has rows
/// of status `no-moment`. A cell is as many pairs of a dimension as RunSpec::pairs_a_cell says; no number
/// depends on it.
///
/// After the pairs of a dimension comes, unless --map is 0, a cell without draws: predicted_kernel_mse on an
/// even grid over the norms and all cosines, at 2·max(m) real features for every estimator whose target is
/// softmax.
CellMaker kernel_variance_cells(const RunSpec& spec);

/// The estimators of `names`, each once, in the order of the table. Throws BadInput on one whose kernel
/// estimate of a single pair is not defined: no ratio of random features, or one that looks at other keys.
/// `experiment` is who says so.
std::vector<std::unique_ptr<AttentionEstimator>> make_kernel_estimators(const std::vector<std::string>& names,
                                                                        std::string_view experiment);

/// Two vectors as a problem of one query and one key with value 1 and scale 1, d ≥ 2.
AttentionProblem pair_problem(double norm, double cosine, Index dim);

/// Throws BadInput when the draws of the largest m or the estimates of all replicates are more than this
/// machine's memory.
void require_pairs_fit(const RunSpec& spec, int threads);

}  // namespace attngap
