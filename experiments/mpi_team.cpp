#include "experiments/mpi_team.hpp"

#include "estimators/error.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <new>
#include <thread>

#include <tbb/global_control.h>

namespace attngap {
namespace {

// The first number of a message. From rank 0:
//   task     block, cell, first replicate, how many
//   end
// From the others:
//   ready    its specification
//   refused  why it cannot take part
//   ask      for how many blocks it has threads
//   block    cell, block, replicates, seconds, how many series, their lengths, their numbers
//   failed   why it cannot go on
//   stopped  a signal asked it to stop
//   bye      nothing more will come
enum Kind : int { task, end_of_run, ready, refused, ask, block_done, failed, stopped_by_signal, bye };

constexpr std::chrono::microseconds kShortNap{100};
constexpr std::chrono::microseconds kLongNap{2000};

std::vector<double> message_of(Kind kind, const std::string& text = {}) {
  std::vector<double> numbers{static_cast<double>(kind)};
  for (const char c : text) numbers.push_back(static_cast<double>(static_cast<unsigned char>(c)));
  return numbers;
}

std::string text_of(const std::vector<double>& numbers) {
  std::string text;
  for (std::size_t i = 1; i < numbers.size(); ++i) text += static_cast<char>(static_cast<int>(numbers[i]));
  return text;
}

Kind kind_of(const std::vector<double>& numbers) {
  return static_cast<Kind>(static_cast<int>(numbers.at(0)));
}

std::vector<double> message_of(const BlockTask& block) {
  return {static_cast<double>(task), static_cast<double>(block.block),
          static_cast<double>(block.replicates.cell), static_cast<double>(block.replicates.first),
          static_cast<double>(block.replicates.count)};
}

std::vector<double> message_of(const BlockRecord& record) {
  std::vector<double> numbers{static_cast<double>(block_done),
                              static_cast<double>(record.cell),
                              static_cast<double>(record.block),
                              static_cast<double>(record.replicates),
                              record.seconds,
                              static_cast<double>(record.series.size())};
  for (const auto& series : record.series) numbers.push_back(static_cast<double>(series.size()));
  for (const auto& series : record.series) numbers.insert(numbers.end(), series.begin(), series.end());
  return numbers;
}

BlockRecord record_of(const std::vector<double>& numbers) {
  BlockRecord record;
  record.cell = static_cast<std::int64_t>(numbers.at(1));
  record.block = static_cast<std::int64_t>(numbers.at(2));
  record.replicates = static_cast<std::int64_t>(numbers.at(3));
  record.seconds = numbers.at(4);
  const auto count = static_cast<std::size_t>(numbers.at(5));
  auto from = numbers.begin() + 6 + static_cast<std::ptrdiff_t>(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto to = from + static_cast<std::ptrdiff_t>(numbers.at(6 + i));
    record.series.emplace_back(from, to);
    from = to;
  }
  return record;
}

// Between a rank's threads and the one that talks to rank 0.
class Mailbox final : public BlockSource {
 public:
  std::optional<BlockTask> next(const std::function<void()>& idle) override {
    std::unique_lock lock(mutex_);
    if (tasks_.empty() && !stopped) {
      lock.unlock();
      idle();
      lock.lock();
    }
    changed_.wait(lock, [&] { return stopped || !tasks_.empty(); });
    if (stopped) return std::nullopt;
    const BlockTask first = tasks_.front();
    tasks_.pop_front();
    return first;
  }
  void take(BlockRecord record) override { put(message_of(record)); }

  // A message for rank 0.
  void put(std::vector<double> message) {
    const std::lock_guard lock(mutex_);
    messages_.push_back(std::move(message));
    changed_.notify_all();
  }
  void give(const BlockTask& block) {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(block);
    changed_.notify_all();
  }
  void stop() {
    const std::lock_guard lock(mutex_);
    stopped = true;
    changed_.notify_all();
  }

  // The next message for rank 0, if there is one before the nap is over.
  std::optional<std::vector<double>> message(std::chrono::microseconds nap) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, nap, [&] { return !messages_.empty(); })) return std::nullopt;
    std::vector<double> first = std::move(messages_.front());
    messages_.pop_front();
    return first;
  }

  std::atomic<bool> stopped{false};

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<BlockTask> tasks_;
  std::deque<std::vector<double>> messages_;
};

// What a rank says of what it could not do.
std::string sentence() {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return "out of memory; use fewer queries (--queries), features, estimators or ranks on a machine";
  } catch (const std::exception& error) {
    return error.what();
  }
}

// Draws what comes into the mailbox. What goes wrong is rank 0's to say.
void draw_from(Mailbox& mailbox, CellShelf& shelf, const RunControl& control) {
  try {
    draw_blocks(mailbox, shelf, control);
  } catch (...) {
    mailbox.put(message_of(failed, sentence()));
  }
}

}  // namespace

MpiTeam::~MpiTeam() {
  if (owns_store()) end();
}

// Rank 0: what still comes in is received, so that nobody is kept from its end by a message.
void MpiTeam::end() {
  for (int rank = 1; rank < size(); ++rank) world_.send(rank, message_of(end_of_run));
  for (int gone = 1; gone < size();) {
    const auto message = world_.poll();
    if (!message) {
      std::this_thread::sleep_for(kLongNap);
    } else if (kind_of(message->numbers) == bye) {
      ++gone;
    }
  }
}

void MpiTeam::require_ready(const std::string& specification) {
  for (int count = 1; count < size();) {
    const auto message = world_.poll();
    if (!message) {
      std::this_thread::sleep_for(kLongNap);
      continue;
    }
    const Kind kind = kind_of(message->numbers);
    if (kind == ask) {
      wants_[static_cast<std::size_t>(message->from)] += static_cast<std::int64_t>(message->numbers.at(1));
      continue;
    }
    if (kind == stopped_by_signal) {
      stopped_ = true;
      continue;
    }
    const std::string text = text_of(message->numbers);
    require(kind == ready, "rank {}: {}", message->from, text);
    const std::string difference = specification_difference(specification, text);
    require(difference.empty(), "rank {} was told to run something else than rank 0 ({})", message->from,
            difference);
    ++count;
  }
}

void MpiTeam::serve(BlockQueue& queue) {
  if (stopped_) queue.stop();
  std::chrono::microseconds nap = kShortNap;
  while (!queue.ended()) {
    bool idle = true;
    while (const auto message = world_.poll()) {
      receive(queue, *message);
      idle = false;
    }
    for (int rank = 1; rank < size(); ++rank) {
      std::int64_t& wanted = wants_[static_cast<std::size_t>(rank)];
      for (; wanted > 0; --wanted, idle = false) {
        const auto block = queue.poll(rank);
        if (!block) break;
        world_.send(rank, message_of(*block));
      }
    }
    nap = idle ? std::min(2 * nap, kLongNap) : kShortNap;
    if (idle) std::this_thread::sleep_for(nap);
  }
}

void MpiTeam::receive(BlockQueue& queue, const MpiWorld::Message& message) {
  std::int64_t& wanted = wants_[static_cast<std::size_t>(message.from)];
  switch (kind_of(message.numbers)) {
    case ask:
      wanted += static_cast<std::int64_t>(message.numbers.at(1));
      break;
    case block_done:
      queue.take(message.from, record_of(message.numbers));
      ++wanted;
      break;
    case stopped_by_signal:
      queue.stop();
      break;
    default:
      throw BadInput(fmt::format("rank {}: {}", message.from, text_of(message.numbers)));
  }
}

int MpiTeam::work(const std::function<Job()>& prepare, const RunControl& control) {
  Job job;
  std::string why;
  try {
    job = prepare();
  } catch (...) {
    why = sentence();
  }
  world_.send(0, why.empty() ? message_of(ready, job.specification) : message_of(refused, why));
  if (why.empty()) {
    draw(job, control);
  } else {
    wait_for_end();
  }
  world_.send(0, message_of(bye));
  return 0;
}

void MpiTeam::wait_for_end() {
  while (true) {
    const auto message = world_.poll();
    if (message && kind_of(message->numbers) == end_of_run) return;
    if (!message) std::this_thread::sleep_for(kLongNap);
  }
}

void MpiTeam::draw(const Job& job, const RunControl& control) {
  const tbb::global_control allowed(tbb::global_control::max_allowed_parallelism,
                                    static_cast<std::size_t>(control.threads));
  Mailbox mailbox;
  CellShelf shelf(job.make, nullptr);
  RunControl own = control;
  own.interrupted = &mailbox.stopped;
  const auto count = std::min<std::int64_t>(control.threads, ReplicateBlocks::kMost);
  world_.send(0, {static_cast<double>(ask), static_cast<double>(count)});
  std::vector<std::thread> threads;
  for (std::int64_t i = 0; i < count; ++i) threads.emplace_back([&] { draw_from(mailbox, shelf, own); });
  bool told = false;
  for (bool ended = false; !ended;) {
    while (const auto message = world_.poll()) {
      const std::vector<double>& numbers = message->numbers;
      ended = ended || kind_of(numbers) == end_of_run;
      if (kind_of(numbers) != task) continue;
      mailbox.give({static_cast<std::int64_t>(numbers.at(1)),
                    {job.seed, static_cast<std::uint32_t>(numbers.at(2)),
                     static_cast<std::int64_t>(numbers.at(3)), static_cast<std::int64_t>(numbers.at(4))}});
    }
    if (!told && control.interrupted != nullptr && control.interrupted->load()) {
      told = true;
      world_.send(0, message_of(stopped_by_signal));
    }
    if (const auto message = mailbox.message(ended ? kShortNap : kLongNap / 2)) world_.send(0, *message);
  }
  mailbox.stop();
  for (std::thread& thread : threads) thread.join();
}

}  // namespace attngap
