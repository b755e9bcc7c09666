#include "experiments/run_status.hpp"

#include "experiments/run_spec.hpp"
#include "experiments/run_store.hpp"
#include "experiments/shard.hpp"
#include "experiments/writer_lock.hpp"

#include <algorithm>
#include <chrono>
#include <limits>

#include <nlohmann/json.hpp>

namespace attngap {
namespace {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

// Replicates of stored blocks; those of a pilot do not count.
std::int64_t drawn(const RunStore& store, std::int64_t replicates, bool planned) {
  const auto plans = store.plans();
  std::int64_t total = 0;
  for (const auto& [cell, block] : store.blocks()) {
    const auto plan = plans.find(cell);
    if (planned && plan == plans.end()) continue;
    const ReplicateBlocks cut(planned ? plan->second : replicates);
    if (block < cut.count()) total += cut.first(block + 1) - cut.first(block);
  }
  return total;
}

// What the cells with a plan take, and the others if they are like them; at most `most` each.
std::int64_t expected(const RunStore& store, std::int64_t cells, std::int64_t most) {
  const auto plans = store.plans();
  std::int64_t planned = 0;
  for (const auto& [cell, replicates] : plans) planned += replicates;
  const auto count = static_cast<std::int64_t>(plans.size());
  const std::int64_t each = count > 0 ? planned / count : most;
  return planned + std::max<std::int64_t>(0, cells - count) * each;
}

void read_times(RunStatus& status, const RunStore& store) {
  const double now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  status.left = status.since_last_commit = kUnknown;
  const auto sessions = store.sessions();
  if (sessions.empty()) return;
  for (const RunSession& session : sessions) status.elapsed += session.last - session.started;
  const RunSession& last = sessions.back();
  status.since_last_commit = std::max(0.0, now - last.last);
  if (status.state == "running") status.elapsed += status.since_last_commit;
  if (last.last > last.started)
    status.rate = static_cast<double>(last.replicates) / (last.last - last.started);
  if (status.rate > 0.0)
    status.left = static_cast<double>(std::max<std::int64_t>(0, status.replicates - status.replicates_done)) /
                  status.rate;
}

}  // namespace

RunStatus read_status(const std::filesystem::path& directory) {
  const RunStore store = RunStore::open_existing(directory);
  const bool writer = WriterLock::held(directory);
  const ShardSpecification specification = split_specification(store.specification());
  const auto json = nlohmann::json::parse(specification.whole, nullptr, false);
  const RunOutline outline = store.outline();
  RunStatus status;
  status.experiment = json.value("experiment", "");
  if (specification.is_shard) status.shard = specification.shard.text();
  status.cells = outline.cells;
  // Finished cells before blocks: a cell that is finished in between is missed for a moment, not counted
  // twice.
  for (const CellTiming& cell : store.timings()) {
    ++status.cells_done;
    status.replicates_done += cell.replicates;
  }
  const bool planned = json.contains("target-rse");
  status.replicates_done += drawn(store, json.value("replicates", std::int64_t{1}), planned);
  const std::int64_t share = (outline.cells + specification.shard.of - specification.shard.part) /
                             specification.shard.of;  // of cells, where these are dealt out
  status.replicates =
      planned ? expected(store, share, json.value("max-replicates", std::int64_t{1})) : outline.replicates;
  const bool finished = specification.is_shard ? status.replicates_done >= status.replicates
                                               : status.cells_done == status.cells;
  status.state = writer ? "running" : finished ? "finished" : "stopped";
  read_times(status, store);
  if (finished) status.left = 0.0;
  return status;
}

}  // namespace attngap
