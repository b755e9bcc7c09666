#pragma once

#include "plots/gap_figure.hpp"

namespace attngap {

/// `kernel_ratio`, from rows of kernel-variance with both `rfa` and `performer`, independent directions: r =
/// variance of trigonometric over that of positive features with as many directions. Left log₁₀ r in closed
/// form over the map's cosines and norms, with the line r = 1; right r at the norm nearest 1, in closed form
/// and as it was measured. Nothing without a map or without one of the two. The closed form is r = 2
/// sinh²(t/2) / (eˢ − 1), t = 2l²(1 − cos), s = 2l²(1 + cos): Choromanski et al. 2021, Figure 2.
std::vector<NamedFigure> kernel_ratio(const std::vector<ResultRow>& rows);

}  // namespace attngap
