#pragma once

#include "estimators/matrix.hpp"

namespace attngap {

/// The angle of x and y in [0, π], by Kahan's formula, which keeps its digits at 0 and π, where the arc
/// cosine loses half of them; 0 where one of them is zero.
double angle_between(const Vector& x, const Vector& y);

/// What is left of x across y, which is not zero.
Vector across(const Vector& x, const Vector& y);

}  // namespace attngap
