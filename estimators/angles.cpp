#include "estimators/angles.hpp"

#include <cmath>

namespace attngap {

double angle_between(const Vector& x, const Vector& y) {
  const double x_norm = x.norm(), y_norm = y.norm();
  if (x_norm == 0.0 || y_norm == 0.0) return 0.0;
  const Vector along = x * y_norm, other = y * x_norm;
  return 2.0 * std::atan2((along - other).norm(), (along + other).norm());
}

Vector across(const Vector& x, const Vector& y) {
  return x - (x.dot(y) / y.squaredNorm()) * y;
}

namespace {

constexpr double kSmall = 0.5;  // below it sums of sines and cosines lose digits, and six terms are enough

// Σ_{k≥first} (−1)^{k−first} (2k − lost) u^{2k+1}/(2k+1)!.
double odd_series(double u, int first, double lost) {
  double power = u, sum = 0.0;
  for (int k = 1; k < 14; ++k) {
    power *= -u * u / (2.0 * k * (2.0 * k + 1.0));
    if (k >= first) sum += (2.0 * k - lost) * power;
  }
  return first % 2 == 0 ? sum : -sum;
}

}  // namespace

// sin ε − ε cos ε with ε = π − θ.
double arccos_j1(double opening) {
  if (opening < kSmall) return odd_series(opening, 1, 0.0);
  return std::sin(opening) - opening * std::cos(opening);
}

// ε(1 + 2 cos² ε) − 3 sin ε cos ε = ½[u(2 + cos u) − 3 sin u], u = 2ε.
double arccos_j2(double opening) {
  const double u = 2.0 * opening;
  if (opening < kSmall) return 0.5 * odd_series(u, 2, 2.0);
  return 0.5 * (u * (2.0 + std::cos(u)) - 3.0 * std::sin(u));
}

}  // namespace attngap
