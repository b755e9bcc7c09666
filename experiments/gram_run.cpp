#include "experiments/gram_run.hpp"

#include "analysis/gram_statistics.hpp"
#include "estimators/ensemble.hpp"
#include "estimators/error.hpp"
#include "experiments/data_source.hpp"
#include "experiments/gap_cell.hpp"
#include "experiments/kernel_variance_run.hpp"
#include "experiments/memory_need.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

namespace attngap {
namespace {

constexpr Index kMostPoints = 4096;

const RatioEstimator& as_ratio(const AttentionEstimator& estimator) {
  return dynamic_cast<const RatioEstimator&>(estimator);
}

Index points_of(const RunSpec& spec, const AttentionProblem& head) {
  return spec.queries == 0 ? head.keys() : std::min(spec.queries, head.keys());
}

// The scaled keys of a head, evenly spread, as a problem of their Gram matrix.
AttentionProblem load_points(const RunSpec& spec, const AttentionProblem& head) {
  const Matrix keys = head.scaled_keys();
  const std::vector<Index> chosen = spread_queries(head.keys(), points_of(spec, head));
  Matrix points(static_cast<Index>(chosen.size()), keys.cols());
  for (std::size_t i = 0; i < chosen.size(); ++i) points.row(static_cast<Index>(i)) = keys.row(chosen[i]);
  return gram_problem(points);
}

Matrix target_of_points(const RunSpec& spec, const AttentionEstimator& estimator,
                        const AttentionProblem& problem) {
  if (spec.against_softmax) return (problem.Q * problem.Q.transpose()).array().exp();
  return gram_target(as_ratio(estimator), problem.Q);
}

// Two numbers a replicate: GramError.
class GramWorker final : public ReplicateWorker {
 public:
  GramWorker(std::vector<const Matrix*> targets, std::size_t counts,
             std::unique_ptr<AttentionSampler> sampler)
      : targets_(std::move(targets)),
        counts_(counts),
        sampler_(std::move(sampler)),
        series_(targets_.size() * counts) {}

 private:
  void start_block() override {
    for (auto& series : series_) series.clear();
  }
  void draw(const StreamAddress& address) override {
    sampler_->draw(address, [&](std::size_t estimator, std::size_t count, const AttentionEstimate& estimate) {
      const GramError error = gram_error(estimate, *targets_[estimator]);
      auto& series = series_[estimator * counts_ + count];
      series.push_back(error.mean_absolute);
      series.push_back(error.relative);
    });
  }
  std::vector<std::vector<double>> block() const override { return series_; }

  std::vector<const Matrix*> targets_;
  std::size_t counts_;
  std::unique_ptr<AttentionSampler> sampler_;
  std::vector<std::vector<double>> series_;
};

class GramCell final : public Cell {
 public:
  GramCell(const RunSpec& spec, const Estimators& estimators, Dataset head)
      : spec_(spec),
        estimators_(estimators),
        name_(std::move(head.name)),
        problem_(load_points(spec, head.problem)) {
    const auto start = std::chrono::steady_clock::now();
    std::vector<const AttentionEstimator*> sampled;
    for (const auto& estimator : estimators_) {
      sampled.push_back(estimator.get());
      auto [target, is_new] = targets_.try_emplace(target_name(spec_, *estimator));
      if (is_new) target->second = target_of_points(spec_, *estimator, problem_);
    }
    exact_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    ensemble_.emplace(problem_, sampled, spec_.features, spec_.precision);
  }

  std::string name() const override { return name_; }
  double exact_seconds() const override { return exact_seconds_; }
  std::unique_ptr<CellWorker> worker() const override {
    std::vector<const Matrix*> targets;
    for (const auto& estimator : estimators_) targets.push_back(&targets_.at(target_name(spec_, *estimator)));
    return std::make_unique<GramWorker>(std::move(targets), spec_.features.size(), ensemble_->sampler());
  }

  std::vector<ResultRow> rows(const BlocksOfSeries& blocks_of) const override {
    std::vector<ResultRow> rows;
    std::int64_t series = 0;
    for (const auto& estimator : estimators_)
      for (const Index draws : spec_.features) {
        const ResultRow row = row_of(*estimator, draws, blocks_of.replicates);
        const auto errors = errors_of(blocks_of(series++), row);
        append_metrics(rows, row, gram_metrics(errors, estimator->terms_have_variance(problem_)));
      }
    return rows;
  }

 private:
  ResultRow row_of(const AttentionEstimator& estimator, Index draws, std::int64_t replicates) const {
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
    row.length = row.queries = problem_.keys();
    row.head_dim = problem_.head_dim();
    row.replicates = replicates;
    return row;
  }

  // The replicates in their order, from blocks a damaged store may not give back.
  static std::vector<GramError> errors_of(const std::vector<std::vector<double>>& blocks,
                                          const ResultRow& row) {
    std::vector<GramError> errors;
    bool whole = true;
    for (const auto& block : blocks) {
      whole = whole && block.size() % 2 == 0;
      for (std::size_t i = 0; i + 1 < block.size(); i += 2) errors.push_back({block[i], block[i + 1]});
    }
    require(whole && std::cmp_equal(errors.size(), row.replicates),
            "run.sqlite: the stored blocks of {} on {} are damaged; delete the directory and run again",
            row.estimator, row.data);
    return errors;
  }

  const RunSpec& spec_;
  const Estimators& estimators_;
  std::string name_;
  AttentionProblem problem_;
  std::map<std::string, Matrix> targets_;
  std::optional<Ensemble> ensemble_;
  double exact_seconds_ = 0.0;
};

// Before anything of size n² is made.
void require_points_fit(const RunSpec& spec, const Dataset& head, int threads) {
  const Index n = points_of(spec, head.problem);
  require(n <= kMostPoints, "{}: {} points; a Gram matrix of at most {} is made, so give --queries",
          head.name, n, kMostPoints);
  const auto estimators = static_cast<double>(spec.estimators.size());
  const auto counts = static_cast<double>(spec.features.size());
  // A target an estimator; of every thread its estimates at all counts, and the difference.
  require_memory(sizeof(double) * static_cast<double>(n * n) * (estimators + threads * estimators * counts),
                 fmt::format("the Gram matrices of {} points", n), "use fewer --queries or --threads");
  require_memory(direction_bytes(spec.features.back(), head.problem.head_dim(), threads),
                 fmt::format("--features: {} directions on {} threads", spec.features.back(), threads),
                 "use a smaller m or fewer --threads");
}

}  // namespace

CellMaker gram_error_cells(const RunSpec& spec) {
  return [&spec, estimators = std::make_shared<Estimators>(
                     make_kernel_estimators(spec.estimators, spec.experiment))](std::int64_t index) {
    return std::make_unique<GramCell>(spec, *estimators,
                                      load_dataset(spec.data[static_cast<std::size_t>(index)]));
  };
}

std::vector<std::string> check_points(const RunSpec& spec, int threads) {
  const Estimators estimators = make_kernel_estimators(spec.estimators, spec.experiment);
  std::vector<std::string> identities, names;
  for (const std::string& argument : spec.data) {
    const Dataset head = load_dataset(argument);
    require_points_fit(spec, head, threads);
    const AttentionProblem problem = load_points(spec, head.problem);
    for (const auto& estimator : estimators) estimator->check(problem);
    require(std::find(names.begin(), names.end(), head.name) == names.end(),
            "--data: two heads are called {}; give one a name with name=…", head.name);
    names.push_back(head.name);
    identities.push_back(head_identity(head));
  }
  return identities;
}

}  // namespace attngap
