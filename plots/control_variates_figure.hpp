#pragma once

#include "plots/gap_figure.hpp"

namespace attngap {

/// One figure a head (`control_variates_DATA`) from rows of control-variates: a panel an estimator, a curve a
/// coefficient policy, the median relative error with its quartiles against m. From plain importance sampling
/// over RFA and EVA towards softmax, which the policy `key` is: it has no error and no curve
/// here.
std::vector<NamedFigure> control_variates_figures(const std::vector<ResultRow>& rows);

/// One figure a head (`control_variates_path_DATA`) from the same rows: error against the number of groups of
/// keys that have a coefficient of their own, a curve an estimator and m. From 1, RFA (policy `ratio`), over
/// contiguous groups or EVA's own (policy `group`; as many as proposals unless groups= says so) to one a key
/// (policy `key`), which is softmax attention: an error of 0 to rounding, drawn as a point on the axis. Left
/// the median relative error with quartiles, right the relative mean square error, where it exists, with its
/// 95 % interval. Nothing where no curve has a step between the two ends.
std::vector<NamedFigure> control_variates_path(const std::vector<ResultRow>& rows);

}  // namespace attngap
