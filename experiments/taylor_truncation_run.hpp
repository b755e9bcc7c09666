#pragma once

#include "experiments/cell_runner.hpp"

namespace attngap {

/// What it costs to replace e^{2qk} by its Taylor polynomial: experiment `taylor-truncation`. Nothing is
/// drawn.
///
/// Cell 0 is the polynomial itself on every range |x| ≤ R at every degree (`exp:radius=R`), and its values at
/// 33 points of the largest of them, up to 4, and degrees up to 8 beside those of exp (`exp:x=X`); then comes
/// a cell a head: weights and outputs of element-wise attention, truncated at every degree, against the full
/// ones, with the certificates computed from the head. A row's degree is its `dimension` − 1 and in its
/// estimator's name.
CellMaker taylor_truncation_cells(const RunSpec& spec);

}  // namespace attngap
