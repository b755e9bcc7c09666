#include "analysis/distribution_statistics.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace attngap {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Short numbers that are nearly as far apart as equal ratios.
constexpr std::array kSteps{10, 13, 18, 24, 32, 42, 56, 75};

// `first` … `last` are powers of ten; every level is the double nearest to its short decimal.
std::vector<double> decades(int first, int last) {
  std::vector<double> levels;
  for (int decade = first; decade < last; ++decade)
    for (const int step : kSteps) {
      const double tens = std::pow(10.0, std::abs(decade - 1));
      levels.push_back(decade < 1 ? step / tens : step * tens);
    }
  levels.push_back(std::pow(10.0, last));
  return levels;
}

std::vector<double> both_sides(const std::vector<double>& positive) {
  std::vector<double> levels;
  for (auto level = positive.rbegin(); level != positive.rend(); ++level) levels.push_back(-*level);
  levels.push_back(0.0);
  levels.insert(levels.end(), positive.begin(), positive.end());
  return levels;
}

// Below the first level, between levels, from the last on.
std::size_t bins(std::span<const double> levels) {
  return levels.size() + 1;
}

// The number of levels that are at most `value`: the place of its bin.
std::size_t bin_of(std::span<const double> levels, double value) {
  return static_cast<std::size_t>(std::upper_bound(levels.begin(), levels.end(), value) - levels.begin());
}

std::size_t width(bool denominators) {
  return bins(error_levels()) + (denominators ? bins(denominator_levels()) : 0);
}

// A share in every replicate as what is known of its expectation.
Estimated share_of(const std::vector<double>& shares) {
  const auto [least, most] = std::minmax_element(shares.begin(), shares.end());
  const auto replicates = static_cast<double>(shares.size());
  const double rare = 1.0 - std::pow(0.025, 1.0 / replicates);
  if (*most == 0.0) return {0.0, kUndefined, 0.0, rare};
  if (*least == 1.0) return {1.0, kUndefined, 1.0 - rare, 1.0};
  Estimated share = mean_with_interval(shares);
  share.low = std::max(0.0, share.low);
  share.high = std::min(1.0, share.high);
  return share;
}

// Replicate by replicate the counts of one kind, which begin at `offset` of each.
std::vector<std::span<const double>> counts_of(const std::vector<std::vector<double>>& blocks,
                                               bool denominators, std::size_t offset, std::size_t size) {
  std::vector<std::span<const double>> counts;
  for (const auto& block : blocks)
    for (std::size_t at = 0; at < block.size(); at += width(denominators))
      counts.push_back(std::span<const double>(block).subspan(at + offset, size));
  return counts;
}

// At every level the share of the bins from it on, or of those before it.
void add_shares(std::vector<LevelMetric>& metrics, std::string_view name, std::span<const double> levels,
                const std::vector<std::span<const double>>& counts, Index queries, bool above) {
  for (std::size_t level = 0; level < levels.size(); ++level) {
    std::vector<double> shares;
    for (const auto& bins_of_one : counts) {
      const auto part = above ? bins_of_one.subspan(level + 1) : bins_of_one.first(level + 1);
      double sum = 0.0;
      for (const double count : part) sum += count;
      shares.push_back(sum / static_cast<double>(queries));
    }
    const Estimated share = share_of(shares);
    // A level no replicate reached has an interval of its own; one replicate has none.
    const bool known = !std::isnan(share.std_error) || share.value == 0.0 || share.value == 1.0;
    metrics.push_back({{name, share, known ? "ok" : "few-replicates"}, levels[level]});
  }
}

constexpr std::array kMetrics{
    NamedMetric{"relative_error_above", "share of replicates x queries whose |error|/|exact| is beyond x"},
    NamedMetric{"denominator_below",
                "share of replicates x queries whose denominator is below x times its expectation"},
};

}  // namespace

std::span<const NamedMetric> distribution_metric_names() {
  return kMetrics;
}

std::span<const double> error_levels() {
  static const std::vector<double> levels = decades(-3, 4);
  return levels;
}

std::span<const double> denominator_levels() {
  static const std::vector<double> levels = both_sides(decades(-2, 2));
  return levels;
}

std::optional<Vector> log_mean_denominators(const RatioEstimator& estimator,
                                            const AttentionProblem& problem) {
  if (estimator.log_key_weights(problem).size() > 0) return std::nullopt;
  const AttentionProblem prepared = estimator.prepared(problem);
  const Matrix Q = prepared.scaled_queries(), K = prepared.scaled_keys();
  const auto law = estimator.map_on(problem);
  const bool softmax = law->pair_factors(Q.row(0), K.topRows(1)).has_value();  // the kernel is exp(q·k)
  Vector log_mean(problem.queries());
  for (Index i = 0; i < problem.queries(); ++i) {
    const Index keys = problem.visible_keys(i);
    const Vector q = Q.row(i);
    Vector log_terms(keys);
    if (softmax)
      log_terms = K.topRows(keys) * q;
    else
      for (Index j = 0; j < keys; ++j) log_terms(j) = std::log(law->kernel(q, K.row(j)));
    const double largest = log_terms.maxCoeff();
    log_mean(i) = largest + std::log((log_terms.array() - largest).exp().sum());
  }
  return log_mean;
}

DistributionAccumulator::DistributionAccumulator(const Matrix& exact, std::optional<Vector> log_mean,
                                                 DenominatorPolicy policy, PostScaling post)
    : exact_(exact), log_mean_(std::move(log_mean)), policy_(policy), post_(post) {}

void DistributionAccumulator::add(const AttentionEstimate& estimate) {
  const std::size_t begin = counts_.size();
  counts_.resize(begin + width(log_mean_.has_value()));
  Eigen::RowVectorXd error(exact_.cols());
  for (Index i = 0; i < exact_.rows(); ++i) {
    const double denominator = estimate.denominator(i);
    error = estimate.numerator.row(i) * (1.0 / policy_.apply(denominator, estimate.log_scale(i)));
    if (!post_.is_identity()) post_.apply(error);
    error -= exact_.row(i);
    const double square = error.squaredNorm();
    const double relative = !std::isfinite(square) ? kInfinity
                            : square == 0.0        ? 0.0
                                                   : std::sqrt(square) / exact_.row(i).norm();
    counts_[begin + bin_of(error_levels(), relative)] += 1.0;
    if (!log_mean_) continue;
    // A denominator that is no number belongs nowhere; the last bin is where it does least harm to the
    // negative share, and the error counts it.
    const double ratio = denominator * std::exp(estimate.log_scale(i) - (*log_mean_)(i));
    const std::size_t bin = bin_of(denominator_levels(), std::isnan(ratio) ? kInfinity : ratio);
    counts_[begin + bins(error_levels()) + bin] += 1.0;
  }
}

bool is_distribution_block(const std::vector<double>& block, Index queries, bool denominators,
                           std::int64_t replicates) {
  const std::size_t errors = bins(error_levels());
  if (block.size() != static_cast<std::size_t>(replicates) * width(denominators)) return false;
  const auto n = static_cast<double>(queries);
  const auto whole = [&](std::span<const double> counts) {
    double sum = 0.0;
    for (const double count : counts) {
      if (!(count >= 0.0) || count != std::floor(count)) return false;
      sum += count;
    }
    return sum == n;
  };
  for (std::size_t at = 0; at < block.size(); at += width(denominators)) {
    const auto one = std::span<const double>(block).subspan(at, width(denominators));
    if (!whole(one.first(errors)) || (denominators && !whole(one.subspan(errors)))) return false;
  }
  return true;
}

std::vector<LevelMetric> distribution_metrics(Index queries, bool denominators,
                                              const std::vector<std::vector<double>>& blocks) {
  std::vector<LevelMetric> metrics;
  const std::size_t errors = bins(error_levels());
  add_shares(metrics, kMetrics[0].name, error_levels(), counts_of(blocks, denominators, 0, errors), queries,
             true);
  if (denominators)
    add_shares(metrics, kMetrics[1].name, denominator_levels(),
               counts_of(blocks, denominators, errors, bins(denominator_levels())), queries, false);
  return metrics;
}

}  // namespace attngap
