#pragma once

#include "experiments/cell_runner.hpp"

namespace attngap {

/// What it costs to replace e^{2qk} by its Taylor polynomial: experiment `taylor-truncation`. Nothing is
/// drawn.
///
/// Cell 0 is the polynomial itself on every range |x| ≤ R at every degree (`exp:radius=R`); then comes a cell
/// a head: weights and outputs of element-wise attention, truncated at every degree, against the full ones,
/// with the certificates computed from the head. A row's degree is its `dimension` − 1 and in its estimator's
/// name.
CellMaker taylor_truncation_cells(const RunSpec& spec);

}  // namespace attngap
