#pragma once

#include "analysis/gap_statistics.hpp"
#include "experiments/cell_runner.hpp"
#include "experiments/data_source.hpp"

namespace attngap {

/// Up to how many keys a run adds the rows of first-order theory, whose time grows with their square: of maps
/// whose pair moments are matrix products, and of others, where each pair costs a call a query.
inline constexpr Index kPredictedKeys = 4096;
inline constexpr Index kPredictedKeysOneByOne = 512;

/// The gap of every estimator from its target at every count m, on every head: experiment `gap-vs-features`.
/// One cell a head, one series an estimator and count.
RunOutcome run_gap_vs_features(const RunSpec& spec, RunStore& store, const RunControl& control);

/// Loads the head of a cell at the queries the specification asks for; sets `name`.
AttentionProblem load_problem(const RunSpec& spec, std::int64_t cell, std::string& name);

/// What an error is measured against: the estimator's own target, or softmax when the specification says so.
std::string target_name(const RunSpec& spec, const AttentionEstimator& estimator);
Matrix target_of(const RunSpec& spec, const AttentionEstimator& estimator, const AttentionProblem& problem);

/// Throws BadInput unless these are the blocks the replicates of `row` were cut into, as a damaged store may
/// not give them back.
void require_gap_blocks(const ResultRow& row, const Matrix& exact,
                        const std::vector<std::vector<double>>& blocks);

/// Appends one row a metric to `rows`; `row` has everything but metric, numbers and status.
void append_metrics(std::vector<ResultRow>& rows, ResultRow row, const std::vector<Metric>& metrics);

}  // namespace attngap
