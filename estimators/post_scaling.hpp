#pragma once

#include "estimators/matrix.hpp"

#include <cmath>

namespace attngap {

/// ppSBN after the attention: y = γ x^β per output element, with the sign-preserving power sign(x)|x|^β. The
/// plain power of the paper and of the released code is NaN for every x < 0 unless β is whole.
struct PostScaling {
  double gamma = 1.0;
  double beta = 1.0;

  bool is_identity() const { return gamma == 1.0 && beta == 1.0; }
  double operator()(double x) const { return gamma * std::copysign(std::pow(std::abs(x), beta), x); }

  /// All elements in place.
  template <typename Derived>
  void apply(Eigen::MatrixBase<Derived>& outputs) const {
    if (!is_identity()) outputs = outputs.unaryExpr([this](double x) { return (*this)(x); }).eval();
  }
};

}  // namespace attngap
