#pragma once

#include "analysis/gap_statistics.hpp"
#include "experiments/gap_cell.hpp"

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace attngap {

/// What is timed: an estimator at a count m, or one that draws nothing.
struct Contestant {
  const AttentionEstimator* estimator = nullptr;
  Index draws = 0;
};

/// One head at one length in a run that measures seconds and memory: exact attention, and every estimator
/// that is random or a Taylor polynomial at every count, or at those of its own (`LengthGrid::own_features`).
/// Two series a contestant: its seconds and its bytes.
/// Rows:
///
///   seconds   with its interval; status `scaled` where exact attention was timed at some of the queries
///   MEMORY    as the kind of run calls it
///   speedup   exact seconds / seconds, both means (ratio_delta by replicate)
class CostCell : public Cell {
 public:
  std::string name() const override;
  double exact_seconds() const override { return 0.0; }
  std::vector<ResultRow> rows(const BlocksOfSeries& blocks_of) const override;

 protected:
  /// `estimators` must outlive the cell; `queries` is what its rows say.
  CostCell(RunSpec spec, const Estimators& estimators, std::string data, AttentionProblem problem,
           Index queries, std::string memory);

  const RunSpec& spec() const { return spec_; }
  const AttentionProblem& problem() const { return problem_; }
  const std::vector<Contestant>& contestants() const { return contestants_; }
  bool is_exact(const Contestant& contestant) const { return contestant.estimator == exact_.get(); }

 private:
  /// Whether the seconds of exact attention stand for more than was timed.
  virtual bool scaled() const { return false; }

  ResultRow row_of(const Contestant& contestant) const;
  std::vector<double> joined(const BlocksOfSeries& blocks_of, std::size_t series) const;

  RunSpec spec_;
  std::unique_ptr<AttentionEstimator> exact_;
  std::string data_;
  AttentionProblem problem_;
  Index queries_;
  std::string memory_;
  std::vector<Contestant> contestants_;
};

/// Seconds that some work takes.
double seconds_of(const std::function<void()>& work);

/// The metrics of runs that measure time and memory.
std::span<const NamedMetric> cost_metric_names();

}  // namespace attngap
