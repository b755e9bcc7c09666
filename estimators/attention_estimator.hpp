#pragma once

#include "estimators/attention_estimate.hpp"
#include "estimators/attention_problem.hpp"
#include "estimators/decomposition.hpp"
#include "estimators/denominator.hpp"
#include "estimators/kernel_sum.hpp"
#include "estimators/names.hpp"
#include "estimators/random_stream.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace attngap {

/// Called once for each estimator of a group and count m of a draw, counts increasing: position in the group,
/// position in the list of counts, and the estimate. The estimate is valid during the call only.
using EstimateVisitor = std::function<void(std::size_t, std::size_t, const AttentionEstimate&)>;

/// A workspace that makes draws of a group of estimators, one after another; one per thread.
class AttentionSampler {
 public:
  virtual ~AttentionSampler() = default;

  /// One independent draw at `address`; the estimates at all counts come from nested prefixes of it.
  virtual void draw(const StreamAddress& address, const EstimateVisitor& visit) = 0;
};

/// What is prepared once for a problem and shared by the workspaces of all threads. It must outlive them.
class SamplerPlan {
 public:
  virtual ~SamplerPlan() = default;
  virtual std::unique_ptr<AttentionSampler> sampler() const = 0;
};

/// Of the features; what is accumulated over draws is always double.
enum class Precision { float64, float32 };

/// How an estimate is written as a sum of control variates.
struct CoefficientChoice {
  std::optional<Coefficient> coefficient;  ///< none: the one that gives the estimator's own answer
  Index groups = 8;                        ///< of policy group, where the draw brings no groups of its own
};

/// An estimator of attention outputs, as named on the command line.
class AttentionEstimator {
 public:
  explicit AttentionEstimator(Spec spec) : spec_(std::move(spec)) {}
  virtual ~AttentionEstimator() = default;

  /// The canonical specification: the name with those keys that differ from their defaults.
  const Spec& spec() const { return spec_; }

  /// Name of the law of its Gaussian directions; empty where there are none.
  virtual std::string projection() const { return {}; }

  /// Whether it draws anything; a baseline does not, and has no counts.
  virtual bool random() const { return true; }

  /// Real features that m draws cost.
  virtual Index dimension(Index draws) const = 0;

  /// Whether mean and variance of the attention output exist for a finite number of draws.
  virtual bool has_moments() const = 0;

  /// Whether the terms it sums have a variance on this problem, without which it has no moments either. False
  /// only where a check of that was overruled (force=on).
  virtual bool terms_have_variance(const AttentionProblem&) const { return true; }

  /// Whether numerator and denominator, in units of the kernel, are sums over keys of terms that know one
  /// key, the query, the directions and what `fitted` has taken from all keys; and the target is such a sum,
  /// of `target_sums`.
  virtual bool sums_over_keys() const { return false; }

  /// The same estimator with what it takes from all keys (their mean, the moments of their channels, a law of
  /// degrees) taken from `whole`, whose keys may be a stream: of a part of the keys it then says what it says
  /// of them within the whole. Null where it takes nothing, or has taken it.
  virtual std::unique_ptr<AttentionEstimator> fitted(const AttentionProblem&) const { return nullptr; }

  /// Whether `plan` takes a problem whose keys are a stream.
  virtual bool reads_streams() const { return false; }

  /// Whether problems can be measured that are too long to be held (StreamedEnsemble).
  bool streams() const { return sums_over_keys() || reads_streams(); }

  /// What becomes of its denominator before the division.
  virtual DenominatorPolicy denominator() const { return {}; }

  /// What becomes of its output after the division.
  virtual PostScaling post_scaling() const { return {}; }

  /// Throws BadInput, with the reason, where the estimator has no meaning on this problem.
  virtual void check(const AttentionProblem&) const {}

  /// What the estimate converges to: "softmax", or the transformed or kernelised attention the keys ask for.
  virtual std::string target_name() const { return "softmax"; }

  /// The target itself, computed exactly: n×p, of keys that are held or a stream. By default what
  /// `target_sums` adds up to.
  virtual Matrix target(const AttentionProblem& problem) const;

  /// The sums over the keys of `part` whose ratio over all keys is the target, in units of its kernel. By
  /// default those of softmax attention of the given inputs.
  virtual AttentionEstimate target_sums(const AttentionProblem& part) const;

  /// The target of a problem whose keys are a stream; segments may be worked on at once, with the same bits.
  virtual Matrix streamed_target(const AttentionProblem& problem, const Together& together) const;

  /// Estimators of equal keys use the same directions and are drawn together.
  virtual std::string sharing_key() const { return spec_.text(); }

  /// Prepares draws of a whole group of equal sharing keys, this one first, at the increasing `counts`
  /// (ignored by a baseline). Problem and estimators must outlive the plan.
  virtual std::unique_ptr<SamplerPlan> plan(const AttentionProblem& problem,
                                            std::span<const AttentionEstimator* const> group,
                                            const std::vector<Index>& counts, Precision precision) const = 0;

  /// The estimate of one query at `draws` directions, of the draw at `address`, as a sum over its keys (Zheng
  /// et al. 2023, section 3). With the estimator's own coefficient the sum is that draw's output. Throws
  /// BadInput where there is no such sum (a baseline; a denominator policy or ppSBN's output scaling, after
  /// which the output is no sum of control variates) or a policy lacks what it needs.
  Decomposition decompose(const AttentionProblem& problem, Index query, Index draws,
                          const StreamAddress& address, const CoefficientChoice& choice = {}) const;

  /// Throws BadInput, with the reason, where the output is no sum of control variates over keys.
  void require_decomposable() const;

  /// The coefficient with which the sum over keys is the estimator's own answer.
  virtual Coefficient own_coefficient() const { return Coefficient::ratio; }

  /// Whether the directions of a draw are independent and alike, so that the law of one is the law of all.
  virtual bool independent_directions() const { return true; }

  /// The best shared coefficient of a query at `draws` directions, `regression_coefficient` of the
  /// closed-form covariance. Throws BadInput where that is not known: see key_covariance, or because the
  /// directions of a draw are not independent.
  virtual Vector best_shared_coefficient(const AttentionProblem& problem, Index query, Index draws) const;

  /// The control variates of one query at `draws` directions, of the draw at `address`. E[h_m] = π_m for the
  /// faithful options; those that copy a released code (noise, clamp, deterministic, the centres of ra) break
  /// it, and with a max-degree π is that of the truncated kernel. Throws BadInput where the estimator is no
  /// sum of per-key terms (a baseline).
  virtual KeyWeights key_weights(const AttentionProblem& problem, Index query, Index draws,
                                 const StreamAddress& address) const;

  /// C_mm' = E[h_m h_m'] of one direction over the visible keys of a query, in the units of `key_weights`;
  /// l×l. Throws BadInput where no closed form is known or it is beyond the range of a double.
  virtual Matrix key_covariance(const AttentionProblem& problem, Index query) const;

 protected:
  /// The target from its sums over all keys.
  Matrix target_of_sums(const AttentionEstimate& sums) const;

 private:
  Spec spec_;
};

}  // namespace attngap
