#pragma once

#include "experiments/cell_runner.hpp"

namespace attngap {

/// What one more token costs when l tokens are there, by exact attention with a cache of keys and values and
/// by the recurrent state of each estimator, at every length of `spec.lengths`: experiment `decoding-speed`.
/// `spec.queries` sequences are decoded side by side, each with a cache or a state of its own, as a server
/// does; they have the same tokens, which costs as much as others.
///
/// A replicate decodes the last tokens of the length (16 of them, or all of a shorter one) by every
/// contestant in turn, so that ratios are of the same moments of the machine. Caches and states are filled
/// before, and brought back after. Rows:
///
///   seconds       of one token of all sequences: push its key and value, read at its query
///   speedup       exact seconds / seconds, both means (ratio_delta by replicate)
///   state_bytes   of all caches, 8 l (d + p) a sequence, or of all states; without the directions, which
///                 sequences share
///
/// These are times of a machine: other runs give other numbers.
CellMaker decoding_speed_cells(const RunSpec& spec);

/// Throws BadInput unless every estimator has a recurrent state of constant size, and caches of `longest`
/// tokens such as those of `head` fit the memory of this machine.
void require_decodable(const RunSpec& spec, const AttentionProblem& head, Index longest);

}  // namespace attngap
