#pragma once

#include "estimators/matrix.hpp"

#include <vector>

namespace attngap {

/// What one draw makes of each key of one query: the control variates of EVA's view of an attention
/// estimator.
///
/// Everything is divided by the exact Z = Σ_j K(q, k_j) of the target's kernel, so that E[h_m] = π_m and Σ_m
/// π_m = 1; the draw's numerator is g = Σ_m h_m v_m and its denominator h = Σ_m h_m. Only visible keys are
/// there.
struct KeyWeights {
  Vector expected;        ///< π_m = E[h_m], the exact attention weights
  Vector drawn;           ///< h_m
  Matrix direction_sums;  ///< S×(p+1): [g_s, h_s] of each single direction; its mean is [g, h]. May be empty
  std::vector<Index>
      group;  ///< group of each key; −1: given its own coefficient (EVA's exact set). May be empty
};

}  // namespace attngap
