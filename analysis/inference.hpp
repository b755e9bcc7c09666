#pragma once

#include <span>
#include <vector>

namespace attngap {

/// A number from draws: its estimate, standard error and 95 % interval.
struct Estimated {
  double value = 0.0;
  double std_error = 0.0;
  double low = 0.0;
  double high = 0.0;
};

/// Quantile of Student's t (Boost.Math): P(T ≤ t) = p with `freedom` degrees of freedom. NaN when freedom
/// < 1.
double student_t_quantile(double p, double freedom);

/// Mean of independent numbers with Student's t interval on n − 1 degrees of freedom.
Estimated mean_with_interval(std::span<const double> numbers);

/// `value` with the standard error of the delete-one-group jackknife, √((G−1)/G Σ(θ_(−g) − mean)²), and a t
/// interval on G − 1 degrees of freedom. Quenouille 1956; Miller 1974. NaN below two groups or when some θ is
/// NaN.
Estimated jackknife_interval(double value, std::span<const double> leave_one_out);

/// The p-quantile of a sorted sample, interpolated between order statistics as numpy does (Hyndman and Fan's
/// type 7).
double sorted_quantile(std::span<const double> sorted, double p);

/// The p-quantile of numbers that come in independent clusters (the queries of one replicate share its draw),
/// by inverting the cluster-robust interval of the fraction below it. Woodruff, JASA 47 (1952). `clusters`
/// holds clusters × size numbers, a cluster contiguous. Infinite numbers are allowed. Below three clusters
/// there is a quantile but no interval: NaN.
Estimated clustered_quantile(std::span<const double> numbers, std::size_t cluster_size, double p);

/// The same at several p, for less than as many times the work.
std::vector<Estimated> clustered_quantiles(std::span<const double> numbers, std::size_t cluster_size,
                                           std::span<const double> ps);

}  // namespace attngap
