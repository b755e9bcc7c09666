#include "estimators/maclaurin_kernel.hpp"

#include "estimators/names.hpp"
#include "estimators/special_functions.hpp"

#include <array>
#include <cmath>
#include <limits>
#include <vector>

namespace attngap {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double inverse_factorial(int n) {
  return 1.0 / std::tgamma(n + 1.0);
}

// 1, 1/2, 1/8, 1/16, 5/128, …: a_n = a_{n−1} (2n−3)/(2n), which are C_{n−1}/2^{2n−1} with Catalan numbers.
double sqrt_coefficient(int n) {
  double a = n == 0 ? 1.0 : 0.5;
  for (int i = 2; i <= n; ++i) a *= (2.0 * i - 3.0) / (2.0 * i);
  return a;
}

// Σ xⁿ/n!² = I₀(2√x), for x < 0 J₀(2√|x|).
double squared_sum_exp(double x) {
  return x < 0 ? bessel_j0(2.0 * std::sqrt(-x)) : bessel_i0(2.0 * std::sqrt(x));
}
// Σ xⁿ = 1/(1 − x) for |x| < 1.
double squared_sum_inverse(double x) {
  return std::abs(x) < 1.0 ? 1.0 / (1.0 - x) : kInfinity;
}
// 1 + Σ_{n≥1} xⁿ/n² = 1 + Li₂(x) for |x| ≤ 1.
double squared_sum_log(double x) {
  return std::abs(x) <= 1.0 ? 1.0 + dilogarithm(x) : kInfinity;
}
// ₂F₁(−½, −½; 1; x) for |x| ≤ 1; 4/π at x = 1.
double squared_sum_sqrt(double x) {
  return std::abs(x) <= 1.0 ? ellipse_series(x) : kInfinity;
}

double exponential(double z) {
  return std::exp(z);
}

constexpr int kTen = 10;

// The binomial coefficients of (1 + z)¹⁰; zero above.
double binomial_of_ten(int n) {
  constexpr std::array<double, kTen + 1> kRow{1, 10, 45, 120, 210, 252, 210, 120, 45, 10, 1};
  return n <= kTen ? kRow[static_cast<std::size_t>(n)] : 0.0;
}
double power_of_ten(int n) {
  return n == kTen ? 1.0 : 0.0;
}
double tenth_power(double z) {
  const double square = z * z, fourth = square * square;
  return fourth * fourth * square;
}
// Σ C(10, n)² xⁿ = ₂F₁(−10, −10; 1; x).
double squared_sum_binomial(double x) {
  double sum = 0.0;
  for (int n = kTen; n >= 0; --n) sum = sum * x + binomial_of_ten(n) * binomial_of_ten(n);
  return sum;
}

constexpr std::string_view kGuo = "Guo et al. 2024";
constexpr std::string_view kKar = "Kar and Karnick 2012";

constexpr std::array kKernels{
    MaclaurinKernel{"exp", "exp(z)", kGuo, &inverse_factorial, &exponential, &squared_sum_exp, kInfinity},
    MaclaurinKernel{"inverse", "1/(1 − z)", kGuo, [](int) { return 1.0; },
                    [](double z) { return 1.0 / (1.0 - z); }, &squared_sum_inverse, 1.0},
    MaclaurinKernel{"log", "1 − ln(1 − z)", kGuo, [](int n) { return n == 0 ? 1.0 : 1.0 / n; },
                    [](double z) { return 1.0 - std::log1p(-z); }, &squared_sum_log, 1.0},
    MaclaurinKernel{"sqrt", "2 − √(1 − z)", kGuo, &sqrt_coefficient,
                    [](double z) { return 2.0 - std::sqrt(1.0 - z); }, &squared_sum_sqrt, 1.0},
    MaclaurinKernel{"trigh", "sinh z + cosh z = exp(z)", kGuo, &inverse_factorial, &exponential,
                    &squared_sum_exp, kInfinity},
    MaclaurinKernel{"power10", "z¹⁰", kKar, &power_of_ten, &tenth_power, &tenth_power, kInfinity, kTen},
    MaclaurinKernel{"polynomial10", "(1 + z)¹⁰", kKar, &binomial_of_ten,
                    [](double z) { return tenth_power(1.0 + z); }, &squared_sum_binomial, kInfinity, kTen},
};

// Σ_{n≥lowest} c(n) xⁿ until a term no longer counts; the caller keeps x well inside the radius.
template <typename Coefficient>
double tail(Coefficient coefficient, int lowest, double x) {
  double power = std::pow(x, lowest);
  double sum = 0.0;
  double largest = 0.0;
  for (int n = lowest; n < lowest + 2000; ++n) {
    const double term = coefficient(n) * power;
    sum += term;
    largest = std::max(largest, std::abs(term));
    if (std::abs(term) <= 1e-18 * largest) break;
    power *= x;
  }
  return sum;
}

// Σ_{lowest≤n≤degree} c(n) xⁿ of a polynomial.
template <typename Coefficient>
double upper_terms(Coefficient coefficient, int lowest, int degree, double x) {
  double sum = 0.0;
  for (int n = degree; n >= lowest; --n) sum = sum * x + coefficient(n);
  return lowest > degree ? 0.0 : sum * std::pow(x, lowest);
}

// e^z P(T+1, z) = z^{T+1}/(T+1)! ₁F₁(1; T+2; z), for z < 0 by Kummer with positive terms only.
double exponential_tail(int highest, double z) {
  const double lead = std::pow(z, highest + 1) * inverse_factorial(highest + 1);
  const double a = z < 0 ? highest + 1.0 : 1.0;
  double term = 1.0;
  double sum = 1.0;
  for (int k = 0; term > 1e-17 * sum; ++k) {
    term *= (a + k) / (highest + 2.0 + k) * std::abs(z) / (k + 1.0);
    sum += term;
  }
  return lead * sum * (z < 0 ? std::exp(z) : 1.0);
}

}  // namespace

std::span<const MaclaurinKernel> maclaurin_kernels() {
  return kKernels;
}

const MaclaurinKernel& maclaurin_kernel_named(std::string_view name) {
  std::vector<std::string_view> names;
  for (const auto& kernel : kKernels) {
    if (kernel.name == name) return kernel;
    names.push_back(kernel.name);
  }
  require_known("kernel", name, names);
  return kKernels.front();
}

bool is_exponential(const MaclaurinKernel& kernel) {
  return kernel.value == &exponential;
}

double maclaurin_sum(const MaclaurinKernel& kernel, int highest, double z) {
  double sum = 0.0;
  for (int n = highest; n >= 0; --n) sum = sum * z + kernel.coefficient(n);
  return sum;
}

double truncation_bias(const MaclaurinKernel& kernel, int highest, double z) {
  if (is_exponential(kernel)) return exponential_tail(highest, z);
  if (kernel.degree) return upper_terms(kernel.coefficient, highest + 1, *kernel.degree, z);
  if (std::abs(z) > 0.9 * kernel.radius) return kernel.value(z) - maclaurin_sum(kernel, highest, z);
  return tail(kernel.coefficient, highest + 1, z);
}

double squared_tail(const MaclaurinKernel& kernel, int lowest, double x) {
  if (lowest == 0) return kernel.squared_sum(x);
  const auto square = [&](int n) { return kernel.coefficient(n) * kernel.coefficient(n); };
  if (kernel.degree) return upper_terms(square, lowest, *kernel.degree, x);
  if (std::abs(x) <= (std::isinf(kernel.radius) ? 4.0 : 0.5)) return tail(square, lowest, x);
  double sum = kernel.squared_sum(x);
  for (int n = 0; n < lowest; ++n) sum -= square(n) * std::pow(x, n);
  return sum;
}

}  // namespace attngap
