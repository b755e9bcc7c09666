#pragma once

#include "estimators/attention_estimator.hpp"
#include "estimators/gate.hpp"
#include "estimators/ratio_estimator.hpp"

#include <memory>
#include <vector>

namespace attngap {

/// Draws of a gated causal ratio estimator, token by token through a `DecodingState`: time O(l m (d + p)),
/// memory O(m p). Always in double precision. `members` estimators get the same answers.
std::unique_ptr<SamplerPlan> gated_plan(const RatioEstimator& estimator, const AttentionProblem& problem,
                                        Gates gates, std::size_t members, const std::vector<Index>& counts);

}  // namespace attngap
