#pragma once

#include "estimators/matrix.hpp"

namespace attngap {

/// Nodes and weights of a quadrature rule, Σ weights = 1.
struct QuadratureRule {
  Eigen::ArrayXd nodes, weights;
};

/// Gauss's rule of the probability density (1 + a)(1 − t)^a on [0, 1], a > −1, of at least one node: exact
/// for polynomials of degree 2·nodes − 1. With a = 0, Gauss and Legendre's. Golub and Welsch 1969.
QuadratureRule gauss_jacobi(double a, Index nodes);

}  // namespace attngap
