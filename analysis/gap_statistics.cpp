#include "analysis/gap_statistics.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

namespace attngap {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// A block as doubles: count, squared deviations, mean error (n·p), per replicate these four, relative errors
// (n each).
enum PerReplicate : std::size_t { kMeanSquare, kLargest, kNegative, kNotFinite, kPerReplicate };
constexpr std::size_t kHead = 2;

// Reads a block where it lies.
class BlockView {
 public:
  BlockView(const std::vector<double>& block, const Matrix& exact)
      : block_(block),
        elements_(static_cast<std::size_t>(exact.size())),
        queries_(static_cast<std::size_t>(exact.rows())) {}

  std::size_t count() const { return static_cast<std::size_t>(block_[0]); }
  double squared_deviations() const { return block_[1]; }
  Eigen::Map<const Vector> mean() const { return {&block_[kHead], static_cast<Index>(elements_)}; }
  double per_replicate(std::size_t r, PerReplicate what) const {
    return block_[kHead + elements_ + r * kPerReplicate + what];
  }
  std::span<const double> relative_errors() const {
    return std::span<const double>(block_).subspan(kHead + elements_ + count() * kPerReplicate,
                                                   count() * queries_);
  }

 private:
  const std::vector<double>& block_;
  std::size_t elements_;
  std::size_t queries_;
};

// Mean error and squared deviations of all replicates; one element is one output number of one query.
struct Pooled {
  double count = 0.0;
  double squared_deviations = 0.0;
  Vector mean;
};

Pooled pool(const std::vector<BlockView>& blocks) {
  Pooled all;
  for (const BlockView& block : blocks) {
    const auto count = static_cast<double>(block.count());
    if (all.count == 0.0) {
      all = {count, block.squared_deviations(), block.mean()};
      continue;
    }
    const double total = all.count + count;
    const Vector delta = block.mean() - all.mean;
    all.squared_deviations += block.squared_deviations() + delta.squaredNorm() * all.count * count / total;
    all.mean += delta * (count / total);
    all.count = total;
  }
  return all;
}

struct BiasVariance {
  double bias2 = 0.0;
  double variance = 0.0;
};

BiasVariance split(double count, double mean_squared_norm, double squared_deviations, double elements) {
  if (count == 1.0) return {mean_squared_norm / elements, 0.0};
  const double variance = squared_deviations / (count - 1.0) / elements;
  return {mean_squared_norm / elements - variance / count, variance};
}

// bias2 and variance without each block in turn; leaving a block out of Chan's formula.
std::vector<BiasVariance> leave_one_out(const Pooled& all, const std::vector<BlockView>& blocks) {
  std::vector<BiasVariance> result;
  const auto elements = static_cast<double>(all.mean.size());
  for (const BlockView& block : blocks) {
    const auto left_out = static_cast<double>(block.count());
    const double rest = all.count - left_out;
    if (rest < 2.0) return {};
    const Vector deviation = block.mean() - all.mean;
    const Vector mean = all.mean - deviation * (left_out / rest);
    const double squares = all.squared_deviations - block.squared_deviations() -
                           deviation.squaredNorm() * left_out * all.count / rest;
    result.push_back(split(rest, mean.squaredNorm(), squares, elements));
  }
  return result;
}

std::vector<double> collect(const std::vector<BlockView>& blocks, PerReplicate what) {
  std::vector<double> numbers;
  for (const BlockView& block : blocks)
    for (std::size_t r = 0; r < block.count(); ++r) numbers.push_back(block.per_replicate(r, what));
  return numbers;
}

Estimated scaled(Estimated e, double factor) {
  return {e.value * factor, e.std_error * factor, e.low * factor, e.high * factor};
}

Estimated certain(double value) {
  return {value, 0.0, value, value};
}

// A total over replicates; counts are not below zero.
Estimated total_of(const std::vector<double>& counts) {
  const auto replicates = static_cast<double>(counts.size());
  if (counts.size() == 1) return certain(counts.front());
  Estimated total = scaled(mean_with_interval(counts), replicates);
  total.low = std::max(0.0, total.low);
  return total;
}

Estimated mean_of(const std::vector<double>& numbers) {
  return numbers.size() == 1 ? certain(numbers.front()) : mean_with_interval(numbers);
}

Estimated jackknifed(const Pooled& all, const std::vector<BiasVariance>& without, double value,
                     double BiasVariance::*part) {
  if (all.count == 1.0) return certain(value);
  if (without.empty()) return {value, kUndefined, kUndefined, kUndefined};
  std::vector<double> thetas;
  for (const BiasVariance& parts : without) thetas.push_back(parts.*part);
  return jackknife_interval(value, thetas);
}

void add_squares(std::vector<Metric>& metrics, const Matrix& exact, const std::vector<BlockView>& views,
                 std::string_view status) {
  const Pooled all = pool(views);
  const auto elements = static_cast<double>(exact.size());
  const BiasVariance parts = split(all.count, all.mean.squaredNorm(), all.squared_deviations, elements);
  const std::vector<BiasVariance> without = leave_one_out(all, views);
  // The same number as the mean of the squares up to rounding; written so that the printed parts add up.
  const double sum = parts.bias2 + parts.variance;
  Estimated mse = all.count == 1.0 ? certain(sum) : mean_of(collect(views, kMeanSquare));
  mse.value = sum;
  metrics.push_back({"mse", mse, status});
  metrics.push_back({"bias2", jackknifed(all, without, parts.bias2, &BiasVariance::bias2), status});
  metrics.push_back({"variance", jackknifed(all, without, parts.variance, &BiasVariance::variance), status});
  metrics.push_back({"relative_mse", scaled(mse, elements / exact.squaredNorm()), status});
}

void add_quantiles(std::vector<Metric>& metrics, const Matrix& exact, const std::vector<BlockView>& views,
                   bool deterministic) {
  std::vector<double> relative;
  for (const BlockView& view : views)
    relative.insert(relative.end(), view.relative_errors().begin(), view.relative_errors().end());
  constexpr std::array kNames{"median_relative_error", "q25_relative_error", "q75_relative_error"};
  constexpr std::array kLevels{0.5, 0.25, 0.75};
  const auto quantiles = clustered_quantiles(relative, static_cast<std::size_t>(exact.rows()), kLevels);
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    const Estimated quantile = deterministic ? certain(quantiles[i].value) : quantiles[i];
    metrics.push_back({kNames[i], quantile, std::isfinite(quantile.value) ? "ok" : "nonfinite"});
  }
}

// What is drawn has an error; where too few replicates show it, the number is not to be trusted like the
// others.
void mark_without_error(std::vector<Metric>& metrics) {
  for (Metric& metric : metrics)
    if (metric.status == "ok" && std::isnan(metric.estimated.std_error)) metric.status = "few-replicates";
}

std::vector<Index> zeros_of(const Vector& numbers) {
  std::vector<Index> places;
  for (Index i = 0; i < numbers.size(); ++i)
    if (numbers(i) == 0.0) places.push_back(i);
  return places;
}

// Of one query: ‖error‖², the largest |error|, and ‖error − mean error so far‖².
struct RowErrors {
  double square = 0.0;
  double largest = 0.0;
  double deviation = 0.0;
};

// One walk over the errors numerator·factor − exact of a query, in which their mean follows too: each of
// these numbers by itself would cost as much again.
RowErrors add_row(const double* numerator, double factor, const double* exact,
                  Eigen::Ref<Eigen::RowVectorXd> mean, double share) {
  using Lanes = Eigen::Array<double, 8, 1>;
  using View = Eigen::Map<const Lanes>;
  Lanes squares = Lanes::Zero(), largest = Lanes::Zero(), deviations = Lanes::Zero();
  const Index whole = mean.size() / Lanes::SizeAtCompileTime * Lanes::SizeAtCompileTime;
  for (Index c = 0; c < whole; c += Lanes::SizeAtCompileTime) {
    Eigen::Map<Lanes> of_mean(mean.data() + c);
    const Lanes error = View(numerator + c) * factor - View(exact + c);
    const Lanes deviation = error - of_mean;
    squares += error * error;
    largest = largest.max(error.abs());
    deviations += deviation * deviation;
    of_mean += share * deviation;
  }
  RowErrors row{squares.sum(), largest.maxCoeff(), deviations.sum()};
  for (Index c = whole; c < mean.size(); ++c) {
    const double error = numerator[c] * factor - exact[c];
    const double deviation = error - mean(c);
    row.square += error * error;
    row.largest = std::max(row.largest, std::abs(error));
    row.deviation += deviation * deviation;
    mean(c) += share * deviation;
  }
  return row;
}

constexpr std::array kMetrics{
    NamedMetric{"mse", "mean square error per output element; bias2 + variance"},
    NamedMetric{"bias2", "squared bias per output element, without its own noise"},
    NamedMetric{"variance", "variance per output element"},
    NamedMetric{"relative_mse", "sum of squared errors over sum of squared exact outputs"},
    NamedMetric{"median_relative_error", "median over replicates and queries of |error|/|exact|"},
    NamedMetric{"q25_relative_error", "its lower quartile"},
    NamedMetric{"q75_relative_error", "its upper quartile"},
    NamedMetric{"max_error", "largest absolute error of a draw, averaged over draws"},
    NamedMetric{"negative_denominators", "denominators below zero, of replicates x queries"},
    NamedMetric{"nonfinite", "queries whose output is infinite or not a number, of replicates x queries"},
    NamedMetric{"predicted_bias2", "squared bias per output element by first-order theory, without a draw",
                false},
    NamedMetric{"predicted_variance", "variance per output element by first-order theory", false},
    NamedMetric{"predicted_relative_mse", "predicted_bias2 + predicted_variance, as relative_mse", false},
};

}  // namespace

std::span<const NamedMetric> gap_metric_names() {
  return kMetrics;
}

GapAccumulator::GapAccumulator(const Matrix& exact, DenominatorPolicy policy, PostScaling post)
    : exact_(exact),
      policy_(policy),
      post_(post),
      exact_norms_(exact.rowwise().norm()),
      exact_zeros_(zeros_of(exact_norms_)),
      mean_(exact.rows(), exact.cols()),
      error_(exact.cols()) {
  start_block();
}

void GapAccumulator::start_block() {
  count_ = 0;
  squared_deviations_ = 0.0;
  mean_.setZero();
  per_replicate_.clear();
  relative_errors_.clear();
}

void GapAccumulator::add(const AttentionEstimate& estimate) {
  ++count_;
  const double share = 1.0 / static_cast<double>(count_);
  double squares = 0.0, largest = 0.0, negative = 0.0, nonfinite = 0.0, deviations = 0.0;
  const auto before = static_cast<Index>(relative_errors_.size());
  relative_errors_.resize(relative_errors_.size() + static_cast<std::size_t>(exact_.rows()));
  Eigen::Map<Vector> relative(relative_errors_.data() + before, exact_.rows());
  for (Index i = 0; i < exact_.rows(); ++i) {
    const double denominator = estimate.denominator(i);
    const double divisor =
        policy_.is_none() ? denominator : policy_.apply(denominator, estimate.log_scale(i));
    const double* numerator = estimate.numerator.row(i).data();
    double factor = 1.0 / divisor;
    if (!post_.is_identity()) {
      error_ = estimate.numerator.row(i) * factor;
      post_.apply(error_);
      numerator = error_.data();
      factor = 1.0;
    }
    const RowErrors row = add_row(numerator, factor, exact_.row(i).data(), mean_.row(i), share);
    const bool finite = std::isfinite(row.square);
    squares += row.square;
    largest = std::max(largest, finite ? row.largest : kInfinity);
    negative += denominator < 0.0 ? 1.0 : 0.0;
    nonfinite += finite ? 0.0 : 1.0;
    relative(i) = finite ? row.square : kInfinity;
    deviations += row.deviation;
  }
  to_relative_errors(relative);
  // (x − old mean)·(x − new mean) = (1 − 1/r)|x − old mean|².
  squared_deviations_ += (1.0 - share) * deviations;
  const std::array<double, kPerReplicate> numbers{squares / static_cast<double>(exact_.size()), largest,
                                                  negative, nonfinite};
  per_replicate_.insert(per_replicate_.end(), numbers.begin(), numbers.end());
}

// From squared errors of the queries; an exact zero has relative error zero when hit and infinity when
// missed.
void GapAccumulator::to_relative_errors(Eigen::Ref<Vector> squares) const {
  squares = squares.array().sqrt() / exact_norms_.array();
  for (const Index i : exact_zeros_) squares(i) = std::isnan(squares(i)) ? 0.0 : kInfinity;
}

std::vector<double> GapAccumulator::block() const {
  std::vector<double> numbers{static_cast<double>(count_), squared_deviations_};
  numbers.reserve(kHead + static_cast<std::size_t>(mean_.size()) + per_replicate_.size() +
                  relative_errors_.size());
  numbers.insert(numbers.end(), mean_.data(), mean_.data() + mean_.size());
  numbers.insert(numbers.end(), per_replicate_.begin(), per_replicate_.end());
  numbers.insert(numbers.end(), relative_errors_.begin(), relative_errors_.end());
  return numbers;
}

bool is_gap_block(const std::vector<double>& block, const Matrix& exact, std::int64_t replicates) {
  const auto count = static_cast<std::size_t>(replicates);
  const auto numbers = static_cast<std::size_t>(exact.size()) +
                       count * (kPerReplicate + static_cast<std::size_t>(exact.rows()));
  return block.size() == kHead + numbers && block[0] == static_cast<double>(replicates);
}

std::vector<Metric> gap_metrics(const Matrix& exact, const std::vector<std::vector<double>>& blocks,
                                bool has_moments) {
  std::vector<BlockView> views;
  for (const auto& block : blocks) views.emplace_back(block, exact);
  const std::vector<double> nonfinite = collect(views, kNotFinite);
  const bool all_finite = std::accumulate(nonfinite.begin(), nonfinite.end(), 0.0) == 0.0;
  const bool deterministic = nonfinite.size() == 1;
  const std::string_view status = !all_finite ? "nonfinite" : has_moments ? "ok" : "no-moment";

  std::vector<Metric> metrics;
  add_squares(metrics, exact, views, status);
  add_quantiles(metrics, exact, views, deterministic);
  metrics.push_back({"max_error", mean_of(collect(views, kLargest)), status});
  metrics.push_back({"negative_denominators", total_of(collect(views, kNegative)), "ok"});
  metrics.push_back({"nonfinite", total_of(nonfinite), "ok"});
  mark_without_error(metrics);
  return metrics;
}

}  // namespace attngap
