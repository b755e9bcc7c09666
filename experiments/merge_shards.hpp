#pragma once

#include "experiments/cell_runner.hpp"

#include <filesystem>

namespace attngap {

/// The parts of one run, read from the directories of `attngap run … --shard k/n`.
class ShardSet {
 public:
  /// Opens them, in any order. Throws BadInput unless they are parts of one specification and one n, each
  /// part once and none missing.
  explicit ShardSet(const std::vector<std::filesystem::path>& directories);

  /// The specification of the whole run, and the words that make it (RunOutline::command).
  const std::string& specification() const { return specification_; }
  std::string command() const { return parts_.front().store.outline().command; }

  /// Throws BadInput unless every part has drawn its share, and nothing but its share.
  void require_complete(const RunSpec& spec) const;

  /// The blocks of a cell, from all parts, in order.
  Cell::BlocksOfSeries blocks_of(const RunSpec& spec, std::int64_t cell) const;

  /// Seconds of all blocks of a cell.
  double block_seconds(std::int64_t cell) const;

 private:
  struct Part {
    std::filesystem::path directory;
    RunStore store;
    Shard shard;
  };

  std::int64_t replicates(const RunSpec& spec, const Part& part, std::int64_t cell) const;

  std::vector<Part> parts_;
  std::string specification_;
};

/// Forms the rows of every cell that `store` does not have yet.
void merge_cells(const ShardSet& shards, const RunSpec& spec, const CellMaker& make, RunStore& store);

}  // namespace attngap
