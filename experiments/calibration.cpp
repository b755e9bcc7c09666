#include "experiments/calibration.hpp"

#include "estimators/error.hpp"
#include "experiments/block_queue.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>

#include <tbb/global_control.h>
#include <unistd.h>

namespace attngap {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Memory of this process that is in use now.
double resident_bytes() {
  std::ifstream file("/proc/self/statm");
  double size = 0.0, resident = 0.0;
  file >> size >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

// A longer block would not tell more of a draw that takes so long.
constexpr double kLongDraw = 2.0;

// Single replicates a cell is tried with. Those of pairs cost nothing, and the tail of their variance is
// judged from 25 at least.
constexpr std::int64_t kSingles = 3;
constexpr std::int64_t kSinglesOfPairs = 26;

CellCost try_cell(const RunSpec& spec, const CellMaker& make, std::int64_t index, bool with_rows) {
  const std::int64_t singles = spec.pairs ? kSinglesOfPairs : kSingles;
  CellCost cost{index, {}, true};
  const double before = resident_bytes();
  auto start = Clock::now();
  const auto cell = make(index);
  cost.prepare_seconds = seconds_since(start);
  cost.name = cell->name();
  cost.cell_bytes = std::max(0.0, resident_bytes() - before);

  const RunControl control;
  const DrawWatch watch(control);
  const double without_worker = resident_bytes();
  const auto worker = cell->worker();
  std::vector<std::vector<std::vector<double>>> blocks;
  double one = 0.0;
  const auto draw = [&](std::int64_t first, std::int64_t count) {
    start = Clock::now();
    auto series = worker->draw_block({spec.seed, static_cast<std::uint32_t>(index), first, count}, watch);
    const double seconds = seconds_since(start);
    if (count == 1) blocks.push_back(std::move(series));
    return seconds;
  };
  for (std::int64_t replicate = 0; replicate < singles; ++replicate) one = draw(replicate, 1);
  cost.replicate_seconds = one;
  if (one < kLongDraw) {
    cost.replicate_seconds = std::max(0.0, draw(singles, 3) - one) / 2.0;
    cost.block_seconds = std::max(0.0, one - cost.replicate_seconds);
  }
  cost.thread_bytes = std::max(0.0, resident_bytes() - without_worker);
  if (!with_rows) return cost;
  start = Clock::now();
  static_cast<void>(cell->rows({singles, false, [&](std::int64_t series) {
                                  std::vector<std::vector<double>> of_series;
                                  for (const auto& block : blocks)
                                    of_series.push_back(block.at(static_cast<std::size_t>(series)));
                                  return of_series;
                                }}));
  cost.rows_seconds = seconds_since(start);
  cost.tried_rows = true;
  return cost;
}

// The cost among `cells` that is nearest to `cell` and has been tried.
const CellCost* nearest(const std::vector<CellCost>& cells, std::int64_t cell, bool CellCost::*tried) {
  const CellCost* found = nullptr;
  for (const CellCost& other : cells)
    if (other.*tried && (found == nullptr || std::abs(other.cell - cell) < std::abs(found->cell - cell)))
      found = &other;
  return found;
}

// Draws take time in proportion to the length, what theory adds in proportion to its square.
double scaled_rows(const CellCost& known, const CellCost& cell) {
  if (known.replicate_seconds <= 0.0) return known.rows_seconds;
  const double ratio = cell.replicate_seconds / known.replicate_seconds;
  return known.rows_seconds * ratio * ratio;
}

// Where a cell comes from, for one that was not made.
std::string source_of(const RunSpec& spec, std::int64_t index) {
  if (spec.lengths)
    return fmt::format(
        "{},length={}{}", spec.at_length(index).data.front(), spec.length_of(index),
        spec.lengths->batches.empty() ? "" : fmt::format(",sequences={}", spec.at_length(index).queries));
  const auto heads = static_cast<std::int64_t>(spec.data.size());
  const std::int64_t head = index - (spec.truncation ? 1 : 0);
  if (spec.cells() == heads + (spec.truncation ? 1 : 0) && head >= 0)
    return spec.data[static_cast<std::size_t>(head)];
  return fmt::format("cell {}", index);
}

}  // namespace

RunCost calibrate(const RunSpec& spec, const CellMaker& make, double patience, int threads) {
  const tbb::global_control allowed(tbb::global_control::max_allowed_parallelism,
                                    static_cast<std::size_t>(threads));
  RunCost run;
  run.program_bytes = resident_bytes();
  const std::int64_t count = spec.cells();
  for (std::int64_t index = 0; index < count; ++index) run.cells.push_back({index, source_of(spec, index)});
  const auto start = Clock::now();
  double in_rows = 0.0;
  for (std::int64_t step = count; step >= 1; step = step == 1 ? 0 : (step + 1) / 2)
    for (std::int64_t index = 0; index < count; index += step) {
      CellCost& cell = run.cells[static_cast<std::size_t>(index)];
      const double elapsed = seconds_since(start);
      if (cell.tried || (index > 0 && elapsed - in_rows >= patience)) continue;
      cell = try_cell(spec, make, index, index == 0 || elapsed < patience);
      in_rows += cell.rows_seconds;
    }
  const std::vector<CellCost> known = run.cells;
  for (CellCost& cell : run.cells) {
    if (!cell.tried) {
      const CellCost& like = *nearest(known, cell.cell, &CellCost::tried);
      cell = {cell.cell,
              cell.name,
              false,
              false,
              like.prepare_seconds,
              like.block_seconds,
              like.replicate_seconds,
              like.rows_seconds,
              like.cell_bytes,
              like.thread_bytes};
      cell.tried_rows = like.tried_rows;
    }
    if (!cell.tried_rows)
      cell.rows_seconds = scaled_rows(*nearest(known, cell.cell, &CellCost::tried_rows), cell);
  }
  return run;
}

double RunCost::seconds(const CellCost& cell, const RunSpec& spec, const Shard& shard, int threads) const {
  const ReplicateBlocks cut(spec.replicates);
  std::int64_t blocks = 0, replicates = 0;
  for (std::int64_t block = 0; block < cut.count(); ++block) {
    if (!owns_block(spec, shard, cell.cell, block)) continue;
    ++blocks;
    replicates += cut.first(block + 1) - cut.first(block);
  }
  if (blocks == 0) return 0.0;
  // Whole blocks are drawn: the last round may not have one for every thread.
  const double share = std::ceil(static_cast<double>(blocks) / threads) / static_cast<double>(blocks);
  return cell.prepare_seconds + (shard.of == 1 ? cell.rows_seconds : 0.0) +
         share * (static_cast<double>(blocks) * cell.block_seconds +
                  static_cast<double>(replicates) * cell.replicate_seconds);
}

double RunCost::seconds(const RunSpec& spec, const Shard& shard, int threads) const {
  double total = 0.0;
  for (const CellCost& cell : cells) total += seconds(cell, spec, shard, threads);
  return total;
}

double RunCost::bytes(int threads) const {
  double most = 0.0;
  for (const CellCost& cell : cells)
    most =
        std::max(most, cell.cell_bytes + cell.thread_bytes * std::min<int>(threads, ReplicateBlocks::kMost));
  return program_bytes + most;
}

}  // namespace attngap
