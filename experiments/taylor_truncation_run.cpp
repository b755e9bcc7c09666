#include "experiments/taylor_truncation_run.hpp"

#include "analysis/truncation_effect.hpp"
#include "estimators/elementwise.hpp"
#include "estimators/estimator_table.hpp"
#include "experiments/gap_run.hpp"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

namespace attngap {
namespace {

ResultRow row_of(const RunSpec& spec, Index degree) {
  ResultRow row;
  row.experiment = spec.experiment;
  row.estimator = fmt::format("elementwise:degree={}", degree);
  row.dimension = degree + 1;
  row.length = row.head_dim = row.queries = row.replicates = 1;
  return row;
}

// The polynomial itself.
class RangesCell final : public Cell {
 public:
  explicit RangesCell(const RunSpec& spec) : spec_(spec) {}
  std::string name() const override { return "exp"; }
  double exact_seconds() const override { return 0.0; }
  std::unique_ptr<CellWorker> worker() const override { return std::make_unique<IdleWorker>(); }

  std::vector<ResultRow> rows(const BlocksOfSeries&) const override {
    std::vector<ResultRow> rows;
    for (const double radius : spec_.truncation->radii)
      for (const Index degree : spec_.truncation->degrees) {
        ResultRow row = row_of(spec_, degree);
        row.data = fmt::format("exp:radius={}", radius);
        row.target = "exp";
        append_metrics(rows, row, truncation_metrics(static_cast<int>(degree), radius));
      }
    append_values(rows);
    return rows;
  }

 private:
  // The polynomial and exp itself over the largest range that a linear axis shows, at degrees that differ
  // there to the eye.
  void append_values(std::vector<ResultRow>& rows) const {
    constexpr double kWidest = 4.0;
    constexpr Index kPoints = 33, kHighest = 8;
    const double range = std::min(spec_.truncation->radii.back(), kWidest);
    for (Index i = 0; i < kPoints; ++i) {
      const double x = range * (2.0 * static_cast<double>(i) / static_cast<double>(kPoints - 1) - 1.0);
      ResultRow row = row_of(spec_, 0);
      row.data = fmt::format("exp:x={}", x);
      row.target = "exp";
      for (const Index degree : spec_.truncation->degrees) {
        if (degree > kHighest) break;
        row.estimator = row_of(spec_, degree).estimator;
        row.dimension = degree + 1;
        append_metrics(rows, row, {taylor_value(static_cast<int>(degree), x)});
      }
      row.estimator = "elementwise";
      row.dimension = 0;
      append_metrics(rows, row, {exp_value(x)});
    }
  }

  const RunSpec& spec_;
};

// One head: everything is computed when the cell is made.
class HeadCell final : public Cell {
 public:
  HeadCell(const RunSpec& spec, std::int64_t head) {
    const auto start = std::chrono::steady_clock::now();
    const AttentionProblem problem = load_problem(spec, head, name_);
    const Index highest = spec.truncation->degrees.back();
    const Matrix exact = elementwise_attention(problem);
    const ElementwiseByDegree truncated = elementwise_by_degree(problem, highest);
    const std::vector<WeightShift> shifts = weight_shifts(problem, highest);
    for (const Index degree : spec.truncation->degrees) {
      ResultRow row = row_of(spec, degree);
      row.data = name_;
      row.target = make_estimator("elementwise")->target_name();
      row.length = problem.keys();
      row.head_dim = problem.head_dim();
      row.queries = problem.queries();
      const auto t = static_cast<std::size_t>(degree);
      append_metrics(rows_, row,
                     truncation_metrics(problem, static_cast<int>(degree), exact, truncated.output[t],
                                        truncated.nonpositive_denominators[t], shifts[t]));
    }
    exact_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  std::string name() const override { return name_; }
  double exact_seconds() const override { return exact_seconds_; }
  std::unique_ptr<CellWorker> worker() const override { return std::make_unique<IdleWorker>(); }
  std::vector<ResultRow> rows(const BlocksOfSeries&) const override { return rows_; }

 private:
  std::string name_;
  std::vector<ResultRow> rows_;
  double exact_seconds_ = 0.0;
};

}  // namespace

CellMaker taylor_truncation_cells(const RunSpec& spec) {
  return [&spec](std::int64_t index) -> std::unique_ptr<Cell> {
    if (index == 0) return std::make_unique<RangesCell>(spec);
    return std::make_unique<HeadCell>(spec, index - 1);
  };
}

}  // namespace attngap
