#include "estimators/token_windows.hpp"

#include "estimators/error.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace attngap {
namespace {

// Tokens of block b on an axis of `length`, with what overlap adds.
Segment reach(Index block, Index length, const WindowShape& shape, bool causal) {
  const Index back = !shape.overlap ? 0 : causal ? shape.width : std::max<Index>(1, shape.width / 2);
  const Index ahead = causal ? 0 : back;
  return {std::max<Index>(0, block * shape.width - back),
          std::min(length, (block + 1) * shape.width + ahead)};
}

std::vector<Segment> square(const Segment& rows, const Segment& cols, Index grid_cols) {
  std::vector<Segment> keys;
  for (Index row = rows.begin; row < rows.end; ++row)
    keys.push_back({row * grid_cols + cols.begin, row * grid_cols + cols.end});
  return keys;
}

}  // namespace

void check_windows(const AttentionProblem& problem, const WindowShape& shape) {
  const bool causal = problem.mask == Mask::causal;
  require(!causal || shape.width > 0,
          "eva: a causal mask needs window= of at least 1, so that what lies before it is the same for its "
          "queries");
  require(!causal || !shape.is_grid(), "eva: grid= has no causal order; use window= alone under a mask");
  require(shape.width == 0 || problem.positions.back() < problem.keys(),
          "eva: query position {} is past the {} keys, so no window of keys surrounds it; use window=0 for "
          "cross attention",
          problem.positions.back(), problem.keys());
  require(!shape.is_grid() || shape.grid_rows * shape.grid_cols == problem.keys(),
          "eva: grid={}x{} holds {} tokens, but there are {} keys", shape.grid_rows, shape.grid_cols,
          shape.grid_rows * shape.grid_cols, problem.keys());
}

std::vector<Window> make_windows(const AttentionProblem& problem, const WindowShape& shape) {
  std::map<std::pair<Index, Index>, Window> windows;
  for (Index i = 0; i < problem.queries(); ++i) {
    const Index token = problem.positions[static_cast<std::size_t>(i)];
    const Index cols = shape.is_grid() ? shape.grid_cols : problem.keys();
    const std::pair<Index, Index> block =
        shape.width == 0 ? std::pair<Index, Index>{0, 0}
                         : std::pair{token / cols / shape.width, token % cols / shape.width};
    Window& window = windows[block];
    window.queries.push_back(i);
    if (window.queries.size() > 1 || shape.width == 0) continue;
    const Segment across = reach(block.second, cols, shape, problem.mask == Mask::causal);
    window.keys = shape.is_grid() ? square(reach(block.first, shape.grid_rows, shape, false), across, cols)
                                  : std::vector<Segment>{across};
  }
  std::vector<Window> result;
  for (auto& [block, window] : windows) result.push_back(std::move(window));
  return result;
}

}  // namespace attngap
