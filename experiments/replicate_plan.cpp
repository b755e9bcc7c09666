#include "experiments/replicate_plan.hpp"

#include "analysis/two_stage.hpp"

#include <algorithm>
#include <cmath>

namespace attngap {

std::int64_t planned_replicates(const PrecisionGoal& goal, const std::vector<ResultRow>& pilot,
                                const TimeShare* time) {
  double most = static_cast<double>(goal.most);
  if (time != nullptr) {
    const double seconds =
        time->seconds_left / static_cast<double>(std::max<std::int64_t>(1, time->cells_left));
    most = std::min(most, seconds / time->seconds_a_replicate);
  }
  double planned = 0.0;
  for (const ResultRow& row : pilot) {
    if (row.metric != kPlannedMetric || row.draws == 0 || row.status != "ok") continue;
    const double needed = replicates_needed(row.value, row.std_error, row.replicates, goal.rse);
    if (needed <= most) planned = std::max(planned, needed);
  }
  const auto least = std::min(kPilotReplicates, goal.most);
  return std::clamp(static_cast<std::int64_t>(std::ceil(planned)), least, goal.most);
}

void mark_not_reached(const PrecisionGoal& goal, std::vector<ResultRow>& rows) {
  for (ResultRow& row : rows)
    if (row.metric == kPlannedMetric && row.status == "ok" && row.std_error > goal.rse * std::abs(row.value))
      row.status = kNotReached;
}

}  // namespace attngap
