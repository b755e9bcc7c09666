#include "analysis/length_law.hpp"

#include "analysis/prediction.hpp"

#include <cmath>
#include <limits>
#include <string_view>

namespace attngap {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace

std::optional<LengthLaw> LengthLaw::of(const AttentionEstimator& estimator, double norm2, Index dim) {
  const auto* ratio = dynamic_cast<const RatioEstimator*>(&estimator);
  if (ratio == nullptr || ratio->transforms() || ratio->center_keys() || !estimator.sums_over_keys() ||
      !why_unpredictable(estimator).empty())
    return std::nullopt;
  const std::string_view map = ratio->map().name();
  std::vector<Term> terms;
  if (map == "positive") terms = {{1.0, 1.0, 2.0}};
  if (map == "hyperbolic") terms = {{0.5, 1.0, 2.0}, {0.5, -1.0, 0.0}};
  if (map == "trigonometric") terms = {{0.5, 1.0, 0.0}, {0.5, -1.0, 2.0}};
  if (terms.empty() || estimator.projection() != "iid") return std::nullopt;
  return LengthLaw(std::move(terms), norm2 / static_cast<double>(dim), dim, estimator.has_moments());
}

LengthLaw::Tilted LengthLaw::tilted(double mu, double alpha, double s, double query_norm2) const {
  const double rest = 1.0 - s * tau2_;
  if (rest <= 0.0) return {kInfinity, kInfinity};
  const double exponent = (mu * mu * s + 2.0 * alpha * mu + tau2_ * alpha * alpha) / (2.0 * rest);
  return {std::exp(exponent * query_norm2 - 0.5 * dim_ * std::log(rest)), (mu + tau2_ * alpha) / rest};
}

LengthLaw::Exponential LengthLaw::row_sum(const Term& term, double query_norm2) const {
  return {std::log(term.weight) + query_norm2 * (term.sigma + 0.5 * tau2_ * (term.tilt * term.tilt - 1.0)),
          term.tilt - 1.0 + tau2_ * term.sigma * term.tilt};
}

double LengthLaw::ew2(double query_norm2) const {
  double sum = 0.0;
  for (const Term& term : terms_) {
    const Exponential c = row_sum(term, query_norm2);
    sum += std::exp(c.log_factor) * tilted(tau2_, c.slope, tau2_, query_norm2).value;
  }
  return sum;
}

double LengthLaw::independent_variance(double query_norm2) const {
  double sum = ew2(query_norm2);
  for (const Term& term : terms_) {
    const double diagonal = tilted(2.0 * tau2_, 2.0 * term.tilt - 2.0, 2.0 * term.sigma, query_norm2).value;
    const Exponential c = row_sum(term, query_norm2);
    sum += term.weight * std::exp(term.sigma * query_norm2) * diagonal;
    sum -= 2.0 * std::exp(c.log_factor) * tilted(2.0 * tau2_, c.slope, tau2_, query_norm2).value;
  }
  return std::exp(tau2_ * query_norm2) * sum;
}

double LengthLaw::independent_bias2(double query_norm2) const {
  const double w = ew2(query_norm2);
  double sum = w * w;
  for (const Term& term : terms_) {
    const Exponential c = row_sum(term, query_norm2);
    sum -= 2.0 * w * std::exp(c.log_factor) * tilted(2.0 * tau2_, c.slope, tau2_, query_norm2).value;
    for (const Term& other : terms_) {
      const Exponential c2 = row_sum(other, query_norm2);
      sum += std::exp(c.log_factor + c2.log_factor) *
             tilted(2.0 * tau2_, c.slope + c2.slope, 2.0 * tau2_, query_norm2).value;
    }
  }
  return std::exp(tau2_ * query_norm2) * sum;
}

double LengthLaw::linear_variance(double query_norm2, double r_norm2, double r_dot_query) const {
  if (tau2_ >= 1.0) return kInfinity;
  const double tau4 = tau2_ * tau2_;
  double sum = 0.0;
  for (const Term& term : terms_) {
    const Exponential c = row_sum(term, query_norm2);
    const double of_term = std::exp(c.log_factor) * tilted(tau2_, c.slope, tau2_, query_norm2).value;
    const double shift = term.tilt / (1.0 - term.sigma * tau2_) - 1.0;
    sum += of_term * tau4 * (r_norm2 * term.sigma / (1.0 - tau4) + r_dot_query * r_dot_query * shift * shift);
  }
  return sum;
}

double LengthLaw::linear_bias(double query_norm2, double r_dot_query) const {
  double sum = 0.0;
  for (const Term& term : terms_) {
    const Exponential c = row_sum(term, query_norm2);
    const Tilted keys = tilted(tau2_, c.slope, tau2_, query_norm2);
    sum -= std::exp(c.log_factor) * keys.value * (keys.mean - tau2_) * r_dot_query;
  }
  return sum;
}

std::vector<Metric> LengthLaw::metrics(const Matrix& scaled_queries, const Matrix& value_map,
                                       const Matrix& exact, Index keys, Index draws) const {
  const auto m = static_cast<double>(draws), l = static_cast<double>(keys);
  const auto n = static_cast<double>(scaled_queries.rows());
  double bias2 = 0.0, variance = 0.0, largest = 0.0;
  for (Index i = 0; i < scaled_queries.rows(); ++i) {
    const double q2 = scaled_queries.row(i).squaredNorm();
    largest = std::max(largest, ew2(q2));
    if (value_map.rows() == 0) {
      bias2 += independent_bias2(q2) / (l * m * m * n);
      variance += independent_variance(q2) / (l * m * n);
      continue;
    }
    for (Index channel = 0; channel < value_map.rows(); ++channel) {
      const double along = value_map.row(channel).dot(scaled_queries.row(i));
      const double share = 1.0 / (n * static_cast<double>(value_map.rows()));
      bias2 += share * std::pow(linear_bias(q2, along) / m, 2);
      variance += share * linear_variance(q2, value_map.row(channel).squaredNorm(), along) / m;
    }
  }
  const bool finite = std::isfinite(variance) && std::isfinite(bias2);
  const std::string_view status = !finite                      ? "infinite-variance"
                                  : !has_moments_              ? "no-moment"
                                  : m >= draws_needed(largest) ? "ok"
                                                               : "not-valid";
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  if (!finite) bias2 = variance = kInfinity;
  const double relative = (bias2 + variance) / exact.array().square().mean();
  return {{"predicted_bias2", {bias2, kNone, kNone, kNone}, status},
          {"predicted_variance", {variance, kNone, kNone, kNone}, status},
          {"predicted_relative_mse", {relative, kNone, kNone, kNone}, status}};
}

}  // namespace attngap
