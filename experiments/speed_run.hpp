#pragma once

#include "experiments/cell_runner.hpp"

namespace attngap {

/// Seconds and peak memory of exact attention and of each estimator at every length of `spec.lengths`, on
/// every head: experiment `speed-vs-length`. A replicate measures all of them in turn, so that ratios are of
/// the same moments of the machine.
///
/// An estimator is timed as its user runs it: prepared and drawn once, at one count m, for all l queries of
/// the head. Exact attention costs l² and is timed at the measured queries; as its time is the sum of its
/// queries', it is then scaled to l, with the memory of all its outputs (status `scaled`). Rows:
///
///   seconds      of one head of l queries
///   speedup      exact seconds / seconds, both means (ratio_delta by replicate)
///   peak_bytes   the most memory beyond what was held before, in a first call that no time is taken of: the
///                largest resident size of the process within it (Linux), less that at its start
///
/// These are times of a machine: other runs give other numbers.
CellMaker speed_vs_length_cells(const RunSpec& spec);

}  // namespace attngap
