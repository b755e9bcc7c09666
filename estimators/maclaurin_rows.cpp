#include "estimators/block_series.hpp"
#include "estimators/maclaurin.hpp"

#include <algorithm>
#include <cmath>
#include <span>

namespace attngap {
namespace {

constexpr std::size_t kMostTerms = 1024;
constexpr std::size_t kShort = 48;  // so many terms of a power series are not worth a shorter one

std::span<double> elements(Matrix& matrix) {
  return {matrix.data(), static_cast<std::size_t>(matrix.size())};
}

double horner(std::span<const double> terms, double x) {
  double sum = 0.0;
  for (std::size_t n = terms.size(); n-- > 0;) sum = sum * x + terms[n];
  return sum;
}

}  // namespace

// The terms (a_n²/q_n) baseⁿ of the second moment until they no longer count; none where they still do after
// kMostTerms, or at the end of a table that stands for an endless law.
std::vector<double> RandomMaclaurin::second_moment_terms(double base) const {
  const bool closed = degrees_.endless && degrees_.geometric > 0.0;
  const double p = degrees_.geometric;
  const std::size_t most = closed ? kMostTerms : std::min(kMostTerms, degrees_.probability.size());
  std::vector<double> terms;
  double power = 1.0;
  double largest = 0.0, last = 0.0;
  for (std::size_t n = 0; n < most; ++n, power *= base) {
    const int degree = static_cast<int>(n);
    const double a = kernel_->coefficient(degree);
    const double q = !closed                   ? degrees_.probability[n]
                     : degree < options_.known ? 0.0
                                               : (p - 1.0) * std::pow(p, options_.known - 1 - degree);
    terms.push_back(q > 0.0 ? a * power * (a / q) : 0.0);
    largest = std::max(largest, terms.back());
    if (q == 0.0 || a == 0.0) continue;
    last = terms.back();
    if (last <= 1e-18 * largest) return terms;
  }
  const bool whole = !closed && most == degrees_.probability.size();
  return whole && (!degrees_.endless || last <= 1e-12 * largest) ? terms : std::vector<double>{};
}

Matrix RandomMaclaurin::pair_bases(const Vector& q, const Matrix& keys, Index first, Index rows) const {
  const Index end = first + rows;
  const Vector z = keys.topRows(end) * q;
  Eigen::RowVectorXd weights = Eigen::RowVectorXd::Constant(q.size(), q.squaredNorm());
  if (options_.direction == MaclaurinDirection::rademacher) weights -= 2.0 * q.cwiseAbs2().transpose();
  Matrix base = keys.middleRows(first, rows) * weights.asDiagonal() * keys.topRows(end).transpose();
  base.noalias() += 2.0 * z.segment(first, rows) * z.transpose();
  return base;
}

// Σ_{n≥known} (a_n²/q_n) cⁿ of every pair.
std::optional<Matrix> RandomMaclaurin::random_pair_moments(const Vector& q, const Matrix& keys, Index first,
                                                           Index rows) const {
  Matrix base = pair_bases(q, keys, first, rows);
  const double largest = base.cwiseAbs().maxCoeff();
  if (!std::isfinite(largest) || !has_variance(largest)) return std::nullopt;
  const std::vector<double> terms = second_moment_terms(largest);
  if (largest > 0.0) base /= largest;  // so that no power overflows: |base| ≤ 1 from here
  if (!terms.empty() && terms.size() <= kShort) {
    power_series(terms, elements(base));
    return base;
  }
  const bool closed = degrees_.endless && degrees_.geometric > 0.0;
  if (terms.empty() && !closed) return std::nullopt;
  const auto moment = [&](double x) {
    return terms.empty() ? random_second_moment(x * largest) : horner(terms, x);
  };
  const auto series = ChebyshevSeries::of(moment, base.minCoeff(), base.maxCoeff());
  if (series && (terms.empty() || 2 * series->terms() < terms.size()))
    series->evaluate(elements(base));
  else if (!terms.empty())
    power_series(terms, elements(base));
  else
    return std::nullopt;
  return base;
}

// Σ_n a_n² (cⁿ − (z₁z₂)ⁿ)/share_n of every pair, two power series.
std::optional<Matrix> RandomMaclaurin::stratified_covariances(const Vector& q, const Matrix& keys,
                                                              Index first, Index rows, Index draws) const {
  const Vector z = keys.topRows(first + rows) * q;
  Matrix base = pair_bases(q, keys, first, rows);
  Matrix means = z.segment(first, rows) * z.transpose();
  const double largest = std::max(base.cwiseAbs().maxCoeff(), means.cwiseAbs().maxCoeff());
  const std::vector<double> share = shares(draws);
  std::vector<double> terms(share.size(), 0.0);  // that of degree 0 is no covariance
  double power = largest;
  for (std::size_t n = 1; n < share.size(); ++n, power *= largest) {
    const double a = kernel_->coefficient(static_cast<int>(n));
    if (share[n] > 0.0) terms[n] = a * power * (a / share[n]);
  }
  if (!std::isfinite(power)) return std::nullopt;
  if (largest > 0.0) {
    base /= largest;
    means /= largest;
  }
  power_series(terms, elements(base));
  power_series(terms, elements(means));
  return base - means;
}

std::optional<Matrix> RandomMaclaurin::pair_moments(const Vector& q, const Matrix& keys, Index first,
                                                    Index rows, Index draws) const {
  const Vector z = keys.topRows(first + rows) * q;
  auto moments = allocation_ ? stratified_covariances(q, keys, first, rows, draws)
                             : random_pair_moments(q, keys, first, rows);
  if (!moments) return std::nullopt;
  const Vector known = z.unaryExpr([this](double x) { return known_part(x); });
  const Vector others = z.unaryExpr([this](double x) { return unknown_part(x); });
  const Vector means = known + others;
  if (allocation_) {
    moments->noalias() += means.segment(first, rows) * means.transpose();
    return moments;
  }
  moments->noalias() += known.segment(first, rows) * means.transpose();
  moments->noalias() += others.segment(first, rows) * known.transpose();
  return moments;
}

std::optional<Matrix> RandomMaclaurin::pair_covariances(const Vector& q, const Matrix& keys, Index first,
                                                        Index rows, Index draws) const {
  if (allocation_) return stratified_covariances(q, keys, first, rows, draws);
  auto random = random_pair_moments(q, keys, first, rows);
  if (!random) return std::nullopt;
  const Vector z = keys.topRows(first + rows) * q;
  const Vector others = z.unaryExpr([this](double x) { return unknown_part(x); });
  random->noalias() -= others.segment(first, rows) * others.transpose();
  return random;
}

}  // namespace attngap
