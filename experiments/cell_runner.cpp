#include "experiments/cell_runner.hpp"

#include "experiments/block_queue.hpp"
#include "experiments/replicate_plan.hpp"
#include "experiments/resident_memory.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

#include <tbb/global_control.h>
#include <tbb/task_arena.h>

namespace attngap {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Forms the rows of cells that are whole.
class Finisher {
 public:
  Finisher(const RunSpec& spec, BlockQueue& queue, CellShelf& shelf, const RunControl& control)
      : spec_(spec), queue_(queue), shelf_(shelf), control_(control), arena_(control.threads) {}

  void work() {
    while (const auto whole = queue_.wait_whole_cell()) {
      if (whole->pilot) {
        decide(*whole);
      } else {
        if (control_.finish) finish(*whole);
        queue_.close(whole->cell);
      }
    }
  }

 private:
  std::vector<ResultRow> rows(const Cell& cell, const WholeCell& whole) {
    const Cell::BlocksOfSeries blocks{
        whole.replicates, whole.pilot, [&](std::int64_t series) {
          return queue_.with_store([&](const RunStore& store) { return store.series(whole.cell, series); });
        }};
    return arena_.execute([&] { return cell.rows(blocks); });
  }

  void decide(const WholeCell& whole) {
    const auto pilot = rows(*shelf_.cell(whole.cell), whole);
    TimeShare time;
    queue_.with_store([&](const RunStore& store) {
      time.cells_left = spec_.cells() / control_.shard.of - std::ssize(store.plans());
      time.seconds_a_replicate = store.block_seconds(whole.cell) / static_cast<double>(whole.replicates) /
                                 (control_.threads * control_.processes);
    });
    time.seconds_left = spec_.goal->budget_seconds - seconds_since(start_);
    queue_.plan(whole,
                planned_replicates(*spec_.goal, pilot, spec_.goal->budget_seconds > 0.0 ? &time : nullptr));
  }

  void finish(const WholeCell& whole) {
    const auto cell = shelf_.cell(whole.cell);
    auto results = rows(*cell, whole);
    if (spec_.goal) mark_not_reached(*spec_.goal, results);
    const double seconds = queue_.with_store([&](RunStore& store) {
      const double drawn = store.block_seconds(whole.cell);
      store.finish_cell(whole.cell, results, {cell->name(), whole.replicates, cell->exact_seconds(), drawn});
      return drawn;
    });
    if (control_.log != nullptr)
      control_.log->cell_finished(whole.cell, cell->name(), whole.replicates, seconds);
    if (control_.processes == 1) shelf_.clear();
  }

  const RunSpec& spec_;
  BlockQueue& queue_;
  CellShelf& shelf_;
  const RunControl& control_;
  tbb::task_arena arena_;
  Clock::time_point start_ = Clock::now();
};

// What a thread throws ends the run, and is thrown again where the run was started.
template <typename Work>
void guarded(BlockQueue& queue, Work work) {
  try {
    work();
  } catch (...) {
    queue.stop(std::current_exception());
  }
}

// Threads that end with this object, whatever happens in between.
class Threads {
 public:
  explicit Threads(BlockQueue& queue) : queue_(queue) {}
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;
  ~Threads() {
    if (!joined_) queue_.stop();
    join();
  }

  template <typename Work>
  void start(Work work) {
    threads_.emplace_back([this, work] { guarded(queue_, work); });
  }
  void join() {
    joined_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  BlockQueue& queue_;
  std::vector<std::thread> threads_;
  bool joined_ = false;
};

}  // namespace

std::vector<std::vector<double>> ReplicateWorker::draw_block(const ReplicateBlock& replicates,
                                                             const DrawWatch& watch) {
  start_block();
  for (std::int64_t offset = 0; offset < replicates.count && !watch.stopped(); ++offset) {
    draw(replicates.address(offset));
    watch.drawn(1);
  }
  return block();
}

std::shared_ptr<const Cell> CellShelf::cell(std::int64_t index) {
  const std::lock_guard lock(mutex_);
  const auto found =
      std::find_if(cells_.begin(), cells_.end(), [&](const auto& entry) { return entry.first == index; });
  if (found != cells_.end()) {
    cells_.splice(cells_.begin(), cells_, found);
  } else {
    while (cells_.size() >= room_) cells_.pop_back();  // before the new one takes memory
    cells_.emplace_front(index, make_(index));
    if (progress_ != nullptr) progress_->label(cells_.front().second->name());
  }
  return cells_.front().second;
}

void CellShelf::clear() {
  const std::lock_guard lock(mutex_);
  cells_.clear();
}

void draw_blocks(BlockSource& source, CellShelf& shelf, const RunControl& control) {
  const DrawWatch watch(control);
  std::shared_ptr<const Cell> cell;  // before the worker, which looks at it to its end
  std::unique_ptr<CellWorker> worker;
  std::int64_t index = -1;
  const auto let_go = [&] {
    worker.reset();
    cell.reset();
  };
  while (const auto task = source.next(let_go)) {
    if (!cell || index != task->replicates.cell) {
      let_go();
      index = task->replicates.cell;
      cell = shelf.cell(index);
      worker = cell->worker();
    }
    const auto start = Clock::now();
    auto series = worker->draw_block(task->replicates, watch);
    if (watch.stopped()) return;
    source.take({index, task->block, std::move(series), seconds_since(start), task->replicates.count});
  }
}

RunOutcome run_cells(const RunSpec& spec, const CellMaker& make, RunStore& store, const RunControl& control) {
  keep_freed_memory();
  // Without this TBB never uses more threads than the machine has cores, and says so on standard error.
  const tbb::global_control allowed(tbb::global_control::max_allowed_parallelism,
                                    static_cast<std::size_t>(control.threads));
  BlockQueue queue(spec, store, control);
  CellShelf shelf(make, control.progress, control.processes == 1 ? 1 : 2);  // drawn at, and finished
  Finisher finisher(spec, queue, shelf, control);
  Threads threads(queue);
  const std::int64_t useful = std::min<std::int64_t>(control.threads, ReplicateBlocks::kMost);
  for (std::int64_t i = 0; i < useful; ++i) threads.start([&] { draw_blocks(queue, shelf, control); });
  if (control.serve) {
    threads.start([&] { finisher.work(); });
    control.serve(queue);
  } else {
    guarded(queue, [&] { finisher.work(); });
  }
  threads.join();
  guarded(queue, [&] { queue.store_taken(); });
  const RunOutcome outcome = queue.result();
  if (outcome == RunOutcome::finished) store.compact();
  return outcome;
}

}  // namespace attngap
