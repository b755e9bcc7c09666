#include "experiments/control_variates_run.hpp"

#include "estimators/decomposition.hpp"
#include "estimators/error.hpp"
#include "estimators/exact_attention.hpp"
#include "experiments/gap_run.hpp"

#include <chrono>
#include <map>

namespace attngap {
namespace {

constexpr Index kGroups = 8;

// An estimator under one policy.
struct Path {
  const AttentionEstimator* estimator = nullptr;
  NamedCoefficient policy;
  bool own_groups = false;  ///< the estimator's draw says which keys form a group (EVA)
};

// One head: its problem, the exact outputs, and the coefficients of the regression policy, one a query.
class ControlVariateCell final : public Cell {
 public:
  ControlVariateCell(const RunSpec& spec, std::int64_t index,
                     const std::vector<std::unique_ptr<AttentionEstimator>>& estimators)
      : spec_(spec), problem_(load_problem(spec, index, name_)) {
    const auto start = std::chrono::steady_clock::now();
    for (const auto& estimator : estimators) {
      if (!estimator->random()) continue;
      estimator->check(problem_);
      targets_[estimator.get()] = estimator->target(problem_);
      const bool own_groups = !estimator->key_weights(problem_, 0, spec_.features.front(), {}).group.empty();
      for (const NamedCoefficient& policy : coefficients())
        if (serves(*estimator, policy.coefficient)) paths_.push_back({estimator.get(), policy, own_groups});
    }
    exact_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  std::string name() const override { return name_; }
  double exact_seconds() const override { return exact_seconds_; }
  std::unique_ptr<CellWorker> worker() const override;

  std::vector<ResultRow> rows(const BlocksOfSeries& blocks_of) const override {
    std::vector<ResultRow> rows;
    std::int64_t series = 0;
    for (const Path& path : paths_) {
      Spec shown = path.estimator->spec();
      shown.options.erase("projection");
      shown.options["coefficient"] = path.policy.name;
      if (path.policy.coefficient == Coefficient::group && !path.own_groups)
        shown.options["coefficient-groups"] = std::to_string(kGroups);
      // With the exact shared or own coefficients an estimate is linear in bounded or square-integrable
      // terms.
      const bool ratio =
          path.policy.coefficient == Coefficient::ratio || path.policy.coefficient == Coefficient::group;
      for (const Index draws : spec_.features) {
        const ResultRow row{spec_.experiment,
                            name_,
                            shown.text(),
                            path.estimator->projection(),
                            path.estimator->target_name(),
                            draws,
                            path.estimator->dimension(draws),
                            problem_.keys(),
                            problem_.head_dim(),
                            problem_.queries(),
                            spec_.replicates,
                            "",
                            0,
                            0,
                            0,
                            0,
                            ""};
        const auto blocks = blocks_of(series++);
        require_gap_blocks(row, targets_.at(path.estimator), blocks);
        append_metrics(
            rows, row,
            gap_metrics(targets_.at(path.estimator), blocks, !ratio || path.estimator->has_moments()));
      }
    }
    return rows;
  }

 private:
  friend class ControlVariateWorker;

  // Whether the policy has what it needs; finds the regression coefficients on the way.
  bool serves(const AttentionEstimator& estimator, Coefficient coefficient) {
    try {
      if (coefficient == Coefficient::estimated)
        return estimator.key_weights(problem_, 0, 2, {}).direction_sums.rows() == 2 &&
               spec_.features.front() >= 2;
      if (coefficient != Coefficient::regression) return true;
      for (Index i = 0; i < problem_.queries(); ++i)
        regressions_[&estimator].push_back(regression_coefficient(
            estimator.key_covariance(problem_, i), estimator.key_weights(problem_, i, 1, {}).expected,
            problem_.V.topRows(problem_.visible_keys(i))));
      return true;
    } catch (const BadInput&) {
      return false;
    }
  }

  const RunSpec& spec_;
  std::string name_;
  AttentionProblem problem_;
  std::map<const AttentionEstimator*, Matrix> targets_;
  std::map<const AttentionEstimator*, std::vector<Vector>> regressions_;
  std::vector<Path> paths_;
  double exact_seconds_ = 0.0;
};

// Every policy of an estimator sees the same draw of every query.
class ControlVariateWorker final : public CellWorker {
 public:
  explicit ControlVariateWorker(const ControlVariateCell& cell) : cell_(cell) {
    for (const Path& path : cell.paths_)
      for (std::size_t count = 0; count < cell.spec_.features.size(); ++count)
        series_.emplace_back(cell.targets_.at(path.estimator));
  }

  void start_block() override {
    for (GapAccumulator& series : series_) series.start_block();
  }

  void draw(const StreamAddress& address) override {
    const AttentionProblem& problem = cell_.problem_;
    AttentionEstimate blank(problem.queries(), problem.value_dim());
    blank.denominator.setOnes();
    std::vector<AttentionEstimate> estimates(series_.size(), blank);
    for (Index query = 0; query < problem.queries(); ++query)
      for (std::size_t count = 0; count < cell_.spec_.features.size(); ++count)
        for (const auto& [estimator, target] : cell_.targets_)
          answer(*estimator, query, count, address, estimates);
    for (std::size_t i = 0; i < series_.size(); ++i) series_[i].add(estimates[i]);
  }

  std::vector<std::vector<double>> block() const override {
    std::vector<std::vector<double>> numbers;
    for (const GapAccumulator& series : series_) numbers.push_back(series.block());
    return numbers;
  }

 private:
  void answer(const AttentionEstimator& estimator, Index query, std::size_t count,
              const StreamAddress& address, std::vector<AttentionEstimate>& estimates) const {
    const std::vector<Index>& counts = cell_.spec_.features;
    const AttentionProblem& problem = cell_.problem_;
    const KeyWeights weights = estimator.key_weights(problem, query, counts[count], address);
    const auto values = problem.V.topRows(weights.drawn.size());
    for (std::size_t i = 0; i < cell_.paths_.size(); ++i) {
      if (cell_.paths_[i].estimator != &estimator) continue;
      CoefficientInputs inputs{cell_.paths_[i].policy.coefficient, kGroups, nullptr};
      if (inputs.coefficient == Coefficient::regression)
        inputs.regression = &cell_.regressions_.at(&estimator)[static_cast<std::size_t>(query)];
      estimates[i * counts.size() + count].numerator.row(query) = decompose(weights, values, inputs).estimate;
    }
  }

  const ControlVariateCell& cell_;
  std::vector<GapAccumulator> series_;
};

std::unique_ptr<CellWorker> ControlVariateCell::worker() const {
  return std::make_unique<ControlVariateWorker>(*this);
}

}  // namespace

RunOutcome run_control_variates(const RunSpec& spec, RunStore& store, const RunControl& control) {
  const auto estimators = make_estimators(spec.estimators);
  const auto make = [&](std::int64_t index) {
    return std::make_unique<ControlVariateCell>(spec, index, estimators);
  };
  return run_cells(spec, static_cast<std::int64_t>(spec.data.size()), make, store, control);
}

}  // namespace attngap
