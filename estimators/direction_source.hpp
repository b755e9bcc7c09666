#pragma once

#include "estimators/matrix.hpp"
#include "estimators/random_stream.hpp"

#include <memory>
#include <span>
#include <vector>

namespace attngap {

/// Directions first … first+count−1 of a draw, evaluated together so that they stay in cache.
struct DirectionPanel {
  Index first = 0;
  Index count = 0;
};

/// Cuts 0 … counts.back() at every count and at every multiple of `width`: estimates exist exactly at the
/// ends of panels, and the panels below a count do not depend on what lies above it.
std::vector<DirectionPanel> cut_panels(std::span<const Index> counts, Index width);

/// One draw of random directions, and what it makes of a block of rows: the numbers a feature map is applied
/// to.
template <typename Scalar>
class DirectionSource {
 public:
  virtual ~DirectionSource() = default;

  /// Draws all directions of all panels.
  virtual void draw(const StreamAddress& address) = 0;

  /// How many columns a panel has in this draw: one a direction, unless some are merged or exact ones are
  /// added.
  virtual Index columns(const DirectionPanel& panel) const = 0;

  /// Columns first_column … columns(panel)−1 for a block of rows: for Gaussian directions X Ωᵀ, for Maclaurin
  /// features their products.
  virtual void project(const DirectionPanel& panel, Index first_column,
                       const Eigen::Ref<const RowMatrix<Scalar>>& rows,
                       Eigen::Ref<RowMatrix<Scalar>> projections) = 0;

  /// The first columns of a panel that are affine in x, so that their sums over keys need no pass over the
  /// keys.
  virtual Index affine_columns(const DirectionPanel&) const { return 0; }

  /// Σ_j φ(k_j) [v_j 1] of the affine columns, from [Σ_j [v_j 1]; K̃ᵀ [V 1]], which is (1+d)×(p+1).
  virtual void affine_key_sums(const DirectionPanel&, const RowMatrix<Scalar>&,
                               Eigen::Ref<RowMatrix<Scalar>>) const {}

  /// Splits `sums`, one row a column of the panel, into one row a direction. By default the same rows; where
  /// columns are merged or exact, each of the directions they stand for gets an equal part.
  virtual void split_columns(const DirectionPanel&, const Matrix& sums,
                             Eigen::Ref<Matrix> direction_sums) const {
    direction_sums = sums;
  }
};

class Projection;

/// Gaussian directions under the law `projection`; with `fixed_norm` each is stretched to √d.
template <typename Scalar>
std::unique_ptr<DirectionSource<Scalar>> gaussian_directions(const Projection& projection, Index head_dim,
                                                             Index draws, bool fixed_norm);

/// The given m×d directions, whatever the address: for a draw that is stored, replayed or made by hand.
std::unique_ptr<DirectionSource<double>> given_directions(Matrix Omega);

}  // namespace attngap
