#pragma once

#include "experiments/result_row.hpp"
#include "experiments/run_spec.hpp"

#include <cstdint>
#include <string_view>
#include <vector>

namespace attngap {

/// How many replicates a pilot has.
inline constexpr std::int64_t kPilotReplicates = 32;
/// Where they lie: at the last addresses of a cell, which no replicate that is counted uses
/// (`--max-replicates` ends before them).
inline constexpr std::int64_t kFirstPilotReplicate = (std::int64_t{1} << 32) - kPilotReplicates;

/// The metric whose relative standard error `--target-rse` is about: of gaps.
inline constexpr std::string_view kPlannedMetric = "median_relative_error";
/// And of pairs.
inline constexpr std::string_view kPlannedVariance = "kernel_variance";
/// The status of such a row where that was not reached.
inline constexpr std::string_view kNotReached = "rse-not-reached";

/// What the time of a run allows a cell.
struct TimeShare {
  double seconds_left = 0.0;         ///< of the budget
  std::int64_t cells_left = 1;       ///< that have no plan yet, this one among them
  double seconds_a_replicate = 0.0;  ///< of all workers together
};

/// The second stage of a two-stage rule (Stein, Ann. Math. Statist. 16, 1945): from the rows of a pilot the
/// number of fresh replicates to draw, the largest that any series needs and can reach
/// (`replicates_needed`, of a kernel_variance `replicates_needed_of_variance`): one that would take more than
/// `goal.most`, or than the budget allows, is not chased beside others that can be had. Where none can be had
/// it is as many as `goal.most` and the budget allow, whose rows then say rse-not-reached: that much was
/// asked for. A heavy tail in the pilot counts as out of reach. At least as many as a pilot has. The fresh
/// ones are then a sample of fixed size: that its size was chosen by other draws biases no interval.
std::int64_t planned_replicates(const PrecisionGoal& goal, const std::vector<ResultRow>& pilot,
                                const TimeShare* time);

/// Gives rows of the planned metric that are ok but above the goal the status rse-not-reached.
void mark_not_reached(const PrecisionGoal& goal, std::vector<ResultRow>& rows);

}  // namespace attngap
