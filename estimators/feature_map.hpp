#pragma once

#include "estimators/haar_pair.hpp"
#include "estimators/matrix.hpp"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace attngap {

/// The pair moments of one query along a row of attention as outer products with two Gaussian matrices that
/// do not depend on the query:
///
///   E[φ(q)·φ(k_m) φ(q)·φ(k_m')] = x_m x_m' exp(−|k_m − k_m'|²/2) + z_m z_m' exp(−|k_m + k_m'|²/2)
struct PairFactors {
  Vector log_x;  ///< l: ln x_m
  Vector log_z;  ///< l: ln z_m; empty: no second part
};

/// The pair moments of two directions of one orthogonal block along a row of attention:
///
///   E[φ(q)·φ(k₁) φ'(q)·φ'(k₂)] = K₁ K₂ (1 + HaarPair::excess),   a = q + sign k₁,  b = q + sign k₂
///
/// with K the kernel, E φ·φ.
struct OrthogonalPairs {
  HaarFactor factor;
  double sign;
};

/// Two directions of one orthogonal block along a row of attention, for maps whose pairs are no HaarPair.
class OrthogonalRows {
 public:
  virtual ~OrthogonalRows() = default;

  /// Moves to a query and the keys it sees, rows of an l×d matrix. `weights` are what multiplies the kernel
  /// estimate of each key in the sum whose mean is one and whose second moment is asked for.
  virtual void start(const Vector& q, const Matrix& keys, const Vector& weights) = 0;

  /// Cov[φ(q)·φ(k_m), φ'(q)·φ'(k_m')] of keys m = `first` … `first + rows − 1` with m' = 0 … `first + rows −
  /// 1`; NaN where the digits of that second moment cannot be vouched for.
  virtual Matrix covariances(Index first, Index rows) const = 0;
};

/// A random feature map of one direction: φ(x) = exp(c|x|²/2) ψ(w·x), with E[φ(x)·φ(y)] the exact kernel.
///
/// x and y are the scaled vectors q̃ and k̃. A map works on whole blocks of projections; the factor
/// exp(c|x|²/2) and the 1/√m of the papers belong to whoever multiplies, so that they can cancel in a ratio.
class FeatureMap {
 public:
  virtual ~FeatureMap() = default;
  virtual std::string_view name() const = 0;

  /// Real features one direction yields.
  virtual Index per_direction() const = 0;

  /// c of the norm factor exp(c|x|²/2).
  virtual double norm_exponent() const = 0;

  /// Whether `activate` gives ln ψ instead of ψ: then ψ > 0 and the caller exponentiates with a shift of its
  /// choice.
  virtual bool in_log_domain() const = 0;

  /// Whether directions are stretched to the fixed norm √d before use (regularised softmax features).
  virtual bool fixed_norm() const { return false; }

  /// Whether φ(x)·φ(y) is zero with positive probability, as a ratio is then not a number even of one key.
  virtual bool can_vanish() const { return false; }

  /// Number of features whose products are averaged into one kernel estimate: K̂ = Σ φ(x)·φ(y) / (m · fold).
  virtual double fold() const { return 1.0; }

  /// ψ (or ln ψ) of a rows×F block of projections into a rows×(F·per_direction) block.
  virtual void activate(const Eigen::Ref<const RowMatrix<double>>& projections,
                        Eigen::Ref<RowMatrix<double>> features) const = 0;
  virtual void activate(const Eigen::Ref<const RowMatrix<float>>& projections,
                        Eigen::Ref<RowMatrix<float>> features) const = 0;

  /// The exact kernel E[φ(x)·φ(y)].
  virtual double kernel(const Vector& x, const Vector& y) const = 0;

  /// The pair moment E[φ(q)·φ(k₁) φ(q)·φ(k₂)] of one direction w ~ N(0, I). With k₁ = k₂ it gives the
  /// variance of the kernel estimate, otherwise the covariance along a row of attention.
  virtual double pair_moment(const Vector& q, const Vector& k1, const Vector& k2) const = 0;

  /// The pair moments with the rows of `keys` (l×d) as factors, for maps of the kernel exp(x·y) that have
  /// them; nothing otherwise. They make a whole row of attention a matrix product.
  virtual std::optional<PairFactors> pair_factors(const Vector& q, const Matrix& keys) const;

  /// The pair moments of keys `first` … `first + rows − 1` with keys 0 … `first + rows − 1`: a block of rows
  /// of their matrix along a row of attention, up to the diagonal. A call a pair costs a hundred times what
  /// matrix products do, so every map without factors has blocks of its own; their error is rounding relative
  /// to the largest pair moment of a row of the block.
  virtual Matrix pair_moments(const Vector& q, const Matrix& keys, Index first, Index rows) const;

  /// What these exceed the products of the kernels by, the covariances of one direction; a difference unless
  /// the map knows better.
  virtual Matrix pair_covariances(const Vector& q, const Matrix& keys, Index first, Index rows) const;

  /// Whether the pair moment of a key with itself is finite. Where that of every key is, all pair moments of
  /// the row are.
  virtual bool has_variance(const Vector& q, const Vector& k) const;

  /// Var of the kernel estimate φ(x)·φ(y) of `draws` independent directions: what the pair moment exceeds the
  /// squared kernel by, over `draws`; 0 within the rounding of that difference, by a formula without it where
  /// there is one.
  virtual double variance(const Vector& x, const Vector& y, Index draws) const;

  /// μ₄/μ₂² of the kernel estimate of one direction, 3 for a normal number: a sample variance of R draws has
  /// the relative standard error √((kurtosis − 1)/R), so where this is huge it says nothing. NaN where no
  /// closed form is known, or the estimate does not vary.
  virtual double kurtosis(const Vector& x, const Vector& y) const;

  /// E[φ(x)·φ(y) φ'(x)·φ'(y)] for two directions of one orthogonal block (Haar directions, independent chi(d)
  /// norms).
  virtual double orthogonal_pair_moment(const Vector& x, const Vector& y) const = 0;

  /// What `orthogonal_pair_moment` exceeds the squared kernel by, the covariance of those two directions; 0
  /// within the rounding of that difference, by a formula without it where there is one.
  virtual double orthogonal_covariance(const Vector& x, const Vector& y) const;

  /// μ₄/μ₂² of the kernel estimate of `draws` directions in independent blocks of `block` orthogonal ones,
  /// for block > 1: coupled_kurtosis.hpp. NaN where no closed form is known: for arccos features it would
  /// take orthant probabilities of up to four coupled directions.
  virtual double orthogonal_kurtosis(const Vector& x, const Vector& y, Index draws, Index block) const;

  /// The pair moment for two different keys of a query, where it is a HaarPair.
  virtual std::optional<OrthogonalPairs> orthogonal_pairs() const { return std::nullopt; }

  /// The same where it is not, for head dimension d ≥ 2; null for maps that are never coupled.
  virtual std::unique_ptr<OrthogonalRows> orthogonal_rows(Index) const { return nullptr; }
};

/// Var K̂(x, y) of m directions in independent blocks of b orthogonal ones (Projection::block; 1: all
/// independent):
///
///   Var K̂ = FeatureMap::variance + N FeatureMap::orthogonal_covariance / m²,   N = `coupled_pairs`
///
///  A difference within the rounding of
/// its terms is 0. Yu et al. 2016; Choromanski et al. 2021.
double kernel_variance(const FeatureMap& map, const Vector& x, const Vector& y, Index draws, Index block);

/// μ₄/μ₂² of the same estimate: 3 + (FeatureMap::kurtosis − 3)/m of independent directions,
/// FeatureMap::orthogonal_kurtosis of coupled ones. NaN where it is not known.
double kernel_kurtosis(const FeatureMap& map, const Vector& x, const Vector& y, Index draws, Index block);

/// A row of the table of Gaussian feature maps.
struct NamedFeatureMap {
  std::string_view name;
  std::string_view meaning;
  std::string_view source;
  std::string_view estimator;  ///< the one of its ratio, as it is written on the command line
  const FeatureMap& (*get)();
};

/// Every feature map of Gaussian directions the toolkit knows.
std::span<const NamedFeatureMap> feature_maps();

/// The feature map of that name; throws BadInput with the nearest names otherwise.
const FeatureMap& feature_map_named(std::string_view name);

}  // namespace attngap
