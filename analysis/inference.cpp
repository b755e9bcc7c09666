#include "analysis/inference.hpp"

#include "analysis/moments.hpp"
#include "analysis/order_statistics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <boost/math/distributions/students_t.hpp>

namespace attngap {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
constexpr double kTwoSided95 = 0.975;

// The fractions of two clusters below their joint quantile are often equal, which looks like no spread at
// all.
constexpr std::size_t kFewestClusters = 3;

Estimated symmetric(double value, double std_error, double freedom) {
  const double half = student_t_quantile(kTwoSided95, freedom) * std_error;
  return {value, std_error, value - half, value + half};
}

// Between the two numbers of the ranks around p.
template <typename Sorted>
double quantile_of(Sorted& sorted, double p) {
  if (sorted.size() == 0 || std::isnan(p)) return kUndefined;
  const double place = std::clamp(p, 0.0, 1.0) * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const double rest = place - static_cast<double>(below);
  const double low = sorted[below];
  if (rest == 0.0) return low;
  const double high = sorted[below + 1];
  return low == high ? low : low + rest * (high - low);
}

}  // namespace

double student_t_quantile(double p, double freedom) {
  if (!(freedom >= 1.0)) return kUndefined;
  using namespace boost::math::policies;
  using InDouble = policy<promote_double<false>>;  // ten times as fast, and its last digits are no matter
  return boost::math::quantile(boost::math::students_t_distribution<double, InDouble>(freedom), p);
}

Estimated mean_with_interval(std::span<const double> numbers) {
  Moments moments;
  for (const double x : numbers) moments.add(x);
  return symmetric(moments.mean(), moments.standard_error_of_mean(),
                   static_cast<double>(numbers.size()) - 1.0);
}

Estimated jackknife_interval(double value, std::span<const double> leave_one_out) {
  Moments moments;
  for (const double theta : leave_one_out) moments.add(theta);
  const auto groups = static_cast<double>(leave_one_out.size());
  const double std_error = (groups - 1.0) * moments.standard_error_of_mean();
  return symmetric(value, std_error, groups - 1.0);
}

double sorted_quantile(std::span<const double> sorted, double p) {
  return quantile_of(sorted, p);
}

Estimated clustered_quantile(std::span<const double> numbers, std::size_t cluster_size, double p) {
  return clustered_quantiles(numbers, cluster_size, {&p, 1}).front();
}

std::vector<Estimated> clustered_quantiles(std::span<const double> numbers, std::size_t cluster_size,
                                           std::span<const double> ps) {
  OrderStatistics sorted(numbers);
  std::vector<Estimated> quantiles;
  std::vector<double> fraction_below;
  for (const double p : ps) {
    const double value = quantile_of(sorted, p);
    fraction_below.clear();
    for (std::size_t first = 0; first < numbers.size(); first += cluster_size) {
      const auto cluster = numbers.subspan(first, cluster_size);
      const auto below = std::count_if(cluster.begin(), cluster.end(), [&](double x) { return x <= value; });
      fraction_below.push_back(static_cast<double>(below) / static_cast<double>(cluster_size));
    }
    if (fraction_below.size() < kFewestClusters) {
      quantiles.push_back({value, kUndefined, kUndefined, kUndefined});
      continue;
    }
    const Estimated level = mean_with_interval(fraction_below);
    const double half = 0.5 * (level.high - level.low);
    quantiles.push_back(
        {value, 0.5 * (quantile_of(sorted, p + level.std_error) - quantile_of(sorted, p - level.std_error)),
         quantile_of(sorted, p - half), quantile_of(sorted, p + half)});
  }
  return quantiles;
}

}  // namespace attngap
