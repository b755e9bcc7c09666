#include "estimators/kurtosis.hpp"

#include "estimators/special_functions.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace attngap {
namespace {

// μ₄ of exp(w·z) over its mean to the fourth for |w| = √d, as a power series in t = d|z|²/4 times ₀F₁(; c;
// t)⁴: of F(16t) − 4F(9t)F(t) + 6F(4t)F(t)² − 3F(t)⁴, F = ₀F₁(; c; ·), whose first two terms vanish.
double fourth_moment_on_the_sphere(double c, double t) {
  constexpr std::size_t kTerms = 40;
  using Series = std::array<double, kTerms>;
  const auto times = [](const Series& a, const Series& b) {
    Series product{};
    for (std::size_t i = 0; i < kTerms; ++i)
      for (std::size_t j = 0; i + j < kTerms; ++j) product[i + j] += a[i] * b[j];
    return product;
  };
  const auto scaled = [&](double factor) {
    Series terms{1.0};
    for (std::size_t k = 1; k < kTerms; ++k) {
      const auto n = static_cast<double>(k);
      terms[k] = terms[k - 1] * factor * t / (n * (c + n - 1.0));
    }
    return terms;
  };
  const Series F = scaled(1.0), square = times(F, F);
  const Series A = scaled(16.0), B = times(scaled(9.0), F), C = times(scaled(4.0), square);
  const Series D = times(square, square);
  double sum = 0.0;
  for (std::size_t k = kTerms; k-- > 2;) sum += A[k] - 4.0 * B[k] + 6.0 * C[k] - 3.0 * D[k];
  return sum;
}

}  // namespace

// In units of the mean e^{S/2} the moments are M₂ = cosh S, M₃ = (3e^{−S} + e^{3S})/4, M₄ = (3e^{−2S} + 4 +
// e^{6S})/8, and μ₄ = M₄ − 4M₃ + 6M₂ − 3, of order S⁴: by its series where the sum would cancel.
double kurtosis_of_even(double S) {
  if (S == 0.0) return std::numeric_limits<double>::quiet_NaN();
  const double half = std::sinh(0.5 * S);
  const double variance = 2.0 * half * half;
  double fourth = 0.0;
  if (std::abs(S) < 0.5) {
    double power = S * S * S / 6.0;  // Sᵏ/k!
    for (int k = 4; k < 40; ++k) {
      power *= S / k;
      const double sign = k % 2 == 0 ? 1.0 : -1.0;
      fourth += power * ((3.0 * sign * std::pow(2.0, k) + std::pow(6.0, k)) / 8.0 -
                         (3.0 * sign + std::pow(3.0, k)) + 3.0 * (sign + 1.0));
    }
  } else {
    // Over the largest term's size, 6S or 2|S|, so that no quotient of two infinities is left.
    const double top = std::max(6.0 * S, -2.0 * S);
    fourth = (3.0 * std::exp(-2.0 * S - top) + 4.0 * std::exp(-top) + std::exp(6.0 * S - top)) / 8.0 -
             (3.0 * std::exp(-S - top) + std::exp(3.0 * S - top)) +
             3.0 * (std::exp(S - top) + std::exp(-S - top)) - 3.0 * std::exp(-top);
    const double halved = 0.5 * std::pow(std::expm1(-std::abs(S)), 2);  // variance e^{−|S|}
    return fourth / (halved * halved) * std::exp(top - 2.0 * std::abs(S));
  }
  return fourth / (variance * variance);
}

double kurtosis_on_the_sphere(double d, double S) {
  if (S == 0.0) return std::numeric_limits<double>::quiet_NaN();
  const double c = 0.5 * d, t = 0.5 * c * S;
  if (S < 0.5) return fourth_moment_on_the_sphere(c, t) / std::pow(spherical_variance(c, t), 2);
  const double mean = log_hypergeometric_0f1(c, t);  // from here logarithms in units of the mean
  const double second = log_hypergeometric_0f1(c, 4.0 * t) - 2.0 * mean;
  const double third = log_hypergeometric_0f1(c, 9.0 * t) - 3.0 * mean;
  const double fourth = log_hypergeometric_0f1(c, 16.0 * t) - 4.0 * mean;
  const double central =
      1.0 - 4.0 * std::exp(third - fourth) + 6.0 * std::exp(second - fourth) - 3.0 * std::exp(-fourth);
  return central / std::pow(std::expm1(-second), 2) * std::exp(fourth - 2.0 * second);
}

}  // namespace attngap
