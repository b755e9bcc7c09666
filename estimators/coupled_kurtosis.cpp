#include "estimators/coupled_kurtosis.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include <boost/multiprecision/cpp_bin_float.hpp>

namespace attngap {
namespace {

template <unsigned digits>
using Digits = boost::multiprecision::number<boost::multiprecision::cpp_bin_float<digits>,
                                             boost::multiprecision::et_off>;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

// `copies` directions of multiplicity n.
struct Group {
  int n = 0;
  int copies = 0;
};

// E exp(Σ_i n_i w_i·z) of a block.
template <typename Real>
class BlockMoments {
 public:
  BlockMoments(ProjectedProduct product, Index d, double S)
      : fixed_norm_(product == ProjectedProduct::fixed_norm), c_(0.5 * static_cast<double>(d)), S_(S) {}

  Real operator()(Group a, Group b = {}) const { return fixed_norm_ ? on_spheres(a, b) : of_normals(a, b); }

 private:
  static constexpr std::size_t kMostTerms = 20'000;

  static bool negligible(const Real& term, const Real& sum) {
    return !(abs_of(term) > std::numeric_limits<Real>::epsilon() * abs_of(sum));
  }
  static Real abs_of(const Real& value) { return value < 0 ? Real(-value) : value; }

  // f_N = [x^N] (1 − λx)^{−α} (1 − μx)^{−β} / (c)_N from the differential equation of the product.
  Real of_normals(Group a, Group b) const {
    const Real half = S_ / 2, lambda = half * (a.n * a.n), mu = half * (b.n * b.n);
    const double alpha = c_ * a.copies, beta = c_ * b.copies;
    Real before = 0, term = 1, sum = 1, size = 1;
    for (std::size_t at = 0; at < kMostTerms; ++at) {
      const auto N = static_cast<double>(at);
      if (at == inverse_.size()) inverse_.push_back(1 / Real((N + 1) * (c_ + N)));
      Real next = ((lambda + mu) * N + lambda * alpha + mu * beta) * term;
      if (at > 0 && b.n > 0) next -= lambda * mu * ((N - 1 + alpha + beta) * N) * inverse_[at - 1] * before;
      before = term;
      term = next * inverse_[at];
      sum += term;
      size += abs_of(term);
      if (negligible(term, size)) break;
    }
    return sum;
  }

  Real on_spheres(Group a, Group b) const {
    const Real z = Real(S_) * c_ * (a.n * a.n * a.copies + b.n * b.n * b.copies) / 2;
    Real term = 1, sum = 1;
    for (std::size_t k = 0; k < kMostTerms && !negligible(term, sum); ++k) {
      const auto n = static_cast<double>(k);
      term *= z / ((c_ + n) * (n + 1));
      sum += term;
    }
    return sum;
  }

  bool fixed_norm_;
  double c_, S_;
  mutable std::vector<Real> inverse_;  // 1/((N + 1)(c + N)), shared by all moments
};

// Moments of the products Z_i of one block in units of their mean, by exponents.
template <typename Real>
struct MixedMoments {
  Real m2, m11, m3, m21, m111, m4, m31, m22, m211, m1111;
};

template <typename Real>
MixedMoments<Real> mixed_moments(ProjectedProduct product, const BlockMoments<Real>& E) {
  MixedMoments<Real> m;
  m.m11 = E({1, 2});
  m.m111 = E({1, 3});
  m.m1111 = E({1, 4});
  if (product == ProjectedProduct::even) {  // cosh² = (1 + cosh 2)/2 and so on; sines have no mean
    const Real one = E({1, 1}), two = E({2, 1}), two_one = E({2, 1}, {1, 1});
    m.m2 = (1 + two) / 2;
    m.m3 = (3 * one + E({3, 1})) / 4;
    m.m4 = (3 + 4 * two + E({4, 1})) / 8;
    m.m21 = (one + two_one) / 2;
    m.m31 = (3 * m.m11 + E({3, 1}, {1, 1})) / 4;
    m.m22 = (1 + 2 * two + E({2, 2})) / 4;
    m.m211 = (m.m11 + E({2, 1}, {1, 2})) / 2;
  } else {
    m.m2 = E({2, 1});
    m.m3 = E({3, 1});
    m.m4 = E({4, 1});
    m.m21 = E({2, 1}, {1, 1});
    m.m31 = E({3, 1}, {1, 1});
    m.m22 = E({2, 2});
    m.m211 = E({2, 1}, {1, 2});
  }
  const Real unit = 1 / E({1, 1}), square = unit * unit;
  for (Real* second : {&m.m2, &m.m11}) *second *= square;
  for (Real* third : {&m.m3, &m.m21, &m.m111}) *third *= square * unit;
  for (Real* fourth : {&m.m4, &m.m31, &m.m22, &m.m211, &m.m1111}) *fourth *= square * square;
  return m;
}

template <typename Real>
struct Cumulants {
  Real second = 0, fourth = 0;
};

// Of the sum of b directions of a block, whose mean is b.
template <typename Real>
Cumulants<Real> of_block(const MixedMoments<Real>& m, double directions) {
  const Real b = directions, pairs = b * (b - 1), triples = pairs * (b - 2), quadruples = triples * (b - 3);
  const Real second = b * m.m2 + pairs * m.m11;
  const Real third = b * m.m3 + 3 * pairs * m.m21 + triples * m.m111;
  const Real fourth =
      b * m.m4 + pairs * (4 * m.m31 + 3 * m.m22) + 6 * triples * m.m211 + quadruples * m.m1111;
  return {second - b * b,
          fourth - 4 * b * third - 3 * second * second + 12 * b * b * second - 6 * b * b * b * b};
}

template <typename Real>
double kurtosis_of_blocks(ProjectedProduct product, Index d, double S, Index draws, Index block) {
  const MixedMoments<Real> m = mixed_moments(product, BlockMoments<Real>(product, d, S));
  const auto blocks = static_cast<double>(draws / block);
  const Cumulants<Real> whole = of_block(m, static_cast<double>(block));
  const Cumulants<Real> rest = of_block(m, static_cast<double>(draws % block));
  const Real second = blocks * whole.second + rest.second;
  const Real ratio = (blocks * whole.fourth + rest.fourth) / (second * second);
  const double kurtosis = 3.0 + static_cast<double>(ratio);
  return std::isfinite(kurtosis) ? kurtosis : std::numeric_limits<double>::infinity();
}

}  // namespace

// The fourth cumulant of a block of b is of order S⁴ beside b⁴ for cosines, whose series adds e^{8|S|} to
// that.
double coupled_kurtosis(ProjectedProduct product, Index d, double S, Index draws, Index block) {
  constexpr double kSmall = 1e-16, kCancelsMore = 1e-4, kCancels = 2.0, kMostOfCosines = 4.0;
  if (S == 0.0 || S < -kMostOfCosines) return kNone;
  if (S >= kCancels) return kurtosis_of_blocks<double>(product, d, S, draws, block);
  if (std::abs(S) >= kCancelsMore) return kurtosis_of_blocks<Digits<50>>(product, d, S, draws, block);
  // An entire function of S, which has its value at 0 to rounding long before its digits run out.
  const double seen = std::abs(S) < kSmall ? std::copysign(kSmall, S) : S;
  return kurtosis_of_blocks<Digits<100>>(product, d, seen, draws, block);
}

}  // namespace attngap
