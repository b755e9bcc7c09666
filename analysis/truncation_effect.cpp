#include "analysis/truncation_effect.hpp"

#include "estimators/elementwise.hpp"
#include "estimators/error.hpp"
#include "estimators/taylor.hpp"
#include "estimators/truncation_certificate.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace attngap {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

constexpr std::array kNames{
    NamedMetric{"taylor_value", "T_t(x), the Taylor polynomial of exp; of the full form e^x itself", false},
    NamedMetric{"taylor_error", "largest |e^x − T_t(x)| on |x| ≤ R", false},
    NamedMetric{"taylor_relative_error", "largest |e^x − T_t(x)|/e^x on |x| ≤ R", false},
    NamedMetric{"mean_total_variation",
                "mean over queries and channels of the total variation between truncated and full weights",
                false},
    NamedMetric{"max_total_variation", "the largest of them", false},
    NamedMetric{"total_variation_bound", "what it cannot exceed, from the range of 2qk alone", false},
    NamedMetric{"max_error_bound", "what max_error cannot exceed, from the ranges of 2qk and v alone", false},
};

Metric exactly(std::string_view name, double value) {
  return {name, {value, kNone, kNone, kNone}, std::isfinite(value) ? "ok" : "nonfinite"};
}

Metric bound(std::string_view name, double value) {
  if (!std::isfinite(value)) return {name, {kNone, kNone, kNone, kNone}, "no-bound"};
  return exactly(name, value);
}

// The weights of one query and channel at every degree, columns 0 … degree, and after them the full ones.
// e^{−q²} cancels; so does the nearest key's e^{−k²}, without which distant keys would vanish.
Matrix channel_weights(const AttentionProblem& problem, Index query, Index channel, Index degree) {
  const Index keys = problem.visible_keys(query);
  const Eigen::ArrayXd k = problem.K.col(channel).head(keys);
  const Eigen::ArrayXd x = 2.0 * problem.Q(query, channel) * k;
  const Eigen::ArrayXd squares = k.square();
  const Eigen::ArrayXd factors = (squares.minCoeff() - squares).exp();
  const Eigen::ArrayXd exponents = x - squares;
  Matrix weights(keys, degree + 2);
  Eigen::ArrayXd term = factors;
  Eigen::ArrayXd sum = factors;
  for (Index n = 0; n <= degree; ++n) {
    weights.col(n) = sum / sum.sum();
    term *= x / static_cast<double>(n + 1);
    sum += term;
  }
  const Eigen::ArrayXd full = (exponents - exponents.maxCoeff()).exp();
  weights.col(degree + 1) = full / full.sum();
  return weights;
}

}  // namespace

std::span<const NamedMetric> truncation_metric_names() {
  return kNames;
}

std::vector<WeightShift> weight_shifts(const AttentionProblem& problem, Index degree) {
  check_elementwise(problem);
  require(degree >= 0, "degree = {}, must be at least 0", degree);
  std::vector<WeightShift> shifts(static_cast<std::size_t>(degree) + 1);
  double count = 0.0;
  for (Index i = 0; i < problem.queries(); ++i)
    for (Index c = 0; c < problem.head_dim(); ++c) {
      const Matrix weights = channel_weights(problem, i, c, degree);
      count += 1.0;
      for (Index n = 0; n <= degree; ++n) {
        const double distance = 0.5 * (weights.col(n) - weights.col(degree + 1)).lpNorm<1>();
        WeightShift& shift = shifts[static_cast<std::size_t>(n)];
        shift.mean += (distance - shift.mean) / count;
        // A distance that is no number stays: max would forget it.
        if (!(distance <= shift.largest) && !std::isnan(shift.largest)) shift.largest = distance;
      }
    }
  return shifts;
}

Metric taylor_value(int degree, double x) {
  return exactly("taylor_value", taylor_exp(degree, x));
}

Metric exp_value(double x) {
  return exactly("taylor_value", std::exp(x));
}

std::vector<Metric> truncation_metrics(int degree, double radius) {
  return {exactly("taylor_error", taylor_remainder(degree, radius)),
          exactly("taylor_relative_error", std::abs(taylor_relative_error(degree, -radius))),
          bound("total_variation_bound", truncation_certificate(degree, -radius, radius).total_variation)};
}

std::vector<Metric> truncation_metrics(const AttentionProblem& problem, int degree, const Matrix& exact,
                                       const Matrix& truncated, Index nonpositive_denominators,
                                       const WeightShift& shift) {
  AttentionEstimate estimate(exact.rows(), exact.cols());
  estimate.numerator = truncated;
  estimate.denominator.setOnes();
  GapAccumulator gap(exact);
  gap.add(estimate);
  std::vector<Metric> metrics = gap_metrics(exact, {gap.block()}, true);
  for (Metric& metric : metrics)
    if (metric.name == "negative_denominators")
      metric.estimated.value = static_cast<double>(nonpositive_denominators);
  double total_variation = 0.0, output = 0.0;
  for (const ChannelCertificate& channel : channel_certificates(problem, degree)) {
    total_variation = std::max(total_variation, channel.total_variation);
    output = std::max(output, channel.output);
  }
  metrics.push_back(exactly("mean_total_variation", shift.mean));
  metrics.push_back(exactly("max_total_variation", shift.largest));
  metrics.push_back(bound("total_variation_bound", total_variation));
  metrics.push_back(bound("max_error_bound", output));
  return metrics;
}

}  // namespace attngap
