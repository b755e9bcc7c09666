#pragma once

#include "estimators/attention_estimator.hpp"

#include <memory>

namespace attngap {

/// The plan of a deterministic answer: one estimate, whatever the address.
std::unique_ptr<SamplerPlan> constant_plan(AttentionEstimate estimate);

}  // namespace attngap
