#pragma once

#include "plots/gap_figure.hpp"

namespace attngap {

/// `kernel_ratio`, from rows of kernel-variance with both `rfa` and `performer`, independent directions: r =
/// variance of trigonometric over that of positive features with as many directions, as Choromanski et al.
/// 2021, Figure 2. Left, with a map over angles, log₁₀ r in closed form over angle and length, with the line
/// r = 1; right r against the angle at the length nearest 1: one line through the closed forms of map and
/// pairs, what was sampled with 95 % intervals, and where a sampled variance is not to be trusted the
/// variance by a change of measure. Nothing without both estimators and a map, be it over cosines. The closed
/// form is r = 2 sinh²(t/2) / (eˢ − 1), t = 2l²(1 − cos), s = 2l²(1 + cos); it is even in angle and length.
std::vector<NamedFigure> kernel_ratio(const std::vector<ResultRow>& rows);

}  // namespace attngap
