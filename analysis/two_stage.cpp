#include "analysis/two_stage.hpp"

#include <cmath>
#include <limits>

#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/normal.hpp>

namespace attngap {
namespace {

constexpr double kConfidence = 0.9;

// The quantile of m₄/m₂² of n normal numbers at `probability` (Anscombe and Glynn 1983).
double kurtosis_quantile(double n, double probability) {
  const double mean = 3.0 * (n - 1.0) / (n + 1.0);
  const double variance = 24.0 * n * (n - 2.0) * (n - 3.0) / ((n + 1.0) * (n + 1.0) * (n + 3.0) * (n + 5.0));
  const double skewness = 6.0 * (n * n - 5.0 * n + 2.0) / ((n + 7.0) * (n + 9.0)) *
                          std::sqrt(6.0 * (n + 3.0) * (n + 5.0) / (n * (n - 2.0) * (n - 3.0)));
  const double a = 6.0 + 8.0 / skewness * (2.0 / skewness + std::sqrt(1.0 + 4.0 / (skewness * skewness)));
  const double z = boost::math::quantile(boost::math::normal(), probability);
  const double root = 1.0 - 2.0 / (9.0 * a) - z * std::sqrt(2.0 / (9.0 * a));
  const double standardised = ((1.0 - 2.0 / a) / (root * root * root) - 1.0) / std::sqrt(2.0 / (a - 4.0));
  return mean + standardised * std::sqrt(variance);
}

// pilot · (std_error/(relative·value))², or what it is where there is none.
double plain_need(double value, double std_error, std::int64_t pilot, double relative) {
  if (std_error == 0.0) return 0.0;
  const double ratio = std_error / (relative * std::abs(value));
  return std::isfinite(ratio) ? static_cast<double>(pilot) * ratio * ratio
                              : std::numeric_limits<double>::infinity();
}

}  // namespace

double replicates_needed(double value, double std_error, std::int64_t pilot, double relative) {
  if (std_error != 0.0 && pilot < 2) return std::numeric_limits<double>::infinity();
  const double freedom = static_cast<double>(pilot) - 1.0;
  const double needed = plain_need(value, std_error, pilot, relative);
  if (needed == 0.0) return needed;
  return needed * freedom / boost::math::quantile(boost::math::chi_squared(freedom), 1.0 - kConfidence);
}

double replicates_needed_of_variance(double value, double std_error, std::int64_t pilot, double relative) {
  constexpr std::int64_t kFewest = 20;  // the quantile is good from there
  if (std_error != 0.0 && pilot < kFewest) return std::numeric_limits<double>::infinity();
  const double needed = plain_need(value, std_error, pilot, relative);
  if (needed == 0.0) return needed;
  const auto n = static_cast<double>(pilot);
  const double shrunk = (n - 1.0) / n;  // m₂ over the sample variance
  const double lower = (kurtosis_quantile(n, 1.0 - kConfidence) - (n - 3.0) / (n - 1.0)) * shrunk * shrunk;
  return needed * 2.0 / lower;
}

}  // namespace attngap
