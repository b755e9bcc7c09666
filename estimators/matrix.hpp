#pragma once

#include <Eigen/Core>

namespace attngap {

using Index = Eigen::Index;

/// Rows are tokens (or features), as in the papers and in numpy's default order.
template <typename Scalar>
using RowMatrix = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Matrix = RowMatrix<double>;
using Vector = Eigen::VectorXd;

}  // namespace attngap
