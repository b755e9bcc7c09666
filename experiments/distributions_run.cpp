#include "experiments/distributions_run.hpp"

#include "analysis/distribution_statistics.hpp"
#include "estimators/ensemble.hpp"
#include "estimators/error.hpp"
#include "experiments/gap_run.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>

namespace attngap {
namespace {

// What one estimator is counted against.
struct Counted {
  const AttentionEstimator* estimator = nullptr;
  const Matrix* target = nullptr;
  std::optional<Vector> log_mean;
};

std::vector<DistributionAccumulator> accumulators(const std::vector<Counted>& counted, std::size_t counts) {
  std::vector<DistributionAccumulator> series;
  for (const Counted& one : counted)
    for (std::size_t count = 0; count < counts; ++count)
      series.emplace_back(*one.target, one.log_mean, one.estimator->denominator(),
                          one.estimator->post_scaling());
  return series;
}

class DistributionsWorker final : public ReplicateWorker {
 public:
  DistributionsWorker(const std::vector<Counted>& counted, std::size_t counts,
                      std::unique_ptr<AttentionSampler> sampler)
      : counts_(counts), sampler_(std::move(sampler)), series_(accumulators(counted, counts)) {}

 private:
  void start_block() override {
    for (DistributionAccumulator& series : series_) series.start_block();
  }
  void draw(const StreamAddress& address) override {
    sampler_->draw(address, [&](std::size_t estimator, std::size_t count, const AttentionEstimate& estimate) {
      series_[estimator * counts_ + count].add(estimate);
    });
  }
  std::vector<std::vector<double>> block() const override {
    std::vector<std::vector<double>> numbers;
    for (const DistributionAccumulator& series : series_) numbers.push_back(series.block());
    return numbers;
  }

  std::size_t counts_;
  std::unique_ptr<AttentionSampler> sampler_;
  std::vector<DistributionAccumulator> series_;
};

class DistributionsCell final : public Cell {
 public:
  DistributionsCell(const RunSpec& spec, std::int64_t index, const Estimators& estimators)
      : spec_(spec), problem_(load_problem(spec, index, name_)) {
    const auto start = std::chrono::steady_clock::now();
    std::vector<const AttentionEstimator*> sampled;
    for (const auto& estimator : estimators) {
      if (!estimator->random()) continue;
      estimator->check(problem_);
      sampled.push_back(estimator.get());
      auto [target, is_new] = targets_.try_emplace(target_name(spec_, *estimator));
      if (is_new) target->second = target_of(spec_, *estimator, problem_);
      const auto* ratio = dynamic_cast<const RatioEstimator*>(estimator.get());
      counted_.push_back({estimator.get(), &target->second,
                          ratio == nullptr ? std::nullopt : log_mean_denominators(*ratio, problem_)});
    }
    exact_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    ensemble_.emplace(problem_, sampled, spec_.features, spec_.precision);
  }

  std::string name() const override { return name_; }
  double exact_seconds() const override { return exact_seconds_; }
  std::unique_ptr<CellWorker> worker() const override {
    return std::make_unique<DistributionsWorker>(counted_, spec_.features.size(), ensemble_->sampler());
  }

  std::vector<ResultRow> rows(const BlocksOfSeries& blocks_of) const override {
    std::vector<ResultRow> rows;
    std::int64_t series = 0;
    for (const Counted& one : counted_)
      for (const Index draws : spec_.features)
        append(rows, one, draws, blocks_of.replicates, blocks_of(series++));
    return rows;
  }

 private:
  void append(std::vector<ResultRow>& rows, const Counted& one, Index draws, std::int64_t replicates,
              const std::vector<std::vector<double>>& blocks) const {
    Spec shown = one.estimator->spec();
    shown.options.erase("projection");
    ResultRow row;
    row.experiment = spec_.experiment;
    row.data = name_;
    row.estimator = shown.text();
    row.projection = one.estimator->projection();
    row.target = target_name(spec_, *one.estimator);
    row.draws = draws;
    row.dimension = one.estimator->dimension(draws);
    row.length = problem_.keys();
    row.head_dim = problem_.head_dim();
    row.queries = problem_.queries();
    row.replicates = replicates;
    require_blocks(row, one.log_mean.has_value(), blocks);
    for (const LevelMetric& at : distribution_metrics(problem_.queries(), one.log_mean.has_value(), blocks)) {
      append_metrics(rows, row, {at.metric});
      rows.back().metric += fmt::format(":x={}", at.level);
    }
  }

  void require_blocks(const ResultRow& row, bool denominators,
                      const std::vector<std::vector<double>>& blocks) const {
    const ReplicateBlocks cut(row.replicates);
    bool whole = std::cmp_equal(blocks.size(), cut.count());
    for (std::size_t i = 0; whole && i < blocks.size(); ++i) {
      const auto block = static_cast<std::int64_t>(i);
      whole = is_distribution_block(blocks[i], problem_.queries(), denominators,
                                    cut.first(block + 1) - cut.first(block));
    }
    require(whole,
            "run.sqlite: the stored blocks of {} on {} are damaged; delete the directory and run again",
            row.estimator, row.data);
  }

  const RunSpec& spec_;
  std::string name_;
  AttentionProblem problem_;
  std::map<std::string, Matrix> targets_;
  std::vector<Counted> counted_;
  std::optional<Ensemble> ensemble_;
  double exact_seconds_ = 0.0;
};

}  // namespace

CellMaker distributions_cells(const RunSpec& spec) {
  return [&spec, estimators = std::make_shared<Estimators>(make_estimators(spec.estimators))](
             std::int64_t index) { return std::make_unique<DistributionsCell>(spec, index, *estimators); };
}

}  // namespace attngap
