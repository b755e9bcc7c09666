#pragma once

#include "experiments/cell_runner.hpp"

namespace attngap {

/// How the errors of every estimator are distributed over draws and queries, with their tails, and where the
/// denominators of ratio estimators lie relative to their expectation, with their negative part: experiment
/// `distributions`. One cell a head, one series an estimator and count, two metrics at fixed levels
/// (`relative_error_above:x=0.1`).
CellMaker distributions_cells(const RunSpec& spec);

}  // namespace attngap
