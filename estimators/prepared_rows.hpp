#pragma once

#include "estimators/attention_problem.hpp"
#include "estimators/feature_map.hpp"
#include "estimators/key_stream.hpp"

#include <memory>
#include <vector>

namespace attngap {

/// The rows a pass reads, prepared once for all draws: scaled queries and keys, and half their squared norms.
template <typename Scalar>
struct PreparedRows {
  using Column = Eigen::Matrix<Scalar, Eigen::Dynamic, 1>;

  /// In double, V is the problem's own, which must outlive the rows.
  explicit PreparedRows(const AttentionProblem& problem) : PreparedRows(problem, problem.V, {}) {}

  /// The same with `center` taken from every key (empty: nothing), which softmax does not see, and with the
  /// values in another place, where `problem` is a transformed copy.
  PreparedRows(const AttentionProblem& problem, const Matrix& values, const Eigen::RowVectorXd& center);
  PreparedRows(PreparedRows&&) noexcept = default;

  RowMatrix<Scalar> Q, K;
  std::unique_ptr<const RowMatrix<Scalar>> converted_values;  ///< in float; V then shows them
  Eigen::Map<const RowMatrix<Scalar>> V;
  Column query_half_norms, key_half_norms;  ///< |q̃|²/2, |k̃|²/2
  RowMatrix<Scalar> affine_sums;            ///< [Σ_j [v_j 1]; K̃ᵀ [V 1]], (1+d)×(p+1)
  Mask mask = Mask::none;
  std::vector<Index> positions;
  Index keys = 0;                     ///< l
  const KeyStream* stream = nullptr;  ///< of a streamed problem, whose K, V and key_half_norms are empty
  double root_scale = 1.0;            ///< √scale
};

/// Scaled keys, half squared norms and values of some tokens of prepared rows: where they lie, or made from
/// the stream. One a thread.
class RowReader {
 public:
  /// `rows` must outlive the reader.
  explicit RowReader(const PreparedRows<double>& rows) : rows_(rows) {}

  /// Of `size` tokens: K̃ (size×d), V (size×p), |k̃|²/2.
  struct Rows {
    Eigen::Map<const Matrix> K, V;
    Eigen::Map<const Vector> half_norms;
  };

  /// Valid until the next call. Tokens up to `until` will be asked for next; a stream makes some of them now.
  Rows read(Segment tokens, Index until);

 private:
  const PreparedRows<double>& rows_;
  Segment made_;
  Matrix K_, V_;
  Vector half_norms_;
};

/// Values with a map's norm factor folded in: [V 1] weighted by exp(c|k̃_j|²/2 − log_shift). For maps in the
/// log domain, whose factor joins the exponent, and for c = 0 the weights are one.
template <typename Scalar>
struct WeightedValues {
  WeightedValues(const PreparedRows<Scalar>& rows, const FeatureMap& map);

  RowMatrix<Scalar> V;  ///< l×p; empty when the weights are one
  typename PreparedRows<Scalar>::Column mass;
  double log_shift = 0.0;
};

}  // namespace attngap
