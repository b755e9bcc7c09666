#pragma once

#include "estimators/ratio_estimator.hpp"
#include "experiments/cell_runner.hpp"

#include <memory>
#include <string>
#include <vector>

namespace attngap {

/// A pair |x| = |y| = norm of kernel-variance.
struct NormAndCosine {
  double norm = 0.0;
  double cosine = 0.0;
  std::uint32_t address = 0;  ///< the cell of what is drawn for this pair alone

  /// The name of the pair in the column `data`.
  std::string name() const;
};

/// The law of an estimator on a pair; all NaN where its features have none there.
KernelMoments pair_law(const RunSpec& spec, const AttentionEstimator& estimator, const AttentionProblem& pair,
                       Index draws);

/// A row of that estimator at m = `draws` on a pair, without a metric.
ResultRow pair_row(const RunSpec& spec, const AttentionEstimator& estimator, const NormAndCosine& pair,
                   Index dim, Index draws);

/// Consecutive pairs of one dimension as a cell of kernel-variance (kernel_variance_run.hpp).
///
/// Estimators whose products see one projection of a direction (`RadialKernel`) share the normal numbers of
/// address `shared` among all pairs; the others draw whole directions at every pair's own address. A series
/// is an estimator at a count: K̂/K, the replicates of a pair one after the other, NaN where there is no law.
/// `spec` and `estimators` must outlive the cell.
std::unique_ptr<Cell> make_pair_cell(const RunSpec& spec,
                                     const std::vector<std::unique_ptr<AttentionEstimator>>& estimators,
                                     std::vector<NormAndCosine> pairs, Index dim, std::uint32_t shared,
                                     std::string name);

}  // namespace attngap
