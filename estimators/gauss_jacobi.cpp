#include "estimators/gauss_jacobi.hpp"

#include <cmath>

#include <Eigen/Eigenvalues>

namespace attngap {

QuadratureRule gauss_jacobi(double a, Index nodes) {
  Vector diagonal(nodes), off(nodes - 1);
  for (Index i = 0; i < nodes; ++i) {
    const double n = static_cast<double>(i), twice = 2.0 * n + a;
    diagonal(i) = i == 0 ? -a / (a + 2.0) : -a * a / (twice * (twice + 2.0));
    if (i > 0) off(i - 1) = 2.0 * n * (n + a) / (twice * std::sqrt(twice * twice - 1.0));
  }
  Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver;
  solver.computeFromTridiagonal(diagonal, off);
  return {0.5 * (solver.eigenvalues().array() + 1.0), solver.eigenvectors().row(0).cwiseAbs2().transpose()};
}

}  // namespace attngap
