#pragma once

#include "experiments/progress.hpp"
#include "experiments/run_spec.hpp"
#include "experiments/run_store.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

namespace attngap {

/// How a run is carried out, without any effect on its numbers.
struct RunControl {
  int threads = 1;
  Progress* progress = nullptr;                    ///< told of every draw; may be null
  const std::atomic<bool>* interrupted = nullptr;  ///< once true, draws stop at the next replicate
};

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

  /// The rows, from the blocks of series 0, 1, … as `blocks_of` reads them from the store.
  using BlocksOfSeries = std::function<std::vector<std::vector<double>>(std::int64_t)>;
  virtual std::vector<ResultRow> rows(const BlocksOfSeries& blocks_of) const = 0;

  /// Seconds spent on exact answers before any draw.
  virtual double exact_seconds() const = 0;
};

/// Runs cells 0 … count−1 in order; `make` makes one when its turn comes.
///
/// The replicates of a cell are drawn in blocks, on `threads` threads; a finished block is committed to the
/// store. When all are in, the rows are formed from the stored blocks in block order, so that they are the
/// same bytes for any number of threads and after any interruption.
RunOutcome run_cells(const RunSpec& spec, std::int64_t count,
                     const std::function<std::unique_ptr<Cell>(std::int64_t)>& make, RunStore& store,
                     const RunControl& control);

}  // namespace attngap
