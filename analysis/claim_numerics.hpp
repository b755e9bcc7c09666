#pragma once

#include "analysis/claims.hpp"
#include "estimators/attention_problem.hpp"
#include "estimators/feature_map.hpp"

#include <functional>
#include <string>
#include <vector>

namespace attngap {

/// Nodes x and weights w with Σ w_i f(x_i) = E f(g), g ~ N(0, 1), exact for polynomials of degree 2n − 1.
struct NormalQuadrature {
  Vector nodes;
  Vector weights;
};

/// Gauss and Hermite's rule by Golub and Welsch (Math. Comp. 23, 1969): the nodes are the eigenvalues of the
/// Jacobi matrix with off-diagonal √i. The weights are Christoffel's 1/Σ_k ĥ_k(x)², right to the last digit
/// also where an eigenvector's component would be lost in rounding. 1 ≤ n ≤ 200.
NormalQuadrature gauss_hermite(int n);

/// The trapezoid rule with the normal density, spacing 1/8 on [−14, 14]. It converges like exp(−2πa/spacing)
/// for integrands analytic within ±a of the real line, so that poles of ratios do not spoil it as they do
/// Gauss–Hermite.
NormalQuadrature normal_trapezoid();

/// A rule in one or two dimensions as a matrix of points (R×d) with weights; points of no weight are left
/// out.
struct NormalGrid {
  Matrix points;
  Vector weights;
};

/// The product of the rule with itself in `dims` dimensions.
NormalGrid normal_grid(const NormalQuadrature& rule, Index dims);

/// ∫ f over [a, b], adaptive Gauss and Kronrod (Boost.Math).
double integral(const std::function<double(double)>& f, double a, double b);

/// E[(φ(x)·φ(y))^power] of one direction w ~ N(0, deviation² I), by Gauss–Hermite over the plane of x and y,
/// from the map's own features.
double feature_expectation(const FeatureMap& map, const Vector& x, const Vector& y, int power,
                           double deviation = 1.0);

/// A rows×cols matrix of independent N(0, spread²), addressed by the seed and `which`.
Matrix random_matrix(const ClaimSettings& settings, std::uint32_t which, Index rows, Index cols,
                     double spread = 1.0);

/// A problem with scale 1, so that q and k are the papers' scaled vectors: n×d, l×d and l×p normals.
struct ProblemShape {
  Index queries = 3;
  Index keys = 7;
  Index head_dim = 5;
  Index value_dim = 2;
  double spread = 0.5;  ///< of the entries of Q and K
  Mask mask = Mask::none;
};

/// A problem of these shapes with normal entries, from the seed; `which` tells problems apart.
AttentionProblem random_problem(const ClaimSettings& settings, std::uint32_t which,
                                const ProblemShape& shape);

/// A named pair of vectors.
struct VectorPair {
  std::string name;
  Vector x;
  Vector y;
};

/// Pairs in R^d with |x| = |y| = radius at the given angles (in degrees), in a random plane.
std::vector<VectorPair> pairs_at_angles(const ClaimSettings& settings, std::uint32_t which, Index d,
                                        double radius, const std::vector<double>& degrees);

/// Calls f for each of the 2^d sign vectors ω of R^d, each of probability 2^{−d}.
void for_each_sign_vector(Index d, const std::function<void(const Vector&)>& f);

}  // namespace attngap
