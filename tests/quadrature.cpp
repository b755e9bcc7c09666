#include "tests/quadrature.hpp"

#include <cmath>
#include <numbers>

#include <boost/math/quadrature/gauss_kronrod.hpp>

namespace attngap::testing_tools {

double integral(const Function& f, double a, double b) {
  return boost::math::quadrature::gauss_kronrod<double, 61>::integrate(f, a, b, 8, 1e-13);
}

double normal_expectation(const Function& f) {
  const auto density = [&](double g) {
    return std::exp(-0.5 * g * g) / std::sqrt(2.0 * std::numbers::pi) * f(g);
  };
  return integral(density, -22.0, 0.0) + integral(density, 0.0, 22.0);
}

double chi_expectation(int d, const Function& f) {
  const double log_norm = (0.5 * d - 1.0) * std::numbers::ln2 + std::lgamma(0.5 * d);
  const double mode = std::sqrt(std::max(0.0, d - 1.0));
  const auto density = [&](double r) {
    return r <= 0.0 ? (d == 1 ? std::exp(-log_norm) * f(0.0) : 0.0)
                    : std::exp((d - 1.0) * std::log(r) - 0.5 * r * r - log_norm) * f(r);
  };
  return integral(density, std::max(0.0, mode - 14.0), mode) + integral(density, mode, mode + 20.0);
}

double cosine_expectation(int d, const Function& f) {
  // t = sin a turns the density into cos^{d−2} a, which has no singular end.
  const auto weight = [&](double a) { return std::pow(std::cos(a), d - 2); };
  const double half = 0.5 * std::numbers::pi;
  const auto weighted = [&](double a) { return weight(a) * f(std::sin(a)); };
  return (integral(weighted, -half, 0.0) + integral(weighted, 0.0, half)) / integral(weight, -half, half);
}

}  // namespace attngap::testing_tools
