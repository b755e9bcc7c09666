#include "experiments/control_variates_run.hpp"

#include "estimators/decomposition.hpp"
#include "estimators/error.hpp"
#include "estimators/exact_attention.hpp"
#include "experiments/gap_run.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <set>
#include <utility>

namespace attngap {
namespace {

// Contiguous groups of policy group, for estimators whose draws bring none: from RFA's one towards one a key.
constexpr std::array<Index, 3> kGroups{4, 16, 64};

// Below so many directions the estimated coefficient, a regression slope, has no variance.
constexpr Index kLeastForSlope = 4;

// An estimator under one policy.
struct Path {
  const AttentionEstimator* estimator = nullptr;
  NamedCoefficient policy;
  Index groups = 0;  ///< of policy group; 0: the draw says which keys form a group (EVA)
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
      estimator->require_decomposable();
      targets_[estimator.get()] = estimator->target(problem_);
      if (!estimator->terms_have_variance(problem_)) endless_.insert(estimator.get());
      const bool own_groups = !estimator->key_weights(problem_, 0, spec_.features.front(), {}).group.empty();
      for (const NamedCoefficient& policy : coefficients()) {
        if (!serves(*estimator, policy.coefficient)) continue;
        if (policy.coefficient != Coefficient::group || own_groups)
          paths_.push_back({estimator.get(), policy, 0});
        else
          for (const Index groups : kGroups) paths_.push_back({estimator.get(), policy, groups});
      }
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
      if (path.groups > 0) shown.options["coefficient-groups"] = std::to_string(path.groups);
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
                            blocks_of.replicates,
                            "",
                            0,
                            0,
                            0,
                            0,
                            ""};
        const auto blocks = blocks_of(series++);
        require_gap_blocks(row, targets_.at(path.estimator), blocks);
        append_metrics(rows, row, gap_metrics(targets_.at(path.estimator), blocks, has_moments(path, draws)));
      }
    }
    return rows;
  }

 private:
  friend class ControlVariateWorker;

  // Whether the estimate has a mean and a variance. With a coefficient that does not depend on the draw it is
  // linear in the h_m, and has what they have.
  bool has_moments(const Path& path, Index draws) const {
    switch (path.policy.coefficient) {
      case Coefficient::key:
        return true;
      case Coefficient::ratio:
      case Coefficient::group:
        return path.estimator->has_moments() && !endless_.contains(path.estimator);
      case Coefficient::estimated:
        return draws >= kLeastForSlope && !endless_.contains(path.estimator);
      default:
        return !endless_.contains(path.estimator);
    }
  }

  // Whether the policy has what it needs; finds the regression coefficients on the way.
  bool serves(const AttentionEstimator& estimator, Coefficient coefficient) {
    if (coefficient == Coefficient::estimated) {
      if (spec_.features.front() < 2) return false;
      return estimator.key_weights(problem_, 0, spec_.features.front(), {}).direction_sums.rows() >= 2;
    }
    if (coefficient != Coefficient::regression) return true;
    try {
      for (const Index draws : spec_.features)
        for (Index i = 0; i < problem_.queries(); ++i)
          regressions_[{&estimator, draws}].push_back(estimator.best_shared_coefficient(problem_, i, draws));
      return true;
    } catch (const BadInput&) {
      return false;
    }
  }

  const RunSpec& spec_;
  std::string name_;
  AttentionProblem problem_;
  std::map<const AttentionEstimator*, Matrix> targets_;
  std::map<std::pair<const AttentionEstimator*, Index>, std::vector<Vector>> regressions_;
  std::set<const AttentionEstimator*> endless_;  // of infinite variance
  std::vector<Path> paths_;
  double exact_seconds_ = 0.0;
};

// Every policy of an estimator sees the same draw of every query.
class ControlVariateWorker final : public ReplicateWorker {
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
      CoefficientInputs inputs{cell_.paths_[i].policy.coefficient, cell_.paths_[i].groups, nullptr};
      if (inputs.coefficient == Coefficient::regression)
        inputs.regression =
            &cell_.regressions_.at({&estimator, counts[count]})[static_cast<std::size_t>(query)];
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

void require_control_variates(const RunSpec& spec) {
  require(spec.precision == Precision::float64 && !spec.against_softmax,
          "control-variates: terms per key are held in double against the estimator's own target; leave out "
          "--precision "
          "and --against");
  const auto estimators = make_estimators(spec.estimators);
  require(
      std::any_of(estimators.begin(), estimators.end(), [](const auto& each) { return each->random(); }),
      "control-variates: none of these estimators draws anything; give one such as rfa, performer or eva");
  for (const auto& estimator : estimators) estimator->require_decomposable();
}

CellMaker control_variates_cells(const RunSpec& spec) {
  return [&spec, estimators = std::make_shared<Estimators>(make_estimators(spec.estimators))](
             std::int64_t index) { return std::make_unique<ControlVariateCell>(spec, index, *estimators); };
}

}  // namespace attngap
