#pragma once

#include "estimators/attention_problem.hpp"
#include "estimators/taylor.hpp"

#include <vector>

namespace attngap {

/// What truncating element-wise attention at a degree can do to one channel c of a problem, from the data
/// alone.
struct ChannelCertificate {
  double lowest = 0.0;           ///< min of 2 q_ic k_jc over visible pairs
  double highest = 0.0;          ///< max of the same
  bool positive = true;          ///< whether every truncated weight is positive
  double log_spread = 0.0;       ///< ln ρ; ∞ where some weight is not positive
  double total_variation = 0.0;  ///< TV(w, w_t) ≤ tanh(¼ ln ρ) at every query; ∞: no bound
  double output = 0.0;           ///< |y − y_t| ≤ TV · (max v − min v) at every query; ∞: no bound
};

/// The certificates of all channels: O((n + l) d), because the extremes of 2qk over the keys before a query
/// are at their smallest and largest. Throws BadInput unless d = p and degree ≥ 0.
std::vector<ChannelCertificate> channel_certificates(const AttentionProblem& problem, int degree);

}  // namespace attngap
