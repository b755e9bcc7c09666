#pragma once

#include <functional>

namespace attngap::testing_tools {

using Function = std::function<double(double)>;

/// ∫ f over [a, b], adaptive Gauss and Kronrod.
double integral(const Function& f, double a, double b);

/// E f(G) of a standard normal G, for f growing no faster than exp(12|G|).
double normal_expectation(const Function& f);

/// E f(R) of the norm R of a standard normal vector in R^d.
double chi_expectation(int d, const Function& f);

/// E f(T) of the cosine T between a uniform direction of R^d, d ≥ 2, and a fixed one: its density is
/// proportional to (1 − t²)^((d−3)/2).
double cosine_expectation(int d, const Function& f);

}  // namespace attngap::testing_tools
