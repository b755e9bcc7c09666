#pragma once

#include "estimators/attention_estimator.hpp"

#include <memory>

namespace attngap {

/// `exact`: softmax attention itself; its gap is zero.
std::unique_ptr<AttentionEstimator> make_exact(const Spec& spec);

/// `zero`: predicts 0; its relative error is one. An estimator above it is worse than no attention at all.
std::unique_ptr<AttentionEstimator> make_zero(const Spec& spec);

/// `mean-value`: predicts the mean of the visible values, i.e. uniform attention.
std::unique_ptr<AttentionEstimator> make_mean_value(const Spec& spec);

}  // namespace attngap
