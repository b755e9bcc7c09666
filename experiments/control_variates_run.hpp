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
RunOutcome run_control_variates(const RunSpec& spec, RunStore& store, const RunControl& control);

}  // namespace attngap
