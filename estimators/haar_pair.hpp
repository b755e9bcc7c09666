#pragma once

#include "estimators/matrix.hpp"

#include <vector>

namespace attngap {

/// A function of w·a whose product over two directions of one orthogonal block is averaged.
enum class HaarFactor {
  exponential,  ///< exp(w·a)
  cosine,       ///< cos(w·a)
  fixed_norm    ///< exp(w·a) of a direction stretched to |w| = √d
};

/// Two directions w, w' of one orthogonal block: a Haar pair with independent chi(d) norms.
///
/// With A = |a|², B = |b|², D = AB − (a·b)² and c = d/2, averaging ₀F₁(; c; X) of the 2×2 matrix argument X =
/// [[r²A, rr' a·b], [rr' a·b, r'²B]]/4 (Muirhead 1975) over the norms,
///
///   E exp(w·a) exp(w'·b) = Σ_{k,i,j} (D/4)^k (A/2)^i (B/2)^j (c)_{k+i} (c)_{k+j}
///                                    / (k! i! j! (c−½)_k (c)_{2k+i+j})
///                        = E_t Σ_k (2c)_{2k} / ((c)_{2k} (c−½)_k k!) δ^k ₁F₁(2c+2k; c+2k; z)
///
/// with t ~ Beta(c, c) the share of w in |w|² + |w'|², z = (tA + (1−t)B)/2 and δ = t(1−t)D/4. By Kummer's
/// transformation ₁F₁ is e^z ₁F₁(−c; c+2k; −z): of positive terms where d is even. Cosines change the signs
/// of A and B. With a = b it is ₁F₁(d; d/2; |a|²/2).
class HaarPair {
 public:
  /// Throws BadInput unless d ≥ 2.
  HaarPair(HaarFactor factor, Index d);

  /// f − 1, where f is E of the product over the product of the two means: zero for independent directions.
  /// One number for each squared cosine of the angle between a and b; NaN where A or B is above `reach`.
  Vector excess(double A, double B, const Vector& squared_cosines) const;

  /// The largest A and B: the variance of one direction is beyond e^48 there, that of an average of any
  /// affordable number of them too, and cosines start to lose the digits of a table.
  double reach() const { return factor_ == HaarFactor::cosine ? 48.0 : 64.0; }

 private:
  Vector fixed_norm_excess(double A, double B, const Vector& squared_cosines) const;

  HaarFactor factor_;
  Index d_;
  Vector shares_, weights_;  // of Beta(c, c): nodes t and probabilities
};

/// `HaarPair::excess` over a square of A and B, for whole rows of attention: Chebyshev polynomials in A, B
/// and the squared cosine, of a degree that leaves 1e-11 of the largest value.
class HaarTable {
 public:
  /// For A and B between `lowest` and `highest`, both at most the pair's reach.
  HaarTable(const HaarPair& pair, double lowest, double highest);

  /// f − 1 for every A of the rows and B of the columns; `squared_cosines` has their shape.
  Matrix excess(const Vector& A, const Vector& B, const Matrix& squared_cosines) const;

 private:
  bool fill(const HaarPair& pair, Index nodes);
  void drop_below(double negligible);
  Matrix basis(const Vector& A) const;

  double middle_, half_;
  double growth_ = 0.0;         // f is tabulated times exp(−growth (A + B))
  std::vector<Matrix> degree_;  // by degree in the squared cosine, the coefficients in A and B
};

}  // namespace attngap
