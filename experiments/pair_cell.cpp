#include "experiments/pair_cell.hpp"

#include "analysis/kernel_sampling.hpp"
#include "analysis/kernel_statistics.hpp"
#include "estimators/ensemble.hpp"
#include "estimators/error.hpp"
#include "experiments/gap_run.hpp"
#include "experiments/kernel_variance_run.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <tbb/parallel_for.h>

namespace attngap {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

const RatioEstimator& as_ratio(const AttentionEstimator& estimator) {
  return dynamic_cast<const RatioEstimator&>(estimator);
}

// An estimator whose products see one projection, at the radii of the pairs.
struct RadialSeries {
  std::size_t estimator;
  RadialEstimates estimates;
};

// An estimator whose directions are drawn whole, and ln K at every pair; NaN where it has no law.
struct DrawnSeries {
  std::size_t estimator;
  std::vector<double> log_targets;
};

// What the threads draw from.
struct PairSeries {
  std::vector<AttentionProblem> problems;
  std::vector<std::uint32_t> addresses;
  std::vector<const AttentionEstimator*> estimators;
  std::vector<RadialSeries> radial;
  std::vector<DrawnSeries> drawn;
};

class PairWorker final : public CellWorker {
 public:
  PairWorker(const RunSpec& spec, const PairSeries& all, std::uint32_t shared)
      : spec_(spec), all_(all), shared_(shared), normals_(spec.features) {}

  std::vector<std::vector<double>> draw_block(const ReplicateBlock& block, const DrawWatch& watch) override {
    const auto pairs = static_cast<std::int64_t>(all_.problems.size());
    series_.assign(all_.estimators.size() * counts(),
                   std::vector<double>(static_cast<std::size_t>(pairs * block.count), kNone));
    if (!all_.radial.empty()) draw_radial(block);
    for (std::int64_t pair = 0; pair < pairs && !watch.stopped(); ++pair) {
      if (!all_.drawn.empty()) draw_whole(block, static_cast<std::size_t>(pair), watch);
      watch.drawn(block.count * (pair + 1) / pairs - block.count * pair / pairs);
    }
    return std::move(series_);
  }

 private:
  std::size_t counts() const { return spec_.features.size(); }

  void draw_radial(const ReplicateBlock& block) {
    StreamAddress address = block.address(0);
    address.cell = shared_;
    normals_.draw(address, block.count);
    for (const RadialSeries& radial : all_.radial) {
      std::vector<Eigen::Ref<Eigen::MatrixXd>> at_counts;
      for (std::size_t count = 0; count < counts(); ++count)
        at_counts.emplace_back(Eigen::Map<Eigen::MatrixXd>(
            series_[radial.estimator * counts() + count].data(), block.count, radial.estimates.pairs()));
      radial.estimates.evaluate(normals_, 0, radial.estimates.pairs(), at_counts);
    }
  }

  void draw_whole(const ReplicateBlock& block, std::size_t pair, const DrawWatch& watch) {
    std::vector<const AttentionEstimator*> estimators;
    std::vector<const DrawnSeries*> series;
    for (const DrawnSeries& drawn : all_.drawn) {
      if (std::isnan(drawn.log_targets[pair])) continue;
      estimators.push_back(all_.estimators[drawn.estimator]);
      series.push_back(&drawn);
    }
    if (estimators.empty()) return;
    const Ensemble ensemble(all_.problems[pair], estimators, spec_.features, spec_.precision);
    const auto sampler = ensemble.sampler();
    for (std::int64_t replicate = 0; replicate < block.count && !watch.stopped(); ++replicate) {
      StreamAddress address = block.address(replicate);
      address.cell = all_.addresses[pair];
      const std::size_t place =
          pair * static_cast<std::size_t>(block.count) + static_cast<std::size_t>(replicate);
      sampler->draw(address, [&](std::size_t drawn, std::size_t count, const AttentionEstimate& estimate) {
        series_[series[drawn]->estimator * counts() + count][place] =
            estimate.denominator(0) * std::exp(estimate.log_scale(0) - series[drawn]->log_targets[pair]);
      });
    }
  }

  const RunSpec& spec_;
  const PairSeries& all_;
  std::uint32_t shared_;
  HermiteDraws normals_;
  std::vector<std::vector<double>> series_;
};

class PairCell final : public Cell {
 public:
  PairCell(const RunSpec& spec, const Estimators& estimators, std::vector<NormAndCosine> pairs, Index dim,
           std::uint32_t shared, std::string name)
      : spec_(spec), pairs_(std::move(pairs)), dim_(dim), shared_(shared), name_(std::move(name)) {
    for (const NormAndCosine& pair : pairs_) {
      all_.problems.push_back(pair_problem(pair.norm, pair.cosine, dim));
      all_.addresses.push_back(pair.address);
    }
    for (const auto& estimator : estimators) add(*estimator);
  }

  std::string name() const override { return name_; }
  double exact_seconds() const override { return 0.0; }
  std::unique_ptr<CellWorker> worker() const override {
    return std::make_unique<PairWorker>(spec_, all_, shared_);
  }

  std::vector<ResultRow> rows(const BlocksOfSeries& blocks_of) const override {
    std::vector<std::vector<std::vector<double>>> series;  // of each its blocks
    for (std::size_t i = 0; i < all_.estimators.size() * spec_.features.size(); ++i)
      series.push_back(blocks_of(static_cast<std::int64_t>(i)));
    std::vector<std::vector<ResultRow>> of_pairs(pairs_.size());
    tbb::parallel_for(std::size_t{0}, pairs_.size(), [&](std::size_t pair) {
      for (std::size_t estimator = 0; estimator < all_.estimators.size(); ++estimator)
        for (std::size_t count = 0; count < spec_.features.size(); ++count)
          append_rows(of_pairs[pair], pair, estimator, count,
                      series[estimator * spec_.features.size() + count], blocks_of);
    });
    std::vector<ResultRow> rows;
    for (auto& of_pair : of_pairs) std::move(of_pair.begin(), of_pair.end(), std::back_inserter(rows));
    return rows;
  }

 private:
  void add(const AttentionEstimator& estimator) {
    const std::size_t place = all_.estimators.size();
    all_.estimators.push_back(&estimator);
    const auto kernel = radial_kernel(estimator);
    Vector radii(static_cast<Index>(pairs_.size()));
    std::vector<double> log_targets;
    for (std::size_t pair = 0; pair < pairs_.size(); ++pair) {
      const AttentionProblem& problem = all_.problems[pair];
      if (kernel) {
        const AttentionProblem seen = as_ratio(estimator).prepared(problem);
        radii(static_cast<Index>(pair)) =
            kernel->radius(seen.scaled_queries().row(0), seen.scaled_keys().row(0));
      } else {
        const KernelMoments law = pair_law(spec_, estimator, problem, spec_.features.back());
        log_targets.push_back(std::isfinite(law.mean) ? std::log(law.target) : kNone);
      }
    }
    if (kernel) {
      all_.radial.push_back({place, RadialEstimates(*kernel, std::move(radii))});
    } else {
      all_.drawn.push_back({place, std::move(log_targets)});
    }
  }

  // Radial estimates are over the map's own kernel, which softmax of the given inputs is not where the
  // features see others.
  std::optional<RadialKernel> radial_kernel(const AttentionEstimator& estimator) const {
    if (estimator.projection() != "iid") return std::nullopt;
    if (spec_.against_softmax && as_ratio(estimator).transforms()) return std::nullopt;
    return RadialKernel::of(as_ratio(estimator).map());
  }

  // Of independent directions only: a tilt of one direction says nothing of two that are coupled.
  static bool has_tilted_moments(const AttentionEstimator& estimator) {
    const std::string_view name = as_ratio(estimator).map().name();
    return estimator.projection() == "iid" && (name == "positive" || name == "hyperbolic");
  }

  void append_rows(std::vector<ResultRow>& rows, std::size_t pair, std::size_t place, std::size_t count,
                   const std::vector<std::vector<double>>& blocks, const BlocksOfSeries& blocks_of) const {
    const AttentionEstimator& estimator = *all_.estimators[place];
    const AttentionProblem& problem = all_.problems[pair];
    const Index draws = spec_.features[count];
    const KernelMoments law = pair_law(spec_, estimator, problem, draws);
    const bool sampled = std::isfinite(law.target) && std::isfinite(law.mean);
    ResultRow row = pair_row(spec_, estimator, pairs_[pair], dim_, draws);
    if (sampled) row.replicates = blocks_of.replicates;
    const auto estimates = sampled ? of_pair(blocks, pair, blocks_of.replicates) : std::vector<double>{};
    append_metrics(rows, row, kernel_metrics(estimates, law));
    if (!blocks_of.pilot && has_tilted_moments(estimator))
      append_metrics(rows, row,
                     {tilted_kernel_variance(as_ratio(estimator).map(), problem, draws,
                                             {spec_.seed, pairs_[pair].address, 0})});
  }

  // The replicates of a pair in their order, from blocks a damaged store may not give back.
  std::vector<double> of_pair(const std::vector<std::vector<double>>& blocks, std::size_t pair,
                              std::int64_t replicates) const {
    std::vector<double> estimates;
    estimates.reserve(static_cast<std::size_t>(replicates));
    for (const auto& block : blocks) {
      const auto count = static_cast<std::ptrdiff_t>(block.size() / pairs_.size());
      const auto begin = block.begin() + static_cast<std::ptrdiff_t>(pair) * count;
      estimates.insert(estimates.end(), begin, begin + count);
    }
    require(std::cmp_equal(estimates.size(), replicates),
            "run.sqlite: the stored blocks of {} are damaged; delete the directory and run again", name_);
    return estimates;
  }

  const RunSpec& spec_;
  std::vector<NormAndCosine> pairs_;
  Index dim_;
  std::uint32_t shared_;
  std::string name_;
  PairSeries all_;
};

}  // namespace

std::string NormAndCosine::name() const {
  return fmt::format("pair:norm={},cosine={}", norm, cosine);
}

KernelMoments pair_law(const RunSpec& spec, const AttentionEstimator& estimator, const AttentionProblem& pair,
                       Index draws) {
  try {
    KernelMoments law = as_ratio(estimator).kernel_moments(pair, draws);
    if (spec.against_softmax) law.target = std::exp(pair.Q.row(0).dot(pair.K.row(0)));
    return law;
  } catch (const BadInput&) {
    return {kNone, kNone, kNone};
  }
}

ResultRow pair_row(const RunSpec& spec, const AttentionEstimator& estimator, const NormAndCosine& pair,
                   Index dim, Index draws) {
  Spec shown = estimator.spec();
  shown.options.erase("projection");
  ResultRow row;
  row.experiment = spec.experiment;
  row.data = pair.name();
  row.estimator = shown.text();
  row.projection = estimator.projection();
  row.target = target_name(spec, estimator);
  row.draws = draws;
  row.dimension = estimator.dimension(draws);
  row.head_dim = dim;
  row.length = row.queries = row.replicates = 1;
  return row;
}

std::unique_ptr<Cell> make_pair_cell(const RunSpec& spec, const Estimators& estimators,
                                     std::vector<NormAndCosine> pairs, Index dim, std::uint32_t shared,
                                     std::string name) {
  return std::make_unique<PairCell>(spec, estimators, std::move(pairs), dim, shared, std::move(name));
}

}  // namespace attngap
