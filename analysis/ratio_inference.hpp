#pragma once

#include "analysis/inference.hpp"
#include "estimators/matrix.hpp"

#include <span>
#include <vector>

namespace attngap {

/// θ = E y / E x from n independent pairs (x_i, y_i), three ways, 95 %. All throw BadInput unless both have
/// the same n ≥ 2.
///
/// Delta method: se² = (s_yy − 2θ̂ s_xy + θ̂² s_xx)/(n x̄²), Student's t on n − 1. Right where x̄ is many
/// standard errors from zero.
Estimated ratio_delta(std::span<const double> y, std::span<const double> x);

/// Jackknife: the value is nθ̂ − (n−1) mean θ_(−i), which takes off the bias of order 1/n; the standard error
/// that of jackknife_interval.
Estimated ratio_jackknife(std::span<const double> y, std::span<const double> x);

/// The jackknife of one draw's attention output over its own m independent directions: with the rows [g_s,
/// h_s] of `KeyWeights::direction_sums` (m×(p+1)) the output is Σ_s g_s/Σ_s h_s, and leaving out one
/// direction after the other says, channel by channel as `ratio_jackknife`, what its bias of order 1/m and
/// its standard error are. Throws BadInput below two directions.
std::vector<Estimated> output_jackknife(const Matrix& direction_sums);

/// An interval that need not be one.
struct FiellerInterval {
  Estimated ratio;      ///< with the delta method's standard error
  bool bounded = true;  ///< false: x̄ is not significantly away from zero; low and high are −∞ and ∞
};

/// Fieller's: all θ with (ȳ − θx̄)² ≤ t² (s_yy − 2θ s_xy + θ² s_xx)/n, exact for normal pairs even where x̄ is
/// near zero. Bounded where t² s_xx/n < x̄². Fieller, JRSS B 16 (1954).
FiellerInterval ratio_fieller(std::span<const double> y, std::span<const double> x);

/// Two estimated means, and the covariance of their errors.
struct PairOfMeans {
  double y = 0.0, x = 0.0;
  double yy = 0.0, xy = 0.0, xx = 0.0;  ///< squared standard errors of y and x, and their covariance
};

/// The same from means that are normal with a known covariance, at `quantile` standard errors either way.
FiellerInterval ratio_fieller(const PairOfMeans& means, double quantile);

}  // namespace attngap
