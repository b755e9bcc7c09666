#include "estimators/feature_map.hpp"

#include "estimators/block_series.hpp"
#include "estimators/coupled_kurtosis.hpp"
#include "estimators/kurtosis.hpp"
#include "estimators/names.hpp"
#include "estimators/projection.hpp"
#include "estimators/special_functions.hpp"
#include "estimators/vector_math.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

namespace attngap {

std::optional<PairFactors> FeatureMap::pair_factors(const Vector&, const Matrix&) const {
  return std::nullopt;
}

Matrix FeatureMap::pair_moments(const Vector& q, const Matrix& keys, Index first, Index rows) const {
  Matrix moments(rows, first + rows);
  for (Index m = 0; m < rows; ++m) {
    const Vector k = keys.row(first + m);
    for (Index other = 0; other <= first + m; ++other) {
      moments(m, other) = pair_moment(q, k, keys.row(other));
      if (other >= first) moments(other - first, first + m) = moments(m, other);
    }
  }
  return moments;
}

Matrix FeatureMap::pair_covariances(const Vector& q, const Matrix& keys, Index first, Index rows) const {
  Vector kernels(first + rows);
  for (Index m = 0; m < kernels.size(); ++m) kernels(m) = kernel(q, keys.row(m));
  return pair_moments(q, keys, first, rows) - kernels.tail(rows) * kernels.transpose();
}

bool FeatureMap::has_variance(const Vector& q, const Vector& k) const {
  return std::isfinite(pair_moment(q, k, k));
}

double FeatureMap::kurtosis(const Vector&, const Vector&) const {
  return std::numeric_limits<double>::quiet_NaN();
}

double FeatureMap::orthogonal_kurtosis(const Vector&, const Vector&, Index, Index) const {
  return std::numeric_limits<double>::quiet_NaN();
}

namespace {

constexpr double kRounding = 32.0 * std::numeric_limits<double>::epsilon();

double beyond_rounding(double difference, double of) {
  return std::abs(difference) <= kRounding * of ? 0.0 : difference;
}

}  // namespace

double FeatureMap::variance(const Vector& x, const Vector& y, Index draws) const {
  const double mean = kernel(x, y), moment = pair_moment(x, y, y);
  return std::max(0.0, beyond_rounding(moment - mean * mean, moment)) / static_cast<double>(draws);
}

double FeatureMap::orthogonal_covariance(const Vector& x, const Vector& y) const {
  const double mean = kernel(x, y), moment = orthogonal_pair_moment(x, y);
  return beyond_rounding(moment - mean * mean, moment);
}

namespace {

constexpr double kLogTwo = 0.693147180559945309417;

double squared_sum(const Vector& x, const Vector& y) {
  return (x + y).squaredNorm();
}
double squared_difference(const Vector& x, const Vector& y) {
  return (x - y).squaredNorm();
}

// Trigonometric features (RFA).
//
//   φ(x) = exp(|x|²/2) [sin w·x, cos w·x]
//   E   φ(x)·φ(y) = exp(x·y)
//   Var φ(x)·φ(y) = ½ exp(|x|²+|y|²) (1 − exp(−|x−y|²))²        one direction
//
// Range: bounded but for the norm factor. Products are signed: a ratio has a density at denominator zero and
// no moments. Rahimi and Recht 2007; Peng et al. 2021, section 3; Choromanski et al. 2021, Lemma 2.
class Trigonometric final : public FeatureMap {
 public:
  std::string_view name() const override { return "trigonometric"; }
  Index per_direction() const override { return 2; }
  double norm_exponent() const override { return 1.0; }
  bool in_log_domain() const override { return false; }
  void activate(const Eigen::Ref<const RowMatrix<double>>& projections,
                Eigen::Ref<RowMatrix<double>> features) const override {
    sines_and_cosines<double>(projections, features);
  }
  void activate(const Eigen::Ref<const RowMatrix<float>>& projections,
                Eigen::Ref<RowMatrix<float>> features) const override {
    sines_and_cosines<float>(projections, features);
  }
  double kernel(const Vector& x, const Vector& y) const override { return std::exp(x.dot(y)); }
  // cos a cos b = ½(cos(a−b) + cos(a+b)) with a = w·(q−k₁), b = w·(q−k₂).
  double pair_moment(const Vector& q, const Vector& k1, const Vector& k2) const override {
    const double norms = q.squaredNorm() + 0.5 * (k1.squaredNorm() + k2.squaredNorm());
    const double difference = 0.5 * (k1 - k2).squaredNorm();
    const double sum = 0.5 * (2.0 * q - k1 - k2).squaredNorm();
    return 0.5 * (std::exp(norms - difference) + std::exp(norms - sum));
  }
  // With |2q − k₁ − k₂|² = 4|q|² − 4q·(k₁ + k₂) + |k₁ + k₂|²: x = exp((|q|² + |k|²)/2)/√2 and z =
  // x exp(−|q|² + 2q·k).
  std::optional<PairFactors> pair_factors(const Vector& q, const Matrix& keys) const override {
    const Vector log_x = 0.5 * (q.squaredNorm() + keys.rowwise().squaredNorm().array() - kLogTwo).matrix();
    return PairFactors{log_x, log_x.array() - q.squaredNorm() + 2.0 * (keys * q).array()};
  }
  double variance(const Vector& x, const Vector& y, Index draws) const override {
    const double lost = std::expm1(-squared_difference(x, y));
    return 0.5 * std::exp(x.squaredNorm() + y.squaredNorm()) * lost * lost / static_cast<double>(draws);
  }
  double kurtosis(const Vector& x, const Vector& y) const override {
    return kurtosis_of_even(-squared_difference(x, y));
  }
  double orthogonal_kurtosis(const Vector& x, const Vector& y, Index draws, Index block) const override {
    return coupled_kurtosis(ProjectedProduct::even, x.size(), -squared_difference(x, y), draws, block);
  }
  double orthogonal_pair_moment(const Vector& x, const Vector& y) const override {
    return std::exp(x.squaredNorm() + y.squaredNorm()) *
           kummer_pair_moment(static_cast<int>(x.size()), -0.5 * squared_difference(x, y));
  }
  double orthogonal_covariance(const Vector& x, const Vector& y) const override {
    const double S = squared_difference(x, y);
    if (S > 2.0) return FeatureMap::orthogonal_covariance(x, y);  // its factors alone leave the range later
    return std::exp(2.0 * x.dot(y)) * kummer_pair_excess(static_cast<int>(x.size()), -0.5 * S);
  }
  std::optional<OrthogonalPairs> orthogonal_pairs() const override {
    return OrthogonalPairs{HaarFactor::cosine, -1.0};
  }

 private:
  template <typename Scalar>
  static void sines_and_cosines(const Eigen::Ref<const RowMatrix<Scalar>>& projections,
                                Eigen::Ref<RowMatrix<Scalar>> features) {
    const auto width = static_cast<std::size_t>(projections.cols());
    for (Index i = 0; i < projections.rows(); ++i) {
      const std::span<const Scalar> row(projections.row(i).data(), width);
      Scalar* out = features.row(i).data();
      vector_sincos(row, {out, width}, {out + width, width});
    }
  }
};

// Positive features of the softmax kernel (FAVOR+).
//
//   φ(x) = exp(w·x − |x|²/2)
//   E   φ(x)φ(y) = exp(x·y)
//   Var φ(x)φ(y) = exp(x·y)² (exp(|x+y|²) − 1)                    one direction
//
// Range: computed in the log domain; nothing is subtracted, so nothing cancels. Choromanski et al. 2021,
// Lemma 2.
class Positive : public FeatureMap {
 public:
  std::string_view name() const override { return "positive"; }
  Index per_direction() const override { return 1; }
  double norm_exponent() const override { return -1.0; }
  bool in_log_domain() const override { return true; }
  void activate(const Eigen::Ref<const RowMatrix<double>>& projections,
                Eigen::Ref<RowMatrix<double>> features) const override {
    if (features.data() != projections.data()) features = projections;
  }
  void activate(const Eigen::Ref<const RowMatrix<float>>& projections,
                Eigen::Ref<RowMatrix<float>> features) const override {
    if (features.data() != projections.data()) features = projections;
  }
  double kernel(const Vector& x, const Vector& y) const override { return std::exp(x.dot(y)); }
  double pair_moment(const Vector& q, const Vector& k1, const Vector& k2) const override {
    return std::exp(q.dot(k1) + q.dot(k2) + (q + k1).dot(q + k2));
  }
  // With k₁·k₂ = (|k₁|² + |k₂|² − |k₁ − k₂|²)/2: x = exp(q·k + |q + k|²/2).
  std::optional<PairFactors> pair_factors(const Vector& q, const Matrix& keys) const override {
    return PairFactors{
        2.0 * keys * q + 0.5 * (q.squaredNorm() + keys.rowwise().squaredNorm().array()).matrix(), {}};
  }
  double variance(const Vector& x, const Vector& y, Index draws) const override {
    const double S =
        squared_sum(x, y);  // exp S − 1 = −exp S (exp(−S) − 1), so that no factor leaves the range
    return -std::exp(2.0 * x.dot(y) + S) * std::expm1(-S) / static_cast<double>(draws);
  }
  // That of a lognormal number.
  double kurtosis(const Vector& x, const Vector& y) const override {
    const double S = squared_sum(x, y);
    if (S == 0.0) return std::numeric_limits<double>::quiet_NaN();
    return std::exp(4.0 * S) + 2.0 * std::exp(3.0 * S) + 3.0 * std::exp(2.0 * S) - 3.0;
  }
  double orthogonal_kurtosis(const Vector& x, const Vector& y, Index draws, Index block) const override {
    return coupled_kurtosis(ProjectedProduct::exponential, x.size(), squared_sum(x, y), draws, block);
  }
  double orthogonal_pair_moment(const Vector& x, const Vector& y) const override {
    return std::exp(-x.squaredNorm() - y.squaredNorm()) *
           kummer_pair_moment(static_cast<int>(x.size()), 0.5 * squared_sum(x, y));
  }
  double orthogonal_covariance(const Vector& x, const Vector& y) const override {
    return std::exp(2.0 * x.dot(y)) * kummer_pair_excess(static_cast<int>(x.size()), 0.5 * squared_sum(x, y));
  }
  std::optional<OrthogonalPairs> orthogonal_pairs() const override {
    return OrthogonalPairs{HaarFactor::exponential, 1.0};
  }
};

// Hyperbolic features: positive features at w and −w, an antithetic pair.
//
//   φ(x) = exp(−|x|²/2) [exp(w·x), exp(−w·x)] / √2
//   E   φ(x)·φ(y) = exp(x·y)
//   Var φ(x)·φ(y) = exp(x·y)² (cosh |x+y|² − 1)                   one direction, two features
//
// Range: as the positive features. Choromanski et al. 2021, Lemma 2.
class Hyperbolic final : public FeatureMap {
 public:
  std::string_view name() const override { return "hyperbolic"; }
  Index per_direction() const override { return 2; }
  double norm_exponent() const override { return -1.0; }
  bool in_log_domain() const override { return true; }
  double fold() const override { return 2.0; }
  void activate(const Eigen::Ref<const RowMatrix<double>>& projections,
                Eigen::Ref<RowMatrix<double>> features) const override {
    features.leftCols(projections.cols()) = projections;
    features.rightCols(projections.cols()) = -projections;
  }
  void activate(const Eigen::Ref<const RowMatrix<float>>& projections,
                Eigen::Ref<RowMatrix<float>> features) const override {
    features.leftCols(projections.cols()) = projections;
    features.rightCols(projections.cols()) = -projections;
  }
  double kernel(const Vector& x, const Vector& y) const override { return std::exp(x.dot(y)); }
  double pair_moment(const Vector& q, const Vector& k1, const Vector& k2) const override {
    return std::exp(q.dot(k1) + q.dot(k2)) * std::cosh((q + k1).dot(q + k2));
  }
  // Half that of the positive features, and half exp(−|q|² − k₁·k₂): z = exp((|k|² − |q|²)/2)/√2.
  std::optional<PairFactors> pair_factors(const Vector& q, const Matrix& keys) const override {
    const Vector half_norms = 0.5 * keys.rowwise().squaredNorm();
    const double half_norm = 0.5 * q.squaredNorm();
    return PairFactors{2.0 * keys * q + (half_norms.array() + half_norm - 0.5 * kLogTwo).matrix(),
                       half_norms.array() - half_norm - 0.5 * kLogTwo};
  }
  // cosh S − 1 = 2 sinh²(S/2) = exp S (exp(−S) − 1)²/2.
  double variance(const Vector& x, const Vector& y, Index draws) const override {
    const double S = squared_sum(x, y), lost = std::expm1(-S);
    return 0.5 * std::exp(2.0 * x.dot(y) + S) * lost * lost / static_cast<double>(draws);
  }
  double kurtosis(const Vector& x, const Vector& y) const override {
    return kurtosis_of_even(squared_sum(x, y));
  }
  double orthogonal_kurtosis(const Vector& x, const Vector& y, Index draws, Index block) const override {
    return coupled_kurtosis(ProjectedProduct::even, x.size(), squared_sum(x, y), draws, block);
  }
  // The pair's directions are symmetric on their own, so the pair moment is that of the positive features.
  double orthogonal_pair_moment(const Vector& x, const Vector& y) const override {
    return std::exp(-x.squaredNorm() - y.squaredNorm()) *
           kummer_pair_moment(static_cast<int>(x.size()), 0.5 * squared_sum(x, y));
  }
  double orthogonal_covariance(const Vector& x, const Vector& y) const override {
    return std::exp(2.0 * x.dot(y)) * kummer_pair_excess(static_cast<int>(x.size()), 0.5 * squared_sum(x, y));
  }
  std::optional<OrthogonalPairs> orthogonal_pairs() const override {
    return OrthogonalPairs{HaarFactor::exponential, 1.0};
  }
};

// Regularised softmax features (SMREG): positive features at directions of the fixed norm √d.
//
//   φ(x) = exp(w·x − |x|²/2),  w uniform on the sphere of radius √d
//   E   φ(x)φ(y) = exp(−(|x|²+|y|²)/2) ₀F₁(; d/2; d|x+y|²/4)      below exp(x·y): biased for softmax
//   E [φ(x)φ(y)]² = exp(−|x|²−|y|²) ₀F₁(; d/2; d|x+y|²)
//
// Variance, covariance and kurtosis keep their digits at every x + y.
// Choromanski et al. 2021, section 3 (Theorem 1).
class Regularized final : public Positive {
 public:
  std::string_view name() const override { return "regularized"; }
  bool fixed_norm() const override { return true; }
  double kernel(const Vector& x, const Vector& y) const override {
    return spherical_mean(0.5 * (x.squaredNorm() + y.squaredNorm()), x + y, 0.25);
  }
  double pair_moment(const Vector& q, const Vector& k1, const Vector& k2) const override {
    return spherical_mean(q.squaredNorm() + 0.5 * (k1.squaredNorm() + k2.squaredNorm()), 2.0 * q + k1 + k2,
                          0.25);
  }
  std::optional<PairFactors> pair_factors(const Vector& q, const Matrix& keys) const override {
    return FeatureMap::pair_factors(q, keys);
  }
  // ln ₀F₁ as a Chebyshev series in |2q + k₁ + k₂|², of which k₁·k₂ is all that is of both keys.
  Matrix pair_moments(const Vector& q, const Matrix& keys, Index first, Index rows) const override {
    const auto seen = keys.topRows(first + rows), own = keys.middleRows(first, rows);
    const Vector norms = seen.rowwise().squaredNorm();
    const Vector sums = norms + 4.0 * seen * q;
    Matrix moments = 2.0 * own * seen.transpose();
    moments.colwise() += sums.tail(rows);
    moments.rowwise() += (sums.array() + 4.0 * q.squaredNorm()).matrix().transpose();
    moments = moments.cwiseMax(0.0);
    const double b = 0.5 * static_cast<double>(q.size());
    const auto series =
        ChebyshevSeries::of([b](double square) { return log_hypergeometric_0f1(b, 0.5 * b * square); },
                            moments.minCoeff(), moments.maxCoeff());
    if (!series) return FeatureMap::pair_moments(q, keys, first, rows);
    const std::span<double> elements(moments.data(), static_cast<std::size_t>(moments.size()));
    series->evaluate(elements);
    moments.colwise() -= 0.5 * norms.tail(rows);
    moments.rowwise() -= (0.5 * norms.array() + q.squaredNorm()).matrix().transpose();
    vector_exp(elements);
    return moments;
  }
  double variance(const Vector& x, const Vector& y, Index draws) const override {
    const auto d = static_cast<double>(x.size());
    return std::exp(-x.squaredNorm() - y.squaredNorm()) *
           spherical_variance(0.5 * d, 0.25 * d * squared_sum(x, y)) / static_cast<double>(draws);
  }
  double kurtosis(const Vector& x, const Vector& y) const override {
    return kurtosis_on_the_sphere(static_cast<double>(x.size()), squared_sum(x, y));
  }
  double orthogonal_kurtosis(const Vector& x, const Vector& y, Index draws, Index block) const override {
    return coupled_kurtosis(ProjectedProduct::fixed_norm, x.size(), squared_sum(x, y), draws, block);
  }
  double orthogonal_covariance(const Vector& x, const Vector& y) const override {
    const auto d = static_cast<double>(x.size());
    return std::exp(-x.squaredNorm() - y.squaredNorm()) *
           spherical_covariance(0.5 * d, 0.25 * d * squared_sum(x, y));
  }
  double orthogonal_pair_moment(const Vector& x, const Vector& y) const override {
    return spherical_mean(x.squaredNorm() + y.squaredNorm(), x + y, 0.5);
  }
  std::optional<OrthogonalPairs> orthogonal_pairs() const override {
    return OrthogonalPairs{HaarFactor::fixed_norm, 1.0};
  }

 private:
  // e^{−norms} ₀F₁(; d/2; factor · d |z|²): with factor ¼ and without norms the mean of exp(w·z) over the
  // sphere. By logarithms where one of its factors may leave the range.
  static double spherical_mean(double norms, const Vector& z, double factor) {
    const auto d = static_cast<double>(z.size());
    const double argument = factor * d * z.squaredNorm();
    if (norms < 300.0 && argument < 9e4) return std::exp(-norms) * hypergeometric_0f1(0.5 * d, argument);
    return std::exp(log_hypergeometric_0f1(0.5 * d, argument) - norms);
  }
};

}  // namespace

const FeatureMap& arccos_features();  // arccos_features.cpp

namespace {

template <typename Map>
const FeatureMap& instance() {
  static const Map map;
  return map;
}

constexpr std::array kFeatureMaps{
    NamedFeatureMap{"positive", "exp(w·x − |x|²/2): positive, heavy-tailed (FAVOR+)",
                    "Choromanski et al. 2021", "performer:features=positive", &instance<Positive>},
    NamedFeatureMap{"hyperbolic", "positive features at ±w: two features a direction, never worse",
                    "Choromanski et al. 2021", "performer:features=hyperbolic", &instance<Hyperbolic>},
    NamedFeatureMap{"regularized", "positive features at directions of norm √d: biased, lighter tails",
                    "Choromanski et al. 2021", "performer:features=regularized", &instance<Regularized>},
    NamedFeatureMap{"trigonometric", "exp(|x|²/2)[sin w·x, cos w·x]: signed, two features a direction",
                    "Rahimi and Recht 2007; Peng et al. 2021", "rfa:kernel=gaussian",
                    &instance<Trigonometric>},
    NamedFeatureMap{"arccos", "ReLU(w·x): the arc-cosine kernel of order one, not softmax",
                    "Cho and Saul 2009; Peng et al. 2021", "rfa:kernel=arccos", &arccos_features},
};

}  // namespace

double kernel_variance(const FeatureMap& map, const Vector& x, const Vector& y, Index draws, Index block) {
  const double independent = map.variance(x, y, draws);
  const double pairs = coupled_pairs(draws, block);
  if (pairs == 0.0 || std::isinf(independent)) return independent;
  const auto m = static_cast<double>(draws);
  const double coupled = pairs / (m * m) * map.orthogonal_covariance(x, y);
  return std::max(0.0, beyond_rounding(independent + coupled, independent + std::abs(coupled)));
}

double kernel_kurtosis(const FeatureMap& map, const Vector& x, const Vector& y, Index draws, Index block) {
  if (coupled_pairs(draws, block) > 0.0) return map.orthogonal_kurtosis(x, y, draws, block);
  return 3.0 + (map.kurtosis(x, y) - 3.0) / static_cast<double>(draws);
}

std::span<const NamedFeatureMap> feature_maps() {
  return kFeatureMaps;
}

const FeatureMap& feature_map_named(std::string_view name) {
  std::vector<std::string_view> names;
  for (const auto& entry : kFeatureMaps) {
    if (entry.name == name) return entry.get();
    names.push_back(entry.name);
  }
  require_known("feature map", name, names);
  return kFeatureMaps.front().get();
}

}  // namespace attngap
