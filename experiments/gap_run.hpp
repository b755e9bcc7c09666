#pragma once

#include "experiments/data_source.hpp"
#include "experiments/gap_cell.hpp"

namespace attngap {

/// The gap of every estimator from its target at every count m, on every head: experiment `gap-vs-features`.
/// One cell a head, one series an estimator and count.
CellMaker gap_vs_features_cells(const RunSpec& spec);

/// Loads the head of a cell at the queries the specification asks for; sets `name`.
AttentionProblem load_problem(const RunSpec& spec, std::int64_t cell, std::string& name);

}  // namespace attngap
