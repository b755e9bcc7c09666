#pragma once

#include "estimators/attention_estimate.hpp"
#include "estimators/attention_problem.hpp"

#include <functional>

namespace attngap {

/// A kernel of two scaled vectors as a function of q̃·k̃, |q̃| and |k̃|.
using ScoreKernel = std::function<double(double dot, double query_norm, double key_norm)>;

/// Exact kernelised attention at every query of a problem: Σ_j u_j K(q̃_i, k̃_j) v_j and Σ_j u_j K(q̃_i, k̃_j)
/// over the visible keys, in units of the largest visible u_j.
///
/// Streams over blocks of queries and keys, so that no n×l matrix exists. Time O(n l (d + p)), extra memory
/// O(block). `log_weights` are ln u_j, empty for u = 1; those of a gate may be beyond the range of a double.
AttentionEstimate kernel_sums(const AttentionProblem& problem, const ScoreKernel& kernel,
                              const Vector& log_weights = {});

}  // namespace attngap
