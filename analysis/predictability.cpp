#include "analysis/prediction.hpp"
#include "estimators/eva_groups.hpp"
#include "estimators/lara.hpp"

namespace attngap {
namespace {

std::string why_eva_is_unpredictable(const Spec& spec) {
  const EvaOptions options = eva_options(spec);
  const bool faithful = !options.released_noise && !options.deterministic && !options.shape.cover_all &&
                        options.shape.mass == GroupMass::exact;
  return faithful ? "" : "with the released departures its groups are no ratios of unbiased estimates";
}

std::string why_lara_is_unpredictable(const Spec& spec) {
  const LaraOptions options = lara_options(spec);
  if (options.released_noise || options.deterministic)
    return "with the released noise, or none, its weights are not those of its draws";
  if (options.weights == MisWeights::constant) return {};
  return "its weights divide by a sum of the proposals' densities: second moments are integrals over their "
         "whole span, without a closed form; weights=constant has one";
}

}  // namespace

bool is_unbiased(const AttentionEstimator& estimator) {
  if (estimator.spec().name != "lara") return estimator.spec().text() == "ra";
  const LaraOptions options = lara_options(estimator.spec());
  return !options.self_normalized && !options.clamp && !options.released_noise && !options.deterministic &&
         estimator.denominator().is_none();
}

std::string why_unpredictable(const AttentionEstimator& estimator) {
  const std::string& name = estimator.spec().name;
  if (name == "ra")
    return "its mean is the target where the options are faithful; the second moment, of a softmax of "
           "Gaussian "
           "logits, has no closed form";
  if (name == "eva") return why_eva_is_unpredictable(estimator.spec());
  const bool ratio = dynamic_cast<const RatioEstimator*>(&estimator) != nullptr;
  const std::string of_lara = name == "lara" ? why_lara_is_unpredictable(estimator.spec()) : std::string();
  if (!of_lara.empty()) return of_lara;
  if (!ratio && name != "lara")
    return "only ratios of random features (rfa, performer, rmfa) have closed forms";
  if (!estimator.denominator().is_none())
    return "a changed denominator is another estimator, of unknown bias and variance";
  if (!estimator.post_scaling().is_identity()) return "outputs raised to a power have no closed form";
  return {};
}

}  // namespace attngap
