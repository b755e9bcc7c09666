#include "estimators/angles.hpp"
#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/exact_attention.hpp"
#include "estimators/gate.hpp"
#include "estimators/gated_plan.hpp"
#include "estimators/kernel_attention.hpp"
#include "estimators/projection.hpp"
#include "estimators/ratio_estimator.hpp"

#include <algorithm>
#include <cmath>

namespace attngap {
namespace {

// A ratio of features of Gaussian directions.
class GaussianRatio : public RatioEstimator {
 public:
  GaussianRatio(Spec spec, const FeatureMap& map, const Projection& law)
      : RatioEstimator(std::move(spec)), map_(map), law_(law) {}

  const FeatureMap& map() const override { return map_; }
  std::string projection() const override { return std::string(law_.name()); }
  // Positive: inside the hull of the values. Else the denominator has a density at zero, unless it is kept
  // away.
  bool has_moments() const override { return map_.in_log_domain() || denominator().bounds_away_from_zero(); }
  std::string sharing_key() const override {
    return fmt::format("gaussian {} {} {}", law_.name(), map_.fixed_norm(), center_keys());
  }
  Index panel_width() const override { return 64; }
  std::unique_ptr<DirectionSource<double>> directions(double, const AttentionProblem& problem,
                                                      const std::vector<Index>& counts) const override {
    return gaussian_directions<double>(law_, problem.head_dim(), counts.back(), map_.fixed_norm());
  }
  std::unique_ptr<DirectionSource<float>> directions(float, const AttentionProblem& problem,
                                                     const std::vector<Index>& counts) const override {
    return gaussian_directions<float>(law_, problem.head_dim(), counts.back(), map_.fixed_norm());
  }

 protected:
  std::unique_ptr<RatioEstimator> copy() const override { return std::make_unique<GaussianRatio>(*this); }

 private:
  const FeatureMap& map_;
  const Projection& law_;
};

void normalise_rows(Matrix& rows) {
  for (Index i = 0; i < rows.rows(); ++i) {
    const double norm = rows.row(i).norm();
    if (norm > 0.0) rows.row(i) /= norm;
  }
}

// Softmax attention with ln u_j added to the logits of key j: one more entry of each query and key.
AttentionProblem with_log_weights(AttentionProblem problem, const Vector& log_weights) {
  problem.Q.conservativeResize(Eigen::NoChange, problem.head_dim() + 1);
  problem.Q.rightCols(1).setConstant(1.0 / problem.scale);
  problem.K.conservativeResize(Eigen::NoChange, problem.Q.cols());
  problem.K.rightCols(1) = log_weights;
  return problem;
}

// Random feature attention (Peng et al. 2021).
//
// normalize=unit takes q/|q| and k/|k| at temperature σ, the kernel exp(q̂·k̂/σ²): features of x̂/σ with w ~
// N(0, I), which is w ~ N(0, σ⁻² I) on x̂. The paper's theorem prints N(0, σ² I), right for σ = 1 only. A zero
// row stays zero.
class RandomFeatureAttention final : public GaussianRatio {
 public:
  RandomFeatureAttention(const Spec& spec, const FeatureMap& map)
      : GaussianRatio(spec, map, projection_named(option(spec, "projection"))),
        unit_(option(spec, "normalize") == "unit"),
        arccos_(option(spec, "kernel") == "arccos"),
        sigma_(parse_number("rfa: sigma", option(spec, "sigma"))),
        gate_(option(spec, "gate")) {
    require(sigma_ > 0.0, "rfa: sigma = {}, must be positive", sigma_);
    require(
        sigma_ == 1.0 || (unit_ && !arccos_),
        "rfa: sigma is the temperature of unit-normalised inputs to the gaussian kernel; add normalize=unit "
        "(the arccos kernel has none: a factor of its inputs cancels)");
    require(!arccos_ || !center_keys(),
            "rfa: center=keys changes what kernel=arccos converges to; leave it out");
  }

  bool sums_over_keys() const override { return gate_.is_none(); }
  bool reads_streams() const override { return !gate_.is_none(); }

  bool transforms() const override { return unit_; }
  AttentionProblem transformed(const AttentionProblem& problem) const override {
    if (!unit_) return problem;
    AttentionProblem unit = problem;
    normalise_rows(unit.Q);
    normalise_rows(unit.K);
    unit.scale = 1.0 / (sigma_ * sigma_);
    return unit;
  }

  void check(const AttentionProblem& problem) const override {
    require(gate_.is_none() || problem.mask == Mask::causal,
            "rfa: gate={} forgets from token to token and needs a causal problem (mask=causal)",
            option(spec(), "gate"));
    gate_.check(problem);
  }

  std::string sharing_key() const override {
    const std::string shared = GaussianRatio::sharing_key();
    if (!gate_.is_none()) return shared + spec().text();
    return unit_ ? fmt::format("{} unit {}", shared, sigma_) : shared;
  }

  double target_kernel(const Vector& x, const Vector& y) const override {
    return arccos_ ? map().kernel(x, y) : GaussianRatio::target_kernel(x, y);
  }

  std::string target_name() const override {
    std::string name = arccos_ ? "kernelised attention (arccos)" : "softmax";
    if (unit_) name += " of unit-normalised inputs";
    if (unit_ && !arccos_) name += fmt::format(" at temperature {}", sigma_);
    return gate_.is_none() ? name : fmt::format("{}, gate={}", name, option(spec(), "gate"));
  }

  AttentionEstimate target_sums(const AttentionProblem& part) const override {
    return weighted_sums(part, log_key_weights(part));
  }

  // A gate hands on from segment to segment what it has kept.
  Matrix streamed_target(const AttentionProblem& problem, const Together& together) const override {
    if (gate_.is_none()) return GaussianRatio::streamed_target(problem, together);
    KernelSum sum(problem.queries(), problem.value_dim());
    double kept = 0.0;
    for_each_segment(problem, [&](const SegmentProblem& segment) {
      const Index first = segment.tokens.begin;
      const Vector log_weights =
          log_relative_weights(gates_of(problem, segment.tokens, segment.problem), first, kept);
      sum.add(weighted_sums(segment.problem, log_weights), segment.first);
      return true;
    });
    return target_of_sums(sum.estimate());
  }

  Vector log_key_weights(const AttentionProblem& problem) const override {
    if (gate_.is_none()) return {};
    return log_relative_weights(gates_of(problem, {0, problem.keys()}, problem));
  }

  std::unique_ptr<SamplerPlan> plan(const AttentionProblem& problem,
                                    std::span<const AttentionEstimator* const> group,
                                    const std::vector<Index>& counts, Precision precision) const override {
    if (gate_.is_none()) return RatioEstimator::plan(problem, group, counts, precision);
    check(problem);
    const auto gates = [this, &problem](Segment tokens, const AttentionProblem& part) {
      return gates_of(problem, tokens, part);
    };
    return gated_plan(*this, problem, gates, group.size(), counts);
  }

 protected:
  std::unique_ptr<RatioEstimator> copy() const override {
    return std::make_unique<RandomFeatureAttention>(*this);
  }

 private:
  // Of the tokens of a problem whose keys are those of `part`.
  Gates gates_of(const AttentionProblem& problem, Segment tokens, const AttentionProblem& part) const {
    return gate_.gates(problem, tokens, transformed(part).scaled_keys());
  }

  AttentionEstimate weighted_sums(const AttentionProblem& part, const Vector& log_weights) const {
    const AttentionProblem seen = transformed(part);
    if (arccos_) return kernel_sums(seen, &arccos_score, log_weights);
    return exact_sums(log_weights.size() == 0 ? seen : with_log_weights(seen, log_weights));
  }

  // |x||y| J₁(θ)/2π from z = x·y.
  static double arccos_score(double z, double x, double y) {
    if (x * y == 0.0) return 0.0;
    constexpr double kPi = 3.14159265358979323846;
    return x * y * arccos_j1(std::acos(std::clamp(-z / (x * y), -1.0, 1.0))) / (2.0 * kPi);
  }

  bool unit_;
  bool arccos_;
  double sigma_;
  GateRule gate_;
};

}  // namespace

std::unique_ptr<AttentionEstimator> make_rfa(const Spec& spec) {
  const bool arccos = option(spec, "kernel") == "arccos";
  return std::make_unique<RandomFeatureAttention>(spec,
                                                  feature_map_named(arccos ? "arccos" : "trigonometric"));
}

std::unique_ptr<AttentionEstimator> make_performer(const Spec& spec) {
  return std::make_unique<GaussianRatio>(spec, feature_map_named(option(spec, "features")),
                                         projection_named(option(spec, "projection")));
}

}  // namespace attngap
