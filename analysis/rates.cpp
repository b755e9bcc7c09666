#include "analysis/rates.hpp"

#include "analysis/tail_inference.hpp"
#include "estimators/error.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include <Eigen/Cholesky>

namespace attngap {
namespace {

// Of points whose draws are nested, the larger taking in the smaller. Singular where two counts are equal.
Eigen::MatrixXd nested_correlation(std::span<const double> counts) {
  const auto size = static_cast<Eigen::Index>(counts.size());
  Eigen::MatrixXd correlation(size, size);
  for (Eigen::Index i = 0; i < size; ++i)
    for (Eigen::Index j = 0; j < size; ++j) {
      const auto [less, more] =
          std::minmax(counts[static_cast<std::size_t>(i)], counts[static_cast<std::size_t>(j)]);
      correlation(i, j) = less / more;
    }
  return correlation;
}

// The slope with errors of the variance times the correlation, and with the interval of the header.
Estimated fitted(const Eigen::VectorXd& x, const Eigen::VectorXd& y, const Eigen::MatrixXd& correlation,
                 double variance) {
  Estimated slope = gls_slope(x, y, correlation);
  double half = std::sqrt(variance) * (slope.high - slope.low) / 2.0;
  const auto freedom = static_cast<double>(x.size()) - 2.0;
  if (freedom >= 1.0) {
    // What is left is known up to the intercept, which is its weighted mean.
    const Eigen::LLT<Eigen::MatrixXd> factor(correlation);
    const Eigen::VectorXd ones = Eigen::VectorXd::Ones(x.size()), weights = factor.solve(ones);
    const Eigen::VectorXd left = y - slope.value * x;
    const Eigen::VectorXd residual = left - (weights.dot(left) / weights.sum()) * ones;
    const double scatter = std::max(residual.dot(factor.solve(residual)), 0.0) / freedom;
    half = std::max(half, student_t_quantile(0.975, freedom) * std::sqrt(scatter) * slope.std_error);
  }
  return {slope.value, std::sqrt(variance) * slope.std_error, slope.value - half, slope.value + half};
}

}  // namespace

std::optional<Estimated> exponent_of(const RatePoints& points) {
  const std::size_t count = points.counts.size();
  require(points.values.size() == count && points.errors.size() == count,
          "exponent: {} counts, {} values and {} errors, must be as many", count, points.values.size(),
          points.errors.size());
  const std::set<double> distinct(points.counts.begin(), points.counts.end());
  if (distinct.size() < 2) return std::nullopt;
  const auto size = static_cast<Eigen::Index>(count);
  Eigen::VectorXd x(size), y(size);
  double variance = 0.0;
  for (std::size_t i = 0; i < count; ++i) {
    require(points.counts[i] > 0 && points.values[i] > 0,
            "exponent: {} at {}, must both be positive to have logarithms", points.values[i],
            points.counts[i]);
    x(static_cast<Eigen::Index>(i)) = std::log(points.counts[i]);
    y(static_cast<Eigen::Index>(i)) = std::log(points.values[i]);
    variance += std::pow(points.errors[i] / points.values[i], 2) / static_cast<double>(count);
  }
  const Eigen::MatrixXd none = Eigen::MatrixXd::Identity(size, size);
  const bool may_nest = points.of_draws && variance > 0.0 && distinct.size() == count;
  if (!may_nest) return fitted(x, y, none, variance);
  const Eigen::MatrixXd nested = nested_correlation(points.counts);
  const bool wider = gls_slope(x, y, nested).std_error > gls_slope(x, y, none).std_error;
  return fitted(x, y, wider ? nested : none, variance);
}

}  // namespace attngap
