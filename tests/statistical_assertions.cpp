#include "tests/statistical_assertions.hpp"

#include <algorithm>
#include <cmath>

#include <boost/math/distributions/normal.hpp>

namespace attngap::testing_tools {

double sigma_limit() {
  return boost::math::quantile(boost::math::complement(boost::math::normal(), 0.5 * kFalseAlarm));
}

testing::AssertionResult within_limit(double sigmas, double found, double expected, double std_error) {
  const bool passed = std::abs(sigmas) <= sigma_limit();  // false for NaN
  return (passed ? testing::AssertionSuccess() : testing::AssertionFailure())
         << found << " is " << sigmas << " standard errors (of " << std_error << ") from " << expected
         << "; the limit is " << sigma_limit();
}

testing::AssertionResult mean_is(const Moments& moments, double exact, std::optional<double> known_variance) {
  const auto n = static_cast<double>(moments.count());
  const double std_error = std::sqrt(known_variance.value_or(moments.variance()) / n);
  return within_limit((moments.mean() - exact) / std_error, moments.mean(), exact, std_error);
}

testing::AssertionResult variance_is(const Moments& moments, double closed_form,
                                     std::optional<double> known_fourth_moment) {
  const auto n = static_cast<double>(moments.count());
  const double std_error =
      known_fourth_moment
          ? std::sqrt((*known_fourth_moment - closed_form * closed_form * (n - 3.0) / (n - 1.0)) / n)
          : moments.standard_error_of_variance();
  return within_limit((moments.variance() - closed_form) / std_error, moments.variance(), closed_form,
                      std_error);
}

testing::AssertionResult frequency_is(std::size_t hits, std::size_t trials, double probability) {
  const auto n = static_cast<double>(trials);
  const double frequency = static_cast<double>(hits) / n;
  const double std_error = std::sqrt(probability * (1.0 - probability) / n);
  return within_limit((frequency - probability) / std_error, frequency, probability, std_error);
}

testing::AssertionResult is_distributed_as(std::vector<double> sample,
                                           const std::function<double(double)>& distribution_function) {
  std::sort(sample.begin(), sample.end());
  const auto n = static_cast<double>(sample.size());
  double distance = 0.0;
  for (std::size_t i = 0; i < sample.size(); ++i) {
    const double f = distribution_function(sample[i]);
    const auto below = static_cast<double>(i);
    distance = std::max({distance, f - below / n, (below + 1.0) / n - f});
  }
  const double limit = std::sqrt(std::log(2.0 / kFalseAlarm) / (2.0 * n));
  return (distance <= limit ? testing::AssertionSuccess() : testing::AssertionFailure())
         << "the empirical distribution function is " << distance << " from the law's; the limit for "
         << sample.size() << " numbers is " << limit;
}

testing::AssertionResult are_uncorrelated(std::span<const double> a, std::span<const double> b) {
  Moments products, first, second;
  for (std::size_t i = 0; i < a.size(); ++i) {
    first.add(a[i]);
    second.add(b[i]);
  }
  for (std::size_t i = 0; i < a.size(); ++i) products.add((a[i] - first.mean()) * (b[i] - second.mean()));
  return mean_is(products, 0.0);
}

double fourth_moment_of_mean(double variance, double fourth_moment, double m) {
  return (fourth_moment + 3.0 * (m - 1.0) * variance * variance) / (m * m * m);
}

}  // namespace attngap::testing_tools
