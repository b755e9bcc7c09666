#pragma once

namespace attngap {

/// μ₄/μ₂² of cosh g, g ~ N(0, S), for S > 0, and of cos g, g ~ N(0, |S|), for S < 0. It tends to 15, that of
/// a squared normal number, as S → 0; NaN there, where nothing varies.
double kurtosis_of_even(double S);

/// μ₄/μ₂² of exp(w·z) for w uniform on the sphere of radius √d and |z|² = S ≥ 0, whose moments are
/// E exp(k w·z) = ₀F₁(; d/2; k²dS/4). It tends to 3d/(d + 2), that of a coordinate of w, as S → 0; NaN there.
double kurtosis_on_the_sphere(double d, double S);

}  // namespace attngap
