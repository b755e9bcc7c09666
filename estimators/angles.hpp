#pragma once

#include "estimators/matrix.hpp"

namespace attngap {

/// The angle of x and y in [0, π], by Kahan's formula, which keeps its digits at 0 and π, where the arc
/// cosine loses half of them; 0 where one of them is zero.
double angle_between(const Vector& x, const Vector& y);

/// What is left of x across y, which is not zero.
Vector across(const Vector& x, const Vector& y);

/// J₁ = sin θ + (π − θ) cos θ and J₂ = 3 sin θ cos θ + (π − θ)(1 + 2 cos² θ) of arc-cosine kernels (Cho and
/// Saul 2009) as functions of π − θ, of third and fifth order in it: by their series where they are small.
double arccos_j1(double opening);
/// J₂, as above.
double arccos_j2(double opening);

}  // namespace attngap
