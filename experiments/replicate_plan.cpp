#include "experiments/replicate_plan.hpp"

#include "analysis/two_stage.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace attngap {

std::int64_t planned_replicates(const PrecisionGoal& goal, const std::vector<ResultRow>& pilot,
                                const TimeShare* time) {
  double most = static_cast<double>(goal.most);
  if (time != nullptr) {
    const double seconds =
        time->seconds_left / static_cast<double>(std::max<std::int64_t>(1, time->cells_left));
    most = std::min(most, seconds / time->seconds_a_replicate);
  }
  const auto needed_of =
      goal.metric == kPlannedVariance ? &replicates_needed_of_variance : &replicates_needed;
  double planned = 0.0;
  bool has_one = false, none_in_reach = true;
  for (const ResultRow& row : pilot) {
    const bool heavy = row.status == "heavy-tail";
    if (row.metric != goal.metric || row.draws == 0 || (row.status != "ok" && !heavy)) continue;
    has_one = true;
    const double needed = heavy ? std::numeric_limits<double>::infinity()
                                : needed_of(row.value, row.std_error, row.replicates, goal.rse);
    if (needed > most) continue;
    none_in_reach = false;
    planned = std::max(planned, needed);
  }
  if (has_one && none_in_reach) planned = std::floor(most);
  const auto least = std::min(kPilotReplicates, goal.most);
  return std::clamp(static_cast<std::int64_t>(std::ceil(planned)), least, goal.most);
}

void mark_not_reached(const PrecisionGoal& goal, std::vector<ResultRow>& rows) {
  for (ResultRow& row : rows)
    if (row.metric == goal.metric && row.status == "ok" && row.std_error > goal.rse * std::abs(row.value))
      row.status = kNotReached;
}

}  // namespace attngap
