#pragma once

#include "estimators/feature_map.hpp"

#include <optional>
#include <span>

namespace attngap {

/// A map whose product of features at a pair sees one projection of the direction alone: with z = x ± y and
/// w·z = |z| g, g ~ N(0, 1), one direction's kernel estimate over the kernel is
///
///   positive        exp(r g − r²/2)      r = |x + y|
///   hyperbolic      cosh(r g) exp(−r²/2)   r = |x + y|
///   trigonometric   cos(r g) exp(r²/2)     r = |x − y|
///
/// so that independent directions of any dimension are drawn as one normal number each. All three are the
/// Hermite series Σ_k c_k r^k/k! He_k(g) with c_k = 1; c_k = 1 for even k only; and c_k = (−1)^{k/2} for even
/// k only.
class RadialKernel {
 public:
  /// Nothing where the product is no function of one projection.
  static std::optional<RadialKernel> of(const FeatureMap& map);

  double radius(const Vector& x, const Vector& y) const;  ///< r

  /// Writes the estimates over the kernel of one direction each; `ratios` may not be `normals`.
  void ratios(double radius, std::span<const double> normals, std::span<double> ratios) const;

  /// c_k.
  double coefficient(int k) const;

 private:
  enum class Function { exponential, hyperbolic_cosine, cosine };
  explicit RadialKernel(Function function) : function_(function) {}

  Function function_;
};

}  // namespace attngap
