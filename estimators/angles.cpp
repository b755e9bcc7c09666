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

}  // namespace attngap
