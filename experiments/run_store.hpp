#pragma once

#include "estimators/error.hpp"
#include "experiments/result_row.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace attngap {

/// The disk of a run is full, or fails.
class NoRoom : public BadInput {
 public:
  using BadInput::BadInput;
};

/// What a block of replicates left behind: one row of doubles per series (an estimator at a count).
struct BlockRecord {
  std::int64_t cell = 0;
  std::int64_t block = 0;
  std::vector<std::vector<double>> series;
  double seconds = 0.0;
  std::int64_t replicates = 0;
};

/// How much work a run is, and the words of the command line that made it; for others to read.
struct RunOutline {
  std::string command;          ///< a JSON array of words, without what does not change numbers
  std::int64_t cells = 0;       ///< of the whole run
  std::int64_t replicates = 0;  ///< to be drawn for this store; with a precision goal, the most
};

/// What a cell cost.
struct CellTiming {
  std::string data;
  std::int64_t replicates = 0;
  double exact_seconds = 0.0;  ///< exact attention and other targets
  double draw_seconds = 0.0;   ///< all draws with their statistics, summed over threads
};

/// A process that committed something to a run; times in seconds since 1970.
struct RunSession {
  double started = 0.0;
  double last = 0.0;            ///< its last commit
  std::int64_t replicates = 0;  ///< that it committed
};

/// The truth of a run: `run.sqlite` in its directory (SQLite, WAL).
///
/// A block is committed in one transaction before it counts; the rows of a cell replace its blocks in
/// another. A process killed at any moment loses at most the blocks it was working on. One process writes at
/// a time (a lock file says so); any number may read.
class RunStore {
 public:
  /// Opens or creates the run of this specification in `directory`. Throws BadInput when the directory cannot
  /// be written, holds a run of another specification, another process's run, or a file that is not ours or
  /// damaged; the place is then left as it was found.
  static RunStore open_or_create(const std::filesystem::path& directory, const std::string& specification,
                                 const RunOutline& outline = {});

  /// Opens an existing run to read. Throws BadInput when there is none, or it is not ours or damaged.
  static RunStore open_existing(const std::filesystem::path& directory);

  RunStore(RunStore&&) noexcept;
  RunStore& operator=(RunStore&&) noexcept;
  ~RunStore();

  std::string specification() const;
  RunOutline outline() const;

  /// The replicates a pilot has decided on for a cell; nothing before that.
  std::optional<std::int64_t> planned(std::int64_t cell) const;

  /// Stores that decision in place of the pilot's blocks.
  void plan(std::int64_t cell, std::int64_t replicates);

  /// All cells that have a plan, and their replicates.
  std::map<std::int64_t, std::int64_t> plans() const;

  /// The (cell, block) of all blocks whose cell is not finished.
  std::vector<std::pair<std::int64_t, std::int64_t>> blocks() const;
  std::vector<RunSession> sessions() const;

  /// Whether the rows of a cell are in.
  bool cell_finished(std::int64_t cell) const;
  std::set<std::int64_t> finished_blocks(std::int64_t cell) const;
  void commit_block(const BlockRecord& record);

  /// One series of a cell, its blocks in order.
  std::vector<std::vector<double>> series(std::int64_t cell, std::int64_t series) const;

  /// Seconds of all blocks of a cell.
  double block_seconds(std::int64_t cell) const;

  /// Replaces the blocks of a cell by its rows.
  void finish_cell(std::int64_t cell, const std::vector<ResultRow>& rows, const CellTiming& timing);

  /// Once all cells are finished: gives the disk back what forgotten blocks took, and leaves write-ahead
  /// logging, so that the run is one file that can be read where nothing can be written. Does nothing when
  /// there is nothing to do, no room to work in, or a reader in the way.
  void compact();

  /// All rows of finished cells, in order of cells.
  std::vector<ResultRow> rows() const;
  std::vector<CellTiming> timings() const;

 private:
  class Impl;
  explicit RunStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace attngap
