#include "estimators/special_functions.hpp"

#include "estimators/error.hpp"

#include <algorithm>
#include <cmath>

#include <boost/math/constants/constants.hpp>
#include <boost/math/special_functions/bessel.hpp>
#include <boost/math/special_functions/ellint_2.hpp>
#include <boost/math/special_functions/hypergeometric_0F1.hpp>
#include <boost/math/special_functions/hypergeometric_1F1.hpp>

namespace attngap {
namespace {

// ₁F₁(−n; n; u) for u ≥ 0 is n!(n−1)!/(2n−1)! L_n^{(n−1)}(u); the recurrence runs on the normalised
// polynomial, which starts at 1 and needs no factorials: with a = n−1 and P_k = L_k^{(a)} k! / (a+1)_k,
// (k+1+a) P_{k+1} = (2k+1+a−u) P_k − k P_{k−1}.
double terminating_kummer(int n, double u) {
  const double a = n - 1;
  double previous = 0.0;
  double current = 1.0;
  for (int k = 0; k < n; ++k) {
    const double next = ((2.0 * k + 1.0 + a - u) * current - k * previous) / (k + 1.0 + a);
    previous = current;
    current = next;
  }
  return current;
}

// ₁F₁(−n; n; −z) for z ≥ 0: every term is positive.
double positive_terms(int n, double z) {
  double term = 1.0;
  double sum = 1.0;
  for (int k = 0; k < n; ++k) {
    term *= (n - k) / static_cast<double>(n + k) * z / (k + 1.0);
    sum += term;
  }
  return sum;
}

// ₁F₁(d; d/2; z) for z ≥ 0 from its definition: every term is positive. Boost 1.74 throws at some odd d ≥ 9
// and z = 60.
double positive_series(int d, double z) {
  double term = 1.0;
  double sum = 1.0;
  for (int k = 0; term > 1e-17 * sum && std::isfinite(sum); ++k) {
    term *= (d + k) / (0.5 * d + k) * z / (k + 1.0);
    sum += term;
  }
  return sum;
}

}  // namespace

double kummer_pair_moment(int d, double z) {
  require(d >= 1 && std::isfinite(z), "1F1(d; d/2; z): d = {} must be at least 1 and z = {} finite", d, z);
  if (d % 2 != 0)
    return z >= 0 ? positive_series(d, z)
                  : boost::math::hypergeometric_1F1(static_cast<double>(d), 0.5 * d, z);
  const int n = d / 2;
  return std::exp(z) * (z >= 0 ? positive_terms(n, z) : terminating_kummer(n, -z));
}

// e^{−z}(₁F₁(−n; n; −z) − e^z), n = d/2: with c_k = Π_{j<k} (n − j)/(n + j) the terms are (c_k − 1) zᵏ/k!, of
// which the first two vanish, and 1 − c_k grows by 2k c_k/(n + k).
double kummer_pair_excess(int d, double z) {
  if (!(std::abs(z) <= 1.0)) {
    const double ratio = kummer_pair_moment(d, z) * std::exp(-2.0 * z);
    return z > 0.0 && !std::isfinite(ratio) ? -1.0 : ratio - 1.0;
  }
  require(d >= 1, "1F1(d; d/2; z): d = {} must be at least 1", d);
  const double n = 0.5 * d;
  double ratio = 1.0, missing = 0.0, power = z, sum = 0.0;  // c_k, 1 − c_k, zᵏ/k!
  for (int k = 1; k < 25; ++k) {
    missing += ratio * 2.0 * k / (n + k);
    ratio *= (n - k) / (n + k);
    power *= z / (k + 1.0);
    sum += missing * power;
  }
  return -std::exp(-z) * sum;
}

double hypergeometric_0f1(double b, double z) {
  return boost::math::hypergeometric_0F1(b, z);
}

double log_hypergeometric_0f1(double b, double z) {
  if (z == 0.0) return 0.0;
  // The terms z^k/(k! (b)_k) grow while k(b + k − 1) < z.
  const double top = std::floor(0.5 * (1.0 - b + std::sqrt((b - 1.0) * (b - 1.0) + 4.0 * z)));
  const double largest = std::max(0.0, top);
  double sum = 1.0;
  for (double k = largest + 1.0, term = 1.0; term > 1e-18 * sum; k += 1.0)
    sum += term *= z / (k * (b + k - 1.0));
  for (double k = largest, term = 1.0; k > 0.0 && term > 1e-18 * sum; k -= 1.0)
    sum += term *= k * (b + k - 1.0) / z;
  return largest * std::log(z) - std::lgamma(largest + 1.0) - std::lgamma(b + largest) + std::lgamma(b) +
         std::log(sum);
}

// Σ_k (4z)^k/((b)_k k!) (1 − c_k), c_k = (b − ½)_k/(2b − 1)_k, of which c₁ = ½ whatever b.
double spherical_variance(double b, double z) {
  double power = 1.0, ratio = 0.5, sum = 0.0;
  for (int k = 1;; ++k) {
    power *= 4.0 * z / ((b + k - 1.0) * k);
    const double term = power * (1.0 - ratio);
    sum += term;
    if (!(term > 1e-18 * sum) || std::isinf(sum)) return sum;
    ratio *= (b - 0.5 + k) / (2.0 * b - 1.0 + k);
  }
}

// Σ_k (2z)^k/((b)_k k!) (1 − 2^k c_k), c_k as above: e_k = 2^k c_k − 1 is 0 for k ≤ 1 and grows by
// (1 + e_k) k/(2b − 1 + k).
double spherical_covariance(double b, double z) {
  double power = 2.0 * z / b, excess = 0.0, sum = 0.0;
  for (int k = 1;; ++k) {
    excess += (1.0 + excess) * k / (2.0 * b - 1.0 + k);
    power *= 2.0 * z / ((b + k) * (k + 1.0));
    const double term = power * excess;
    sum += term;
    if (!(term > 1e-18 * sum) || std::isinf(sum)) return -sum;
  }
}

double bessel_j0(double x) {
  return boost::math::cyl_bessel_j(0, x);
}

double bessel_i0(double x) {
  using boost::math::policies::ignore_error;
  using boost::math::policies::overflow_error;
  return boost::math::cyl_bessel_i(0, x, boost::math::policies::policy<overflow_error<ignore_error>>());
}

double dilogarithm(double x) {
  require(std::abs(x) <= 1.0, "Li2({}): the argument must be within 1 of zero", x);
  constexpr double kLimit = boost::math::double_constants::pi_sqr_div_six;
  if (x == 1.0) return kLimit;
  // Reflection and Landen's identity bring the argument into [0, ½], where 60 terms are enough.
  if (x > 0.5) return kLimit - std::log(x) * std::log1p(-x) - dilogarithm(1.0 - x);
  if (x < 0.0) return -dilogarithm(x / (x - 1.0)) - 0.5 * std::log1p(-x) * std::log1p(-x);
  double power = 1.0;
  double sum = 0.0;
  for (int n = 1; n <= 60; ++n) sum += (power *= x) / (static_cast<double>(n) * n);
  return sum;
}

double ellipse_series(double x) {
  require(std::abs(x) <= 1.0, "2F1(-1/2, -1/2; 1; {}): the argument must be within 1 of zero", x);
  if (x > 0.5) {  // perimeter 4 a E(k) of the ellipse with a + b = 1
    const double a = 0.5 * (1.0 + std::sqrt(x));
    const double k = std::sqrt(1.0 - (1.0 - a) * (1.0 - a) / (a * a));
    return 4.0 * a * boost::math::ellint_2(k) * boost::math::double_constants::one_div_pi;
  }
  double term = 1.0;
  double sum = 1.0;
  // The terms fall like n⁻³|x|ⁿ; at x = −1 they alternate, so that the last one bounds what is left.
  for (int n = 0; n < 100'000 && std::abs(term) > 1e-17; ++n) {
    const double factor = (n - 0.5) / (n + 1.0);
    term *= factor * factor * x;
    sum += term;
  }
  return sum;
}

}  // namespace attngap
