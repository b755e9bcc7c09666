#include "experiments/block_queue.hpp"

#include "experiments/replicate_plan.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

#include <fmt/format.h>

namespace attngap {
namespace {

// A signal wakes nobody up.
constexpr std::chrono::milliseconds kLookAround{50};

// Where the blocks of a pilot are numbered from, beyond those of any cell.
constexpr std::int64_t kFirstPilotBlock = 1'000'000;

// What the blocks of a cell take on the disk until it is finished: `count` of this size, in whole pages, each
// with the pages of the tables that its commit changes; where the log is not long enough for them, it comes
// on top.
double stored_megabytes(const BlockRecord& record, std::int64_t count) {
  constexpr std::size_t kPage = 32768, kTables = 8;
  constexpr double kLog = 201.0;
  std::size_t pages = kTables;
  for (const std::vector<double>& numbers : record.series)
    pages += numbers.size() * sizeof(double) / kPage + 1;
  const double all = static_cast<double>(pages * kPage) * static_cast<double>(count + 1) / 1e6;
  return all > kLog ? all + kLog : all;
}

}  // namespace

bool owns_block(const RunSpec& spec, const Shard& shard, std::int64_t cell, std::int64_t block) {
  // Blocks after a plan are not known when tasks are dealt out, so then the cards are cells.
  return shard.owns(spec.goal ? cell : cell * ReplicateBlocks(spec.replicates).count() + block);
}

std::int64_t replicates_to_draw(const RunSpec& spec, const Shard& shard) {
  const ReplicateBlocks cut(spec.replicates);
  std::int64_t replicates = 0;
  for (std::int64_t cell = 0; cell < spec.cells(); ++cell)
    for (std::int64_t block = 0; block < cut.count(); ++block)
      if (owns_block(spec, shard, cell, block)) replicates += cut.first(block + 1) - cut.first(block);
  return replicates;
}

BlockQueue::BlockQueue(const RunSpec& spec, RunStore& store, const RunControl& control)
    : spec_(spec),
      store_(store),
      control_(control),
      cells_(spec.cells()),
      takers_(static_cast<std::size_t>(control.processes)) {
  if (control_.progress != nullptr) control_.progress->count_cells(cells_);
}

bool BlockQueue::stopped() const {
  return stopped_ || (control_.interrupted != nullptr && control_.interrupted->load());
}

std::optional<BlockTask> BlockQueue::next(const std::function<void()>& idle) {
  std::unique_lock lock(mutex_);
  while (!stopped()) {
    if (auto task = offer(0)) return task;
    if (done()) break;
    lock.unlock();
    idle();
    lock.lock();
    changed_.wait_for(lock, kLookAround);
  }
  return std::nullopt;
}

std::optional<BlockTask> BlockQueue::poll(int process) {
  const std::lock_guard lock(mutex_);
  return stopped() ? std::nullopt : offer(process);
}

std::optional<BlockTask> BlockQueue::offer(int process) {
  Taker& taker = takers_[static_cast<std::size_t>(process)];
  do {
    for (OpenCell& cell : open_) {
      if (cell.pending.empty() || (taker.outstanding > 0 && taker.cell != cell.index)) continue;
      const std::int64_t block = cell.pending.front();
      cell.pending.pop_front();
      taker = {cell.index, taker.outstanding + 1};
      const ReplicateBlocks cut(cell.replicates);
      const std::int64_t first = cut.first(block);
      return BlockTask{cell.pilot ? kFirstPilotBlock + block : block,
                       {spec_.seed, static_cast<std::uint32_t>(cell.index),
                        (cell.pilot ? kFirstPilotReplicate : 0) + first, cut.first(block + 1) - first}};
    }
  } while (taker.outstanding == 0 && open_next());
  return std::nullopt;
}

// Opens the next cell with something to do. Alone, a process has one open; several have as many and one more,
// so that nobody waits for the last block of another.
bool BlockQueue::open_next() {
  const auto most = static_cast<std::size_t>(control_.processes == 1 ? 1 : control_.processes + 1);
  while (next_cell_ < cells_ && open_.size() < most) {
    const std::int64_t index = next_cell_++;
    OpenCell cell{index, spec_.replicates, false, {}, 0};
    const std::lock_guard lock(store_mutex_);
    const bool finished = store_.cell_finished(index);
    if (!finished && spec_.goal) {
      const auto planned = store_.planned(index);
      cell.pilot = !planned;
      cell.replicates = planned.value_or(kPilotReplicates);
      if (planned && control_.progress != nullptr) control_.progress->expect(*planned - spec_.replicates);
    }
    if (!finished) fill(cell);
    if (finished && control_.progress != nullptr) {
      control_.progress->advance(spec_.replicates, true);
      control_.progress->cell_done();
    }
    const bool nothing_drawn = cell.missing == 0 && !control_.finish;
    if (finished || (nothing_drawn && !(cell.pilot && owns_block(spec_, control_.shard, index, 0)))) continue;
    if (control_.log != nullptr) control_.log->cell_started(index, cell.replicates, cell.pilot);
    open_.push_back(std::move(cell));
    if (open_.back().missing == 0) whole_.push_back({index, open_.back().replicates, open_.back().pilot});
    changed_.notify_all();
    return true;
  }
  return false;
}

// Its blocks that are to be drawn. The store is ours.
void BlockQueue::fill(OpenCell& cell) {
  const ReplicateBlocks cut(cell.replicates);
  const auto stored = store_.finished_blocks(cell.index);
  for (std::int64_t block = 0; block < cut.count(); ++block) {
    if (!owns_block(spec_, control_.shard, cell.index, block)) continue;
    if (!stored.contains(cell.pilot ? kFirstPilotBlock + block : block)) {
      cell.pending.push_back(block);
    } else if (control_.progress != nullptr) {
      control_.progress->advance(cut.first(block + 1) - cut.first(block), true);
    }
  }
  cell.missing = static_cast<std::int64_t>(cell.pending.size());
}

void BlockQueue::commit(const BlockRecord& record, std::int64_t blocks) {
  const std::lock_guard lock(store_mutex_);
  try {
    store_.commit_block(record);
  } catch (const NoRoom& error) {
    throw NoRoom(fmt::format("{} (a head takes about {:.0f} MB there until it is finished)", error.what(),
                             std::ceil(stored_megabytes(record, blocks))));
  }
}

void BlockQueue::take(int process, BlockRecord record) {
  {
    const std::lock_guard lock(mutex_);
    taken_.push_back({process, std::move(record)});
    if (std::cmp_less(taken_.size(), control_.threads)) {
      changed_.notify_all();
      return;
    }
  }
  store_next();
}

void BlockQueue::store_taken() {
  while (store_next()) {
  }
}

// Whether there was one.
bool BlockQueue::store_next() {
  Taken taken;
  const BlockRecord& record = taken.record;
  const auto is_its = [&](const OpenCell& cell) { return cell.index == record.cell; };
  std::int64_t blocks = 0;
  {
    const std::lock_guard lock(mutex_);
    if (taken_.empty()) return false;
    taken = std::move(taken_.front());
    taken_.pop_front();
    const auto cell = std::find_if(open_.begin(), open_.end(), is_its);
    if (cell == open_.end()) return true;
    blocks = ReplicateBlocks(cell->replicates).count();
  }
  commit(record, blocks);
  if (control_.log != nullptr)
    control_.log->block_committed(record.cell, record.block, record.replicates, record.seconds);
  if (taken.process > 0 && control_.progress != nullptr) control_.progress->advance(record.replicates);
  const std::lock_guard lock(mutex_);
  --takers_[static_cast<std::size_t>(taken.process)].outstanding;
  const auto cell = std::find_if(open_.begin(), open_.end(), is_its);
  if (--cell->missing == 0) whole_.push_back({cell->index, cell->replicates, cell->pilot});
  changed_.notify_all();
  return true;
}

std::optional<WholeCell> BlockQueue::wait_whole_cell() {
  std::unique_lock lock(mutex_);
  while (!stopped()) {
    if (!taken_.empty()) {
      lock.unlock();
      store_next();
      lock.lock();
      continue;
    }
    if (!whole_.empty()) {
      const WholeCell cell = whole_.front();
      whole_.pop_front();
      return cell;
    }
    if (done()) break;
    changed_.wait_for(lock, kLookAround);
  }
  return std::nullopt;
}

void BlockQueue::plan(const WholeCell& pilot, std::int64_t replicates) {
  with_store([&](RunStore& store) { store.plan(pilot.cell, replicates); });
  if (control_.log != nullptr) control_.log->cell_planned(pilot.cell, replicates);
  if (control_.progress != nullptr)
    control_.progress->expect(replicates + kPilotReplicates - spec_.replicates);
  const std::lock_guard lock(mutex_);
  for (OpenCell& cell : open_) {
    if (cell.index != pilot.cell) continue;
    cell.replicates = replicates;
    cell.pilot = false;
    const std::lock_guard store_lock(store_mutex_);
    fill(cell);
  }
  changed_.notify_all();
}

void BlockQueue::close(std::int64_t cell) {
  const std::lock_guard lock(mutex_);
  open_.remove_if([&](const OpenCell& open) { return open.index == cell; });
  if (control_.progress != nullptr) control_.progress->cell_done();
  changed_.notify_all();
}

void BlockQueue::stop(std::exception_ptr error) {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  if (error) taken_.clear();  // it may be the store that has failed
  if (!error_) error_ = std::move(error);
  changed_.notify_all();
}

bool BlockQueue::ended() const {
  const std::lock_guard lock(mutex_);
  return stopped() || done();
}

RunOutcome BlockQueue::result() const {
  const std::lock_guard lock(mutex_);
  if (error_) std::rethrow_exception(error_);
  return done() ? RunOutcome::finished : RunOutcome::interrupted;
}

}  // namespace attngap
