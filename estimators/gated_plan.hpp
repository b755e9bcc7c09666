#pragma once

#include "estimators/attention_estimator.hpp"
#include "estimators/gate.hpp"
#include "estimators/ratio_estimator.hpp"

#include <functional>
#include <memory>
#include <vector>

namespace attngap {

/// The gates of some tokens of a problem; `part` has their keys.
using GatesOf = std::function<Gates(Segment tokens, const AttentionProblem& part)>;

/// Draws of a gated causal ratio estimator, token by token through a `DecodingState`: time O(l m (d + p)),
/// memory O(m p). Always in double precision. `members` estimators get the same answers. The keys may be a
/// stream, which every draw goes through; what the estimator takes from all keys is found once.
std::unique_ptr<SamplerPlan> gated_plan(const RatioEstimator& estimator, const AttentionProblem& problem,
                                        GatesOf gates, std::size_t members, const std::vector<Index>& counts);

}  // namespace attngap
