#include "experiments/memory_need.hpp"

#include "estimators/error.hpp"

#include <algorithm>

#include <unistd.h>

namespace attngap {
namespace {

constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;
constexpr double kNumber = sizeof(double);
constexpr double kLargestBlob = 1e9;  // SQLite's SQLITE_MAX_LENGTH

double machine_bytes() {
  return static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

}  // namespace

void require_memory(double bytes, std::string_view what, std::string_view mend) {
  const double available = machine_bytes();
  require(bytes <= available, "{} needs {:.3g} GiB of memory, this machine has {:.3g}; {}", what,
          bytes / kGiB, available / kGiB, mend);
}

double direction_bytes(Index draws, Index head_dim, int threads) {
  return 2.0 * kNumber * static_cast<double>(draws) * static_cast<double>(head_dim) *
         static_cast<double>(threads);
}

void require_run_fits(const RunSpec& spec, const AttentionProblem& head, int threads) {
  const int working =
      static_cast<int>(std::min<std::int64_t>(threads, ReplicateBlocks(spec.replicates).count()));
  const Index queries = spec.queries == 0 ? head.queries() : std::min(spec.queries, head.queries());
  const auto outputs = static_cast<double>(queries) * static_cast<double>(head.value_dim());
  const auto series = static_cast<double>(spec.estimators.size() * spec.features.size());
  const auto replicates = static_cast<double>(spec.replicates);
  const double per_replicate = static_cast<double>(queries) + 4.0;  // a relative error a query, and totals

  const double block = kNumber * (outputs + (replicates / 16.0 + 1.0) * per_replicate);
  require(block <= kLargestBlob,
          "--replicates = {} of {} queries: a block of statistics has {:.3g} bytes, at most {:.3g} can be "
          "stored; use fewer replicates or --queries",
          spec.replicates, queries, block, kLargestBlob);
  // A thread holds a block of every series and hands over a copy, and another may wait to be stored; at the
  // end a thread holds a series as a whole, and its relative errors once more.
  const double whole = kNumber * (16.0 * outputs + 2.0 * replicates * per_replicate);
  const double statistics =
      std::max(3.0 * working * series * block, std::min<double>(threads, series) * whole);
  require_memory(statistics, fmt::format("the statistics of {} replicates", spec.replicates),
                 "use fewer replicates, --queries, estimators or --threads");
  require_memory(direction_bytes(spec.features.back(), head.head_dim(), working),
                 fmt::format("--features: {} directions on {} threads", spec.features.back(), working),
                 "use a smaller m or fewer --threads");
}

}  // namespace attngap
