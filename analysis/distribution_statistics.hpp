#pragma once

#include "analysis/gap_statistics.hpp"
#include "estimators/ratio_estimator.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace attngap {

/// The relative errors ‖error‖/‖exact‖ whose exceeding is counted: eight a decade, from 10⁻³ to 10⁴.
std::span<const double> error_levels();

/// The denominators over their expectation below which is counted: 0, and eight a decade from 0.01 to 100 on
/// both sides of it. The levels depend on no data, so that counts of any runs can be added up.
std::span<const double> denominator_levels();

/// ln E[D_i] of every query, D_i = Σ_j φ(q_i)·φ(k_j) in units of the kernel as `AttentionEstimate` has it,
/// from the exact kernel of the features: n numbers. Nothing for gated attention, whose weights are known up
/// to a factor a query. Time O(n l d).
std::optional<Vector> log_mean_denominators(const RatioEstimator& estimator, const AttentionProblem& problem);

/// Where the errors and the denominators of one estimator at one m fall, over a block of replicates: whole
/// numbers, so that any merge of blocks is exact.
class DistributionAccumulator {
 public:
  /// `exact` is n×p and must outlive the accumulator. `log_mean` are the logarithms of the denominators'
  /// expectations; without them denominators are not counted.
  DistributionAccumulator(const Matrix& exact, std::optional<Vector> log_mean, DenominatorPolicy policy = {},
                          PostScaling post = {});

  void start_block() { counts_.clear(); }
  void add(const AttentionEstimate& estimate);

  /// For every replicate how many queries fall between neighbouring levels: the errors, then the
  /// denominators.
  std::vector<double> block() const { return counts_; }

 private:
  const Matrix& exact_;
  std::optional<Vector> log_mean_;
  DenominatorPolicy policy_;
  PostScaling post_;
  std::vector<double> counts_;
};

/// Whether these doubles have the size of a block of `replicates`, and hold counts of `queries` queries.
bool is_distribution_block(const std::vector<double>& block, Index queries, bool denominators,
                           std::int64_t replicates);

/// A share of replicates × queries at a level; `metric.name` is the part before the level.
struct LevelMetric {
  Metric metric;
  double level = 0.0;
};

/// From the blocks of all replicates, in block order:
///
///   relative_error_above:x=…   the share of errors beyond x; an output that is no number is beyond all
///   denominator_below:x=…      the share of denominators below x times their expectation; at 0 the negative
///
/// Standard error and 95 % interval by replicate, whose queries share a draw, cut to [0, 1]. A share that is
/// 0 (or 1) in every one of R replicates has no standard error; its interval ends at 1 − 0.025^{1/R} (or
/// begins at 0.025^{1/R}), since a replicate without any such query was met R times in a row (Clopper and
/// Pearson 1934).
std::vector<LevelMetric> distribution_metrics(Index queries, bool denominators,
                                              const std::vector<std::vector<double>>& blocks);

/// The metrics of `distributions`, for `attngap list`.
std::span<const NamedMetric> distribution_metric_names();

}  // namespace attngap
