#pragma once

#include "estimators/attention_problem.hpp"

#include <string_view>

namespace attngap {

/// What ppSBN (Guo et al. 2024) does to queries and keys before the attention; it belongs to the target.
enum class PreScaling {
  none,
  paper,  ///< batch normalisation over tokens, feature by feature, then division by the largest |row|: unit
          ///< ball
  code  ///< released code: (x − x̄)/|x − x̄| with the mean over the features of one token: unit sphere
};

/// none, paper or code; throws BadInput otherwise.
PreScaling pre_scaling_named(std::string_view name);

/// Q and K each scaled that way; V, scale and mask stay. A feature (paper) or token (code) without any spread
/// becomes zero; the released code adds 10⁻¹² to the variance instead. `paper` uses statistics of all given
/// tokens, so under a causal mask it looks ahead, and of sampled queries it normalises those that are there.
AttentionProblem pre_scaled(const AttentionProblem& problem, PreScaling scaling);

}  // namespace attngap
