#pragma once

#include "analysis/gap_statistics.hpp"
#include "experiments/cell_runner.hpp"
#include "experiments/synthetic_stream.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace attngap {

/// Up to how many keys a run adds the rows of first-order theory, whose time grows with their square.
inline constexpr Index kPredictedKeys = 4096;
/// Multiplications for these rows of one estimator: about a minute of one thread. It is enough for 256
/// queries of so many keys (d = p = 64), but where every count costs its own (lara, allocated degrees) and
/// for arccos features of orthogonal directions. Beyond it the rows are averages over some of the queries,
/// with the standard error of that.
inline constexpr double kPredictedProducts = 1.5e12;

/// Estimators in the order of their table.
using Estimators = std::vector<std::unique_ptr<AttentionEstimator>>;

/// One head of a gap experiment at the counts `features` of its specification: the targets at the measured
/// queries, a series an estimator and count, and their rows. Where keys and values come from is its kinds'.
class GapCell : public Cell {
 public:
  std::string name() const override;
  double exact_seconds() const override { return exact_seconds_; }
  std::vector<ResultRow> rows(const BlocksOfSeries& blocks_of) const override;

 protected:
  /// `estimators` must outlive the cell.
  GapCell(RunSpec spec, const Estimators& estimators, std::string name);

  /// Computes the targets; called once by every kind, when it can answer `exact_target`.
  void find_targets();

  const RunSpec& spec() const { return spec_; }
  const std::vector<const AttentionEstimator*>& sampled() const { return sampled_; }

  /// An accumulator a series, in the order of the stored ones.
  std::vector<GapAccumulator> accumulators() const;

  /// What `find_targets` has found for an estimator.
  const Matrix& target(const AttentionEstimator& estimator) const;

 private:
  virtual const AttentionProblem& queries() const = 0;
  virtual Index keys() const = 0;
  virtual Matrix exact_target(const AttentionEstimator& estimator) const = 0;
  virtual AttentionEstimate baseline(const AttentionEstimator& estimator) const = 0;
  virtual bool has_moments(const AttentionEstimator& estimator) const = 0;

  /// What theory says of an estimator at each count of the specification; empty where it says nothing.
  virtual std::vector<std::vector<Metric>> predicted(const AttentionEstimator& estimator) const = 0;

  std::vector<std::vector<Metric>> measured_metrics(const BlocksOfSeries& blocks_of) const;
  std::vector<Metric> metrics_of(const AttentionEstimator& estimator, const ResultRow& row,
                                 const std::vector<std::vector<double>>& blocks) const;

  /// All of a row but its metric.
  ResultRow row_of(const AttentionEstimator& estimator, Index draws, std::int64_t replicates) const;

  RunSpec spec_;
  const Estimators& estimators_;
  std::string name_;
  std::map<std::string, Matrix> targets_;
  std::vector<const AttentionEstimator*> sampled_;
  double exact_seconds_ = 0.0;
};

/// A head that is held as a whole; `problem` is at the measured queries.
std::unique_ptr<Cell> stored_gap_cell(RunSpec spec, const Estimators& estimators, std::string name,
                                      AttentionProblem problem);

/// A synthetic problem that is only held in segments. All estimators must `streams`. First-order theory
/// is that of `LengthLaw`, for gaussian tokens.
std::unique_ptr<Cell> streamed_gap_cell(RunSpec spec, const Estimators& estimators,
                                        const SyntheticSpec& synthetic);

/// What an error is measured against: the estimator's own target, or softmax when the specification says so.
std::string target_name(const RunSpec& spec, const AttentionEstimator& estimator);
/// That target, computed exactly: n×p.
Matrix target_of(const RunSpec& spec, const AttentionEstimator& estimator, const AttentionProblem& problem);

/// Throws BadInput unless these are the blocks the replicates of `row` were cut into, as a damaged store may
/// not give them back.
void require_gap_blocks(const ResultRow& row, const Matrix& exact,
                        const std::vector<std::vector<double>>& blocks);

/// Appends one row a metric to `rows`; `row` has everything but metric, numbers and status.
void append_metrics(std::vector<ResultRow>& rows, ResultRow row, const std::vector<Metric>& metrics);

}  // namespace attngap
