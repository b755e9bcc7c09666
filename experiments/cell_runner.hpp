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

/// What one thread needs to draw replicates of a cell.
class CellWorker {
 public:
  virtual ~CellWorker() = default;
  virtual void start_block() = 0;
  virtual void draw(const StreamAddress& address) = 0;

  /// The statistics of the block, one row of doubles a series.
  virtual std::vector<std::vector<double>> block() const = 0;
};

/// The worker of a cell that draws nothing: its rows are computed, not measured.
class IdleWorker final : public CellWorker {
 public:
  void start_block() override {}
  void draw(const StreamAddress&) override {}
  std::vector<std::vector<double>> block() const override { return {}; }
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
