#pragma once

#include "plots/gap_figure.hpp"

namespace attngap {

/// One figure a head (`length_DATA`) from rows of gap-vs-length: the median relative error with its
/// quartiles, and beside it the mean square error per output element, where one exists, with its 95 %
/// interval and, as thin dashes, what first-order theory predicts where that is valid. A curve an estimator
/// and m or rule of the length; a rule is known by its counts, m = ⌈√l⌉ or ⌈log₂ l⌉ at every length.
std::vector<NamedFigure> length_figures(const std::vector<ResultRow>& rows);

/// Several heads on one pair of axes, one figure an estimator (`length_regimes_ESTIMATOR`): mean square error
/// per output element and relative to the exact outputs, at the largest m that every length has. Where values
/// know nothing of the keys the first falls like 1/l; where they are a function of the keys it has a plateau.
/// Nothing for a single head.
std::vector<NamedFigure> length_regimes(const std::vector<ResultRow>& rows);

}  // namespace attngap
