#include "estimators/arccos_rows.hpp"

#include "estimators/angles.hpp"
#include "estimators/error.hpp"
#include "estimators/gauss_jacobi.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <vector>

namespace attngap {
namespace {

using Array = Eigen::ArrayXd;

constexpr double kPi = 3.14159265358979323846;
// What the bound on the rest may be, in units of the second moment: sought, and needed when orders end.
constexpr double kSought = 1e-10, kNeeded = 1e-8;
constexpr std::array<Index, 14> kOrders{12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024};

// A key costs about N³/2 multiply-adds: orders above 256 are for rows that have them in a second.
bool affordable(Index order, Index keys) {
  return order <= 256 || static_cast<double>(keys) * std::pow(static_cast<double>(order), 3) <= 0x1p31;
}

// b_1 … b_count of x p_{k−1} = b_k p_k + b_{k−1} p_{k−2}, the polynomials p_k orthonormal under the
// probability density ∝ (1 − x²)^(λ−½), λ > −½.
Array gegenbauer_steps(double lambda, Index count) {
  Array b(count);
  for (Index k = 1; k <= count; ++k) {
    const double n = static_cast<double>(k);
    b(k - 1) = k == 1 ? std::sqrt(0.5 / (1.0 + lambda))
                      : 0.5 * std::sqrt(n * (n + 2.0 * lambda - 1.0) / ((n + lambda) * (n + lambda - 1.0)));
  }
  return b;
}

// Even degrees n = max(2, j) … N of one j.
Index lowest_degree(Index j) {
  return j <= 2 ? 2 : j + j % 2;
}

// F_nj of wedges f(u) = ReLU(cos ϑ) ReLU(u·k) of unit vectors q and k at any angle, for n ≤ N.
class WedgeHarmonics {
 public:
  WedgeHarmonics(Index d, Index order);

  Index order() const { return order_; }
  Index degrees(Index j) const { return (order_ - lowest_degree(j)) / 2 + 1; }

  // Row `key` of the parts j = 0 … N.
  void project(double theta, Index key, std::vector<Matrix>& parts) const {
    project_low(theta, key, parts);
    project_high(theta, key, parts);
  }

 private:
  void project_low(double theta, Index key, std::vector<Matrix>& parts) const;
  void project_high(double theta, Index key, std::vector<Matrix>& parts) const;
  void sum_degrees(Index j, const Array& c, Array values, double factor, Index key,
                   std::vector<Matrix>& parts) const;

  Index order_;
  double d_;
  QuadratureRule low_, turns_, high_;
  std::vector<Array> steps_;  // by j, those of λ = j + (d−2)/2
  Array across_;              // those of λ = (d+1)/2
  Array factors_;             // by j ≥ 2
};

WedgeHarmonics::WedgeHarmonics(Index d, Index order)
    : order_(order),
      d_(static_cast<double>(d)),
      low_(gauss_jacobi(0.5 * d_ - 2.0, order / 4 + 2)),
      turns_(gauss_jacobi(0.0, 3 * order / 4 + 24)),
      high_(gauss_jacobi(0.5 * d_, order / 4 + 1)),
      across_(gegenbauer_steps(0.5 * (d_ + 1.0), order)),
      factors_(order + 1) {
  const double lambda = 0.5 * (d_ - 3.0);
  double sines = 1.0;  // E sin^{2j} ϑ
  for (Index degree = 0; degree <= order; ++degree) {
    const double j = static_cast<double>(degree);
    steps_.push_back(gegenbauer_steps(j + 0.5 * (d_ - 2.0), order + 2));
    // Two Rodrigues steps from λ to λ + 2, each dividing by that of p_j' = √(j(j+2λ)(2λ+2)/(2λ+1)) p_{j−1}.
    const double squares = j * (j + 2.0 * lambda) * (2.0 * lambda + 2.0) / (2.0 * lambda + 1.0) * (j - 1.0) *
                           (j + 1.0 + 2.0 * lambda) * (2.0 * lambda + 4.0) / (2.0 * lambda + 3.0);
    factors_(degree) =
        degree < 2 ? 0.0 : (d_ * d_ - 1.0) / (2.0 * kPi * d_ * (d_ + 2.0)) / std::sqrt(squares * sines);
    sines *= (d_ - 1.0 + 2.0 * j) / (d_ + 2.0 * j);
  }
}

// Σ values p_{n−j}(c), for the even n: with the steps b, x² p_k = b_{k+1} b_{k+2} p_{k+2} + (b_k² + b_{k+1}²)
// p_k
// + b_{k−1} b_k p_{k−2}.
void WedgeHarmonics::sum_degrees(Index j, const Array& c, Array values, double factor, Index key,
                                 std::vector<Matrix>& parts) const {
  const Array& steps = steps_[static_cast<std::size_t>(j)];
  const auto b = [&](Index k) { return k < 1 ? 0.0 : steps(k - 1); };
  const Index lowest = lowest_degree(j);
  Matrix& part = parts[static_cast<std::size_t>(j)];
  const Array squares = c.square();
  Array before = Array::Zero(values.size());
  if (j % 2 == 1) values *= c / b(1);
  for (Index k = j % 2; j + k <= order_; k += 2) {
    if (j + k >= lowest) part(key, (j + k - lowest) / 2) = factor * values.sum();
    const double own = b(k) * b(k) + b(k + 1) * b(k + 1), last = b(k - 1) * b(k), next = b(k + 1) * b(k + 2);
    before = ((squares - own) * values - last * before) / next;
    before.swap(values);
  }
}

// j = 0 and 1 by quadrature over the plane of q and k: with u = √t (cos ψ, sin ψ) there, t has the density ∝
// (1 − t)^((d−4)/2), ψ is uniform, f = t cos ψ cos(ψ − θ) on one interval, and the harmonics are p_n(√t cos
// ψ) and √d √t sin ψ p_{n−1}(√t cos ψ).
void WedgeHarmonics::project_low(double theta, Index key, std::vector<Matrix>& parts) const {
  const Index radii = low_.nodes.size(), turns = turns_.nodes.size();
  Array c(radii * turns), s(radii * turns), mass(radii * turns);
  for (Index i = 0; i < turns; ++i) {
    const double psi = 0.5 * kPi - (kPi - theta) * turns_.nodes(i);
    const double share = turns_.weights(i) * (kPi - theta) / (2.0 * kPi);
    const Array r = low_.nodes.sqrt();
    c.segment(i * radii, radii) = std::cos(psi) * r;
    s.segment(i * radii, radii) = std::sin(psi) * r;
    mass.segment(i * radii, radii) =
        share * std::cos(psi) * std::cos(psi - theta) * low_.weights * low_.nodes;
  }
  sum_degrees(0, c, mass, 1.0, key, parts);
  sum_degrees(1, c, mass * s, std::sqrt(d_), key, parts);
}

// j ≥ 2: integrating twice by parts, E[(x − x₀)⁺ p_j(x)] over x = cos φ is a multiple of (1 − x₀²)^{d/2}
// p_{j−2}(x₀) of λ + 2 at the edge x₀ = −cot ϑ cot θ. With cos ϑ = √t sin θ the rest is a polynomial in t
// under (1 − t)^{d/2}, which Gauss's rule integrates exactly.
void WedgeHarmonics::project_high(double theta, Index key, std::vector<Matrix>& parts) const {
  const double sine = std::sin(theta), cosine = std::cos(theta);
  const Array s = high_.nodes.sqrt(), c = sine * s, y = -cosine * s;
  const Array squared_sines = 1.0 - sine * sine * high_.nodes;
  Array edge = high_.weights, before = Array::Zero(edge.size());  // sin^{j−2} ϑ p_{j−2}(x₀)
  for (Index j = 2; j <= order_; ++j) {
    sum_degrees(j, c, edge, factors_(j) * sine * sine * sine, key, parts);
    before = (y * edge - (j == 2 ? 0.0 : across_(j - 3)) * squared_sines * before) / across_(j - 2);
    before.swap(edge);
  }
}

class HarmonicRows final : public OrthogonalRows {
 public:
  explicit HarmonicRows(Index d) : d_(static_cast<double>(d)), lambda_(kOrders.back() / 2 + 2) {
    lambda_(0) = 1.0;
    for (Index j = 1; j < lambda_.size(); ++j) {
      const double twice = 2.0 * static_cast<double>(j);
      lambda_(j) = -lambda_(j - 1) * (twice - 1.0) / (twice + d_ - 3.0);
    }
  }

  void start(const Vector& q, const Matrix& keys, const Vector& weights) override;
  Matrix covariances(Index first, Index rows) const override;

 private:
  double fill(const WedgeHarmonics& harmonics, const Array& shares);

  double d_;
  Array lambda_;  // of degree 2j
  std::map<Index, WedgeHarmonics> harmonics_;
  bool certain_ = false;
  Array lengths_;  // d |q||k|
  Array thetas_;
  Matrix directions_;          // e
  std::vector<Matrix> parts_;  // by j: keys × degrees
};

void HarmonicRows::start(const Vector& q, const Matrix& keys, const Vector& weights) {
  lengths_ = d_ * q.norm() * keys.rowwise().norm().array();
  thetas_.resize(keys.rows());
  directions_ = Matrix::Zero(keys.rows(), keys.cols());
  for (Index m = 0; m < keys.rows(); ++m) {
    const Vector k = keys.row(m);
    thetas_(m) = angle_between(q, k);
    if (lengths_(m) > 0.0) directions_.row(m) = across(k, q).stableNormalized();
  }
  // With kinks and λ_n of a power of n the rest falls like the power −(2 + d/2) of N: orders that would miss
  // are passed over.
  const auto d = static_cast<Index>(d_);
  const auto unaffordable = [&](Index order) { return !affordable(order, keys.rows()); };
  const Index highest = *std::prev(std::find_if(kOrders.begin(), kOrders.end(), unaffordable));
  double hoped = 0.0;
  for (const Index order : kOrders) {
    if (static_cast<double>(order) < hoped && order < highest) continue;
    const double rest =
        fill(harmonics_.try_emplace(order, d, order).first->second, weights.array() * lengths_);
    certain_ = rest <= (order == highest ? kNeeded : kSought);
    if (certain_ || order == highest) return;
    hoped = 0.9 * static_cast<double>(order) * std::pow(rest / kSought, 1.0 / (2.0 + 0.5 * d_));
  }
}

// A bound on what the harmonics leave out of the second moment of a full block, in units of that of one
// direction: with f the sum of the wedges times their shares, |f_n| over
// the higher n is at most the sum of theirs, and E f(u)² at least that of the diagonal and at least its
// squared mean, 1/d².
double HarmonicRows::fill(const WedgeHarmonics& harmonics, const Array& shares) {
  parts_.clear();
  for (Index j = 0; j <= harmonics.order(); ++j) parts_.emplace_back(thetas_.size(), harmonics.degrees(j));
  double rest = 0.0, second = 0.0;
  for (Index m = 0; m < thetas_.size(); ++m) {
    harmonics.project(thetas_(m), m, parts_);
    const double sine = std::sin(thetas_(m)), cosine = std::cos(thetas_(m)), open = kPi - thetas_(m);
    const double mean = (sine + open * cosine) / (2.0 * kPi * d_);
    const double square =
        (3.0 * sine * cosine + open * (1.0 + 2.0 * cosine * cosine)) / (2.0 * kPi * d_ * (d_ + 2.0));
    double even = 0.5 * square - mean * mean;
    for (const Matrix& part : parts_) even -= part.row(m).squaredNorm();
    constexpr double kRounding = 1e-15;
    rest += std::abs(shares(m)) * std::sqrt(std::max(even, kRounding / (d_ * d_)));
    second += shares(m) * shares(m) * square * (1.0 + 2.0 / d_);
  }
  const double next = std::abs(lambda_(harmonics.order() / 2 + 1));
  return (d_ - 1.0) * next * rest * rest / std::max(1.0, second);
}

Matrix HarmonicRows::covariances(Index first, Index rows) const {
  const Index end = first + rows;
  if (!certain_) return Matrix::Constant(rows, end, std::numeric_limits<double>::quiet_NaN());
  const Matrix x = (directions_.middleRows(first, rows) * directions_.topRows(end).transpose())
                       .cwiseMax(-1.0)
                       .cwiseMin(1.0);
  Matrix sum = Matrix::Zero(rows, end), product = sum;
  Matrix before = sum, current = Matrix::Ones(rows, end);  // P_{j−1} and P_j
  for (std::size_t place = 0; place < parts_.size(); ++place) {
    const Matrix& part = parts_[place];
    const auto degree = static_cast<Index>(place);
    const auto lambda = lambda_.segment(lowest_degree(degree) / 2, part.cols()).matrix();
    const Matrix left = part.middleRows(first, rows) * lambda.asDiagonal();
    product.noalias() = left * part.topRows(end).transpose();
    sum.array() += current.array() * product.array();
    const auto j = static_cast<double>(degree);
    if (degree == 0)
      before = x;
    else
      before = ((2.0 * j + d_ - 3.0) * x.array() * current.array() - j * before.array()) / (j + d_ - 3.0);
    before.swap(current);
  }
  return lengths_.segment(first, rows).matrix().asDiagonal() * sum * lengths_.head(end).matrix().asDiagonal();
}

// d = 2: v is u turned by ±π/2, at even odds. With u at the angle ψ from q, f is cos ψ cos(ψ − a) within a
// quarter turn of both q and k, g the same of b, and the product has an elementary integral.
class PlanarRows final : public OrthogonalRows {
 public:
  void start(const Vector& q, const Matrix& keys, const Vector&) override {
    lengths_ = 2.0 * q.norm() * keys.rowwise().norm().array();
    angles_.resize(keys.rows());
    for (Index m = 0; m < keys.rows(); ++m) {
      const Vector k = keys.row(m);
      angles_(m) = std::copysign(angle_between(q, k), q(0) * k(1) - q(1) * k(0));
    }
  }

  Matrix covariances(Index first, Index rows) const override {
    Matrix result(rows, first + rows);
    for (Index m = 0; m < rows; ++m)
      for (Index other = 0; other < first + rows; ++other) {
        const double a = angles_(first + m), b = angles_(other);
        result(m, other) = lengths_(first + m) * lengths_(other) * (pair(a, b) - mean(a) * mean(b));
      }
    return result;
  }

 private:
  // E f(u), of unit vectors.
  static double mean(double a) {
    return (std::sin(std::abs(a)) + (kPi - std::abs(a)) * std::cos(a)) / (4.0 * kPi);
  }

  static double pair(double a, double b) {
    const auto integral = [&](double psi) {
      return (std::cos(a) * std::cos(b) - 0.5 * std::cos(a - b)) * psi +
             0.5 * std::cos(b) * std::sin(2.0 * psi - a) - 0.5 * std::cos(a) * std::sin(2.0 * psi - b) -
             0.125 * std::sin(4.0 * psi - a - b);
    };
    double sum = 0.0;
    for (const double turn : {-0.5 * kPi, 0.5 * kPi}) {
      const double low = std::max({-0.5 * kPi, a - 0.5 * kPi, turn - 0.5 * kPi, turn + b - 0.5 * kPi});
      const double high = std::min({0.5 * kPi, a + 0.5 * kPi, turn + 0.5 * kPi, turn + b + 0.5 * kPi});
      if (low < high) sum += integral(high) - integral(low);
    }
    return sum / (16.0 * kPi);
  }

  Array lengths_, angles_;
};

}  // namespace

std::unique_ptr<OrthogonalRows> arccos_orthogonal_rows(Index d) {
  require(d >= 2, "orthogonal pairs: d = {}, must be at least 2", d);
  if (d == 2) return std::make_unique<PlanarRows>();
  return std::make_unique<HarmonicRows>(d);
}

}  // namespace attngap
