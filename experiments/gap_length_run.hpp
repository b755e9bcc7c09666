#pragma once

#include "experiments/cell_runner.hpp"

#include <string>
#include <vector>

namespace attngap {

/// The gap of every estimator from its target at every length of `spec.lengths`, on every head: experiment
/// `gap-vs-length`. One cell a head and length, as a cell of gap-vs-features at the counts of that length; a
/// long synthetic problem is streamed where every estimator can go through the keys piece by piece.
CellMaker gap_vs_length_cells(const RunSpec& spec);

/// The identities of the data of a grid of lengths. Reads each, and looks whether every cell fits the
/// machine and suits the estimators, so that a bad one is found before anything is written. Throws BadInput.
std::vector<std::string> check_lengths(const RunSpec& spec, int threads);

}  // namespace attngap
