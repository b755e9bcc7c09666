#include "estimators/radial_kernel.hpp"

#include "estimators/vector_math.hpp"

#include <cmath>

namespace attngap {

std::optional<RadialKernel> RadialKernel::of(const FeatureMap& map) {
  if (map.name() == "positive") return RadialKernel(Function::exponential);
  if (map.name() == "hyperbolic") return RadialKernel(Function::hyperbolic_cosine);
  if (map.name() == "trigonometric") return RadialKernel(Function::cosine);
  return std::nullopt;
}

double RadialKernel::radius(const Vector& x, const Vector& y) const {
  return function_ == Function::cosine ? (x - y).norm() : (x + y).norm();
}

void RadialKernel::ratios(double radius, std::span<const double> normals, std::span<double> ratios) const {
  const auto size = static_cast<Index>(normals.size());
  const Eigen::Map<const Eigen::ArrayXd> g(normals.data(), size);
  Eigen::Map<Eigen::ArrayXd> ratio(ratios.data(), size);
  const double half_square = 0.5 * radius * radius;
  switch (function_) {
    case Function::exponential:
      ratio = radius * g - half_square;
      vector_exp(ratios);
      return;
    case Function::hyperbolic_cosine:
      for (Index i = 0; i < size; ++i)
        ratio(i) = 0.5 * (std::exp(radius * g(i) - half_square) + std::exp(-radius * g(i) - half_square));
      return;
    case Function::cosine:
      for (Index i = 0; i < size; ++i) ratio(i) = std::cos(radius * g(i)) * std::exp(half_square);
      return;
  }
}

double RadialKernel::coefficient(int k) const {
  if (function_ == Function::exponential) return 1.0;
  if (k % 2 != 0) return 0.0;
  return function_ == Function::cosine && k % 4 == 2 ? -1.0 : 1.0;
}

}  // namespace attngap
