#pragma once

#include "analysis/gap_statistics.hpp"
#include "estimators/attention_problem.hpp"

#include <span>
#include <vector>

namespace attngap {

/// The metrics of taylor-truncation that no other experiment has, for `attngap list`.
std::span<const NamedMetric> truncation_metric_names();

/// How far the truncated weights of element-wise attention are from the full ones, over queries and channels:
/// TV = ½ Σ_j |w_ijc − w_t,ijc|, which may exceed 1 where weights of an odd degree are negative, and is not
/// finite where their sum vanishes.
struct WeightShift {
  double mean = 0.0;
  double largest = 0.0;
};

/// At every degree 0 … `degree`, from the weights themselves. Time O(n l d degree), memory O(l degree).
/// Throws BadInput unless d = p and degree ≥ 0.
std::vector<WeightShift> weight_shifts(const AttentionProblem& problem, Index degree);

/// The error of T_t on |x| ≤ R, all in closed form (estimators/taylor.hpp):
///
///   taylor_error             sup |e^x − T_t(x)| = R_t(R)
///   taylor_relative_error    sup |e^x − T_t(x)| e^{−x} = |P(t+1, −R)|
///   total_variation_bound    the sharp bound on the total variation of weights; status `no-bound`, and no
///                            value, where T_t is not positive on the range
///
/// Throws BadInput unless degree ≥ 0 and 0 ≤ radius, finite.
std::vector<Metric> truncation_metrics(int degree, double radius);

/// `taylor_value` of the polynomial, T_t(x).
Metric taylor_value(int degree, double x);

/// `taylor_value` of what it stands for, e^x.
Metric exp_value(double x);

/// What truncation at a degree does to element-wise attention on a head. `exact` and `truncated` are outputs
/// (n×d), `shift` that degree's:
///
///   gap_metrics of the one deterministic estimate, with negative_denominators the number of the n·d
///   denominators that are not positive,
///   mean_total_variation, max_total_variation   of the weights, over queries and channels
///   total_variation_bound, max_error_bound      their certificates: the largest of the channels'; `no-bound`
///                                               where some channel has none
///
/// Throws BadInput unless d = p.
std::vector<Metric> truncation_metrics(const AttentionProblem& problem, int degree, const Matrix& exact,
                                       const Matrix& truncated, Index nonpositive_denominators,
                                       const WeightShift& shift);

}  // namespace attngap
