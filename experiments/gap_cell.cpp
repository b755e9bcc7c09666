#include "experiments/gap_cell.hpp"

#include "analysis/length_law.hpp"
#include "analysis/prediction.hpp"
#include "estimators/ensemble.hpp"
#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/exact_attention.hpp"
#include "estimators/streamed_ensemble.hpp"

#include <chrono>
#include <limits>
#include <mutex>
#include <set>
#include <utility>

#include <tbb/parallel_for.h>

namespace attngap {
namespace {

std::vector<std::vector<double>> blocks_of(const std::vector<GapAccumulator>& series) {
  std::vector<std::vector<double>> numbers;
  for (const GapAccumulator& each : series) numbers.push_back(each.block());
  return numbers;
}

class StoredWorker final : public ReplicateWorker {
 public:
  StoredWorker(std::size_t counts, std::unique_ptr<AttentionSampler> sampler,
               std::vector<GapAccumulator> series)
      : counts_(counts), sampler_(std::move(sampler)), series_(std::move(series)) {}

 private:
  void start_block() override {
    for (GapAccumulator& series : series_) series.start_block();
  }
  void draw(const StreamAddress& address) override {
    sampler_->draw(address, [&](std::size_t estimator, std::size_t count, const AttentionEstimate& estimate) {
      series_[estimator * counts_ + count].add(estimate);
    });
  }
  std::vector<std::vector<double>> block() const override { return blocks_of(series_); }

  std::size_t counts_;
  std::unique_ptr<AttentionSampler> sampler_;
  std::vector<GapAccumulator> series_;
};

Metric exactly_unbiased() {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  return {"predicted_bias2", {0.0, kNone, kNone, kNone}, "ok"};
}

class StoredGapCell final : public GapCell {
 public:
  StoredGapCell(RunSpec run, const Estimators& estimators, std::string name, AttentionProblem problem)
      : GapCell(std::move(run), estimators, std::move(name)), problem_(std::move(problem)) {
    for (const auto& estimator : estimators) estimator->check(problem_);
    find_targets();
    ensemble_.emplace(problem_, sampled(), spec().features, spec().precision);
  }

  std::unique_ptr<CellWorker> worker() const override {
    return std::make_unique<StoredWorker>(spec().features.size(), ensemble_->sampler(), accumulators());
  }

 private:
  const AttentionProblem& queries() const override { return problem_; }
  Index keys() const override { return problem_.keys(); }
  Matrix exact_target(const AttentionEstimator& estimator) const override {
    return target_of(spec(), estimator, problem_);
  }
  bool has_moments(const AttentionEstimator& estimator) const override {
    return estimator.has_moments() && estimator.terms_have_variance(problem_);
  }

  AttentionEstimate baseline(const AttentionEstimator& estimator) const override {
    const AttentionEstimator* group[] = {&estimator};
    const auto plan = estimator.plan(problem_, group, {}, Precision::float64);
    AttentionEstimate estimate;
    plan->sampler()->draw(
        {}, [&](std::size_t, std::size_t, const AttentionEstimate& answer) { estimate = answer; });
    return estimate;
  }

  // First-order theory, where the error is measured against what the theory is about. Of an unbiased
  // estimator without a closed form for its variance, the bias alone.
  std::vector<std::vector<Metric>> predicted(const AttentionEstimator& estimator) const override {
    if (!spec().predictions || target_name(spec(), estimator) != estimator.target_name()) return {};
    if (!why_unpredictable(estimator).empty())
      return std::vector<std::vector<Metric>>(is_unbiased(estimator) ? spec().features.size() : 0,
                                              {exactly_unbiased()});
    if (problem_.keys() > kPredictedKeys) return {};
    const PredictionsAt predictions(estimator, problem_, spec().features, kPredictedProducts);
    std::vector<std::vector<Metric>> metrics;
    for (std::size_t count = 0; count < spec().features.size(); ++count)
      metrics.push_back(predicted_metrics(predictions.at(count), spec().features[count], problem_.queries()));
    return metrics;
  }

  AttentionProblem problem_;
  std::optional<Ensemble> ensemble_;
};

class StreamedWorker final : public CellWorker {
 public:
  StreamedWorker(std::size_t counts, const StreamedEnsemble& ensemble, std::vector<GapAccumulator> series)
      : counts_(counts), ensemble_(ensemble), series_(std::move(series)) {}

  std::vector<std::vector<double>> draw_block(const ReplicateBlock& block, const DrawWatch& watch) override {
    for (GapAccumulator& series : series_) series.start_block();
    std::vector<StreamAddress> addresses;
    for (std::int64_t offset = 0; offset < block.count; ++offset) addresses.push_back(block.address(offset));
    ensemble_.draw(
        addresses,
        [&](std::size_t, std::size_t estimator, std::size_t count, const AttentionEstimate& estimate) {
          series_[estimator * counts_ + count].add(estimate);
        },
        [&] { return watch.stopped(); });
    if (!watch.stopped()) watch.drawn(block.count);
    return blocks_of(series_);
  }

 private:
  std::size_t counts_;
  const StreamedEnsemble& ensemble_;
  std::vector<GapAccumulator> series_;
};

class StreamedGapCell final : public GapCell {
 public:
  StreamedGapCell(RunSpec run, const Estimators& estimators, const SyntheticSpec& synthetic)
      : GapCell(std::move(run), estimators, synthetic.name),
        synthetic_(synthetic),
        stream_(synthetic),
        problem_(stream_.queries(spec().queries)) {
    problem_.stream = &stream_;
    for (const auto& estimator : estimators) {
      auto fitted = estimator->fitted(problem_);
      if (fitted) fitted_.emplace(estimator.get(), std::move(fitted));
      on_the_stream(*estimator).check(problem_);
      if (!on_the_stream(*estimator).terms_have_variance(problem_)) wild_.insert(estimator.get());
    }
    find_targets();
    std::vector<const AttentionEstimator*> drawn;
    for (const AttentionEstimator* estimator : sampled()) drawn.push_back(&on_the_stream(*estimator));
    ensemble_.emplace(problem_, drawn, spec().features, spec().precision);
  }

  std::unique_ptr<CellWorker> worker() const override {
    return std::make_unique<StreamedWorker>(spec().features.size(), *ensemble_, accumulators());
  }

 private:
  const AttentionProblem& queries() const override { return problem_; }
  Index keys() const override { return stream_.keys(); }
  Matrix exact_target(const AttentionEstimator& estimator) const override {
    if (spec().against_softmax) return make_estimator("exact")->streamed_target(problem_, &at_once);
    return on_the_stream(estimator).streamed_target(problem_, &at_once);
  }
  bool has_moments(const AttentionEstimator& estimator) const override {
    return estimator.has_moments() && !wild_.contains(&estimator);
  }
  AttentionEstimate baseline(const AttentionEstimator& estimator) const override {
    return streamed_estimate(problem_, estimator, &at_once);
  }

  std::vector<std::vector<Metric>> predicted(const AttentionEstimator& estimator) const override {
    if (!spec().predictions || synthetic_.kind != "gaussian" || synthetic_.mask != Mask::none) return {};
    const auto law = LengthLaw::of(estimator, synthetic_.norm * synthetic_.norm, synthetic_.dim);
    if (!law) return {};
    const Matrix& exact = target(estimator);
    const Matrix Q = problem_.scaled_queries();
    std::vector<std::vector<Metric>> metrics;
    for (const Index draws : spec().features)
      metrics.push_back(law->metrics(Q, stream_.value_map(), exact, keys(), draws));
    return metrics;
  }

  static void at_once(std::size_t count, const std::function<void(std::size_t)>& work) {
    tbb::parallel_for(std::size_t{0}, count, work);
  }

  // The estimator with what it takes from all keys, once for all draws.
  const AttentionEstimator& on_the_stream(const AttentionEstimator& estimator) const {
    const auto found = fitted_.find(&estimator);
    return found == fitted_.end() ? estimator : *found->second;
  }

  SyntheticSpec synthetic_;
  SyntheticStream stream_;
  AttentionProblem problem_;
  std::map<const AttentionEstimator*, std::unique_ptr<AttentionEstimator>> fitted_;
  std::set<const AttentionEstimator*> wild_;  // whose terms have no variance here
  std::optional<StreamedEnsemble> ensemble_;
};

}  // namespace

GapCell::GapCell(RunSpec spec, const Estimators& estimators, std::string name)
    : spec_(std::move(spec)), estimators_(estimators), name_(std::move(name)) {
  for (const auto& estimator : estimators_)
    if (estimator->random()) sampled_.push_back(estimator.get());
}

std::string GapCell::name() const {
  return spec_.lengths ? fmt::format("{},length={}", name_, keys()) : name_;
}

void GapCell::find_targets() {
  const auto start = std::chrono::steady_clock::now();
  for (const auto& estimator : estimators_) {
    auto [target, is_new] = targets_.try_emplace(target_name(spec_, *estimator));
    if (is_new) target->second = exact_target(*estimator);
  }
  exact_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::vector<GapAccumulator> GapCell::accumulators() const {
  std::vector<GapAccumulator> series;
  for (const AttentionEstimator* estimator : sampled_)
    for (std::size_t count = 0; count < spec_.features.size(); ++count)
      series.emplace_back(target(*estimator), estimator->denominator(), estimator->post_scaling());
  return series;
}

std::vector<ResultRow> GapCell::rows(const BlocksOfSeries& blocks_of) const {
  std::vector<std::vector<std::vector<Metric>>> predictions(estimators_.size());
  if (!blocks_of.pilot)
    tbb::parallel_for(std::size_t{0}, estimators_.size(), [&](std::size_t i) {
      if (estimators_[i]->random()) predictions[i] = predicted(*estimators_[i]);
    });
  const auto measured = measured_metrics(blocks_of);
  std::vector<ResultRow> rows;
  std::size_t series = 0;
  for (std::size_t i = 0; i < estimators_.size(); ++i) {
    const AttentionEstimator& estimator = *estimators_[i];
    if (!estimator.random()) {
      GapAccumulator accumulator(target(estimator), estimator.denominator());
      accumulator.add(baseline(estimator));
      const ResultRow row = row_of(estimator, 0, 1);
      append_metrics(rows, row, metrics_of(estimator, row, {accumulator.block()}));
      continue;
    }
    for (std::size_t count = 0; count < spec_.features.size(); ++count) {
      const ResultRow row = row_of(estimator, spec_.features[count], blocks_of.replicates);
      append_metrics(rows, row, measured[series++]);
      if (!predictions[i].empty()) append_metrics(rows, row, predictions[i][count]);
    }
  }
  return rows;
}

// Of every series; read one at a time, as the store is one.
std::vector<std::vector<Metric>> GapCell::measured_metrics(const BlocksOfSeries& blocks_of) const {
  const std::size_t counts = spec_.features.size();
  std::vector<std::vector<Metric>> metrics(sampled_.size() * counts);
  std::mutex reading;
  const auto read = [&](std::size_t series) {
    const std::lock_guard lock(reading);
    return blocks_of(static_cast<std::int64_t>(series));
  };
  tbb::parallel_for(
      std::size_t{0}, metrics.size(),
      [&](std::size_t series) {
        const AttentionEstimator& estimator = *sampled_[series / counts];
        const ResultRow row = row_of(estimator, spec_.features[series % counts], blocks_of.replicates);
        metrics[series] = metrics_of(estimator, row, read(series));
      },
      tbb::simple_partitioner{});
  return metrics;
}

const Matrix& GapCell::target(const AttentionEstimator& estimator) const {
  return targets_.at(target_name(spec_, estimator));
}

ResultRow GapCell::row_of(const AttentionEstimator& estimator, Index draws, std::int64_t replicates) const {
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
  row.length = keys();
  row.head_dim = queries().head_dim();
  row.queries = queries().queries();
  row.replicates = replicates;
  return row;
}

std::vector<Metric> GapCell::metrics_of(const AttentionEstimator& estimator, const ResultRow& row,
                                        const std::vector<std::vector<double>>& blocks) const {
  require_gap_blocks(row, target(estimator), blocks);
  return gap_metrics(target(estimator), blocks, has_moments(estimator));
}

std::unique_ptr<Cell> stored_gap_cell(RunSpec spec, const Estimators& estimators, std::string name,
                                      AttentionProblem problem) {
  return std::make_unique<StoredGapCell>(std::move(spec), estimators, std::move(name), std::move(problem));
}

std::unique_ptr<Cell> streamed_gap_cell(RunSpec spec, const Estimators& estimators,
                                        const SyntheticSpec& synthetic) {
  return std::make_unique<StreamedGapCell>(std::move(spec), estimators, synthetic);
}

std::string target_name(const RunSpec& spec, const AttentionEstimator& estimator) {
  return spec.against_softmax ? "softmax" : estimator.target_name();
}

Matrix target_of(const RunSpec& spec, const AttentionEstimator& estimator, const AttentionProblem& problem) {
  return spec.against_softmax ? exact_attention(problem).output : estimator.target(problem);
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

}  // namespace attngap
