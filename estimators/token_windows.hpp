#pragma once

#include "estimators/attention_problem.hpp"
#include "estimators/segments.hpp"

#include <vector>

namespace attngap {

/// How tokens are cut into windows: blocks of `width` tokens, or, on a grid of grid_rows × grid_cols tokens
/// in raster order, squares of width × width. Width 0 means no window.
///
/// With `overlap` the keys of a window also reach max(1, ⌊width/2⌋) tokens beyond its block on every side, or
/// under a causal mask `width` tokens back, as in the released EVA code (HKUNLP, efficient-attention).
struct WindowShape {
  Index width = 0;
  bool overlap = false;
  Index grid_rows = 0;
  Index grid_cols = 0;

  bool is_grid() const { return grid_rows > 0; }
};

/// A window, and the queries whose token lies in its block.
struct Window {
  std::vector<Index> queries;  ///< rows of Q
  std::vector<Segment>
      keys;  ///< its tokens, increasing and disjoint; a causal query sees those up to its own
};

/// Throws BadInput where windows have no meaning: a query whose position is no key's, a grid that does not
/// hold the l tokens, and under a causal mask no window or a grid.
void check_windows(const AttentionProblem& problem, const WindowShape& shape);

/// The windows that hold a query. Without a width one window without keys.
std::vector<Window> make_windows(const AttentionProblem& problem, const WindowShape& shape);

}  // namespace attngap
