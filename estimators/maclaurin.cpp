#include "estimators/maclaurin.hpp"

#include "estimators/error.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace attngap {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// A law of a polynomial says nothing beyond its degree, so that a table that reaches it is the whole law.
DegreeLaw law_of_kernel(const MaclaurinKernel& kernel, DegreeLaw law, const MaclaurinOptions& options) {
  if (!kernel.degree || !law.endless) return law;
  law.endless = false;
  const int highest = std::min(*kernel.degree, options.max_degree.value_or(*kernel.degree));
  for (int n = options.known; n <= highest; ++n) {
    const auto at = static_cast<std::size_t>(n);
    require(
        kernel.coefficient(n) == 0.0 || (at < law.probability.size() && law.probability[at] > 0.0),
        "kernel={}: its term of degree {} is never drawn; choose degrees that reach it, such as geometric "
        "ones with a smaller p",
        kernel.name, n);
  }
  return law;
}

}  // namespace

double maclaurin_pair_base(MaclaurinDirection law, const Vector& q, const Vector& k1, const Vector& k2) {
  const double gaussian = q.squaredNorm() * k1.dot(k2) + 2.0 * q.dot(k1) * q.dot(k2);
  if (law == MaclaurinDirection::gaussian) return gaussian;
  return gaussian - 2.0 * (q.array().square() * k1.array() * k2.array()).sum();
}

RandomMaclaurin::RandomMaclaurin(const MaclaurinKernel& kernel, DegreeLaw degrees, MaclaurinOptions options)
    : kernel_(&kernel),
      degrees_(between_degrees(law_of_kernel(kernel, std::move(degrees), options), options.known,
                               options.max_degree)),
      options_(options) {}

RandomMaclaurin::RandomMaclaurin(const MaclaurinKernel& kernel, DegreeAllocation allocation,
                                 MaclaurinOptions options)
    : kernel_(&kernel), allocation_(std::move(allocation)), options_(options) {
  require(allocation_->lowest() == options.known && allocation_->highest() == options.max_degree,
          "degrees=fixed: the allocation must reach from the first unknown degree to max-degree");
}

std::vector<double> RandomMaclaurin::weights(Index draws) const {
  std::vector<double> weights = allocation_ ? allocation_->counts(draws) : degrees_.probability;
  for (std::size_t n = 0; n < weights.size(); ++n) {
    const double share = allocation_ ? weights[n] / static_cast<double>(draws) : weights[n];
    weights[n] = share > 0.0 ? kernel_->coefficient(static_cast<int>(n)) / share : 0.0;
  }
  return weights;
}

double RandomMaclaurin::mean(double z) const {
  return options_.max_degree ? maclaurin_sum(*kernel_, *options_.max_degree, z) : kernel_->value(z);
}

double RandomMaclaurin::known_part(double z) const {
  return options_.known == 0 ? 0.0 : maclaurin_sum(*kernel_, options_.known - 1, z);
}

// Σ_{n≥known} a_n zⁿ, mean less known part, without that difference where it is small.
double RandomMaclaurin::unknown_part(double z) const {
  if (options_.known == 0 || !(std::abs(z) < 1.0)) return mean(z) - known_part(z);
  if (!options_.max_degree) return truncation_bias(*kernel_, options_.known - 1, z);
  double sum = 0.0;
  for (int n = *options_.max_degree; n >= options_.known; --n) sum = sum * z + kernel_->coefficient(n);
  return sum * std::pow(z, options_.known);
}

// The terms a_n²mⁿ/q_n have the ratio m/(R² lim q_{n+1}/q_n). Where it is one, those of a geometric law are
// a_n² themselves; for another law infinity is the safe answer.
bool RandomMaclaurin::has_variance(double base) const {
  if (allocation_ || !degrees_.endless || std::isinf(kernel_->radius) || base == 0.0) return true;
  if (degrees_.geometric > 0.0) return std::isfinite(kernel_->squared_sum(degrees_.geometric * base));
  return base < degrees_.ratio * kernel_->radius * kernel_->radius;
}

// Σ_{n≥known} (a_n²/q_n) cⁿ: closed for an endless geometric law, whose q_n is (p−1) p^{known−1−n}; a sum
// over the table otherwise.
double RandomMaclaurin::random_second_moment(double base) const {
  if (!has_variance(std::abs(base))) return kInfinity;
  if (degrees_.endless && degrees_.geometric > 0.0) {
    const double p = degrees_.geometric;
    return std::pow(p, 1 - options_.known) / (p - 1.0) * squared_tail(*kernel_, options_.known, p * base);
  }
  double sum = 0.0;
  double power = 1.0;
  double term = 0.0;
  double largest = 0.0;
  for (std::size_t n = 0; n < degrees_.probability.size(); ++n, power *= base) {
    const double a = kernel_->coefficient(static_cast<int>(n));
    if (degrees_.probability[n] == 0.0 || a == 0.0) continue;
    term = a * power * (a / degrees_.probability[n]);
    sum += term;
    largest = std::max(largest, std::abs(term));
  }
  return degrees_.endless && base != 0.0 && !(std::abs(term) <= 1e-12 * largest) ? kInfinity : sum;
}

// D_n(m)/m of m = `draws` features, or so near their limit that rounding them does not matter.
std::vector<double> RandomMaclaurin::shares(Index draws) const {
  constexpr Index kMany = 1 << 16;
  const Index of = draws > 0 ? draws : kMany;
  std::vector<double> shares = allocation_->counts(of);
  for (double& share : shares) share /= static_cast<double>(of);
  return shares;
}

// Σ_n a_n² (cⁿ − (z₁z₂)ⁿ) / share_n.
double RandomMaclaurin::stratified_excess(double base, double z1z2, std::span<const double> shares) const {
  double sum = 0.0;
  for (int n = allocation_->lowest(); n <= allocation_->highest(); ++n) {
    const double excess = std::pow(base, n) - std::pow(z1z2, n);
    const double a = kernel_->coefficient(n);
    if (excess != 0.0) sum += a * a * excess / shares[static_cast<std::size_t>(n)];
  }
  return sum;
}

double RandomMaclaurin::pair_moment(const Vector& q, const Vector& k1, const Vector& k2) const {
  const double z1 = q.dot(k1);
  const double z2 = q.dot(k2);
  const double base = maclaurin_pair_base(options_.direction, q, k1, k2);
  const double known1 = known_part(z1);
  const double known2 = known_part(z2);
  if (allocation_) return mean(z1) * mean(z2) + stratified_excess(base, z1 * z2, shares(0));
  const double random = random_second_moment(base);
  if (std::isinf(random)) return kInfinity;
  return random + known1 * (mean(z2) - known2) + known2 * (mean(z1) - known1) + known1 * known2;
}

double RandomMaclaurin::variance(const Vector& x, const Vector& y, Index draws) const {
  // A mean of squares: below zero only by rounding, where it vanishes.
  const double base = std::max(0.0, maclaurin_pair_base(options_.direction, x, y, y));
  const bool by_table = !allocation_ && !(degrees_.endless && degrees_.geometric > 0.0) && base < 1.0 &&
                        std::isfinite(random_second_moment(base));
  const double excess =
      by_table ? table_variance(base, x.dot(y)) / static_cast<double>(draws) : covariance(x, y, y, draws);
  const double second = allocation_ ? stratified_excess(base, 0.0, allocation_->counts(draws))
                                    : random_second_moment(base) / static_cast<double>(draws);
  const bool is_rounding = excess <= 32.0 * std::numeric_limits<double>::epsilon() * second;
  return is_rounding && std::isfinite(second) ? 0.0 : excess;
}

// Of one feature x_N = (a_N/q_N) Π…, with r_n = a_n/q_n and μ = Σ a_n zⁿ,
//
//   Σ q_n r_n² (mⁿ − z²ⁿ) + Σ q_n (r_n zⁿ − μ)²,
//
// which keeps its digits where a feature hardly varies: second moment and squared mean are then both near
// one.
double RandomMaclaurin::table_variance(double base, double z) const {
  const double mean = unknown_part(z);
  double sum = 0.0, power = 1.0, root = 1.0;  // mⁿ and zⁿ
  for (std::size_t n = 0; n < degrees_.probability.size(); ++n, power *= base, root *= z) {
    const double q = degrees_.probability[n];
    if (q == 0.0) continue;
    const double ratio = kernel_->coefficient(static_cast<int>(n)) / q;
    const double off = ratio * root - mean;
    sum += q * ratio * (ratio * (power - root * root)) + q * off * off;
  }
  return sum;
}

double RandomMaclaurin::covariance(const Vector& q, const Vector& k1, const Vector& k2, Index draws) const {
  const double z1 = q.dot(k1);
  const double z2 = q.dot(k2);
  const double base = maclaurin_pair_base(options_.direction, q, k1, k2);
  if (allocation_) return stratified_excess(base, z1 * z2, allocation_->counts(draws));
  const double means = unknown_part(z1) * unknown_part(z2);
  return (random_second_moment(base) - means) / static_cast<double>(draws);
}

}  // namespace attngap
