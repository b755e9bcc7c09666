#pragma once

#include "experiments/cell_runner.hpp"

namespace attngap {

/// Bias, variance and mean square error of every coefficient policy of the control variates of every
/// estimator, at every count m: experiment `control-variates`, the path from importance sampling over RFA and
/// EVA to softmax.
///
/// One cell a head; the draws are those of gap-vs-features. Cost O(queries · l · m · d) a replicate, because
/// each query's terms per key are formed: measure few queries. A policy that an estimator cannot serve (no
/// closed-form covariance, no single directions) is left out.
///
/// Policy `group` is measured at 4, 16 and 64 contiguous groups, or at the estimator's own (EVA).
CellMaker control_variates_cells(const RunSpec& spec);

/// Throws BadInput, before anything is written, where the specification asks for what this experiment is not:
/// another precision or target, nothing random, or an estimator whose output is no sum of control variates.
void require_control_variates(const RunSpec& spec);

}  // namespace attngap
