#pragma once

#include <Eigen/Core>

namespace attngap {

/// Of rows, columns, tokens and counts.
using Index = Eigen::Index;

/// Rows are tokens (or features), as in the papers and in numpy's default order.
template <typename Scalar>
using RowMatrix = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
/// What statistics and closed forms are computed in.
using Matrix = RowMatrix<double>;
/// A column of numbers.
using Vector = Eigen::VectorXd;

}  // namespace attngap
