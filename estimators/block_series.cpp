#include "estimators/block_series.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include <Eigen/Core>

namespace attngap {
namespace {

constexpr std::size_t kFewest = 16, kMost = 1024;
constexpr double kLast = 1e-14, kDropped = 5e-16;  // coefficients, of the largest value

// So many elements stay in registers while the coefficients pass; arrays of a fixed size do that, loops over
// plain ones do not.
template <int Width>
using Lanes = Eigen::Array<double, Width, 1>;

// `function(lanes)` of every element; the tail goes through a padded buffer.
template <int Width, typename Function>
void in_lanes(std::span<double> x, Function function) {
  constexpr std::size_t kWidth = Width;
  std::size_t i = 0;
  for (; i + kWidth <= x.size(); i += kWidth) {
    Eigen::Map<Lanes<Width>> place(&x[i]);
    place = function(Lanes<Width>(place));
  }
  if (i == x.size()) return;
  Lanes<Width> tail = Lanes<Width>::Zero();
  std::copy(x.begin() + static_cast<std::ptrdiff_t>(i), x.end(), tail.data());
  tail = function(tail);
  std::copy_n(tail.data(), x.size() - i, &x[i]);
}

// Values at cos(πj/N), j = 0 … N, to coefficients, which are a cosine transform of them.
std::vector<double> coefficients_of(const std::vector<double>& values) {
  const std::size_t N = values.size() - 1;
  std::vector<double> cosines(2 * N), coefficients(N + 1);
  for (std::size_t i = 0; i < 2 * N; ++i)
    cosines[i] = std::cos(std::numbers::pi * static_cast<double>(i) / static_cast<double>(N));
  for (std::size_t k = 0; k <= N; ++k) {
    double sum = 0.5 * (values.front() + (k % 2 == 0 ? values.back() : -values.back()));
    for (std::size_t j = 1; j < N; ++j) sum += values[j] * cosines[j * k % (2 * N)];
    coefficients[k] = sum * (k == 0 || k == N ? 1.0 : 2.0) / static_cast<double>(N);
  }
  return coefficients;
}

}  // namespace

void power_series(std::span<const double> coefficients, std::span<double> x) {
  using Block = Lanes<32>;
  in_lanes<32>(x, [&](const Block& lanes) -> Block {
    Block sums = Block::Zero();
    for (std::size_t n = coefficients.size(); n-- > 0;) sums = sums * lanes + coefficients[n];
    return sums;
  });
}

ChebyshevSeries::ChebyshevSeries(double low, double high, std::vector<double> coefficients)
    : centre_(0.5 * (low + high)),
      inverse_half_(high > low ? 2.0 / (high - low) : 0.0),
      coefficients_(std::move(coefficients)) {}

std::optional<ChebyshevSeries> ChebyshevSeries::of(const std::function<double(double)>& function, double low,
                                                   double high) {
  const double centre = 0.5 * (low + high), half = 0.5 * (high - low);
  for (std::size_t N = kFewest; N <= kMost; N *= 2) {
    std::vector<double> values;
    double largest = 0.0;
    for (std::size_t j = 0; j <= N; ++j) {
      const double point = std::cos(std::numbers::pi * static_cast<double>(j) / static_cast<double>(N));
      values.push_back(function(std::clamp(centre + half * point, low, high)));
      if (!std::isfinite(values.back())) return std::nullopt;
      largest = std::max(largest, std::abs(values.back()));
    }
    std::vector<double> coefficients = coefficients_of(values);
    const auto is_small = [&](double c) { return std::abs(c) <= kLast * largest; };
    if (!std::all_of(coefficients.end() - 3, coefficients.end(), is_small)) continue;
    while (coefficients.size() > 1 && std::abs(coefficients.back()) <= kDropped * largest)
      coefficients.pop_back();
    return ChebyshevSeries(low, high, std::move(coefficients));
  }
  return std::nullopt;
}

void ChebyshevSeries::evaluate(std::span<double> x) const {
  using Block = Lanes<16>;
  in_lanes<16>(x, [&](const Block& lanes) -> Block {
    const Block twice = (lanes - centre_) * (2.0 * inverse_half_);
    Block current = Block::Zero(), previous = Block::Zero();
    std::size_t k = coefficients_.size() - 1;
    if (k % 2 != 0) current += coefficients_[k--];
    for (; k > 0; k -= 2) {  // two at a time, so that nothing moves
      previous = twice * current + (coefficients_[k] - previous);
      current = twice * previous + (coefficients_[k - 1] - current);
    }
    return 0.5 * twice * current + (coefficients_[0] - previous);
  });
}

}  // namespace attngap
