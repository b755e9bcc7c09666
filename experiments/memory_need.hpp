#pragma once

#include "experiments/run_spec.hpp"

#include <string_view>

namespace attngap {

/// Throws BadInput when `bytes` are more than this machine has: "WHAT needs … GiB, this machine has …; MEND".
/// Asking the allocator is no substitute: it grants what it does not have, and the process is killed later.
void require_memory(double bytes, std::string_view what, std::string_view mend);

/// Bytes for `threads` times the directions of one draw of `draws` directions, in the order they are drawn
/// and as they are used.
double direction_bytes(Index draws, Index head_dim, int threads);

/// Throws BadInput when the directions or the statistics of a head are more than this machine's memory, or a
/// block of replicates more than the run store can hold in one piece.
void require_run_fits(const RunSpec& spec, const AttentionProblem& head, int threads);

}  // namespace attngap
