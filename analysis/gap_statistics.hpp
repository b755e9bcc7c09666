#pragma once

#include "analysis/inference.hpp"
#include "estimators/attention_estimator.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace attngap {

/// A number that says how far an estimator is from its target, and whether it may be trusted.
struct Metric {
  std::string_view name;
  Estimated estimated;
  /// ok, no-moment (mean or variance do not exist), nonfinite (some output was not a number), few-replicates
  /// (too few for a standard error)
  std::string_view status;
};

/// A metric's name and what it is, for `attngap list` and the README: first those of `gap_metrics` in its
/// order, then those of `predicted_metrics` (prediction.hpp).
struct NamedMetric {
  std::string_view name;
  std::string_view meaning;
  /// Otherwise computed without a draw, and with a standard error only where some of the queries stand for
  /// all.
  bool drawn = true;
};

/// Every metric of gap experiments, in that order.
std::span<const NamedMetric> gap_metric_names();

/// The errors of one estimator at one count m over a block of replicates, streamed.
///
/// Per output element (i, c) the mean error; over all elements the sum of squared deviations from it; per
/// replicate the mean square, the largest error, how many denominators were below zero and how many queries
/// not finite; per replicate and query ‖error‖/‖exact‖. Welford's update throughout: nothing is found by
/// subtraction.
class GapAccumulator {
 public:
  /// `exact` is n×p and must outlive the accumulator.
  explicit GapAccumulator(const Matrix& exact, DenominatorPolicy policy = {}, PostScaling post = {});

  void start_block();
  void add(const AttentionEstimate& estimate);

  /// The block as a row of doubles, for a store: see `gap_metrics`.
  std::vector<double> block() const;

 private:
  void to_relative_errors(Eigen::Ref<Vector> squares) const;

  const Matrix& exact_;
  DenominatorPolicy policy_;
  PostScaling post_;
  Vector exact_norms_;
  std::vector<Index> exact_zeros_;  // queries whose exact output is zero
  std::int64_t count_ = 0;
  double squared_deviations_ = 0.0;
  Matrix mean_;
  Eigen::RowVectorXd error_;
  std::vector<double> per_replicate_;    // kPerReplicate numbers each
  std::vector<double> relative_errors_;  // n a replicate
};

/// Whether these doubles have the size of a block of `replicates`, as a stored one must before it is read.
bool is_gap_block(const std::vector<double>& block, const Matrix& exact, std::int64_t replicates);

/// The metrics of the gap from the blocks of all replicates, in block order.
///
///   mse = bias2 + variance      per output element, both parts unbiased: bias2 = ‖mean error‖² − variance/R
///   relative_mse                Σ‖error‖²/Σ‖exact‖²
///   median_relative_error       median over replicates and queries of ‖error‖/‖exact‖, and its quartiles
///   max_error                   mean over replicates of the largest |error| of a draw
///   negative_denominators, nonfinite   how many, of replicates × queries
///
/// Standard errors: by replicate (mse, max_error, counts), by the jackknife over blocks (bias2, variance), by
/// clusters (quantiles). With `has_moments` false the first four and max_error carry status no-moment. A
/// metric that would be ok but has no standard error is few-replicates: with two replicates bias2 and
/// variance, of whose jackknife one replicate would be left, and the quantiles. One block of one replicate is
/// taken as a deterministic estimator: variance and standard errors are zero.
std::vector<Metric> gap_metrics(const Matrix& exact, const std::vector<std::vector<double>>& blocks,
                                bool has_moments);

}  // namespace attngap
