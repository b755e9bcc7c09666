#include "analysis/ratio_inference.hpp"

#include "estimators/error.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace attngap {
namespace {

constexpr double kTwoSided95 = 0.975;

// Means of n pairs, and the sample covariances of the means (divided by n).
struct PairMeans : PairOfMeans {
  double n = 0.0;
};

PairMeans means_of(std::span<const double> y, std::span<const double> x) {
  require(x.size() == y.size() && x.size() >= 2,
          "ratio of means: {} numerators and {} denominators, must be as many and at least 2", y.size(),
          x.size());
  const auto n = static_cast<double>(x.size());
  PairMeans m{{std::accumulate(y.begin(), y.end(), 0.0) / n, std::accumulate(x.begin(), x.end(), 0.0) / n},
              n};
  for (std::size_t i = 0; i < x.size(); ++i) {
    m.xx += (x[i] - m.x) * (x[i] - m.x);
    m.xy += (x[i] - m.x) * (y[i] - m.y);
    m.yy += (y[i] - m.y) * (y[i] - m.y);
  }
  for (double* sum : {&m.xx, &m.xy, &m.yy}) *sum /= n * (n - 1);
  return m;
}

double delta_error(const PairOfMeans& m) {
  const double ratio = m.y / m.x;
  return std::sqrt(std::max(0.0, m.yy - 2 * ratio * m.xy + ratio * ratio * m.xx)) / std::abs(m.x);
}

}  // namespace

Estimated ratio_delta(std::span<const double> y, std::span<const double> x) {
  const PairMeans m = means_of(y, x);
  const double ratio = m.y / m.x, error = delta_error(m);
  const double half = student_t_quantile(kTwoSided95, m.n - 1) * error;
  return {ratio, error, ratio - half, ratio + half};
}

Estimated ratio_jackknife(std::span<const double> y, std::span<const double> x) {
  const PairMeans m = means_of(y, x);
  std::vector<double> without;
  double mean = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    without.push_back((m.n * m.y - y[i]) / (m.n * m.x - x[i]));
    mean += without.back() / m.n;
  }
  return jackknife_interval(m.n * m.y / m.x - (m.n - 1) * mean, without);
}

std::vector<Estimated> output_jackknife(const Matrix& direction_sums) {
  const auto column = [&](Index c) {
    return std::vector<double>(direction_sums.col(c).begin(), direction_sums.col(c).end());
  };
  const Index channels = direction_sums.cols() - 1;
  const std::vector<double> denominators = column(channels);
  std::vector<Estimated> output;
  for (Index c = 0; c < channels; ++c) output.push_back(ratio_jackknife(column(c), denominators));
  return output;
}

FiellerInterval ratio_fieller(std::span<const double> y, std::span<const double> x) {
  const PairMeans m = means_of(y, x);
  return ratio_fieller(m, student_t_quantile(kTwoSided95, m.n - 1));
}

FiellerInterval ratio_fieller(const PairOfMeans& m, double quantile) {
  const double t2 = quantile * quantile;
  // All θ with aθ² − 2bθ + (y² − t² yy) ≤ 0; b² − a(y² − t² yy) without the squares that cancel.
  const double a = m.x * m.x - t2 * m.xx, b = m.x * m.y - t2 * m.xy;
  const double under_root =
      t2 * (m.x * m.x * m.yy - 2 * m.x * m.y * m.xy + m.y * m.y * m.xx - t2 * (m.xx * m.yy - m.xy * m.xy));
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  FiellerInterval result{{m.y / m.x, delta_error(m), -kInfinity, kInfinity}, a > 0};
  if (!result.bounded) return result;
  const double root = std::sqrt(std::max(0.0, under_root));
  // Without errors it is the ratio, to the last bit.
  result.ratio.low = root > 0 ? (b - root) / a : result.ratio.value;
  result.ratio.high = root > 0 ? (b + root) / a : result.ratio.value;
  return result;
}

}  // namespace attngap
