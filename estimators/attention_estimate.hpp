#pragma once

#include "estimators/matrix.hpp"

namespace attngap {

/// What one draw says of every query, numerator and denominator apart because their joint law is what we
/// study.
///
/// In units of the kernel, Σ_j K̂(q_i, k_j) v_j = exp(log_scale_i) · numerator_i, and likewise the
/// denominator; the scale is kept as a logarithm because it cancels in the ratio and may be beyond the range
/// of a double.
struct AttentionEstimate {
  Matrix numerator;    ///< n×p
  Vector denominator;  ///< n
  Vector log_scale;    ///< n

  AttentionEstimate() = default;
  AttentionEstimate(Index queries, Index value_dim)
      : numerator(Matrix::Zero(queries, value_dim)),
        denominator(Vector::Zero(queries)),
        log_scale(Vector::Zero(queries)) {}
};

}  // namespace attngap
