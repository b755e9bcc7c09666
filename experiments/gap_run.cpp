#include "experiments/gap_run.hpp"

#include "analysis/prediction.hpp"
#include "estimators/ensemble.hpp"
#include "estimators/error.hpp"

#include <chrono>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include <tbb/parallel_for.h>

namespace attngap {
namespace {

class GapWorker final : public ReplicateWorker {
 public:
  GapWorker(std::size_t counts, std::unique_ptr<AttentionSampler> sampler)
      : counts_(counts), sampler_(std::move(sampler)) {}

  void add_series(const Matrix& target, const AttentionEstimator& estimator) {
    series_.emplace_back(target, estimator.denominator(), estimator.post_scaling());
  }

  void start_block() override {
    for (GapAccumulator& series : series_) series.start_block();
  }

  void draw(const StreamAddress& address) override {
    sampler_->draw(address, [&](std::size_t estimator, std::size_t count, const AttentionEstimate& estimate) {
      series_[estimator * counts_ + count].add(estimate);
    });
  }

  std::vector<std::vector<double>> block() const override {
    std::vector<std::vector<double>> numbers;
    for (const GapAccumulator& series : series_) numbers.push_back(series.block());
    return numbers;
  }

 private:
  std::size_t counts_;
  std::unique_ptr<AttentionSampler> sampler_;
  std::vector<GapAccumulator> series_;
};

// One head: its problem at the measured queries, and the targets.
class GapCell final : public Cell {
 public:
  GapCell(const RunSpec& spec, std::int64_t index,
          const std::vector<std::unique_ptr<AttentionEstimator>>& estimators)
      : spec_(spec), estimators_(estimators), problem_(load_problem(spec, index, name_)) {
    const auto start = std::chrono::steady_clock::now();
    for (const auto& estimator : estimators_) {
      estimator->check(problem_);
      auto [target, is_new] = targets_.try_emplace(target_name(spec_, *estimator));
      if (is_new) target->second = target_of(spec_, *estimator, problem_);
      if (estimator->random()) sampled_.push_back(estimator.get());
    }
    exact_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    ensemble_.emplace(problem_, sampled_, spec_.features, spec_.precision);
  }

  std::string name() const override { return name_; }
  double exact_seconds() const override { return exact_seconds_; }

  std::unique_ptr<CellWorker> worker() const override {
    auto worker = std::make_unique<GapWorker>(spec_.features.size(), ensemble_->sampler());
    for (const AttentionEstimator* estimator : sampled_)
      for (std::size_t count = 0; count < spec_.features.size(); ++count)
        worker->add_series(target(*estimator), *estimator);
    return worker;
  }

  std::vector<ResultRow> rows(const BlocksOfSeries& blocks_of) const override {
    std::vector<std::optional<RatioPrediction>> predictions(estimators_.size());
    tbb::parallel_for(std::size_t{0}, estimators_.size(),
                      [&](std::size_t i) { predictions[i] = predicted(*estimators_[i]); });
    std::vector<ResultRow> rows;
    std::int64_t series = 0;
    for (std::size_t i = 0; i < estimators_.size(); ++i) {
      const auto& estimator = estimators_[i];
      if (!estimator->random()) {
        append(rows, *estimator, 0, 1, {baseline_block(*estimator)});
        continue;
      }
      const auto& prediction = predictions[i];
      for (const Index draws : spec_.features) {
        append(rows, *estimator, draws, spec_.replicates, blocks_of(series++));
        if (!prediction) continue;
        const ResultRow row = rows.back();
        append_metrics(rows, row, predicted_metrics(*prediction, draws));
      }
    }
    return rows;
  }

 private:
  const Matrix& target(const AttentionEstimator& estimator) const {
    return targets_.at(target_name(spec_, estimator));
  }

  // First-order theory, where the error is measured against what the theory is about.
  std::optional<RatioPrediction> predicted(const AttentionEstimator& estimator) const {
    const auto* ratio = dynamic_cast<const RatioEstimator*>(&estimator);
    if (!spec_.predictions || !why_unpredictable(estimator).empty() || row_target_differs(estimator))
      return std::nullopt;
    if (problem_.keys() > kPredictedKeys)
      return std::nullopt;  // before a copy of the head is made to ask more
    const Index most = predicts_by_products(*ratio, problem_) ? kPredictedKeys : kPredictedKeysOneByOne;
    if (problem_.keys() > most) return std::nullopt;
    return predict(*ratio, problem_);
  }

  bool row_target_differs(const AttentionEstimator& estimator) const {
    return target_name(spec_, estimator) != estimator.target_name();
  }

  std::vector<double> baseline_block(const AttentionEstimator& baseline) const {
    const AttentionEstimator* group[] = {&baseline};
    const auto plan = baseline.plan(problem_, group, {}, Precision::float64);
    GapAccumulator accumulator(target(baseline), baseline.denominator());
    plan->sampler()->draw({},
                          [&](std::size_t, std::size_t, const AttentionEstimate& e) { accumulator.add(e); });
    return accumulator.block();
  }

  void append(std::vector<ResultRow>& rows, const AttentionEstimator& estimator, Index draws,
              std::int64_t replicates, const std::vector<std::vector<double>>& blocks) const {
    Spec shown = estimator.spec();
    shown.options.erase("projection");
    ResultRow row;
    row.experiment = spec_.experiment;
    row.data = name_;
    row.estimator = shown.text();
    row.projection = estimator.projection();
    row.target = target_name(spec_, estimator);
    row.draws = draws;
    row.dimension = estimator.dimension(draws);
    row.length = problem_.keys();
    row.head_dim = problem_.head_dim();
    row.queries = problem_.queries();
    row.replicates = replicates;
    require_gap_blocks(row, target(estimator), blocks);
    append_metrics(rows, row,
                   gap_metrics(target(estimator), blocks,
                               estimator.has_moments() && estimator.terms_have_variance(problem_)));
  }

  const RunSpec& spec_;
  const std::vector<std::unique_ptr<AttentionEstimator>>& estimators_;
  std::string name_;
  AttentionProblem problem_;
  std::map<std::string, Matrix> targets_;
  std::vector<const AttentionEstimator*> sampled_;
  std::optional<Ensemble> ensemble_;
  double exact_seconds_ = 0.0;
};

}  // namespace

AttentionProblem load_problem(const RunSpec& spec, std::int64_t cell, std::string& name) {
  Dataset dataset = load_dataset(spec.data[static_cast<std::size_t>(cell)]);
  name = std::move(dataset.name);
  return spec.queries == 0 ? std::move(dataset.problem) : sample_queries(dataset.problem, spec.queries);
}

std::string target_name(const RunSpec& spec, const AttentionEstimator& estimator) {
  return spec.against_softmax ? "softmax" : estimator.target_name();
}

Matrix target_of(const RunSpec& spec, const AttentionEstimator& estimator, const AttentionProblem& problem) {
  return spec.against_softmax ? estimator.AttentionEstimator::target(problem) : estimator.target(problem);
}

void require_gap_blocks(const ResultRow& row, const Matrix& exact,
                        const std::vector<std::vector<double>>& blocks) {
  const ReplicateBlocks cut(row.replicates);
  bool whole = std::cmp_equal(blocks.size(), cut.count());
  for (std::size_t i = 0; whole && i < blocks.size(); ++i) {
    const auto block = static_cast<std::int64_t>(i);
    whole = is_gap_block(blocks[i], exact, cut.first(block + 1) - cut.first(block));
  }
  require(whole, "run.sqlite: the stored blocks of {} on {} are damaged; delete the directory and run again",
          row.estimator, row.data);
}

void append_metrics(std::vector<ResultRow>& rows, ResultRow row, const std::vector<Metric>& metrics) {
  for (const Metric& metric : metrics) {
    row.metric = metric.name;
    row.value = metric.estimated.value;
    row.std_error = metric.estimated.std_error;
    row.ci_low = metric.estimated.low;
    row.ci_high = metric.estimated.high;
    row.status = metric.status;
    rows.push_back(row);
  }
}

RunOutcome run_gap_vs_features(const RunSpec& spec, RunStore& store, const RunControl& control) {
  const auto estimators = make_estimators(spec.estimators);
  const auto make = [&](std::int64_t index) { return std::make_unique<GapCell>(spec, index, estimators); };
  return run_cells(spec, static_cast<std::int64_t>(spec.data.size()), make, store, control);
}

}  // namespace attngap
