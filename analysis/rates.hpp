#pragma once

#include "analysis/inference.hpp"

#include <optional>
#include <span>

namespace attngap {

/// Numbers y_i > 0 at counts x_i > 0, with the standard errors of the y_i; 0 of what is known exactly.
struct RatePoints {
  std::span<const double> counts, values, errors;
  bool of_draws = false;  ///< the counts are of draws, of which a larger may take in those of a smaller
};

/// The exponent b of y = a x^b by generalised least squares (gls_slope) of ln y on ln x; −1 is the rate of
/// Monte Carlo. Nothing below two different counts.
///
/// Every point has the same variance, the mean of (error/value)²: the errors of a few replicates are
/// themselves guesses, too small where the value is too small, and as weights they would draw the slope to
/// such points. Of counts of draws the points may be correlated: when m' draws begin with the m of another
/// point, their errors have the correlation √(m/m'), and their squares, as every even statistic of normal
/// errors at most (Mehler), m/m'. Estimators differ in whether they do. So the slope is fitted with the
/// correlations min(m, m')/max(m, m') and with none, and the one of the larger standard error is returned:
/// with few points that of independent ones, with many the other (from five that double on).
///
/// The 95 % interval is the wider of what the errors and of what the scatter about the line says: the normal
/// one, and Student's on n − 2 degrees of freedom with the variance that makes the residuals' rᵀC⁻¹r what is
/// expected, by which a law that is no power law widens it. Throws BadInput unless sizes agree and all x and
/// y are positive.
std::optional<Estimated> exponent_of(const RatePoints& points);

}  // namespace attngap
