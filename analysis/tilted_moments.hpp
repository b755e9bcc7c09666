#pragma once

#include "analysis/moments.hpp"
#include "estimators/feature_map.hpp"
#include "estimators/random_stream.hpp"

namespace attngap {

/// Moments of positive and hyperbolic features by importance sampling under exponentially tilted normals,
/// where plain sampling lies: at |x+y|² = 16 the second moment of a positive product lives 8 standard
/// deviations out, and no affordable sample under N(0, I) has a point there.
///
/// An expectation E f(w) of a positive f under N(0, I) is sampled from q ∝ N(0, I) f, for which the weight
/// f N(0, I)/q is constant: the estimator has no variance. For f = Σ_i exp(μ_i·w) (times a constant) that q
/// is the mixture of N(μ_i, I) with weights ∝ exp(|μ_i|²/2), and
///
///   E f ≈ mean over draws of  f(w) Σ_i exp(|μ_i|²/2) / Σ_i exp(μ_i·w),   w ~ q
///
///   mean of a positive product              μ = x+y
///   mean of a hyperbolic product            μ = ±(x+y)
///   second moment of a positive product     μ = 2q+k₁+k₂
///   second moment of a hyperbolic product   μ = ±(2q+k₁+k₂), ±(k₁−k₂)
///
/// f itself is evaluated by the feature map's own `activate` at the drawn w, so a map and a closed form that
/// disagree show, whatever the tails. What variance is left is rounding. Each returns `Moments` of the
/// weights relative to exp(x·y), or exp(q·k₁ + q·k₂), whose mean is the estimate. Throws BadInput for a map
/// that is neither positive nor hyperbolic, and on vectors of different lengths. Owen, Monte Carlo theory,
/// methods and examples, ch. 9.
Moments tilted_kernel_mean(const FeatureMap& map, const Vector& x, const Vector& y, std::int64_t draws,
                           const StreamAddress& address);
/// The pair moment E[φ(q)·φ(k₁) φ(q)·φ(k₂)], as above.
Moments tilted_pair_moment(const FeatureMap& map, const Vector& q, const Vector& k1, const Vector& k2,
                           std::int64_t draws, const StreamAddress& address);

}  // namespace attngap
