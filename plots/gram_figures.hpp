#pragma once

#include "plots/gap_figure.hpp"

namespace attngap {

/// One figure a head (`gram_DATA`) from rows of gram-error: the mean absolute error of the Gram matrix and
/// its relative error in the Frobenius norm against m, each with its 95 % interval, and the formula of the
/// kernel.
std::vector<NamedFigure> gram_figures(const std::vector<ResultRow>& rows);

}  // namespace attngap
