#pragma once

#include "experiments/cell_runner.hpp"

#include <string>
#include <vector>

namespace attngap {

/// What a cell of a run would cost, by a few of its replicates or by those of the nearest cell that was
/// tried.
struct CellCost {
  std::int64_t cell = 0;
  std::string name;
  bool tried = false;              ///< made, and replicates drawn
  bool tried_rows = false;         ///< and rows formed; else scaled from a cell where they were
  double prepare_seconds = 0.0;    ///< loading and exact attention
  double block_seconds = 0.0;      ///< of a block, whatever its replicates
  double replicate_seconds = 0.0;  ///< of a replicate on one thread
  double rows_seconds = 0.0;       ///< statistics, and what theory predicts
  double cell_bytes = 0.0;
  double thread_bytes = 0.0;  ///< of a thread that draws it
};

/// What a run would cost.
struct RunCost {
  std::vector<CellCost> cells;
  double program_bytes = 0.0;  ///< before any cell

  /// Seconds of a cell, or of all, on so many threads, with the blocks of a shard.
  double seconds(const CellCost& cell, const RunSpec& spec, const Shard& shard, int threads) const;
  double seconds(const RunSpec& spec, const Shard& shard, int threads) const;

  /// The most memory it takes at once.
  double bytes(int threads) const;
};

/// Makes cells and draws six replicates of each, for about `patience` seconds but at least one cell: spread
/// over the run, and all of a small one. Rows, where theory may take longer than the draws, are formed of
/// fewer: of the first, and of others while there is time. Writes nothing. Each number is one short
/// measurement: good for an order of magnitude.
RunCost calibrate(const RunSpec& spec, const CellMaker& make, double patience, int threads);

}  // namespace attngap
