#include "analysis/decisions.hpp"

#include "estimators/error.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <boost/math/distributions/normal.hpp>

namespace attngap {

std::vector<double> holm_adjusted(std::span<const double> p_values) {
  for (const double p : p_values) require(p >= 0 && p <= 1, "p = {}, must be between 0 and 1", p);
  std::vector<std::size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return p_values[a] < p_values[b]; });
  std::vector<double> adjusted(p_values.size());
  double largest = 0.0;
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    largest = std::max(largest, static_cast<double>(order.size() - rank) * p_values[order[rank]]);
    adjusted[order[rank]] = std::min(1.0, largest);
  }
  return adjusted;
}

EquivalenceVerdict equivalence_test(const Moments& moments, double margin, double alpha) {
  require(margin > 0 && alpha > 0 && alpha < 0.5,
          "equivalence test: margin = {} must be positive and alpha = {} between 0 and 1/2", margin, alpha);
  const auto count = static_cast<double>(moments.count());
  const double error = moments.standard_error_of_mean();
  const double quantile = student_t_quantile(1.0 - alpha, count - 1.0);
  const double low = moments.mean() - quantile * error, high = moments.mean() + quantile * error;
  EquivalenceVerdict result{Equivalence::undecided, {moments.mean(), error, low, high}, 0};
  if (-margin < low && high < margin) result.verdict = Equivalence::equivalent;
  if (low > margin || high < -margin) result.verdict = Equivalence::refuted;
  if (result.verdict != Equivalence::undecided || !std::isfinite(error)) return result;

  // The distance to the nearer margin must be z_{1−α} + z_{0.9} standard errors.
  const boost::math::normal normal;
  const double errors = boost::math::quantile(normal, 1.0 - alpha) + boost::math::quantile(normal, 0.9);
  const double distance = std::abs(margin - std::abs(moments.mean()));
  const double needed = std::ceil(count * std::pow(errors * error / distance, 2));
  constexpr auto kLargest = std::numeric_limits<std::int64_t>::max();
  result.replicates_needed = needed < 9e18 ? static_cast<std::int64_t>(needed) : kLargest;
  return result;
}

Estimated confidence_sequence(const Moments& moments, double alpha, double tuned_for) {
  require(alpha > 0 && alpha < 1 && tuned_for >= 1,
          "confidence sequence: alpha = {} must be between 0 and 1, tuned_for = {} at least 1", alpha,
          tuned_for);
  const double rho2 = (-2.0 * std::log(alpha) + std::log(1.0 - 2.0 * std::log(alpha))) / tuned_for;
  const auto count = static_cast<double>(moments.count());
  const double grown = count * rho2 + 1.0;
  const double half = std::sqrt(moments.variance() * 2.0 * grown / (count * count * rho2) *
                                std::log(std::sqrt(grown) / alpha));
  return {moments.mean(), moments.standard_error_of_mean(), moments.mean() - half, moments.mean() + half};
}

}  // namespace attngap
