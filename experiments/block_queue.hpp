#pragma once

#include "experiments/cell_runner.hpp"

#include <condition_variable>
#include <deque>
#include <exception>
#include <list>

namespace attngap {

/// A cell all of whose blocks are in: of its pilot, or those that count.
struct WholeCell {
  std::int64_t cell = 0;
  std::int64_t replicates = 0;
  bool pilot = false;
};

/// How many replicates a shard has to draw; with a precision goal, at most.
std::int64_t replicates_to_draw(const RunSpec& spec, const Shard& shard);

/// Whether a shard draws a block of a cell. With a precision goal whole cells are dealt out.
bool owns_block(const RunSpec& spec, const Shard& shard, std::int64_t cell, std::int64_t block);

/// The work of a run on the process that owns the store: hands out blocks in order, takes them back, and says
/// when a cell is whole. Safe to call from several threads.
///
/// A process is handed blocks of another cell only when it has given back all of the one before, so that it
/// need hold one cell. Blocks that are in the store are not handed out; blocks that were handed out and never
/// came back are not in the store, and the next run hands them out.
///
/// Blocks are stored by whoever waits for whole cells, so that nobody waits for the disk who could draw; but
/// as soon as there are as many of them as threads, by the thread that brings one.
class BlockQueue final : public BlockSource {
 public:
  BlockQueue(const RunSpec& spec, RunStore& store, const RunControl& control);

  /// For the threads of this process, which is number 0.
  std::optional<BlockTask> next(const std::function<void()>& idle) override;
  void take(BlockRecord record) override { take(0, std::move(record)); }

  /// For another process: a block if there is one now; and one that it drew.
  std::optional<BlockTask> poll(int process);
  void take(int process, BlockRecord record);

  /// Stores what is taken while it waits for the next cell that is whole. Nothing: there are no more, or the
  /// run is to stop.
  std::optional<WholeCell> wait_whole_cell();

  /// Stores what was taken and is not yet stored, once nobody draws any more.
  void store_taken();

  /// What becomes of a whole cell: a plan after its pilot, or it is done with.
  void plan(const WholeCell& pilot, std::int64_t replicates);
  void close(std::int64_t cell);

  /// Ends the run early; with the first error given here, `result` throws it.
  void stop(std::exception_ptr error = nullptr);

  /// Whether everything is done or the run is to stop.
  bool ended() const;

  /// Once ended and no thread is at it any more.
  RunOutcome result() const;

  /// The store is used by one thread at a time.
  template <typename Action>
  auto with_store(Action action) const {
    const std::lock_guard lock(store_mutex_);
    return action(store_);
  }

 private:
  struct OpenCell {
    std::int64_t index = 0;
    std::int64_t replicates = 0;
    bool pilot = false;
    std::deque<std::int64_t> pending;
    std::int64_t missing = 0;  // not in the store
  };
  struct Taker {
    std::int64_t cell = -1;
    std::int64_t outstanding = 0;
  };

  struct Taken {
    int process = 0;
    BlockRecord record;
  };

  bool stopped() const;
  bool done() const { return open_.empty() && next_cell_ == cells_; }
  std::optional<BlockTask> offer(int process);
  bool open_next();
  void fill(OpenCell& cell);
  bool store_next();
  void commit(const BlockRecord& record, std::int64_t blocks);

  const RunSpec& spec_;
  RunStore& store_;
  const RunControl& control_;
  std::int64_t cells_;
  mutable std::mutex store_mutex_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Taker> takers_;
  std::list<OpenCell> open_;
  std::deque<Taken> taken_;  // and not yet stored
  std::deque<WholeCell> whole_;
  std::int64_t next_cell_ = 0;
  bool stopped_ = false;
  std::exception_ptr error_;
};

}  // namespace attngap
