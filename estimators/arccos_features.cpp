#include "estimators/angles.hpp"
#include "estimators/arccos_rows.hpp"
#include "estimators/feature_map.hpp"
#include "estimators/gauss_jacobi.hpp"
#include "estimators/vector_math.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <boost/math/constants/constants.hpp>
#include <boost/math/quadrature/gauss.hpp>

namespace attngap {

const FeatureMap& arccos_features();

namespace {

using boost::math::double_constants::pi;
using boost::math::double_constants::root_two_pi;

constexpr double kNearlyOpposite = 0.3;

// E w_x⁺ w_y⁺ = |x||y| J₁/(2π) of the angle x and y leave open to being opposite, π − θ.
double arccos_kernel(double norms, double opening) {
  return norms * arccos_j1(opening) / (2.0 * pi);
}

// Covariances of the three centred Gaussians X = (w·q, w·k₁, w·k₂), and what is needed of them.
class ThreeGaussians {
 public:
  ThreeGaussians(const Vector& x0, const Vector& x1, const Vector& x2) : x_{x0, x1, x2} {}

  double covariance(int i, int j) const { return x_[i].dot(x_[j]); }

  // P(X > 0), the orthant probability ⅛ + Σ asin ρ_ij / 4π, with asin ρ = π/2 − θ.
  double orthant() const {
    const double angles =
        angle_between(x_[0], x_[1]) + angle_between(x_[1], x_[2]) + angle_between(x_[2], x_[0]);
    return 0.5 - angles / (4.0 * pi);
  }

  // E X_i X_j 1{X > 0} for i ≠ j by Stein's identity E X_i g = Σ_a S_ia E ∂_a g with g = X_j 1{X > 0}: the
  // derivative of X_j gives the orthant, those of the indicators give boundaries (that of X_j vanishes on its
  // own).
  double second_moment(int i, int j) const {
    const int k = 3 - i - j;
    return covariance(i, j) * orthant() + covariance(i, i) * boundary(i, j, k) +
           covariance(i, k) * boundary(k, j, i);
  }

 private:
  // E δ(X_a) X_b 1{X_b > 0, X_c > 0}: density at zero times E X_b 1{X_b, X_c > 0} given X_a = 0, which is
  // (√C_bb + C_bc/√C_cc)/(2√2π) with the conditional covariances C: those of what is left of b and c across
  // a. Where nothing is left of c, X_c is X_a and half of what the density sees.
  double boundary(int a, int b, int c) const {
    const Vector left_b = across(x_[b], x_[a]), left_c = across(x_[c], x_[a]);
    const double norm_c = left_c.norm();
    const double shared = norm_c > 1e-14 * x_[c].norm() ? left_b.dot(left_c) / norm_c : 0.0;
    return (left_b.norm() + shared) / (2.0 * root_two_pi) / (root_two_pi * x_[a].norm());
  }

  Vector x_[3];
};

// E (X₀⁺)² X₁⁺ X₂⁺ where x₁ is nearly opposite to x₀: the terms of Stein's identity cancel there, and this is
// an integral of something positive. With s = w·x₀/|x₀|, v the rest of w and x_i = −c_i x₀/|x₀| + p_i, the
// products are |x₀|² s² (p₁·v − c₁s)(p₂·v − c₂s); v = r(cos φ, sin φ), s = ru and E over r leave
// 15/4π ∫dφ ∫du u² (P₁ − c₁u)(P₂ − c₂u)/(1 + u²)^{7/2} over what is positive, P_i = p_i·(cos φ, sin φ).
double nearly_opposite_moment(const Vector& x0, const Vector& x1, const Vector& x2) {
  using boost::math::quadrature::gauss;
  const Vector p1 = across(x1, x0), p2 = across(x2, x0);
  const double c1 = -x1.dot(x0) / x0.norm(), c2 = -x2.dot(x0) / x0.norm(), a = p1.norm();
  if (a == 0.0) return 0.0;
  const double b = p2.dot(p1) / a, h = across(p2, p1).norm();
  const auto over_u = [&](double phi) {
    const double P1 = a * std::cos(phi), P2 = b * std::cos(phi) + h * std::sin(phi);
    const double low = c2 < 0.0 ? std::max(0.0, P2 / c2) : 0.0;
    const double high = c2 > 0.0 ? std::min(P1 / c1, P2 / c2) : c2 < 0.0 || P2 > 0.0 ? P1 / c1 : 0.0;
    if (!(low < high)) return 0.0;
    return gauss<double, 10>::integrate(
        [&](double u) { return u * u * (P1 - c1 * u) * (P2 - c2 * u) / std::pow(1.0 + u * u, 3.5); }, low,
        high);
  };
  // P₂ changes its sign, and P₁/c₁ and P₂/c₂ their order, at one angle each.
  double ends[] = {-0.5 * pi, std::atan2(-b, h), std::atan2(c2 * a - c1 * b, c1 * h), 0.5 * pi};
  std::sort(std::begin(ends), std::end(ends));
  double sum = 0.0;
  for (int i = 0; i < 3; ++i)
    if (ends[i] < ends[i + 1]) sum += gauss<double, 30>::integrate(over_u, ends[i], ends[i + 1]);
  return 15.0 / (4.0 * pi) * x0.squaredNorm() * sum;
}

// Arc-cosine features of order one.
//
//   φ(x) = ReLU(w·x)
//   E   φ(x)φ(y) = |x||y| J₁(θ)/2π,   J₁ = sin θ + (π − θ) cos θ,  θ the angle of x and y
//   Var φ(x)φ(y) = |x|²|y|² [J₂/2π − (J₁/2π)²],  J₂ = 3 sin θ cos θ + (π − θ)(1 + 2 cos² θ)
//
// Range: any; mean, variance and pair moment keep their digits at every angle. A kernel of its own, without a
// softmax limit: its target is attention with the kernel itself. All features of a query or of its keys are
// zero with positive probability, and the ratio is then 0/0. Cho and Saul 2009; Peng et al. 2021, section 3.
class Arccos final : public FeatureMap {
 public:
  std::string_view name() const override { return "arccos"; }
  Index per_direction() const override { return 1; }
  double norm_exponent() const override { return 0.0; }
  bool in_log_domain() const override { return false; }
  bool can_vanish() const override { return true; }
  void activate(const Eigen::Ref<const RowMatrix<double>>& projections,
                Eigen::Ref<RowMatrix<double>> features) const override {
    features = projections.cwiseMax(0.0);
  }
  void activate(const Eigen::Ref<const RowMatrix<float>>& projections,
                Eigen::Ref<RowMatrix<float>> features) const override {
    features = projections.cwiseMax(0.0F);
  }
  double kernel(const Vector& x, const Vector& y) const override {
    return arccos_kernel(x.norm() * y.norm(), angle_between(x, -y));
  }
  double variance(const Vector& x, const Vector& y, Index draws) const override {
    const double norms = x.norm() * y.norm(), opening = angle_between(x, -y);
    const double mean = arccos_j1(opening) / (2.0 * pi);
    return norms * norms * (arccos_j2(opening) / (2.0 * pi) - mean * mean) / static_cast<double>(draws);
  }

  // From E[φ(x)φ(y)]ⁿ = |x|ⁿ|y|ⁿ n!/(2π) ∫_0^ε (cos α − cos ε)ⁿ dα with ε = π − θ: of w = r u in the plane of
  // x and y, E r^{2n} = 2ⁿn!, and u·x u·y = |x||y|(cos α − cos ε)/2 at twice u's angle from their bisector.
  double kurtosis(const Vector& x, const Vector& y) const override {
    const double opening = angle_between(x, -y);
    if (x.norm() * y.norm() * opening == 0.0) return std::numeric_limits<double>::quiet_NaN();
    double moments[5] = {1.0};
    for (int n = 1; n <= 4; ++n) {
      const auto product = [&](double alpha) {
        return std::pow(2.0 * std::sin(0.5 * (opening + alpha)) * std::sin(0.5 * (opening - alpha)), n);
      };
      const double integral = boost::math::quadrature::gauss<double, 30>::integrate(product, 0.0, opening);
      moments[n] = std::tgamma(n + 1.0) * integral / (2.0 * pi);
    }
    const double mean = moments[1], variance = moments[2] - mean * mean;
    const double fourth =
        moments[4] - 4.0 * moments[3] * mean + 6.0 * moments[2] * mean * mean - 3.0 * std::pow(mean, 4);
    return fourth / (variance * variance);
  }

  // E (X₀⁺)² X₁⁺ X₂⁺ with X = (w·q, w·k₁, w·k₂), of fourth order in the smaller opening and of fifth in both:
  // from 0.3 on Stein's identity leaves ten digits. It is used once more, with g = X₀X₁X₂ 1{X > 0}, whose
  // indicators have no boundary terms: S₀₀ E X₁X₂1 + S₀₁ E X₀X₂1 + S₀₂ E X₀X₁1.
  double pair_moment(const Vector& q, const Vector& k1, const Vector& k2) const override {
    if (q.norm() * k1.norm() * k2.norm() == 0.0) return 0.0;
    const double opening1 = angle_between(k1, -q), opening2 = angle_between(k2, -q);
    if (std::min(opening1, opening2) < kNearlyOpposite)
      return opening1 < opening2 ? nearly_opposite_moment(q, k1, k2) : nearly_opposite_moment(q, k2, k1);
    const ThreeGaussians X(q, k1, k2);
    return X.covariance(0, 0) * X.second_moment(1, 2) + X.covariance(0, 1) * X.second_moment(0, 2) +
           X.covariance(0, 2) * X.second_moment(0, 1);
  }

  // The same of whole blocks. Of unit vectors with the cosines a = q·k₁, b = q·k₂, c = k₁·k₂ and the openings
  // α, β of the first two the terms of those three second moments collect to
  //
  //   4π E = (c + 2ab)(α + β − θ_c) + s_c(1 + a² + b²) + 2(b s_a + a s_b) + c(a s_a + b s_b),   s = sin θ
  //
  // in which nothing is divided by, so that parallel and opposite vectors are no special case.
  Matrix pair_moments(const Vector& q, const Matrix& keys, Index first, Index rows) const override {
    const Index end = first + rows;
    Vector norms(end), opening(end);
    Matrix units(end, q.size());
    for (Index m = 0; m < end; ++m) {
      const Vector k = keys.row(m);
      norms(m) = k.norm();
      opening(m) = angle_between(q, -k);
      units.row(m) = (norms(m) > 0.0 ? 1.0 / norms(m) : 0.0) * k;
    }
    const Eigen::ArrayXd a = -opening.array().cos(), sine = opening.array().sin(), sine_a = a * sine;
    const Eigen::ArrayXd half = 0.5 + a.square();
    const Eigen::ArrayXd scale = norms.array() * (q.squaredNorm() / (4.0 * pi));
    Matrix moments = units.middleRows(first, rows) * units.transpose();
    Eigen::ArrayXd c(end), angle(end);
    for (Index m = 0; m < rows; ++m) {
      const Index k = first + m;
      c = moments.row(m).transpose().array().max(-1.0).min(1.0);
      angle = c;
      vector_acos({angle.data(), static_cast<std::size_t>(end)});
      moments.row(m).array() = (norms(k) * scale *
                                ((c + 2.0 * a(k) * a) * (opening(k) + opening.array() - angle) +
                                 ((1.0 - c) * (1.0 + c)).sqrt() * (half(k) + half) +
                                 2.0 * (sine(k) * a + a(k) * sine) + c * (sine_a(k) + sine_a)))
                                   .transpose();
    }
    return moments;
  }

  // Of directions r u and r' u' the norms give E r² E r'² = d². Given u, u' is uniform on the sphere of u's
  // complement, where x and y leave x' and y': E ReLU(u'·x)ReLU(u'·y) = K(x', y')/(d−1). What is left is the
  // mean over u's two coordinates in the plane of x and y, √t(cos α, sin α) with t ~ Beta(1, (d−2)/2): a
  // quadrature over t and over α in the wedge where both are positive.
  double orthogonal_pair_moment(const Vector& x, const Vector& y) const override {
    const auto d = static_cast<double>(x.size());
    const double norms = x.norm() * y.norm();
    if (d < 2.0 || norms == 0.0) return d < 2.0 ? kernel(x, y) * kernel(x, y) : 0.0;
    const double theta = angle_between(x, y);
    const auto given = [&](double t, double alpha) {
      const double a = std::cos(alpha), b = std::cos(alpha - theta);
      const double xx = std::max(0.0, 1.0 - t * a * a), yy = std::max(0.0, 1.0 - t * b * b);
      const double product = std::sqrt(xx * yy);
      const double cosine = product > 0.0 ? (std::cos(theta) - t * a * b) / product : 1.0;
      return t * a * b * arccos_kernel(product, std::acos(std::clamp(-cosine, -1.0, 1.0)));
    };
    using Rule = boost::math::quadrature::gauss<double, 30>;
    // For t near one x' or y' turns round fast where u passes x or y (in the plane, d = 2, it jumps): nodes
    // crowd there.
    const auto crowded = [&](double t, double from, double to, double s) {
      return 6.0 * s * (1.0 - s) * (to - from) * given(t, from + (to - from) * s * s * (3.0 - 2.0 * s));
    };
    const double low = theta - 0.5 * pi, high = 0.5 * pi;
    const double ends[] = {low, std::clamp(0.0, low, high), std::clamp(theta, low, high), high};
    const auto over_angles = [&](double t) {
      double sum = 0.0;
      for (int i = 0; i < 3; ++i)
        if (ends[i] < ends[i + 1])
          sum += Rule::integrate([&](double s) { return crowded(t, ends[i], ends[i + 1], s); }, 0.0, 1.0);
      return sum / (2.0 * pi);
    };
    if (d == 2.0) return 4.0 * norms * norms * over_angles(1.0);
    const QuadratureRule rule = gauss_jacobi(d - 3.0, 40);  // of 1 − τ, t = 1 − τ²: |x'| = τ where u passes x
    double mean = 0.0;
    for (Index i = 0; i < rule.nodes.size(); ++i)
      mean += rule.weights(i) * over_angles(rule.nodes(i) * (2.0 - rule.nodes(i)));
    return d * d / (d - 1.0) * norms * norms * mean;
  }
  std::unique_ptr<OrthogonalRows> orthogonal_rows(Index d) const override {
    return arccos_orthogonal_rows(d);
  }
};

}  // namespace

const FeatureMap& arccos_features() {
  static const Arccos map;
  return map;
}

}  // namespace attngap
