#include "estimators/taylor.hpp"

#include "estimators/error.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <boost/math/special_functions/gamma.hpp>
#include <boost/math/tools/roots.hpp>

namespace attngap {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

void require_point(int degree, double x) {
  require(degree >= 0 && std::isfinite(x), "Taylor polynomial: degree = {} must be at least 0, x = {} finite",
          degree, x);
}

// yⁿ/n!
double power_over_factorial(double y, int n) {
  double term = 1.0;
  for (int i = 1; i <= n; ++i) term *= y / i;
  return term;
}

// M_t = ₁F₁(1; t+2; −y) for y ≥ 0, in (0, 1]. M_{t−1} = 1 − y/(t+1) M_t loses errors by the factor y/(t+1)
// downwards and (t+1)/y upwards: upwards from M_{−1} = e^{−y} where y is the larger, downwards from a degree
// so high that its error (at most 1) has shrunk below 2⁻⁵³ where t is.
double kummer(int degree, double y) {
  double m = std::exp(-y);
  if (y > degree + 2) {
    for (int n = 0; n <= degree; ++n) m = (1.0 - m) * ((n + 1) / y);
    return m;
  }
  const int start = degree + 30 + static_cast<int>(9.0 * std::sqrt(y));
  m = (start + 2.0) / (start + 2.0 + y);
  for (int n = start; n > degree; --n) m = 1.0 - y / (n + 1.0) * m;
  return m;
}

// ln |P(t+1, −y)| for y > 0: no power to overflow.
double log_relative_error(int degree, double y) {
  return (degree + 1) * std::log(y) - std::lgamma(degree + 2.0) + y + std::log(kummer(degree, y));
}

bool is_even(int degree) {
  return degree % 2 == 0;
}

}  // namespace

double taylor_exp(int degree, double x) {
  require_point(degree, x);
  if (degree == 1) return 1.0 + x;
  // For x < 0 and even t nothing cancels (R_t < 0). For odd t e^x − R_t cancels no more than the zero of T_t
  // demands: |e^x/T_t| ≤ |x T_t′/T_t| for x ≤ −1, because T_{t−1} > e^x.
  if (x < 0 && degree > 0) return std::exp(x) - taylor_remainder(degree, x);
  double sum = 1.0;  // Horner's rule on positive terms
  for (int n = degree; n >= 1; --n) sum = 1.0 + x / n * sum;
  return sum;
}

double taylor_remainder(int degree, double x) {
  require_point(degree, x);
  if (x >= 0) return x == 0 ? 0.0 : std::exp(x) * taylor_relative_error(degree, x);
  return taylor_remainder_sign(degree, x) * power_over_factorial(-x, degree + 1) * kummer(degree, -x);
}

double taylor_relative_error(int degree, double x) {
  require_point(degree, x);
  if (x >= 0) return boost::math::gamma_p(degree + 1.0, x);
  return std::exp(-x) * taylor_remainder(degree, x);
}

double taylor_ratio(int degree, double x) {
  require_point(degree, x);
  return x >= 0 ? boost::math::gamma_q(degree + 1.0, x) : 1.0 - taylor_relative_error(degree, x);
}

double taylor_log_ratio(int degree, double x) {
  require_point(degree, x);
  if (x > degree + 1.0) {
    double sum = 1.0;  // T_n n!/xⁿ = 1 + (n/x) T_{n−1} (n−1)!/x^{n−1}, at most t+1 here
    for (int n = 1; n <= degree; ++n) sum = 1.0 + n / x * sum;
    return degree * std::log(x) - std::lgamma(degree + 1.0) + std::log(sum) - x;
  }
  const double error = taylor_relative_error(degree, x);
  if (std::isfinite(error)) return error < 1.0 ? std::log1p(-error) : kUndefined;
  const double log_error = log_relative_error(degree, -x);  // r = 1 + e^L for even t, 1 − e^L for odd t
  if (is_even(degree)) return std::max(log_error, 0.0) + std::log1p(std::exp(-std::abs(log_error)));
  return log_error < 0.0 ? std::log1p(-std::exp(log_error)) : kUndefined;
}

int taylor_remainder_sign(int degree, double x) {
  require_point(degree, x);
  if (x == 0) return 0;
  return x > 0 || !is_even(degree) ? 1 : -1;
}

RemainderBounds taylor_remainder_bounds(int degree, double x) {
  require_point(degree, x);
  const double b = degree + 2.0;
  const double leading = power_over_factorial(std::abs(x), degree + 1);
  if (x < 0) return {leading * std::max(std::exp(x / b), (b - 1) / (b - 1 - x)), leading * (b / (b - x))};
  const double high = x < b ? std::min(b / (b - x), std::exp(x)) : std::exp(x);
  return {leading * std::exp(x / b), leading * high};
}

double taylor_error_bound(int degree, double radius) {
  require_point(degree, radius);
  require(radius >= 0, "Taylor polynomial: radius = {}, must not be negative", radius);
  return power_over_factorial(radius, degree + 1) * std::exp(radius);
}

double taylor_zero(int degree) {
  require(degree >= 1 && !is_even(degree),
          "Taylor polynomial of degree {} has no real zero; odd degrees have one", degree);
  if (degree == 1) return -1.0;
  const auto log_error = [degree](double y) { return log_relative_error(degree, y); };
  std::uintmax_t steps = 200;
  const auto [below, above] = boost::math::tools::toms748_solve(
      log_error, 0.25 * degree, 0.5 * (degree + 1), boost::math::tools::eps_tolerance<double>(52), steps);
  return -0.5 * (below + above);
}

double taylor_floor(int degree) {
  require(degree >= 0 && is_even(degree), "Taylor polynomial of degree {}: only even degrees have a floor",
          degree);
  return degree == 0 ? 1.0 : power_over_factorial(-taylor_zero(degree - 1), degree);
}

bool taylor_is_positive(int degree, double lowest) {
  require_point(degree, lowest);
  return is_even(degree) || lowest > taylor_zero(degree);
}

TruncationCertificate truncation_certificate(int degree, double lowest, double highest) {
  require(degree >= 0 && lowest <= highest,
          "truncation: degree = {} must be at least 0 and the range [{}, {}] not empty", degree, lowest,
          highest);
  const bool positive =
      std::isfinite(lowest) ? taylor_is_positive(degree, lowest) : is_even(degree) || lowest > 0;
  if (!positive) return {kInfinity, kInfinity};
  if (!std::isfinite(lowest) || !std::isfinite(highest)) return {kInfinity, 1.0};
  const double at_lowest = taylor_log_ratio(degree, lowest);
  const double at_highest = taylor_log_ratio(degree, highest);
  const double top = is_even(degree) ? at_lowest : taylor_log_ratio(degree, std::clamp(0.0, lowest, highest));
  const double log_spread = std::max(0.0, top - std::min(at_lowest, at_highest));
  return {log_spread, std::tanh(0.25 * log_spread)};
}

double total_variation_of_relative_error(double epsilon) {
  require(epsilon >= 0 && epsilon <= 1, "relative error of the weights = {}, must be between 0 and 1",
          epsilon);
  return epsilon / (1.0 + std::sqrt((1.0 - epsilon) * (1.0 + epsilon)));
}

namespace {

void require_search(double radius, double tolerance) {
  require(radius >= 0 && radius <= 1e4 && tolerance > 0,
          "degree for a tolerance: radius = {} must be between 0 and 1e4, tolerance = {} positive", radius,
          tolerance);
}

}  // namespace

int degree_for_total_variation(double radius, double tolerance) {
  require_search(radius, tolerance);
  int degree = 0;
  while (truncation_certificate(degree, -radius, radius).total_variation > tolerance) degree += 2;
  return degree;
}

int degree_for_remainder(double radius, double tolerance) {
  require_search(radius, tolerance);
  int degree = 0;
  while (taylor_relative_error(degree, radius) > tolerance) ++degree;
  return degree;
}

double taylor_condition(int degree, double x) {
  return x >= 0 ? 1.0 : taylor_exp(degree, -x) / std::abs(taylor_exp(degree, x));
}

double taylor_rounding_bound(int degree, double x, double unit_roundoff) {
  const double roundings = (3.0 * degree + 1.0) * unit_roundoff;
  return roundings / (1.0 - roundings) * taylor_condition(degree, x);
}

}  // namespace attngap
