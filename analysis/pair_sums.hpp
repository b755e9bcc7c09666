#pragma once

#include "estimators/matrix.hpp"

namespace attngap {

/// Rows of a block of pairs of keys: 128×4096 numbers stay in a cache of 4 MiB.
inline constexpr Index kPairRows = 128;

/// What first-order theory sums over the pairs of keys of one query, of one direction.
struct PairSums {
  explicit PairSums(Index channels);

  Eigen::RowVectorXd bias;      ///< −Σ C_mm' (v_m − A)
  Eigen::RowVectorXd variance;  ///< Σ C_mm' (v_m − A)(v_m' − A)
  double ew2 = 0.0;             ///< Σ C_mm'
  Matrix covariance;            ///< Σ C_mm' (v_m − A)(v_m' − A)ᵀ, p×p, where it is asked for

  /// Adds factor·exp(log_factor) times the other sums.
  void add(const PairSums& other, double log_factor, double factor = 1.0);
};

/// One query: the visible keys, what the estimate tends to, and factors x that stand for C = (x xᵀ) ∘ G.
struct QueryTerms {
  Index query = 0;
  Index keys = 0;
  Eigen::RowVectorXd A;
  Vector pi;  ///< E h
  Vector x;

  /// Adds the part of the last G.rows() of the first G.cols() rows of G, given up to the diagonal. G is
  /// symmetric: what lies left of the diagonal block counts twice.
  void add_block(const Eigen::Ref<const Matrix>& G, const Matrix& V, PairSums& sums) const;
};

}  // namespace attngap
