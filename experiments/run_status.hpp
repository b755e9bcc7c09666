#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace attngap {

/// How far a run has come, as its store says while another process may be writing it.
struct RunStatus {
  std::string experiment;
  std::string shard;  ///< "k/n"; empty for a whole run
  std::string state;  ///< running (a process writes it), finished, or stopped (can be resumed)
  std::int64_t cells = 0;
  std::int64_t cells_done = 0;
  std::int64_t replicates = 0;  ///< with --target-rse a guess, from the cells that have a count
  std::int64_t replicates_done = 0;
  double elapsed = 0.0;          ///< seconds of all processes that worked on it
  double rate = 0.0;             ///< replicates a second of the last of them; 0: not known
  double left = 0.0;             ///< seconds at that rate; NaN: not known
  double since_last_commit = 0;  ///< seconds; NaN: nothing was committed
};

/// Reads it. Throws BadInput when there is no run in `directory`.
RunStatus read_status(const std::filesystem::path& directory);

}  // namespace attngap
