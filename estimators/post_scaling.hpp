#pragma once

#include "estimators/matrix.hpp"

#include <cmath>

namespace attngap {

/// ppSBN after the attention: y = γ x^β per output element, with the sign-preserving power sign(x)|x|^β; β is
/// one number or one a channel. The plain power of the paper and of the released code is NaN for every x < 0
/// unless β is whole.
struct PostScaling {
  double gamma = 1.0;
  Vector beta = Vector::Ones(1);  ///< 1 or p numbers

  bool is_identity() const { return gamma == 1.0 && (beta.array() == 1.0).all(); }
  double operator()(double x, Index channel = 0) const {
    return gamma * std::copysign(std::pow(std::abs(x), beta(beta.size() == 1 ? 0 : channel)), x);
  }

  /// All elements in place; columns are channels.
  template <typename Derived>
  void apply(Eigen::MatrixBase<Derived>& outputs) const {
    if (is_identity()) return;
    for (Index c = 0; c < outputs.cols(); ++c)
      for (Index i = 0; i < outputs.rows(); ++i) outputs(i, c) = (*this)(outputs(i, c), c);
  }
};

}  // namespace attngap
