#include "experiments/cell_runner.hpp"

#include <chrono>
#include <cmath>
#include <mutex>
#include <utility>

#include <fmt/format.h>
#include <tbb/enumerable_thread_specific.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

namespace attngap {
namespace {

// What the blocks of a cell take on the disk until it is finished: `count` of this size, in whole pages, and
// the log beside them.
double stored_megabytes(const BlockRecord& record, std::int64_t count) {
  constexpr std::size_t kPage = 32768;
  constexpr double kLog = 4.2e6;
  std::size_t bytes = 0;
  for (const std::vector<double>& numbers : record.series)
    bytes += (numbers.size() * sizeof(double) / kPage + 1) * kPage;
  return (kLog + static_cast<double>(bytes) * static_cast<double>(count + 1)) / 1e6;
}

void commit(RunStore& store, const BlockRecord& record, std::int64_t count) {
  try {
    store.commit_block(record);
  } catch (const NoRoom& error) {
    throw NoRoom(fmt::format("{} (a head takes about {:.0f} MB there until it is finished)", error.what(),
                             std::ceil(stored_megabytes(record, count))));
  }
}

// Draws the blocks of a cell that the store does not have yet. False when interrupted.
bool draw_blocks(const RunSpec& spec, std::int64_t index, const Cell& cell, RunStore& store,
                 const RunControl& control) {
  const ReplicateBlocks blocks(spec.replicates);
  const auto finished = store.finished_blocks(index);
  std::vector<std::int64_t> pending;
  for (std::int64_t block = 0; block < blocks.count(); ++block) {
    if (!finished.contains(block)) {
      pending.push_back(block);
    } else if (control.progress != nullptr) {
      control.progress->advance(blocks.first(block + 1) - blocks.first(block), true);
    }
  }

  tbb::enumerable_thread_specific<std::unique_ptr<CellWorker>> workers([&] { return cell.worker(); });
  const DrawWatch watch(control);
  std::mutex store_mutex;
  const auto draw_block = [&](std::int64_t block) {
    using Clock = std::chrono::steady_clock;
    const auto start = Clock::now();
    const std::int64_t first = blocks.first(block);
    const ReplicateBlock replicates{spec.seed, static_cast<std::uint32_t>(index), first,
                                    blocks.first(block + 1) - first};
    auto series = workers.local()->draw_block(replicates, watch);
    if (watch.stopped()) return;
    const BlockRecord record{index, block, std::move(series),
                             std::chrono::duration<double>(Clock::now() - start).count()};
    const std::lock_guard lock(store_mutex);
    commit(store, record, blocks.count());
  };
  tbb::parallel_for(
      tbb::blocked_range<std::size_t>(0, pending.size(), 1),
      [&](const tbb::blocked_range<std::size_t>& range) {
        for (std::size_t i = range.begin(); i < range.end(); ++i) draw_block(pending[i]);
      },
      tbb::simple_partitioner{});
  return !watch.stopped();
}

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

RunOutcome run_cells(const RunSpec& spec, std::int64_t count,
                     const std::function<std::unique_ptr<Cell>(std::int64_t)>& make, RunStore& store,
                     const RunControl& control) {
  // Without this TBB never uses more threads than the machine has cores, and says so on standard error.
  const tbb::global_control allowed(tbb::global_control::max_allowed_parallelism,
                                    static_cast<std::size_t>(control.threads));
  tbb::task_arena arena(control.threads);
  for (std::int64_t index = 0; index < count; ++index) {
    if (store.cell_finished(index)) {
      if (control.progress != nullptr) control.progress->advance(spec.replicates, true);
      continue;
    }
    const std::unique_ptr<Cell> cell = make(index);
    if (control.progress != nullptr) control.progress->label(cell->name());
    const bool complete = arena.execute([&] { return draw_blocks(spec, index, *cell, store, control); });
    if (!complete) return RunOutcome::interrupted;
    const auto rows = cell->rows([&](std::int64_t series) { return store.series(index, series); });
    store.finish_cell(index, rows,
                      {cell->name(), spec.replicates, cell->exact_seconds(), store.block_seconds(index)});
  }
  store.compact();
  return RunOutcome::finished;
}

}  // namespace attngap
