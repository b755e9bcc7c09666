#include "estimators/gated_plan.hpp"

namespace attngap {
namespace {

class GatedPlan final : public SamplerPlan {
 public:
  GatedPlan(const RatioEstimator& estimator, const AttentionProblem& problem, Gates gates,
            std::size_t members, const std::vector<Index>& counts)
      : estimator_(estimator),
        problem_(problem),
        gates_(std::move(gates)),
        members_(members),
        counts_(counts) {
    const AttentionProblem prepared = estimator.prepared(problem);
    Q_ = prepared.scaled_queries();
    K_ = prepared.scaled_keys();
  }

  std::unique_ptr<AttentionSampler> sampler() const override { return std::make_unique<Sampler>(*this); }

 private:
  class Sampler final : public AttentionSampler {
   public:
    explicit Sampler(const GatedPlan& plan) : plan_(plan) {}

    void draw(const StreamAddress& address, const EstimateVisitor& visit) override {
      const AttentionProblem& problem = plan_.problem_;
      DecodingState state = plan_.estimator_.decoding_state(problem, plan_.counts_, address);
      std::vector<AttentionEstimate> estimates(plan_.counts_.size(),
                                               AttentionEstimate(problem.queries(), problem.value_dim()));
      Index query = 0;
      for (Index t = 0; t < problem.keys() && query < problem.queries(); ++t) {
        state.push(plan_.K_.row(t), problem.V.row(t), {plan_.gates_.log_keep(t), plan_.gates_.log_take(t)});
        if (problem.visible_keys(query) != t + 1) continue;
        for (std::size_t i = 0; i < estimates.size(); ++i)
          keep(state.read(plan_.Q_.row(query), plan_.counts_[i]), query, estimates[i]);
        ++query;
      }
      for (std::size_t member = 0; member < plan_.members_; ++member)
        for (std::size_t i = 0; i < estimates.size(); ++i) visit(member, i, estimates[i]);
    }

   private:
    static void keep(const AttentionEstimate& one, Index query, AttentionEstimate& all) {
      all.numerator.row(query) = one.numerator.row(0);
      all.denominator(query) = one.denominator(0);
      all.log_scale(query) = one.log_scale(0);
    }

    const GatedPlan& plan_;
  };

  const RatioEstimator& estimator_;
  const AttentionProblem& problem_;
  Gates gates_;
  std::size_t members_;
  std::vector<Index> counts_;
  Matrix Q_, K_;
};

}  // namespace

std::unique_ptr<SamplerPlan> gated_plan(const RatioEstimator& estimator, const AttentionProblem& problem,
                                        Gates gates, std::size_t members, const std::vector<Index>& counts) {
  return std::make_unique<GatedPlan>(estimator, problem, std::move(gates), members, counts);
}

}  // namespace attngap
