#include "estimators/haar_pair.hpp"

#include "estimators/error.hpp"
#include "estimators/special_functions.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <Eigen/Eigenvalues>

namespace attngap {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr double kSmallest = 1e-18;  // of a sum, what a term may be left out for
constexpr int kMostTerms = 4000;

// ₁F₁(a; b; z) by its definition, for a > −1, b > 0 and z ≥ 0: terms of one sign from the second on.
double kummer_series(double a, double b, double z) {
  double term = 1.0, sum = 1.0;
  for (int n = 0; n < kMostTerms && (n < 2 || std::abs(term) > kSmallest * std::abs(sum)); ++n) {
    term *= (a + n) / (b + n) * z / (n + 1.0);
    sum += term;
  }
  return sum;
}

// ₁F₁(−d/2; b; z) for any sign of z, from ₁F₁(0) or ₁F₁(½) and ₁F₁(−½) down the first parameter:
// (b − a) M(a − 1) = (b − 2a − z) M(a) + a M(a + 1).
double falling_kummer(Index d, double b, double z) {
  double a = 0.0, above = 0.0, current = 1.0;
  if (d % 2 != 0) {
    a = -0.5;
    above = z < 0.0 ? std::exp(z) * kummer_series(b - 0.5, b, -z) : kummer_series(0.5, b, z);
    current = z < 0.0 ? std::exp(z) * kummer_series(b + 0.5, b, -z) : kummer_series(-0.5, b, z);
  }
  for (Index step = 0; step < d / 2; ++step, a -= 1.0) {
    const double below = ((b - 2.0 * a - z) * current + a * above) / (b - a);
    above = current;
    current = below;
  }
  return current;
}

// Gauss's rule of Beta(c, c) by Golub and Welsch: the Gegenbauer polynomials of λ = c − ½.
void beta_rule(double c, Index nodes, Vector& shares, Vector& weights) {
  const double lambda = c - 0.5;
  Vector off(nodes - 1);
  for (Index i = 0; i + 1 < nodes; ++i) {
    const double n = static_cast<double>(i) + 1.0;
    off(i) = 0.5 * std::sqrt(n * (n + 2.0 * lambda - 1.0) / ((n + lambda) * (n + lambda - 1.0)));
  }
  Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver;
  solver.computeFromTridiagonal(Vector::Zero(nodes), off);
  shares = 0.5 * (solver.eigenvalues().array() + 1.0);
  weights = solver.eigenvectors().row(0).cwiseAbs2().transpose();
}

}  // namespace

HaarPair::HaarPair(HaarFactor factor, Index d) : factor_(factor), d_(d) {
  require(d >= 2, "orthogonal pairs: d = {}, must be at least 2", d);
  constexpr Index kNodes = 48;  // exp((A − B)(t − ½)/2) to rounding for A, B within reach
  beta_rule(0.5 * static_cast<double>(d), kNodes, shares_, weights_);
}

Vector HaarPair::excess(double A, double B, const Vector& squared_cosines) const {
  if (!(std::max(A, B) <= reach()))
    return Vector::Constant(squared_cosines.size(), std::numeric_limits<double>::quiet_NaN());
  if (factor_ == HaarFactor::fixed_norm) return fixed_norm_excess(A, B, squared_cosines);
  const double sign = factor_ == HaarFactor::cosine ? -1.0 : 1.0, c = 0.5 * static_cast<double>(d_);
  Vector sum = Vector::Zero(squared_cosines.size());
  for (Index node = 0; node < shares_.size(); ++node) {
    const double t = shares_(node), z = 0.5 * (t * A + (1.0 - t) * B);
    const Vector delta = 0.25 * t * (1.0 - t) * A * B * (1.0 - squared_cosines.array());
    Vector term = Vector::Ones(delta.size()), part = Vector::Zero(delta.size());
    double largest = 0.0;
    for (int k = 0; k < kMostTerms; ++k) {
      const double kummer = falling_kummer(d_, c + 2.0 * k, -sign * z);
      part += kummer * term;
      const double size = std::max(1.0, std::abs(kummer)) * term.maxCoeff();
      largest = std::max(largest, size);
      if (size <= kSmallest * largest) break;
      const double even = c + 2.0 * k;
      term = term.cwiseProduct(delta) * ((c + even) * (c + even + 1.0)) /
             (even * (even + 1.0) * (c - 0.5 + k) * (k + 1.0));
    }
    sum += weights_(node) * std::exp(sign * (z - 0.5 * (A + B))) * part;
  }
  return sum.array() - 1.0;
}

// Both norms are √d, so X is not averaged: Σ_k (d²D/16)^k / (k! (c−½)_k (c)_{2k}) ₀F₁(; c+2k; d(A+B)/4).
Vector HaarPair::fixed_norm_excess(double A, double B, const Vector& squared_cosines) const {
  const auto d = static_cast<double>(d_);
  const double c = 0.5 * d;
  const Vector determinant = d * d / 16.0 * A * B * (1.0 - squared_cosines.array());
  const double means = hypergeometric_0f1(c, 0.25 * d * A) * hypergeometric_0f1(c, 0.25 * d * B);
  Vector term = Vector::Ones(determinant.size()), sum = Vector::Zero(determinant.size());
  for (int k = 0; k < kMostTerms; ++k) {
    const double even = c + 2.0 * k;
    const Vector part = hypergeometric_0f1(even, 0.25 * d * (A + B)) * term;
    sum += part;
    if (part.maxCoeff() <= kSmallest * sum.maxCoeff()) break;
    term = term.cwiseProduct(determinant) / (even * (even + 1.0) * (c - 0.5 + k) * (k + 1.0));
  }
  return sum.array() / means - 1.0;
}

namespace {

Vector chebyshev_nodes(Index nodes) {
  Vector x(nodes);
  for (Index i = 0; i < nodes; ++i)
    x(i) = std::cos(kPi * (static_cast<double>(i) + 0.5) / static_cast<double>(nodes));
  return x;
}

// Values at the Chebyshev nodes to coefficients of the Chebyshev polynomials.
Matrix chebyshev_transform(Index nodes) {
  Matrix transform(nodes, nodes);
  for (Index k = 0; k < nodes; ++k)
    for (Index i = 0; i < nodes; ++i)
      transform(k, i) = (k == 0 ? 1.0 : 2.0) / static_cast<double>(nodes) *
                        std::cos(kPi * static_cast<double>(k) * (static_cast<double>(i) + 0.5) /
                                 static_cast<double>(nodes));
  return transform;
}

}  // namespace

HaarTable::HaarTable(const HaarPair& pair, double lowest, double highest)
    : middle_(0.5 * (lowest + highest)), half_(std::max(0.5 * (highest - lowest), 1e-6 * (1.0 + highest))) {
  const Vector cosines = Vector::LinSpaced(9, 0.0, 1.0);
  const double widest = (pair.excess(highest, highest, cosines).array() + 1.0).abs().maxCoeff();
  if (widest > 1.0) growth_ = 0.5 * std::log(widest) / highest;
  for (const Index nodes : {8, 12, 16, 24, 32, 48, 64})
    if (fill(pair, nodes)) return;
}

bool HaarTable::fill(const HaarPair& pair, Index nodes) {
  const Vector x = chebyshev_nodes(nodes);
  const Vector squares = 0.5 * (x.array() + 1.0);
  std::vector<Matrix> values(static_cast<std::size_t>(nodes), Matrix(nodes, nodes));
  for (Index i = 0; i < nodes; ++i)
    for (Index j = 0; j <= i; ++j) {
      const double A = middle_ + half_ * x(i), B = middle_ + half_ * x(j);
      const Vector at = std::exp(-growth_ * (A + B)) * pair.excess(A, B, squares);
      for (Index s = 0; s < nodes; ++s)
        values[static_cast<std::size_t>(s)](i, j) = values[static_cast<std::size_t>(s)](j, i) = at(s);
    }
  const Matrix transform = chebyshev_transform(nodes);
  degree_.assign(static_cast<std::size_t>(nodes), Matrix::Zero(nodes, nodes));
  double largest = 0.0, last = 0.0;
  for (Index k = 0; k < nodes; ++k) {
    Matrix& coefficients = degree_[static_cast<std::size_t>(k)];
    for (Index s = 0; s < nodes; ++s) coefficients += transform(k, s) * values[static_cast<std::size_t>(s)];
    coefficients = (transform * coefficients * transform.transpose()).eval();
    largest = std::max(largest, coefficients.cwiseAbs().maxCoeff());
    last = std::max(last, coefficients.bottomRows(2).cwiseAbs().maxCoeff());
    if (k + 2 >= nodes) last = std::max(last, coefficients.cwiseAbs().maxCoeff());
  }
  constexpr double kTolerance = 1e-12;
  drop_below(1e-2 * kTolerance * largest);
  return last <= kTolerance * largest;
}

// Of high degrees in the cosine few in A and B matter.
void HaarTable::drop_below(double negligible) {
  for (Matrix& coefficients : degree_) {
    Index kept = coefficients.rows();
    while (kept > 1 && coefficients.row(kept - 1).cwiseAbs().maxCoeff() < negligible) --kept;
    coefficients = coefficients.topLeftCorner(kept, kept).eval();
  }
  while (degree_.size() > 1 && degree_.back().size() == 1 && std::abs(degree_.back()(0, 0)) < negligible)
    degree_.pop_back();
}

Matrix HaarTable::basis(const Vector& A) const {
  const Vector x = (A.array() - middle_) / half_;
  Index most = 1;
  for (const Matrix& coefficients : degree_) most = std::max(most, coefficients.rows());
  Matrix T(A.size(), most);
  T.col(0).setOnes();
  if (T.cols() > 1) T.col(1) = x;
  for (Index k = 2; k < T.cols(); ++k) T.col(k) = 2.0 * x.cwiseProduct(T.col(k - 1)) - T.col(k - 2);
  return (growth_ * A.array()).exp().matrix().asDiagonal() * T;
}

Matrix HaarTable::excess(const Vector& A, const Vector& B, const Matrix& squared_cosines) const {
  const Matrix rows = basis(A), columns = basis(B).transpose();
  const Matrix x = 2.0 * squared_cosines.array() - 1.0;
  Matrix sum = Matrix::Zero(x.rows(), x.cols()), product = sum;
  Matrix previous = sum, current = Matrix::Ones(x.rows(), x.cols());  // T_{k−1} and T_k of x
  for (std::size_t k = 0; k < degree_.size(); ++k) {
    const Index kept = degree_[k].rows();
    const Matrix half = rows.leftCols(kept) * degree_[k];
    product.noalias() = half * columns.topRows(kept);
    sum.array() += current.array() * product.array();
    previous = (k == 0 ? 1.0 : 2.0) * x.array() * current.array() - previous.array();
    previous.swap(current);
  }
  return sum;
}

}  // namespace attngap
