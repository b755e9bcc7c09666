#include "experiments/kernel_variance_run.hpp"

#include "analysis/kernel_statistics.hpp"
#include "estimators/ensemble.hpp"
#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/radial_kernel.hpp"
#include "estimators/random_stream.hpp"
#include "experiments/gap_run.hpp"
#include "experiments/memory_need.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include <boost/math/constants/constants.hpp>

namespace attngap {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

const RatioEstimator& as_ratio(const AttentionEstimator& estimator) {
  return dynamic_cast<const RatioEstimator&>(estimator);
}

// The law of the estimate; all NaN where the features have none on this pair.
KernelMoments law_of(const RunSpec& spec, const AttentionEstimator& estimator, const AttentionProblem& pair,
                     Index draws) {
  try {
    KernelMoments law = as_ratio(estimator).kernel_moments(pair, draws);
    if (spec.against_softmax) law.target = std::exp(pair.Q.row(0).dot(pair.K.row(0)));
    return law;
  } catch (const BadInput&) {
    return {kNone, kNone, kNone};
  }
}

ResultRow row_of(const RunSpec& spec, const AttentionEstimator& estimator, Index draws) {
  Spec shown = estimator.spec();
  shown.options.erase("projection");
  ResultRow row;
  row.experiment = spec.experiment;
  row.estimator = shown.text();
  row.projection = estimator.projection();
  row.target = target_name(spec, estimator);
  row.draws = draws;
  row.dimension = estimator.dimension(draws);
  row.length = row.queries = row.replicates = 1;
  return row;
}

std::string pair_name(double norm, double cosine) {
  return fmt::format("pair:norm={},cosine={}", norm, cosine);
}

// Estimators of a pair whose products see one projection, at the radius of the pair: they share one normal
// number a direction, whatever the dimension.
struct RadialEstimator {
  std::size_t place;
  RadialKernel kernel;
  double radius;
};

std::optional<RadialKernel> radial_kernel(const AttentionEstimator& estimator) {
  if (estimator.projection() != "iid") return std::nullopt;
  return RadialKernel::of(as_ratio(estimator).map());
}

// An estimator whose directions are drawn whole.
struct DrawnEstimator {
  std::size_t place;
  double log_target;
};

// The estimates K̂/K of every estimator and count, one a replicate.
class PairWorker final : public ReplicateWorker {
 public:
  PairWorker(std::vector<Index> counts, std::vector<RadialEstimator> radial,
             std::vector<DrawnEstimator> drawn, std::unique_ptr<AttentionSampler> sampler)
      : counts_(std::move(counts)),
        radial_(std::move(radial)),
        drawn_(std::move(drawn)),
        sampler_(std::move(sampler)),
        normals_(static_cast<std::size_t>(counts_.back())),
        ratios_(normals_.size()),
        series_((radial_.size() + drawn_.size()) * counts_.size()) {}

  void start_block() override {
    for (auto& series : series_) series.clear();
  }
  void draw(const StreamAddress& address) override {
    if (!radial_.empty()) RandomStream(address, Purpose::directions).normals(0, normals_);
    for (const RadialEstimator& estimator : radial_) {
      estimator.kernel.ratios(estimator.radius, normals_, ratios_);
      double sum = 0.0;
      std::size_t done = 0;
      for (std::size_t count = 0; count < counts_.size(); ++count) {
        for (; std::cmp_less(done, counts_[count]); ++done) sum += ratios_[done];
        series_[estimator.place * counts_.size() + count].push_back(sum / static_cast<double>(done));
      }
    }
    sampler_->draw(address, [&](std::size_t estimator, std::size_t count, const AttentionEstimate& estimate) {
      const DrawnEstimator& drawn = drawn_[estimator];
      series_[drawn.place * counts_.size() + count].push_back(
          estimate.denominator(0) * std::exp(estimate.log_scale(0) - drawn.log_target));
    });
  }
  std::vector<std::vector<double>> block() const override { return series_; }

 private:
  std::vector<Index> counts_;
  std::vector<RadialEstimator> radial_;
  std::vector<DrawnEstimator> drawn_;
  std::unique_ptr<AttentionSampler> sampler_;
  std::vector<double> normals_, ratios_;
  std::vector<std::vector<double>> series_;
};

// One pair in one dimension.
class PairCell final : public Cell {
 public:
  PairCell(const RunSpec& spec, const Estimators& estimators, std::int64_t index, double norm, double cosine,
           Index dim)
      : spec_(spec),
        estimators_(estimators),
        index_(static_cast<std::uint32_t>(index)),
        pair_(pair_problem(norm, cosine, dim)) {
    data_ = pair_name(norm, cosine);
    std::vector<const AttentionEstimator*> whole;
    for (const auto& estimator : estimators_) {
      const KernelMoments law = law_of(spec_, *estimator, pair_, spec_.features.back());
      if (!std::isfinite(law.target) || !std::isfinite(law.mean)) continue;
      const std::size_t place = sampled_.size();
      sampled_.push_back(estimator.get());
      if (const auto kernel = radial_kernel(*estimator)) {
        const Vector x = pair_.scaled_queries().row(0), y = pair_.scaled_keys().row(0);
        radial_.push_back({place, *kernel, kernel->radius(x, y)});
      } else {
        drawn_.push_back({place, std::log(law.target)});
        whole.push_back(estimator.get());
      }
    }
    if (!whole.empty()) ensemble_.emplace(pair_, whole, spec_.features, spec_.precision);
  }

  std::string name() const override { return fmt::format("{},dim={}", data_, pair_.head_dim()); }
  double exact_seconds() const override { return 0.0; }

  std::unique_ptr<CellWorker> worker() const override {
    return std::make_unique<PairWorker>(spec_.features, radial_, drawn_,
                                        ensemble_ ? ensemble_->sampler() : std::make_unique<NoSampler>());
  }

  std::vector<ResultRow> rows(const BlocksOfSeries& blocks_of) const override {
    std::vector<ResultRow> rows;
    std::int64_t series = 0;
    for (const auto& estimator : estimators_) {
      const bool drawn = std::find(sampled_.begin(), sampled_.end(), estimator.get()) != sampled_.end();
      for (const Index draws : spec_.features) {
        std::vector<double> estimates;
        if (drawn) estimates = all_of(blocks_of, series++, *estimator);
        ResultRow row = row_of(spec_, *estimator, draws);
        row.data = data_;
        row.head_dim = pair_.head_dim();
        if (drawn) row.replicates = blocks_of.replicates;
        append_metrics(rows, row, kernel_metrics(estimates, law_of(spec_, *estimator, pair_, draws)));
        if (!blocks_of.pilot && has_tilted_moments(*estimator)) {
          const auto& map = as_ratio(*estimator).map();
          append_metrics(rows, row, {tilted_kernel_variance(map, pair_, draws, {spec_.seed, index_, 0})});
        }
      }
    }
    return rows;
  }

 private:
  // Where no estimator has whole directions to draw.
  class NoSampler final : public AttentionSampler {
   public:
    void draw(const StreamAddress&, const EstimateVisitor&) override {}
  };

  // Of independent directions only: a tilt of one direction says nothing of two that are coupled.
  static bool has_tilted_moments(const AttentionEstimator& estimator) {
    const std::string_view name = as_ratio(estimator).map().name();
    return estimator.projection() == "iid" && (name == "positive" || name == "hyperbolic");
  }

  // The replicates in their order, from blocks a damaged store may not give back.
  std::vector<double> all_of(const BlocksOfSeries& blocks_of, std::int64_t series,
                             const AttentionEstimator& estimator) const {
    const auto blocks = blocks_of(series);
    std::vector<double> estimates;
    for (const auto& block : blocks) estimates.insert(estimates.end(), block.begin(), block.end());
    require(std::cmp_equal(estimates.size(), blocks_of.replicates),
            "run.sqlite: the stored blocks of {} on {} are damaged; delete the directory and run again",
            estimator.spec().text(), data_);
    return estimates;
  }

  const RunSpec& spec_;
  const Estimators& estimators_;
  std::uint32_t index_;
  AttentionProblem pair_;
  std::string data_;
  std::vector<const AttentionEstimator*> sampled_;
  std::vector<RadialEstimator> radial_;
  std::vector<DrawnEstimator> drawn_;
  std::optional<Ensemble> ensemble_;
};

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
          const Index draws = features / as_ratio(*estimator).map().per_direction();
          ResultRow row = row_of(spec_, *estimator, draws);
          row.data = pair_name(norm, cosine);
          row.head_dim = dim_;
          append_metrics(rows, row, {predicted_kernel_mse(law_of(spec_, *estimator, pair, draws))});
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
  const auto cosines = static_cast<std::int64_t>(grid.cosines.size());
  const auto pairs = static_cast<std::int64_t>(grid.norms.size()) * cosines;
  const std::int64_t a_dimension = pairs + (grid.map > 0 ? 1 : 0);
  const Index dim = grid.dims[static_cast<std::size_t>(index / a_dimension)];
  const std::int64_t pair = index % a_dimension;
  if (pair == pairs) return std::make_unique<MapCell>(spec, estimators, dim);
  return std::make_unique<PairCell>(spec, estimators, index,
                                    grid.norms[static_cast<std::size_t>(pair / cosines)],
                                    grid.cosines[static_cast<std::size_t>(pair % cosines)], dim);
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
  require_memory(2.0 * sizeof(double) * series * static_cast<double>(spec.replicates),
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
