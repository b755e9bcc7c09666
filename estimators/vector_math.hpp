#pragma once

#include <span>

namespace attngap {

// The seam to the vector functions of libraries; what each of them is off by at most is tested against 50
// digits (tests/vector_math_test.cpp). All work element by element: a result depends on x[i] alone, not on
// its place, its neighbours or how memory is aligned.

/// x[i] ← exp x[i] within 4 ulp, glibc's own limit (2.4 at most were found): 0 at −∞ and gradually below the
/// smallest normal number, ∞ above the largest. glibc's vector functions on x86-64, half again as fast as
/// SLEEF's; SLEEF's within 1 ulp where there is no glibc, the C++ library's elsewhere.
void vector_exp(std::span<double> x);
/// The same of floats.
void vector_exp(std::span<float> x);

/// sine[i] = sin x[i], cosine[i] = cos x[i] within 1 ulp. SLEEF's vector functions on x86-64, the C++
/// library's elsewhere. Equal sizes; `sine` may be x.
void vector_sincos(std::span<const double> x, std::span<double> sine, std::span<double> cosine);
/// The same of floats.
void vector_sincos(std::span<const float> x, std::span<float> sine, std::span<float> cosine);

/// Sine and cosine of 2π·turns[i] within 3.5 ulp, which is plenty for random numbers and twice as fast.
void vector_sincos_of_turns(std::span<const double> turns, std::span<double> sine, std::span<double> cosine);

/// x[i] ← ln x[i] within 1 ulp.
void vector_log(std::span<double> x);

/// x[i] ← the angle in [0, π] of cosine x[i], −1 ≤ x[i] ≤ 1, within 1 ulp.
void vector_acos(std::span<double> x);

}  // namespace attngap
