#pragma once

#include "analysis/gap_statistics.hpp"
#include "estimators/attention_problem.hpp"
#include "estimators/ratio_estimator.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace attngap {

/// What first-order theory says of a ratio estimator at every query of a problem, without a draw.
///
/// With C_mm' = E[h_m h_m'] of one direction (`key_covariance`), E h_m = π_m and A = Σ π_m v_m, the delta
/// method gives for m independent directions, up to terms of order 1/m²,
///
///   bias     = −(1/m) Σ C_mm' (v_m − A)                 of what the estimate tends to, A
///   variance =  (1/m) Σ C_mm' (v_m − A)(v_m' − A)       per channel
///   E[W²]    =  Σ C_mm'                                 effective sample size m/E[W²]
///
/// Cochran, "Sampling Techniques", 1977, section 6.8; with E[W²] = 1 + χ² of the importance sampling view.
struct RatioPrediction {
  Matrix exact;              ///< n×p: the estimator's target
  Matrix offset;             ///< n×p: A − target, zero unless the kernel estimate itself is biased
  Matrix bias;               ///< n×p: of one direction; infinite where E[W²] is
  Matrix variance;           ///< n×p: of one direction; infinite where E[W²] is
  Vector ew2;                ///< n: E[W²], infinite where it is so or beyond the range of a double
  bool has_moments = false;  ///< whether mean and variance of the ratio exist at all

  /// The bias against the target and the variance at m directions: n×p.
  Matrix bias_at(Index draws) const { return offset + bias / static_cast<double>(draws); }
  Matrix variance_at(Index draws) const { return variance / static_cast<double>(draws); }

  /// What may be believed of query i at m directions: `ok`; `infinite-variance`; `no-moment` (signed
  /// features: the ratio has neither mean nor variance, and the numbers describe typical draws at best);
  /// `not-valid` (m below `draws_needed`).
  std::string_view condition(Index query, Index draws) const;

  /// The worst condition of all queries. Averages over queries are ruled by the hardest query, so its
  /// condition is theirs: `ok`, `no-moment` or `not-valid` (the variance being infinite among its reasons).
  std::string_view condition(Index draws) const;
};

/// From how many directions first-order theory is trusted: 10 E[W²]².
///
/// The first term it leaves out is E[W³]/(m E[W²]) times a number near three. For one key W is lognormal and
/// E[W³] = E[W²]³, so the term is (E[W²])²/m: a rule linear in E[W²] would pass errors of any size. At the
/// rule's m simulated variances of positive features lay between 0.76 and 1.02 of the prediction, for E[W²]
/// from 1.03 to 38; at E[W²] = 38 and m = 10 E[W²] it was 0.34.
double draws_needed(double ew2);

/// Why nothing is predicted of this estimator, as half a sentence; empty for a ratio of independent
/// directions (`rfa`, `performer`, `rmfa`) that is left as it is. Orthogonal directions have no closed form
/// along a row of attention, and a changed denominator or output is another estimator.
std::string why_unpredictable(const AttentionEstimator& estimator);

/// Whether the sums over pairs of keys are matrix products for this estimator: softmax features but the
/// regularised ones. Otherwise each pair of keys costs a call a query.
bool predicts_by_products(const RatioEstimator& estimator, const AttentionProblem& problem);

/// The prediction at every query. Time O(n l² p) by products, O(n l² (d + p)) with a large constant
/// otherwise; memory O((n + block) l). `estimator` must be predictable. With degrees=fixed the shares of the
/// degrees are those of many draws.
RatioPrediction predict(const RatioEstimator& estimator, const AttentionProblem& problem);

/// The prediction at m directions as metrics beside those of `gap_metrics`, without standard errors:
///
///   predicted_bias2, predicted_variance   per output element, averaged over queries and channels
///   predicted_relative_mse                their sum over the mean square of the exact outputs
///
/// The status is the worst condition of the queries.
std::vector<Metric> predicted_metrics(const RatioPrediction& prediction, Index draws);

}  // namespace attngap
