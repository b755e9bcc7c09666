#pragma once

#include "plots/gap_figure.hpp"

namespace attngap {

/// One figure a head (`control_variates_DATA`) from rows of control-variates: a panel an estimator, a curve a
/// coefficient policy, the median relative error with its quartiles against m. From plain importance sampling
/// over RFA and EVA towards softmax, which the policy `key` is: it has no error and no curve.
std::vector<NamedFigure> control_variates_figures(const std::vector<ResultRow>& rows);

}  // namespace attngap
