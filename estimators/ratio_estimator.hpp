#pragma once

#include "estimators/attention_estimator.hpp"
#include "estimators/decoding_state.hpp"
#include "estimators/direction_source.hpp"
#include "estimators/feature_map.hpp"
#include "estimators/feature_pass.hpp"

#include <limits>
#include <memory>
#include <vector>

namespace attngap {

/// One kernel estimate K̂ = (1/m) Σ_s φ_s(x)·φ_s(y) of m directions, in closed form.
struct KernelMoments {
  double target = 0.0;    ///< K, the kernel of the estimator's target at this pair; NaN where it has none
  double mean = 0.0;      ///< E K̂; NaN where it does not exist
  double variance = 0.0;  ///< Var K̂; infinity where it diverges
  /// μ₄/μ₂² of K̂ (kernel_kurtosis); infinity where μ₄ diverges, NaN where no closed form is known.
  double kurtosis = std::numeric_limits<double>::quiet_NaN();
};

/// The ratio estimator of random features, biased although its kernel estimate is not:
///
///   o(q) = Σ_j φ(q)·φ(k_j) v_j / Σ_j φ(q)·φ(k_j)
///
/// What differs between RFA, Performer and RMFA is the feature map and where its directions come from. The
/// option center=keys takes the mean key from all keys, which leaves softmax unchanged but not its estimate;
/// under a causal mask that mean looks ahead, so it is for study, not for decoding.
class RatioEstimator : public AttentionEstimator {
 public:
  explicit RatioEstimator(Spec spec);

  /// The feature map, for its shape and name. Where its law depends on the data, its moments are those of
  /// `map_on` only.
  virtual const FeatureMap& map() const = 0;

  /// The feature map with the law it has on this problem, for moments: shared, and independent of the
  /// estimator's lifetime only where the law depends on the data.
  virtual std::shared_ptr<const FeatureMap> map_on(const AttentionProblem& problem) const;

  /// The same where the shares of the features depend on how many there are (degrees=fixed): `map_on` has
  /// their limits, this one those of m = `draws`, and the pair moments of one feature are what makes the
  /// covariance of m of them exact.
  virtual std::shared_ptr<const FeatureMap> map_at(const AttentionProblem& problem, Index) const {
    return map_on(problem);
  }

  bool center_keys() const { return center_keys_; }

  bool sums_over_keys() const override { return true; }
  std::unique_ptr<AttentionEstimator> fitted(const AttentionProblem& whole) const override;

  /// The same, null where `fitted` is null.
  std::unique_ptr<RatioEstimator> fitted_ratio(const AttentionProblem& whole) const;

  /// Whether the features of a count are the first features of a larger one with the same weights, so that
  /// one pass yields all counts.
  virtual bool nested() const { return true; }
  bool independent_directions() const override { return projection() != "orthogonal" && nested(); }

  Index dimension(Index draws) const override { return draws * map().per_direction(); }
  DenominatorPolicy denominator() const override { return denominator_; }
  KeyWeights key_weights(const AttentionProblem& problem, Index query, Index draws,
                         const StreamAddress& address) const override;

  Matrix key_covariance(const AttentionProblem& problem, Index query) const override;

  /// K(x, y), the kernel of the estimator's target, of rows of `prepared(problem)` times √scale; NaN where it
  /// has none.
  virtual double target_kernel(const Vector& x, const Vector& y) const;

  /// The kernel estimate of query 0 and key 0 of a problem at `draws` directions; its variance is
  /// `kernel_variance`. Throws BadInput where the law of the features cannot be made on this problem.
  virtual KernelMoments kernel_moments(const AttentionProblem& problem, Index draws) const;

  /// Whether the features see other inputs than the given ones.
  virtual bool transforms() const { return false; }

  /// The inputs the features see: by default the given ones. Values stay. The target is exact attention of
  /// these. Of held keys.
  virtual AttentionProblem transformed(const AttentionProblem& problem) const { return problem; }

  /// The rows of a pass over this problem, which must outlive them.
  template <typename Scalar>
  PreparedRows<Scalar> prepared_rows(const AttentionProblem& problem) const {
    if (!transforms()) return PreparedRows<Scalar>(problem, problem.V, center_of(problem));
    const AttentionProblem seen = transformed(problem);
    return PreparedRows<Scalar>(seen, problem.V, center_of(seen));
  }

  /// Transformed, and with centred keys where the estimator centres them; of held keys.
  AttentionProblem prepared(const AttentionProblem& problem) const;

  /// ln u_j of weights u_j that multiply each key's features and the target's kernel; empty for none.
  virtual Vector log_key_weights(const AttentionProblem&) const { return {}; }

  std::unique_ptr<SamplerPlan> plan(const AttentionProblem& problem,
                                    std::span<const AttentionEstimator* const> group,
                                    const std::vector<Index>& counts, Precision precision) const override;

  /// How many directions are evaluated together.
  virtual Index panel_width() const = 0;

  /// Draws for the panels of `counts`, in the precision of the tag, under the law of this problem.
  virtual std::unique_ptr<DirectionSource<double>> directions(double tag, const AttentionProblem& problem,
                                                              const std::vector<Index>& counts) const = 0;
  virtual std::unique_ptr<DirectionSource<float>> directions(float tag, const AttentionProblem& problem,
                                                             const std::vector<Index>& counts) const = 0;

  /// An empty state with the directions of the draw at `address`, to be fed rows of `prepared(problem)` times
  /// √scale. It equals the causal pass to rounding. The estimator must outlive it.
  DecodingState decoding_state(const AttentionProblem& problem, const std::vector<Index>& counts,
                               const StreamAddress& address) const;

 protected:
  virtual std::unique_ptr<RatioEstimator> copy() const = 0;

  /// Whether there is something to take from all keys.
  virtual bool takes_all_keys() const { return center_keys_; }

  /// Takes it from `whole`, held or streamed: of this class the mean of the transformed keys, where they are
  /// centred.
  virtual void fit(const AttentionProblem& whole);

 private:
  // What centring takes from every transformed key; empty for nothing.
  Eigen::RowVectorXd center_of(const AttentionProblem& seen) const;

  // log_key_weights of the visible keys, relative to the largest: zeros without any.
  Vector key_factors(const AttentionProblem& problem, Index query) const;

  bool center_keys_;
  bool is_fitted_ = false;
  Eigen::RowVectorXd mean_key_;  // of what it is fitted to
  DenominatorPolicy denominator_;
};

/// `rfa`: trigonometric or arccos features (Peng et al. 2021). Keys: kernel, normalize, sigma, gate,
/// projection, center, denominator.
std::unique_ptr<AttentionEstimator> make_rfa(const Spec& spec);

/// `performer`: positive, hyperbolic or regularised features (Choromanski et al. 2021). Keys: features,
/// projection, center, denominator.
std::unique_ptr<AttentionEstimator> make_performer(const Spec& spec);

/// `rmfa`: random Maclaurin features (Guo et al. 2024). Keys: kernel, directions, degrees, p, lambda, known,
/// max-degree, ppsbn, gamma, beta, force, center, denominator.
std::unique_ptr<AttentionEstimator> make_rmfa(const Spec& spec);

}  // namespace attngap
