#pragma once

#include "experiments/progress.hpp"
#include "experiments/run_log.hpp"
#include "experiments/run_spec.hpp"
#include "experiments/run_store.hpp"
#include "experiments/shard.hpp"

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace attngap {

class BlockQueue;

/// How a run is carried out, without any effect on its numbers.
struct RunControl {
  int threads = 1;
  Progress* progress = nullptr;                    ///< told of every draw; may be null
  const std::atomic<bool>* interrupted = nullptr;  ///< once true, draws stop at the next replicate
  Shard shard{};                                   ///< which blocks are drawn
  bool finish = true;                              ///< cells; a shard leaves that to the merge
  RunLog* log = nullptr;                           ///< told of what happens; may be null
  int processes = 1;                               ///< that draw blocks of this run, this one among them
  std::function<void(BlockQueue&)> serve;          ///< hands blocks to the others until the queue has ended
};

/// Whether all cells are in the store.
enum class RunOutcome { finished, interrupted };

/// Consecutive replicates of a cell that are drawn, stored and merged as one.
struct ReplicateBlock {
  std::uint64_t seed = 0;
  std::uint32_t cell = 0;
  std::int64_t first = 0;
  std::int64_t count = 0;

  /// Where the numbers of its replicate `offset` (from 0) come from.
  StreamAddress address(std::int64_t offset) const {
    return {seed, cell, static_cast<std::uint32_t>(first + offset)};
  }
};

/// What a worker asks and tells while it draws a block.
class DrawWatch {
 public:
  explicit DrawWatch(const RunControl& control) : control_(control) {}

  /// Whether the run is to stop; the block is then given up.
  bool stopped() const { return control_.interrupted != nullptr && control_.interrupted->load(); }

  /// So many replicates more are drawn.
  void drawn(std::int64_t replicates) const {
    if (control_.progress != nullptr) control_.progress->advance(replicates);
  }

 private:
  const RunControl& control_;
};

/// What one thread needs to draw replicates of a cell.
class CellWorker {
 public:
  virtual ~CellWorker() = default;

  /// Draws a block and returns its statistics, one row of doubles a series: whatever comes back once
  /// `watch.stopped()` is not used.
  virtual std::vector<std::vector<double>> draw_block(const ReplicateBlock& block,
                                                      const DrawWatch& watch) = 0;
};

/// A worker that draws one replicate after the other.
class ReplicateWorker : public CellWorker {
 public:
  std::vector<std::vector<double>> draw_block(const ReplicateBlock& block, const DrawWatch& watch) final;

 private:
  virtual void start_block() = 0;
  virtual void draw(const StreamAddress& address) = 0;

  /// The statistics since start_block.
  virtual std::vector<std::vector<double>> block() const = 0;
};

/// The worker of a cell that draws nothing: its rows are computed, not measured.
class IdleWorker final : public CellWorker {
 public:
  std::vector<std::vector<double>> draw_block(const ReplicateBlock& block, const DrawWatch& watch) override {
    watch.drawn(block.count);
    return {};
  }
};

/// One point of a sweep: what is drawn there, and the rows its stored blocks turn into.
class Cell {
 public:
  virtual ~Cell() = default;
  virtual std::string name() const = 0;
  virtual std::unique_ptr<CellWorker> worker() const = 0;

  /// The blocks of series 0, 1, … as they are read from the store, in block order.
  struct BlocksOfSeries {
    std::int64_t replicates = 0;  ///< of all blocks together
    bool pilot = false;           ///< only a precision is wanted of the rows, not what theory adds to them
    std::function<std::vector<std::vector<double>>(std::int64_t)> read;
    std::vector<std::vector<double>> operator()(std::int64_t series) const { return read(series); }
  };

  /// The rows, from the stored blocks.
  virtual std::vector<ResultRow> rows(const BlocksOfSeries& blocks_of) const = 0;

  /// Seconds spent on exact answers before any draw.
  virtual double exact_seconds() const = 0;
};

/// Makes the cell of an index. The same one every time, in whatever process; several threads may ask at once.
using CellMaker = std::function<std::unique_ptr<Cell>(std::int64_t)>;

/// A block to draw: its number in the cell, and the replicates it stands for.
struct BlockTask {
  std::int64_t block = 0;
  ReplicateBlock replicates;
};

/// Where the threads of a process get blocks to draw, and leave what they drew.
class BlockSource {
 public:
  virtual ~BlockSource() = default;

  /// Waits for a block; calls `idle` before it does, so that nobody keeps a cell in memory while it waits.
  /// Nothing: there are no more, or the run is to stop.
  virtual std::optional<BlockTask> next(const std::function<void()>& idle) = 0;
  virtual void take(BlockRecord record) = 0;
};

/// The cells a process works on: made once, shared by its threads, and gone when the last of them lets go.
class CellShelf {
 public:
  /// Keeps the last `room` cells that were asked for.
  CellShelf(CellMaker make, Progress* progress, std::size_t room = 1)
      : make_(std::move(make)), progress_(progress), room_(room) {}

  /// The cell of this index, from the shelf or new.
  std::shared_ptr<const Cell> cell(std::int64_t index);
  void clear();

 private:
  CellMaker make_;
  Progress* progress_;
  std::size_t room_;
  std::mutex mutex_;
  std::list<std::pair<std::int64_t, std::shared_ptr<const Cell>>> cells_;  // the last first
};

/// What one thread does: draws blocks until there are no more or the run is to stop.
void draw_blocks(BlockSource& source, CellShelf& shelf, const RunControl& control);

/// Runs all cells of the specification.
///
/// The replicates of a cell are drawn in blocks, on `threads` threads and by other processes if `serve` has
/// any; a finished block is committed to the store. When all are in, the rows are formed from the stored
/// blocks in block order, so that they are the same bytes for any number of threads and processes and after
/// any interruption. One process alone works on one cell at a time.
RunOutcome run_cells(const RunSpec& spec, const CellMaker& make, RunStore& store, const RunControl& control);

}  // namespace attngap
