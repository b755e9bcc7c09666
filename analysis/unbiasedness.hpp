#pragma once

#include "analysis/claim_checks.hpp"
#include "analysis/claims.hpp"
#include "analysis/moments.hpp"
#include "estimators/attention_estimator.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace attngap {

/// The claim that an estimator's attention output is unbiased for its own target, up to a margin:
///
///   |E o_ic − target_ic| ≤ margin · √(Σ_c target_ic²/p)      for every query i and channel c
///
/// The margin is relative to the root mean square of the query's exact output, so that a channel that happens
/// to be near zero does not ask for the impossible.
struct UnbiasednessClaim {
  const AttentionEstimator& estimator;
  const AttentionProblem& problem;
  Index draws = 16;
  double margin = 0.01;
  std::uint64_t seed = 1;
  std::optional<Index> query = {};  ///< this one alone; the proposals of some estimators still see all
};

/// Such a claim with all that its judgement prepares once. Estimator and problem must outlive it.
class UnbiasednessStudy {
 public:
  explicit UnbiasednessStudy(const UnbiasednessClaim& claim);

  /// Moments of the error of every output element under the claim, row by row, over replicates first …
  /// first+count−1. Those of disjoint ranges can be merged. An estimator that is not random has one
  /// replicate.
  std::vector<Moments> errors(std::uint32_t first, std::uint32_t count) const;

  /// The verdict from the merged moments, by judge_means: PROVEN or REFUTED for an estimator that is not
  /// random, UNDECIDED with the reason `no-moment` where the estimator has no mean to speak of.
  Finding judge(const std::vector<Moments>& errors) const;

  /// The same at one look of any number, by judge_means_at_a_look.
  Finding judge_at_a_look(const std::vector<Moments>& errors, double tuned_for) const;

 private:
  std::vector<MeanWithin> family(const std::vector<Moments>& errors) const;
  Finding no_moment() const;
  Index first_query() const { return claim_.query.value_or(0); }
  Index query_count() const { return claim_.query ? 1 : exact_.rows(); }

  UnbiasednessClaim claim_;
  Matrix exact_;
  std::unique_ptr<SamplerPlan> plan_;
};

}  // namespace attngap
