#include "estimators/maclaurin.hpp"

#include <cmath>
#include <limits>

namespace attngap {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

constexpr int kOrder = 4;
constexpr double kBinomial[kOrder + 1][kOrder + 1] = {
    {1, 0, 0, 0, 0}, {1, 1, 0, 0, 0}, {1, 2, 1, 0, 0}, {1, 3, 3, 1, 0}, {1, 4, 6, 4, 1}};

// E ω_iʳ of one coordinate, r = 0 … 8.
constexpr double kOfSigns[2 * kOrder + 1] = {1, 0, 1, 0, 1, 0, 1, 0, 1};
constexpr double kOfNormals[2 * kOrder + 1] = {1, 0, 1, 0, 3, 0, 15, 0, 105};

// Whether a sum of terms of this total size has lost more than seven of its sixteen digits.
bool is_rounding(double size, double of) {
  return !(1e-7 * size < of);
}

double log_coefficient(const MaclaurinKernel& kernel, int n) {
  return is_exponential(kernel) ? -std::lgamma(n + 1.0) : std::log(kernel.coefficient(n));
}

double power_sign(double base, int n) {
  return base < 0.0 && n % 2 != 0 ? -1.0 : 1.0;
}

// e^shift baseⁿ, n ≥ 0, without an overflow between.
double scaled_power(double shift, double base, int n) {
  if (n == 0) return std::exp(shift);
  return base == 0.0 ? 0.0 : power_sign(base, n) * std::exp(shift + n * std::log(std::abs(base)));
}

}  // namespace

ProductMoments maclaurin_product_moments(MaclaurinDirection law, const Vector& x, const Vector& y) {
  const double* coordinate = law == MaclaurinDirection::gaussian ? kOfNormals : kOfSigns;
  double joint[kOrder + 1][kOrder + 1] = {{1.0}};  // E (ω·x)ᵃ(ω·y)ᵇ of the coordinates so far
  for (Index k = 0; k < x.size(); ++k) {
    double powers[kOrder + 1][kOrder + 1];
    for (int i = 0; i <= kOrder; ++i)
      for (int j = 0; j <= kOrder; ++j)
        powers[i][j] = coordinate[i + j] * std::pow(x(k), i) * std::pow(y(k), j);
    for (int a = kOrder; a >= 0; --a)
      for (int b = kOrder; b >= 0; --b) {
        double sum = 0.0;
        for (int i = 0; i <= a; ++i)
          for (int j = i % 2; j <= b; j += 2)
            sum += kBinomial[a][i] * kBinomial[b][j] * powers[i][j] * joint[a - i][b - j];
        joint[a][b] = sum;
      }
  }
  return {joint[1][1], joint[2][2], joint[3][3], joint[4][4]};
}

// The terms a_n⁴b₄ⁿ/q_n³ have the ratio b₄/(R⁴ lim (q_{n+1}/q_n)³). Where it is one they are a_n⁴ for a
// geometric law, whose sum is finite with that of a_n² for every kernel there is; for another law infinity is
// the safe answer.
bool RandomMaclaurin::has_fourth_moment(double fourth) const {
  if (allocation_ || !degrees_.endless || std::isinf(kernel_->radius) || fourth == 0.0) return true;
  if (degrees_.geometric > 0.0)
    return std::isfinite(kernel_->squared_sum(std::pow(degrees_.geometric, 3) * fourth));
  return fourth < std::pow(degrees_.ratio, 3) * std::pow(kernel_->radius, 4);
}

double RandomMaclaurin::log_probability(int n) const {
  if (degrees_.endless && degrees_.geometric > 0.0)
    return n < options_.known ? -kInfinity
                              : std::log(degrees_.geometric - 1.0) +
                                    (options_.known - 1.0 - n) * std::log(degrees_.geometric);
  const auto at = static_cast<std::size_t>(n);
  return at < degrees_.probability.size() ? std::log(degrees_.probability[at]) : -kInfinity;
}

// Σ_n (a_nᵏ/q_n^{k−1}) baseⁿ of one feature, over e^{k·unit}. At the end of a long series its last terms go
// on as a geometric one.
double RandomMaclaurin::raw_moment(int k, double base, double unit) const {
  const bool closed = degrees_.endless && degrees_.geometric > 0.0;
  const int end = closed ? 1 << 16 : static_cast<int>(degrees_.probability.size());
  double sum = 0.0, largest = 0.0, term = 0.0;
  for (int n = options_.known; n < end; ++n) {
    const double q = log_probability(n), a = log_coefficient(*kernel_, n);
    if (std::isinf(q) || std::isinf(a)) continue;
    term = scaled_power(k * (a - unit) - (k - 1) * q, base, n);
    sum += term;
    largest = std::max(largest, std::abs(term));
    if (closed && std::abs(term) <= 1e-18 * largest) return sum;
  }
  if (closed) {
    const double ratio = base * std::pow(degrees_.geometric, k - 1) *
                         std::exp(k * (log_coefficient(*kernel_, end) - log_coefficient(*kernel_, end - 1)));
    return sum + term * ratio / (1.0 - ratio);
  }
  return degrees_.endless && !(std::abs(term) <= 1e-12 * largest) ? kInfinity : sum;
}

double RandomMaclaurin::one_feature_kurtosis(const ProductMoments& b) const {
  const double second = random_second_moment(b.second), mean = unknown_part(b.first);
  if (!std::isfinite(second) || !has_fourth_moment(b.fourth)) return kInfinity;
  const double unit = 0.5 * std::log(second);
  const double mu = mean / std::sqrt(second);
  const double fourth = raw_moment(4, b.fourth, unit);
  if (!std::isfinite(fourth)) return kInfinity;
  const double third = raw_moment(3, b.third, unit);
  const double central = fourth - 4.0 * third * mu + 6.0 * mu * mu - 3.0 * std::pow(mu, 4);
  const double variance = (1.0 - mu) * (1.0 + mu);
  return is_rounding(fourth, central) || is_rounding(1.0, variance) ? kNone : central / (variance * variance);
}

// Cumulants of independent features add: κ₄ = Σ_n D_n (a_n/D_n)⁴ κ₄ of a product of degree n.
double RandomMaclaurin::stratified_kurtosis(const ProductMoments& b, Index draws) const {
  const std::vector<double> counts = allocation_->counts(draws);
  const double variance = stratified_excess(b.second, b.first * b.first, counts);
  if (!(variance > 0.0)) return kNone;
  if (std::isinf(variance)) return kInfinity;
  const double z = b.first / std::sqrt(b.second);
  double kurtosis = 3.0, size = 0.0;
  for (int n = std::max(1, allocation_->lowest()); n <= allocation_->highest(); ++n) {
    const double a = log_coefficient(*kernel_, n);
    if (std::isinf(a)) continue;
    const double log_count = std::log(counts[static_cast<std::size_t>(n)]);
    const double shift = 4.0 * a - 3.0 * log_count - 2.0 * std::log(variance) + 2.0 * n * std::log(b.second);
    const double fourth = scaled_power(shift, b.fourth / (b.second * b.second), n);
    const double third = scaled_power(shift, b.third / std::pow(b.second, 1.5) * z, n);
    const double square = std::pow(z * z, n), lost = 1.0 - square;
    kurtosis +=
        fourth - 4.0 * third + std::exp(shift) * (6.0 * square - 3.0 * square * square - 3.0 * lost * lost);
    size += fourth;
  }
  return std::isinf(size) ? kInfinity : is_rounding(size, kurtosis) ? kNone : kurtosis;
}

double RandomMaclaurin::kurtosis(const Vector& x, const Vector& y, Index draws) const {
  const ProductMoments b = maclaurin_product_moments(options_.direction, x, y);
  // Without a product that differs from zero (as of signs in two dimensions, x ⊥ y) a degree may still be 0.
  const bool products = b.second > 0.0;
  if (!products && (allocation_ || options_.known > 0)) return kNone;
  if (allocation_) return stratified_kurtosis(b, draws);
  return 3.0 + (one_feature_kurtosis(products ? b : ProductMoments{}) - 3.0) / static_cast<double>(draws);
}

}  // namespace attngap
