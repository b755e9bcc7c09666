#pragma once

#include <span>

namespace attngap {

/// sine[i] = sin x[i], cosine[i] = cos x[i] within 1 ulp, element by element: a result depends on x[i] alone,
/// not on its place. SLEEF's vector functions on x86-64, the C++ library's elsewhere. Equal sizes; `sine` may
/// be x.
void vector_sincos(std::span<const double> x, std::span<double> sine, std::span<double> cosine);
/// The same of floats.
void vector_sincos(std::span<const float> x, std::span<float> sine, std::span<float> cosine);

/// Sine and cosine of 2π·turns[i] within 3.5 ulp, which is plenty for random numbers and twice as fast.
void vector_sincos_of_turns(std::span<const double> turns, std::span<double> sine, std::span<double> cosine);

/// x[i] ← ln x[i] within 1 ulp.
void vector_log(std::span<double> x);

}  // namespace attngap
