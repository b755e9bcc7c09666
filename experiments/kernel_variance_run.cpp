#include "experiments/kernel_variance_run.hpp"

#include "analysis/kernel_statistics.hpp"
#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"
#include "experiments/gap_run.hpp"
#include "experiments/memory_need.hpp"
#include "experiments/pair_cell.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <boost/math/constants/constants.hpp>

namespace attngap {
namespace {

// `count` numbers from low to high, both among them; one where these are the same.
std::vector<double> evenly(double low, double high, Index count) {
  if (low == high) return {low};
  std::vector<double> numbers;
  for (Index i = 0; i < count; ++i)
    numbers.push_back(low + (high - low) * static_cast<double>(i) / static_cast<double>(count - 1));
  return numbers;
}

// The middles of `count` equal cells from 0 to `high`.
std::vector<double> cell_middles(double high, Index count) {
  std::vector<double> numbers;
  for (Index i = 0; i < count; ++i)
    numbers.push_back(high * (static_cast<double>(i) + 0.5) / static_cast<double>(count));
  return numbers;
}

std::vector<double> map_norms(const PairGrid& grid) {
  if (grid.map_over_angles) return cell_middles(grid.norms.back(), grid.map);
  return evenly(grid.norms.front(), grid.norms.back(), grid.map);
}

std::vector<double> map_cosines(const PairGrid& grid) {
  if (!grid.map_over_angles) return evenly(-1.0, 1.0, grid.map);
  std::vector<double> cosines = cell_middles(boost::math::constants::pi<double>(), grid.map);
  for (double& angle : cosines) angle = std::cos(angle);
  return cosines;
}

// The closed forms of all softmax estimators over norm and cosine at one number of features.
class MapCell final : public Cell {
 public:
  MapCell(const RunSpec& spec, const Estimators& estimators, Index dim)
      : spec_(spec), estimators_(estimators), dim_(dim) {}

  std::string name() const override { return fmt::format("map,dim={}", dim_); }
  double exact_seconds() const override { return 0.0; }
  std::unique_ptr<CellWorker> worker() const override { return std::make_unique<IdleWorker>(); }

  std::vector<ResultRow> rows(const BlocksOfSeries& blocks_of) const override {
    if (blocks_of.pilot) return {};
    const PairGrid& grid = *spec_.pairs;
    const Index features = 2 * spec_.features.back();
    std::vector<ResultRow> rows;
    for (const double norm : map_norms(grid))
      for (const double cosine : map_cosines(grid)) {
        const AttentionProblem pair = pair_problem(norm, cosine, dim_);
        for (const auto& estimator : estimators_) {
          if (target_name(spec_, *estimator) != "softmax") continue;
          const auto& map = dynamic_cast<const RatioEstimator&>(*estimator).map();
          const Index draws = features / map.per_direction();
          append_metrics(rows, pair_row(spec_, *estimator, {norm, cosine}, dim_, draws),
                         {predicted_kernel_mse(pair_law(spec_, *estimator, pair, draws))});
        }
      }
    return rows;
  }

 private:
  const RunSpec& spec_;
  const Estimators& estimators_;
  Index dim_;
};

std::unique_ptr<Cell> make_cell(const RunSpec& spec, const Estimators& estimators, std::int64_t index) {
  const PairGrid& grid = *spec.pairs;
  const std::int64_t maps = grid.map > 0 ? 1 : 0;
  const std::int64_t a_cell = spec.pairs_a_cell(), groups = spec.cells_of_dimension() - maps;
  const std::int64_t dimension = index / (groups + maps), group = index % (groups + maps);
  const Index dim = grid.dims[static_cast<std::size_t>(dimension)];
  if (group == groups) return std::make_unique<MapCell>(spec, estimators, dim);

  const std::int64_t all = grid.pairs(), first_address = dimension * (all + maps);
  const std::int64_t first = group * a_cell, last = std::min(all, first + a_cell);
  std::vector<NormAndCosine> pairs;
  for (std::int64_t pair = first; pair < last; ++pair) {
    const auto cosines = grid.cosines.size(), place = static_cast<std::size_t>(pair);
    pairs.push_back({grid.norms[place / cosines], grid.cosines[place % cosines],
                     static_cast<std::uint32_t>(first_address + pair)});
  }
  const std::string name = pairs.size() == 1
                               ? fmt::format("{},dim={}", pairs.front().name(), dim)
                               : fmt::format("pairs {}-{} of {},dim={}", first + 1, last, all, dim);
  return make_pair_cell(spec, estimators, std::move(pairs), dim, static_cast<std::uint32_t>(first_address),
                        name);
}

}  // namespace

std::vector<std::unique_ptr<AttentionEstimator>> make_kernel_estimators(const std::vector<std::string>& names,
                                                                        std::string_view experiment) {
  for (const std::string& name : names) {
    const auto estimator = make_estimator(name);
    const auto* ratio = dynamic_cast<const RatioEstimator*>(estimator.get());
    require(ratio != nullptr, "{}: {} is no ratio of random features; use performer, rfa or rmfa", experiment,
            name);
    for (const char* key : {"center", "gate", "ppsbn"}) {
      const auto& options = estimator->spec().options;
      require(!options.contains(key),
              "{}: {} looks at all keys of a problem, and a kernel estimate is of a pair; leave {}= out",
              experiment, name, key);
    }
  }
  Estimators kept;
  for (auto& estimator : make_estimators(names))
    if (estimator->random()) kept.push_back(std::move(estimator));
  return kept;
}

AttentionProblem pair_problem(double norm, double cosine, Index dim) {
  const Vector along = Vector::Constant(dim, 1.0 / std::sqrt(static_cast<double>(dim)));
  Vector across(dim);
  for (Index i = 0; i < dim; ++i) across(i) = i % 2 == 0 ? 1.0 : -1.0;
  across.array() -= across.mean();
  across.normalize();
  const Vector x = norm * along;
  const Vector y = norm * (cosine * along + std::sqrt(1.0 - cosine * cosine) * across);
  return make_problem(x.transpose(), y.transpose(), Matrix::Ones(1, 1), Mask::none, 1.0);
}

void require_pairs_fit(const RunSpec& spec, int threads) {
  const auto series = static_cast<double>(spec.estimators.size() * spec.features.size());
  // In the store's hands and in the cell's.
  require_memory(2.0 * sizeof(double) * series * static_cast<double>(spec.replicates * spec.pairs_a_cell()),
                 fmt::format("the estimates of {} replicates", spec.replicates),
                 "use fewer replicates, estimators or counts");
  require_memory(direction_bytes(spec.features.back(), spec.pairs->dims.back(), threads),
                 fmt::format("--features: {} directions on {} threads", spec.features.back(), threads),
                 "use a smaller m or fewer --threads");
}

CellMaker kernel_variance_cells(const RunSpec& spec) {
  return [&spec, estimators =
                     std::make_shared<Estimators>(make_kernel_estimators(spec.estimators, spec.experiment))](
             std::int64_t index) { return make_cell(spec, *estimators, index); };
}

}  // namespace attngap
