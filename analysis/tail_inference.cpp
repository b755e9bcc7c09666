#include "analysis/tail_inference.hpp"

#include "estimators/error.hpp"
#include "estimators/vector_math.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <vector>

#include <Eigen/Cholesky>
#include <boost/math/distributions/normal.hpp>

namespace attngap {
namespace {

double normal_quantile_975() {
  return boost::math::quantile(boost::math::normal(), 0.975);
}

// Mean of ln(1 − θ y): the shape that belongs to the scale −k/θ.
double shape_at(double theta, const std::vector<double>& exceedances) {
  std::vector<double> logs;
  logs.reserve(exceedances.size());
  for (const double y : exceedances) logs.push_back(1.0 - theta * y);
  vector_log(logs);
  return std::accumulate(logs.begin(), logs.end(), 0.0) / static_cast<double>(logs.size());
}

// Zhang and Stephens' θ̂ = Σ θ_j L(θ_j)/Σ L(θ_j), L the profile likelihood over their grid. Increasing y > 0.
double posterior_theta(const std::vector<double>& y) {
  const auto n = static_cast<double>(y.size());
  const int grid = 30 + static_cast<int>(std::sqrt(n));
  const double quartile = y[static_cast<std::size_t>(n / 4.0 + 0.5) - 1];
  std::vector<double> theta, likelihood;
  for (int j = 1; j <= grid; ++j) {
    theta.push_back(1.0 / y.back() + (1.0 - std::sqrt(grid / (j - 0.5))) / (3.0 * quartile));
    const double shape = shape_at(theta.back(), y);
    likelihood.push_back(n * (std::log(-theta.back() / shape) - shape - 1.0));
  }
  const double largest = *std::max_element(likelihood.begin(), likelihood.end());
  double mass = 0, sum = 0;
  for (std::size_t j = 0; j < theta.size(); ++j) {
    const double weight = std::exp(likelihood[j] - largest);
    mass += weight;
    sum += weight * theta[j];
  }
  return sum / mass;
}

}  // namespace

Estimated variance_interval(const Moments& moments) {
  const auto n = static_cast<double>(moments.count());
  const double variance = moments.variance();
  if (n < 5) {
    constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
    return {variance, kUndefined, kUndefined, kUndefined};
  }
  Estimated interval =
      variance_interval(moments, moments.central_moment(4) / std::pow(moments.central_moment(2), 2));
  interval.std_error = moments.standard_error_of_variance();
  return interval;
}

Estimated variance_interval(const Moments& moments, double kurtosis) {
  const auto n = static_cast<double>(moments.count());
  const double variance = moments.variance(), z = normal_quantile_975();
  const double excess = kurtosis - (n - 3) / n;
  const double relative = std::sqrt((excess < 0.0 ? 0.0 : excess) / (n - 1));  // NaN stays
  const double c = n / (n - z);
  return {variance, variance * relative, c * variance * std::exp(-z * c * relative),
          c * variance * std::exp(z * c * relative)};
}

TailShape pareto_shape(std::span<const double> weights) {
  require(weights.size() >= 25, "Pareto shape of {} weights: needs at least 25", weights.size());
  for (const double w : weights) require(std::isfinite(w), "Pareto shape: a weight is {}", w);
  const auto n = static_cast<double>(weights.size());
  const auto tail = static_cast<std::size_t>(std::min(n / 5.0, 3.0 * std::sqrt(n)));
  std::vector<double> sorted(weights.begin(), weights.end());
  const auto below_tail = sorted.begin() + static_cast<std::ptrdiff_t>(tail);
  std::nth_element(sorted.begin(), below_tail, sorted.end(), std::greater<>());
  std::sort(sorted.begin(), below_tail, std::greater<>());
  std::vector<double> exceedances;
  for (std::size_t i = tail; i-- > 0;)
    if (sorted[i] > sorted[tail]) exceedances.push_back(sorted[i] - sorted[tail]);
  if (exceedances.size() < 5 || exceedances.front() == exceedances.back())
    return {-std::numeric_limits<double>::infinity(), true};
  const auto size = static_cast<double>(exceedances.size());
  const double raw = shape_at(posterior_theta(exceedances), exceedances);
  const double shape = (raw * size + 0.5 * 10.0) / (size + 10.0);
  return {shape, shape <= kLargestTrustedShape};
}

Estimated gls_slope(const Eigen::VectorXd& x, const Eigen::VectorXd& y, const Eigen::MatrixXd& covariance) {
  require(
      x.size() >= 2 && x.size() == y.size() && covariance.rows() == x.size() && covariance.cols() == x.size(),
      "slope: {} x, {} y and a covariance of {}×{}, must agree and be at least 2", x.size(), y.size(),
      covariance.rows(), covariance.cols());
  const Eigen::LLT<Eigen::MatrixXd> factor(covariance);
  require(factor.info() == Eigen::Success, "slope: the covariance of y is not positive definite");
  Eigen::MatrixXd X(x.size(), 2);
  X << Eigen::VectorXd::Ones(x.size()), x;
  const Eigen::MatrixXd weighted = factor.solve(X);
  const Eigen::Matrix2d information = X.transpose() * weighted;
  const Eigen::LLT<Eigen::Matrix2d> inverse(information);
  const Eigen::Vector2d coefficients = inverse.solve(Eigen::Vector2d(weighted.transpose() * y));
  const double error = std::sqrt(inverse.solve(Eigen::Vector2d::UnitY())(1));
  const double half = normal_quantile_975() * error;
  return {coefficients(1), error, coefficients(1) - half, coefficients(1) + half};
}

}  // namespace attngap
