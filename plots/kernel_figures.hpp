#pragma once

#include "plots/gap_figure.hpp"

namespace attngap {

/// From rows of kernel-variance, one figure a dimension (`kernel_variance_dim64`): the relative variance of
/// one kernel estimate against the cosine of its pair at the largest m, a panel a norm; lines are the closed
/// forms, points what was measured with their 95 % intervals. A point that is missing was refused: its tail
/// is too heavy for a sample variance.
std::vector<NamedFigure> kernel_variance_figures(const std::vector<ResultRow>& rows);

/// The same against m at the cosine nearest 0 (`kernel_variance_m_dim64`). Nothing where a run has one m.
std::vector<NamedFigure> kernel_variance_by_m(const std::vector<ResultRow>& rows);

/// The relative bias E K̂/K − 1 in the same way (`kernel_bias_dim64`), of estimators that have one in closed
/// form.
std::vector<NamedFigure> kernel_bias_figures(const std::vector<ResultRow>& rows);

/// `kernel_map`: which estimator of the softmax kernel has the least mean square error over norm and cosine,
/// at an equal number of real features, from closed forms; a panel a dimension. A feature of
/// rmfa costs several projections, which this does not weigh.
std::vector<NamedFigure> kernel_map(const std::vector<ResultRow>& rows);

}  // namespace attngap
