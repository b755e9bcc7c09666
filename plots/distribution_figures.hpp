#pragma once

#include "plots/gap_figure.hpp"

namespace attngap {

/// One figure a head (`errors_DATA`) from rows of distributions, at the smallest and the largest m: the
/// densities of the relative errors per decade as a ridgeline, and below them the share of errors beyond x.
/// There a tail that falls like x⁻¹ has no mean, and one that falls like x⁻² no variance.
std::vector<NamedFigure> error_distribution_figures(const std::vector<ResultRow>& rows);

/// One figure a head (`denominators_DATA`), a panel a ratio estimator: where its denominators lie relative to
/// their expectation at the largest m, with the negative part marked, and as thin dashes at the smallest m.
std::vector<NamedFigure> denominator_figures(const std::vector<ResultRow>& rows);

}  // namespace attngap
