#include "analysis/prediction.hpp"
#include "estimators/eva_groups.hpp"

namespace attngap {
namespace {

std::string why_eva_is_unpredictable(const Spec& spec) {
  const EvaOptions options = eva_options(spec);
  const bool faithful = !options.released_noise && !options.deterministic && !options.shape.cover_all &&
                        options.shape.mass == GroupMass::exact;
  return faithful ? "" : "with the released departures its groups are no ratios of unbiased estimates";
}

}  // namespace

std::string why_unpredictable(const AttentionEstimator& estimator) {
  const auto* ratio = dynamic_cast<const RatioEstimator*>(&estimator);
  const std::string& name = estimator.spec().name;
  if (name == "ra")
    return "a draw is a softmax of logits from a mixture of Gaussians: its mean is the target where the "
           "options are faithful, its second moment has no closed form";
  if (name == "eva") return why_eva_is_unpredictable(estimator.spec());
  if (name == "lara")
    return "its weights are ratios of sums of densities of proposals that change with m: no closed form";
  if (ratio == nullptr) return "only ratios of random features (rfa, performer, rmfa) have closed forms";
  if (!estimator.denominator().is_none())
    return "a changed denominator is another estimator, of unknown bias and variance";
  if (!estimator.post_scaling().is_identity()) return "outputs raised to a power have no closed form";
  return {};
}

}  // namespace attngap
