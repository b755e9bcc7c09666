#include "estimators/gated_plan.hpp"

#include "estimators/key_stream.hpp"

#include <optional>
#include <utility>

namespace attngap {
namespace {

class GatedPlan final : public SamplerPlan {
 public:
  GatedPlan(const RatioEstimator& estimator, const AttentionProblem& problem, GatesOf gates,
            std::size_t members, const std::vector<Index>& counts)
      : fitted_(estimator.fitted_ratio(problem)),
        estimator_(fitted_ ? *fitted_ : estimator),
        problem_(problem),
        gates_(std::move(gates)),
        members_(members),
        counts_(counts) {
    if (problem.stream == nullptr) held_ = tokens_of({0, {0, problem.keys()}, problem});
  }

  std::unique_ptr<AttentionSampler> sampler() const override { return std::make_unique<Sampler>(*this); }

 private:
  // Consecutive tokens as the state takes them, and the queries from `first` on.
  struct Tokens {
    Index first = 0;
    Matrix Q, K;
    Gates gates;
  };

  Tokens tokens_of(const SegmentProblem& segment) const {
    const AttentionProblem prepared = estimator_.prepared(segment.problem);
    return {segment.first, prepared.scaled_queries(), prepared.scaled_keys(),
            gates_(segment.tokens, segment.problem)};
  }

  class Sampler final : public AttentionSampler {
   public:
    explicit Sampler(const GatedPlan& plan) : plan_(plan) {}

    void draw(const StreamAddress& address, const EstimateVisitor& visit) override {
      const AttentionProblem& problem = plan_.problem_;
      state_.emplace(plan_.estimator_.decoding_state(problem, plan_.counts_, address));
      estimates_.assign(plan_.counts_.size(), AttentionEstimate(problem.queries(), problem.value_dim()));
      query_ = 0;
      if (plan_.held_) {
        push(*plan_.held_, problem.V, 0);
      } else {
        for_each_segment(problem, [&](const SegmentProblem& segment) {
          push(plan_.tokens_of(segment), segment.problem.V, segment.tokens.begin);
          return query_ < problem.queries();
        });
      }
      for (std::size_t member = 0; member < plan_.members_; ++member)
        for (std::size_t i = 0; i < estimates_.size(); ++i) visit(member, i, estimates_[i]);
    }

   private:
    // Tokens `begin` … of the problem.
    void push(const Tokens& tokens, const Matrix& V, Index begin) {
      const AttentionProblem& problem = plan_.problem_;
      for (Index t = 0; t < V.rows() && query_ < problem.queries(); ++t) {
        state_->push(tokens.K.row(t), V.row(t), {tokens.gates.log_keep(t), tokens.gates.log_take(t)});
        if (problem.visible_keys(query_) != begin + t + 1) continue;
        for (std::size_t i = 0; i < estimates_.size(); ++i)
          keep(state_->read(tokens.Q.row(query_ - tokens.first), plan_.counts_[i]), estimates_[i]);
        ++query_;
      }
    }

    void keep(const AttentionEstimate& one, AttentionEstimate& all) const {
      all.numerator.row(query_) = one.numerator.row(0);
      all.denominator(query_) = one.denominator(0);
      all.log_scale(query_) = one.log_scale(0);
    }

    const GatedPlan& plan_;
    std::optional<DecodingState> state_;
    std::vector<AttentionEstimate> estimates_;
    Index query_ = 0;
  };

  std::unique_ptr<RatioEstimator> fitted_;
  const RatioEstimator& estimator_;
  const AttentionProblem& problem_;
  GatesOf gates_;
  std::size_t members_;
  std::vector<Index> counts_;
  std::optional<Tokens> held_;  // of a stored problem
};

}  // namespace

std::unique_ptr<SamplerPlan> gated_plan(const RatioEstimator& estimator, const AttentionProblem& problem,
                                        GatesOf gates, std::size_t members,
                                        const std::vector<Index>& counts) {
  return std::make_unique<GatedPlan>(estimator, problem, std::move(gates), members, counts);
}

}  // namespace attngap
