#pragma once

#include "analysis/inference.hpp"
#include "analysis/moments.hpp"

#include <span>

#include <Eigen/Core>

namespace attngap {

/// The sample variance with a 95 % interval that respects the kurtosis γ = μ₄/μ₂² of the sample:
///
///   exp( ln(c s²) ± z c √((γ − (n−3)/n)/(n−1)) ),   c = n/(n − z)
///
/// Bonett, Comput. Stat. Data Anal. 50 (2006), with the mean where he has a trimmed mean. The χ² interval is
/// right for normal numbers only. Needs a fourth moment; NaN below five numbers and where the fourth moment
/// is beyond a double.
Estimated variance_interval(const Moments& moments);

/// The same with the kurtosis γ of the law, where it is known: the sample's own is too small as long as the
/// draws that make it large are missing, and then is the interval.
Estimated variance_interval(const Moments& moments, double kurtosis);

/// Above this shape a mean of such weights cannot be trusted at any affordable number of draws. Vehtari,
/// Simpson, Gelman, Yao and Gabry, JMLR 25 (2024).
inline constexpr double kLargestTrustedShape = 0.7;

/// The shape k̂ of a generalised Pareto tail: moments of order below 1/k exist.
struct TailShape {
  double shape = 0.0;
  bool trusted = false;  ///< shape ≤ 0.7: print the mean; else refuse to
};

/// k̂ of the min(n/5, 3√n) largest of `weights`, exceedances of the next largest, by Zhang and Stephens'
/// posterior mean (Technometrics 51, 2009) shrunk towards ½ by ten pseudo-observations as in PSIS. Throws
/// BadInput below 25 weights or on one that is not finite. Equal weights in the tail have shape −∞.
TailShape pareto_shape(std::span<const double> weights);

/// The slope of y on x by generalised least squares with the covariance of y known, and its normal 95 %
/// interval:  β̂ = (XᵀΣ⁻¹X)⁻¹XᵀΣ⁻¹y, X = [1 x]. For the rate of a gap, x = ln m and y = ln mse, correlated
/// because nested prefixes share draws: −1 is Monte Carlo's. Throws BadInput unless sizes agree, n ≥ 2 and Σ
/// is positive definite.
Estimated gls_slope(const Eigen::VectorXd& x, const Eigen::VectorXd& y, const Eigen::MatrixXd& covariance);

}  // namespace attngap
