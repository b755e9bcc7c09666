#include "analysis/two_stage.hpp"

#include <cmath>
#include <limits>

#include <boost/math/distributions/chi_squared.hpp>

namespace attngap {

double replicates_needed(double value, double std_error, std::int64_t pilot, double relative) {
  constexpr double kConfidence = 0.9;
  if (std_error == 0.0) return 0.0;
  const double ratio = std_error / (relative * std::abs(value));
  if (!std::isfinite(ratio) || pilot < 2) return std::numeric_limits<double>::infinity();
  const double freedom = static_cast<double>(pilot) - 1.0;
  const double lower = boost::math::quantile(boost::math::chi_squared(freedom), 1.0 - kConfidence);
  return static_cast<double>(pilot) * ratio * ratio * freedom / lower;
}

}  // namespace attngap
