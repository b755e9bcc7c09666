#pragma once

#include "estimators/feature_pass.hpp"
#include "estimators/segments.hpp"

namespace attngap {

/// Sums over a growing set of keys, for R vectors w at once and safe for logits of any finite size:
///
///   log_mass_r = ln Σ_m exp(w_r·k_m − b_m),   average_r = Σ_m softmax_m(w_r·k_m − b_m) v_m
///
/// With b_m = |k_m|²/2 (`features`) the mass is Σ_m ξ(k_m, w) of positive features and the average is f(w) =
/// E[v_m | w], the integrand of Randomized Attention (Zheng, Wang and Kong, ICML 2022; the formula holds for
/// any prior over the keys they are restricted to). With b_m = 0 (`logits`) it is softmax attention of the
/// query w over these keys. Keys are walked in blocks, so nothing of size R×l exists.
class KeyPool {
 public:
  enum class Bias { logits, features };

  /// `rows` must outlive the pool.
  KeyPool(const PreparedRows<double>& rows, Bias bias) : rows_(rows), reader_(rows), bias_(bias) {}

  /// Takes the R×d vectors and forgets all keys.
  void start(const Eigen::Ref<const Matrix>& W);

  /// Adds the keys of a segment.
  void absorb(Segment keys);

  const Vector& log_mass();  ///< R; −∞ before any key
  const Matrix& average();   ///< R×p; zero before any key

 private:
  void absorb_block(const RowReader::Rows& keys);

  const PreparedRows<double>& rows_;
  RowReader reader_;
  Bias bias_;
  Matrix W_, logits_, sums_, average_;  // sums relative to exp(maximum)
  Vector maximum_, mass_, log_mass_;
};

}  // namespace attngap
