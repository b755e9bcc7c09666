#pragma once

#include "estimators/degree_law.hpp"
#include "estimators/direction_source.hpp"
#include "estimators/maclaurin_kernel.hpp"
#include "estimators/matrix.hpp"

#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace attngap {

/// The law of one direction ω of a Maclaurin feature.
enum class MaclaurinDirection {
  rademacher,  ///< uniform on {−1, 1}^d: of all iid symmetric laws of unit variance the one of least variance
  gaussian     ///< N(0, I)
};

/// c = E(ω·q)²(ω·k₁)(ω·k₂) = |q|² k₁·k₂ + 2(q·k₁)(q·k₂) − 2Σ_i q_i² k₁_i k₂_i for Rademacher ω, without the
/// last term for Gaussian ω. With k₁ = k₂ it is the base m of second moments; otherwise it can be negative.
double maclaurin_pair_base(MaclaurinDirection law, const Vector& q, const Vector& k1, const Vector& k2);

/// b_k = E (ω·x)ᵏ(ω·y)ᵏ of one direction, on which every moment of a product of n of them depends as b_kⁿ.
struct ProductMoments {
  double first, second, third, fourth;
};

/// The four, one coordinate of ω after the other: b₁ = x·y, b₂ = m, and for Gaussian ω b₃ = 9|x|²|y|² x·y +
/// 6(x·y)³ and b₄ = 9|x|⁴|y|⁴ + 72|x|²|y|²(x·y)² + 24(x·y)⁴. Time O(d).
ProductMoments maclaurin_product_moments(MaclaurinDirection law, const Vector& x, const Vector& y);

/// What a random Maclaurin estimate is made of, beside its kernel and the law of its degrees.
struct MaclaurinOptions {
  MaclaurinDirection direction = MaclaurinDirection::rademacher;
  int known = 0;                  ///< degrees 0 … known−1 are taken exactly: 0, 1 (constant) or 2 (H0/1)
  std::optional<int> max_degree;  ///< T: degrees above are left out, and the mean is f_T instead of f
};

/// Random Maclaurin features (Kar and Karnick 2012, Algorithm 1), with known degrees:
///
///   φ(x) = √(a_N / q_N) Π_{j≤N} (ω_j·x),   N ~ q on {known, known+1, …}
///   K̂    = Σ_{n<known} a_n (x·y)ⁿ + (1/m) Σ_s φ_s(x)φ_s(y)
///   E   K̂ = f(x·y), or f_T(x·y) with a max-degree
///   Var K̂ = (1/m) [Σ_{n≥known} (a_n²/q_n) mⁿ − (f(x·y) − Σ_{n<known} a_n (x·y)ⁿ)²],  m the base of the pair
///
/// With a fixed allocation in place of the law, a_n/q_n becomes a_n m/D_n(m), and Var K̂ = Σ_n a_n² (mⁿ −
/// (x·y)^{2n})/D_n(m). Finite where the series converges. One object is the law; `directions` makes a source
/// of its draws.
class RandomMaclaurin {
 public:
  /// Throws BadInput where an endless law never draws a degree that a polynomial needs.
  RandomMaclaurin(const MaclaurinKernel& kernel, DegreeLaw degrees, MaclaurinOptions options = {});

  /// Stratified degrees; the allocation must reach from options.known to options.max_degree.
  RandomMaclaurin(const MaclaurinKernel& kernel, DegreeAllocation allocation, MaclaurinOptions options);

  const MaclaurinKernel& kernel() const { return *kernel_; }
  const MaclaurinOptions& options() const { return options_; }
  const DegreeLaw& degrees() const { return degrees_; }
  const std::optional<DegreeAllocation>& allocation() const { return allocation_; }

  /// Weight of a feature of degree n = 0, 1, … among `draws`: a_n/q_n, or a_n·draws/D_n(draws); zero where
  /// none is drawn. Throws BadInput if an allocation needs more draws.
  std::vector<double> weights(Index draws) const;

  /// E K̂ as a function of z = x·y: f, or f_T.
  double mean(double z) const;

  /// The part of the mean that is known, Σ_{n<known} a_n zⁿ.
  double known_part(double z) const;

  /// Whether Var K̂ is finite at this base m. If it is, so is E|K̂|, as E|ω·x||ω·y| ≤ √m.
  bool has_variance(double base) const;

  /// E of the product of two one-direction estimates, E[K̂(q, k₁) K̂(q, k₂)] at m = 1; infinity where it
  /// diverges. Cov(K̂(q, k₁), K̂(q, k₂)) is what it exceeds the product of the means by, over m: exactly for a
  /// random law, in the limit of Neyman's shares for an allocation.
  double pair_moment(const Vector& q, const Vector& k1, const Vector& k2) const;

  /// The pair moments of keys `first` … `first + rows − 1` with keys 0 … `first + rows − 1`, by a series in
  /// the matrix of bases (`ChebyshevSeries` where the power series is long); nothing where it diverges, or
  /// comes within about 1e-4 of its radius. The error is rounding relative to the largest pair moment of the
  /// block. An allocation has the shares of `draws` features, or their limit where it is 0.
  std::optional<Matrix> pair_moments(const Vector& q, const Matrix& keys, Index first, Index rows,
                                     Index draws = 0) const;

  /// What they exceed the products of the means by, one feature's covariances, in the same blocks: small
  /// where the known degrees are most of the kernel, and not found as a difference of numbers of its size.
  std::optional<Matrix> pair_covariances(const Vector& q, const Matrix& keys, Index first, Index rows,
                                         Index draws = 0) const;

  /// Var K̂(x, y) of `draws` features; 0 within the rounding of the second moment it is a difference of.
  double variance(const Vector& x, const Vector& y, Index draws) const;

  /// μ₄/μ₂² of K̂(x, y) of `draws` features, from E φ(x)ᵏφ(y)ᵏ = Σ_{n≥known} (a_nᵏ/q_nᵏ⁻¹) b_kⁿ, or from the
  /// cumulants of an allocation's products, which add. Infinite where the fourth moment diverges (kernels of
  /// radius 1 with geometric degrees: p³b₄ ≥ 1, log and sqrt > 1; other endless laws b₄ ≥ (lim q_{n+1}/q_n)³)
  /// or is beyond a double; NaN where the estimate varies too little for its digits, or not at all.
  double kurtosis(const Vector& x, const Vector& y, Index draws) const;

  /// Cov(K̂(q, k₁), K̂(q, k₂)) of `draws` features, exact in every case.
  double covariance(const Vector& q, const Vector& k1, const Vector& k2, Index draws) const;

  /// A source of draws, cut into the panels of `counts` and `panel_width`. An allocation has the weights of
  /// the last count.
  template <typename Scalar>
  std::unique_ptr<DirectionSource<Scalar>> directions(Index head_dim, std::span<const Index> counts,
                                                      Index panel_width) const;

 private:
  double unknown_part(double z) const;
  Matrix pair_bases(const Vector& q, const Matrix& keys, Index first, Index rows) const;
  std::optional<Matrix> random_pair_moments(const Vector& q, const Matrix& keys, Index first,
                                            Index rows) const;
  std::optional<Matrix> stratified_covariances(const Vector& q, const Matrix& keys, Index first, Index rows,
                                               Index draws) const;
  std::vector<double> shares(Index draws) const;
  double random_second_moment(double base) const;
  double table_variance(double base, double z) const;
  std::vector<double> second_moment_terms(double base) const;
  double stratified_excess(double base, double z1z2, std::span<const double> shares) const;
  bool has_fourth_moment(double fourth) const;
  double log_probability(int n) const;
  double raw_moment(int k, double base, double unit) const;
  double one_feature_kurtosis(const ProductMoments& b) const;
  double stratified_kurtosis(const ProductMoments& b, Index draws) const;

  const MaclaurinKernel* kernel_;
  DegreeLaw degrees_;
  std::optional<DegreeAllocation> allocation_;
  MaclaurinOptions options_;
};

}  // namespace attngap
