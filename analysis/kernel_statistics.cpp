#include "analysis/kernel_statistics.hpp"

#include "analysis/tail_inference.hpp"
#include "analysis/tilted_moments.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace attngap {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr Estimated kNothing{kNone, kNone, kNone, kNone};

// Estimates that are equal but for the rounding of a few dozen operations.
constexpr double kRounding = 64.0 * std::numeric_limits<double>::epsilon();

constexpr std::array kNames{
    NamedMetric{"kernel_mean", "mean over replicates of K̂/K, the kernel estimate of a pair over its target"},
    NamedMetric{"kernel_variance", "its variance; none where its tail is too heavy for a sample variance"},
    NamedMetric{"predicted_kernel_mean", "E K̂/K in closed form; 1 where the estimate is unbiased", false},
    NamedMetric{"predicted_kernel_variance", "Var K̂/K² in closed form", false},
    NamedMetric{
        "tilted_kernel_variance",
        "Var K̂/K² of independent positive or hyperbolic features by importance sampling without variance"},
    NamedMetric{"predicted_kernel_mse", "Var K̂/K² + (E K̂/K − 1)² in closed form, on the grid of the map",
                false},
};

Estimated exactly(double value) {
  return {value, kNone, kNone, kNone};
}

Estimated interval_of_mean(const Moments& moments) {
  const double error = moments.standard_error_of_mean();
  const double half = student_t_quantile(0.975, static_cast<double>(moments.count() - 1)) * error;
  return {moments.mean(), error, moments.mean() - half, moments.mean() + half};
}

// Mean and variance of the estimates as far as they can be trusted.
struct Measured {
  Estimated mean = kNothing;
  Estimated variance = kNothing;
  std::string_view status = "ok";
};

// Whether the law's kurtosis forbids a sample variance of R replicates: judged by the law alone, so that what
// is given is no selection of tame samples. With √((γ − 1)/R) up to 1/8 intervals of 95 % cover 95 to 97 %,
// up to 1/4 98 %; beyond, rare draws that carry the variance are often missing, and sparse laws are covered
// less. Normal numbers are trusted at any R; a pilot's few replicates only plan for more, and γ = 30 is
// within reach of these.
bool too_heavy(double kurtosis, std::int64_t replicates) {
  constexpr double kTrusted = 0.25, kNormal = 4.0, kHopeless = 30.0;
  constexpr std::int64_t kPilot = 32;
  const auto R = static_cast<double>(replicates);
  return kurtosis - 1.0 > kTrusted * kTrusted * R && kurtosis > (replicates <= kPilot ? kHopeless : kNormal);
}

// The interval of a variance from the sample alone, in a unit whose fourth power does not leave the range of
// a double; a power of two changes no digit.
Estimated interval_of_sample(std::span<const double> estimates) {
  double largest = 1.0;
  for (const double estimate : estimates) largest = std::max(largest, std::abs(estimate));
  const double unit = std::exp2(std::ilogb(largest));
  std::vector<double> scaled;
  for (const double estimate : estimates) scaled.push_back(estimate / unit);
  const Estimated found = variance_interval(Moments::of(scaled));
  const double square = unit * unit;
  return {square * found.value, square * found.std_error, square * found.low, square * found.high};
}

Measured measure(std::span<const double> estimates, double predicted_variance, double kurtosis) {
  if (!std::all_of(estimates.begin(), estimates.end(), [](double k) { return std::isfinite(k); }))
    return {kNothing, kNothing, "nonfinite"};
  const Moments moments = Moments::of(estimates);
  const double square = std::max(1.0, moments.mean() * moments.mean());
  const bool equal = moments.variance() <= kRounding * kRounding * square;
  if (equal && predicted_variance <= kRounding * square)
    return {{moments.mean(), 0.0, moments.mean(), moments.mean()}, {0.0, 0.0, 0.0, 0.0}, "ok"};
  if (std::isinf(predicted_variance)) return {exactly(moments.mean()), kNothing, "infinite-variance"};
  if (equal) return {exactly(moments.mean()), kNothing, "heavy-tail"};  // what varies was never drawn
  std::vector<double> squares;
  for (const double estimate : estimates) squares.push_back(std::pow(estimate - moments.mean(), 2));
  const bool finite = std::all_of(squares.begin(), squares.end(), [](double s) { return std::isfinite(s); });
  const bool known = !std::isnan(kurtosis);
  if (!finite || (known ? too_heavy(kurtosis, moments.count()) : !pareto_shape(squares).trusted))
    return {exactly(moments.mean()), kNothing, "heavy-tail"};
  return {interval_of_mean(moments),
          known ? variance_interval(moments, kurtosis) : interval_of_sample(estimates), "ok"};
}

}  // namespace

std::span<const NamedMetric> kernel_metric_names() {
  return kNames;
}

std::vector<Metric> kernel_metrics(std::span<const double> estimates, const KernelMoments& law) {
  if (!std::isfinite(law.target) || law.target == 0.0 || !std::isfinite(law.mean)) {
    std::vector<Metric> metrics;
    for (const NamedMetric& row : std::span(kNames).first(4))
      metrics.push_back({row.name, kNothing, "no-moment"});
    return metrics;
  }
  const double variance = law.variance / (law.target * law.target);
  const Measured measured = measure(estimates, variance, law.kurtosis);
  return {
      {"kernel_mean", measured.mean, measured.status},
      {"kernel_variance", measured.variance, measured.status},
      {"predicted_kernel_mean", exactly(law.mean / law.target), "ok"},
      {"predicted_kernel_variance", exactly(variance), std::isinf(variance) ? "infinite-variance" : "ok"}};
}

Metric tilted_kernel_variance(const FeatureMap& map, const AttentionProblem& pair, Index draws,
                              const StreamAddress& address) {
  constexpr std::int64_t kTilted = 16;  // one would do: the rest shows that nothing varies
  const Vector x = pair.scaled_queries().row(0), y = pair.scaled_keys().row(0);
  StreamAddress elsewhere = address;
  elsewhere.replicate += kTilted;
  const Moments second = tilted_pair_moment(map, x, y, y, kTilted, address);
  const double mean = tilted_kernel_mean(map, x, y, kTilted, elsewhere).mean();
  const double excess = second.mean() - mean * mean;
  const auto m = static_cast<double>(draws);
  const double value = excess > kRounding * second.mean() ? excess / m : 0.0;
  // Draws that agree still round, and a small difference of large moments keeps few of their digits.
  const double error = std::max(second.standard_error_of_mean(), kRounding * second.mean()) / m;
  const double half = student_t_quantile(0.975, kTilted - 1) * error;
  return {"tilted_kernel_variance", {value, error, value - half, value + half}, "ok"};
}

Metric predicted_kernel_mse(const KernelMoments& law) {
  const double mse = law.variance / (law.target * law.target) + std::pow(law.mean / law.target - 1.0, 2);
  if (std::isnan(mse)) return {"predicted_kernel_mse", kNothing, "no-moment"};
  return {"predicted_kernel_mse", exactly(mse), std::isinf(mse) ? "infinite-variance" : "ok"};
}

}  // namespace attngap
