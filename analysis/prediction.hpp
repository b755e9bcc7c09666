#pragma once

#include "analysis/gap_statistics.hpp"
#include "estimators/attention_problem.hpp"
#include "estimators/ratio_estimator.hpp"

#include <limits>
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
/// Of directions in orthogonal blocks of b, N of the m² pairs are coupled (`coupled_pairs`), and C gains
/// (N/m) π_m π_m' f_mm' with f of `HaarPair::excess`, or of arccos features (N/m) u_m u_m'/Z² times the
/// covariance of `OrthogonalRows`: that part is kept apart, for it depends on m. Cochran, "Sampling
/// Techniques", 1977, section 6.8; with E[W²] = 1 + χ² of the importance sampling view.
struct RatioPrediction {
  Matrix exact;              ///< n×p: the estimator's target
  Matrix offset;             ///< n×p: A − target, zero unless the kernel estimate itself is biased
  Matrix bias;               ///< n×p: of one direction; infinite where E[W²] is
  Matrix variance;           ///< n×p: of one direction; infinite where E[W²] is
  Vector ew2;                ///< n: E[W²], infinite where it is so or beyond the range of a double
  bool has_moments = false;  ///< whether mean and variance of the ratio exist at all
  Index block = 1;           ///< directions of one orthogonal block; 1: independent
  Matrix coupled_bias;       ///< n×p: the same sums of π_m π_m' f_mm' in place of C; zero without blocks
  Matrix coupled_variance;   ///< n×p
  Vector coupled_ew2;        ///< n
  double per_count = 1.0;    ///< directions of one ratio for each that m counts (`eva` may count groups)
  bool linear = false;       ///< a mean of independent draws: bias and variance are exact at every m
  /// n: whether its estimate is its target whatever is drawn, as where it sees one key: numerator and
  /// denominator are then one number, times the value. Empty: of no query.
  Eigen::Array<bool, Eigen::Dynamic, 1> settled = {};

  /// Directions of one ratio at m, and how many of them each is coupled to on average.
  double directions(Index draws) const;
  double pairs_each(Index draws) const;

  /// The bias against the target and the variance at m directions: n×p.
  Matrix bias_at(Index draws) const;
  Matrix variance_at(Index draws) const;

  /// m Var D̂/(E D̂)² + 1 of the denominator D̂ of m directions, n numbers: E[W²] of independent ones. The
  /// effective sample size is m over this.
  Vector ew2_at(Index draws) const;

  /// What may be believed of query i at m directions: `ok`; `infinite-variance`; `no-moment` (signed
  /// features: the ratio has neither mean nor variance, and the numbers describe typical draws at best);
  /// `beyond-table` (orthogonal directions: finite, but |q ± k|² is above the reach of `HaarPair`, or the
  /// series of arccos features too slow, and the numbers are NaN); `not-valid` (m below `draws_needed`). A
  /// settled query is `ok` at every m: its error is zero, not to first order only.
  std::string_view condition(Index query, Index draws) const;

  /// The worst condition of all queries. Averages over queries are ruled by the hardest query, so its
  /// condition is theirs: `ok`, `no-moment` or `not-valid` (the variance being infinite among its reasons).
  std::string_view condition(Index draws) const;

  bool is_settled(Index query) const { return settled.size() > 0 && settled(query); }
};

/// Whether the mean of this estimator is its target exactly, although its variance may have no closed form:
/// `ra` as it is, and `lara` divided by the exact normalizer, as long as its weights sum to one. Zheng, Wang
/// and Kong 2022, whose claim for lara without normalized=none does not hold.
bool is_unbiased(const AttentionEstimator& estimator);

/// From how many directions first-order theory is trusted: 10 E[W²]².
///
/// The first term it leaves out is E[W³]/(m E[W²]) times a number near three. For one key W is lognormal and
/// E[W³] = E[W²]³, so the term is (E[W²])²/m: a rule linear in E[W²] would pass errors of any size. At the
/// rule's m simulated variances of positive features lay between 0.76 and 1.02 of the prediction, for E[W²]
/// from 1.03 to 38; at E[W²] = 38 and m = 10 E[W²] it was 0.34. Orthogonal blocks are held to the same rule,
/// which the third moments of their directions satisfy a fortiori.
double draws_needed(double ew2);

/// Why nothing is predicted of this estimator, as half a sentence; empty for a ratio of random features
/// (`rfa`, `performer`, `rmfa`) that is left as it is, of independent or orthogonal directions, for `eva`
/// without its released departures, and for `lara` with weights=constant. A changed denominator or output is
/// another estimator.
std::string why_unpredictable(const AttentionEstimator& estimator);

/// The prediction at every query. Time O(n l² p) of maps with `PairFactors`, O(n l² (d + p + c)) otherwise, c
/// around a hundred of series; orthogonal blocks add O(n l² (d + p + c)), c a few hundred (`HaarTable`; of
/// arccos features N²/4 of N degrees). Memory O((n + block) l). With orthogonal directions a query with a key
/// beyond `HaarPair::reach` is unknown, NaN. `estimator` must be predictable. With degrees=fixed the shares
/// of the degrees are those of `draws` features, or of many where it is 0. Where `queries` is not 0 the rows
/// are those of so many of the queries, as `spread_queries` spreads them; what the estimator takes from
/// queries or keys it takes from all of them.
RatioPrediction predict(const RatioEstimator& estimator, const AttentionProblem& problem, Index draws = 0,
                        Index queries = 0);

/// Multiplications of one query and pair of keys in such a prediction, or what takes their time: by it costs
/// are compared, not measured.
double multiplications(const RatioEstimator& estimator, const AttentionProblem& problem, Index draws = 0);

/// The p×p covariance of the output of every query at m directions, Σ C_mm' (v_m − A)(v_m' − A)ᵀ/m to leading
/// order: its diagonal is `variance_at`, the rest says how the errors of channels go together. Infinite where
/// that is. `estimator` must be predictable.
std::vector<Matrix> predicted_covariances(const RatioEstimator& estimator, const AttentionProblem& problem,
                                          Index draws);

/// The same of `eva` at m = `count`, whose groups are ratios of their own: with S draws a group, to order
/// 1/S,
///
///   bias     = −(1/S) Σ_c Σ_{P_c} C_mm' (v_m − A_c)/Π_c
///   variance =  (1/S) Σ_c Σ_{P_c} C_mm' (v_m − A_c)(v_m' − A_c)
///
/// with C of `log_pair_moments` in units of Z², Π_c the group's mass and A_c its own exact output; E[W²] is
/// that of the hardest group of more than one key. One draw a group, the default, is far from first-order
/// theory, and the condition says so. `estimator` must be a predictable eva. Zheng, Yuan, Wang and Kong 2023.
RatioPrediction predict_eva(const AttentionEstimator& estimator, const AttentionProblem& problem,
                            Index count);

/// The same of `lara` with weights=constant at m = `count` proposals of T directions each: means of
/// independent importance-weighted directions whose laws differ, so that for them
///
///   C_mm' = (1/C) Σ_c π_m π_m' exp(a_mc·a_m'c),   a_mc = q + k_m − μ_c
///
/// always finite, for p and the proposals have equal covariances. Of antithetic directions each is coupled to
/// one other, with C of the exponent −a_mc·a_m'c. With normalized=none the estimate is a mean of draws:
/// `linear`, without bias. Time O(n l² (C + p)). `queries` as of `predict`. `estimator` must be a predictable
/// lara. Zheng, Wang and Kong 2022; the moments are ours.
RatioPrediction predict_lara(const AttentionEstimator& estimator, const AttentionProblem& problem,
                             Index count, Index queries = 0);

/// The predictions at several counts m: one for all of them unless the law of a feature depends on m.
class PredictionsAt {
 public:
  /// `estimator` must be predictable; throws BadInput where it has no draw of a count. The predictions are at
  /// as many evenly spread queries, two at least, as `most` multiplications for all counts reach for (l²/2
  /// pairs of keys, of lara C + p each, of the groups of eva none).
  PredictionsAt(const AttentionEstimator& estimator, const AttentionProblem& problem,
                const std::vector<Index>& counts, double most = std::numeric_limits<double>::infinity());

  /// That of the count at this place in the list.
  const RatioPrediction& at(std::size_t place) const { return all_[all_.size() == 1 ? 0 : place]; }

 private:
  std::vector<RatioPrediction> all_;
};

/// The prediction at m directions as metrics beside those of `gap_metrics`:
///
///   predicted_bias2, predicted_variance   per output element, averaged over queries and channels
///   predicted_relative_mse                their sum over the mean square of the exact outputs
///
/// The status is the worst condition of the queries. Without standard errors, unless these are some of
/// `queries` queries: averages over a part have that of a sample without replacement, √(1 − n/queries) times
/// that of n numbers, and Student's interval.
std::vector<Metric> predicted_metrics(const RatioPrediction& prediction, Index draws, Index queries = 0);

}  // namespace attngap
