#include "estimators/baselines.hpp"

#include "estimators/constant_plan.hpp"
#include "estimators/exact_attention.hpp"

namespace attngap {
namespace {

using Answer = AttentionEstimate (*)(const AttentionProblem&);

class Baseline final : public AttentionEstimator {
 public:
  Baseline(Spec spec, Answer answer) : AttentionEstimator(std::move(spec)), answer_(answer) {}
  bool random() const override { return false; }
  Index dimension(Index) const override { return 0; }
  bool has_moments() const override { return true; }
  bool sums_over_keys() const override { return true; }
  std::unique_ptr<SamplerPlan> plan(const AttentionProblem& problem,
                                    std::span<const AttentionEstimator* const>, const std::vector<Index>&,
                                    Precision) const override {
    return constant_plan(answer_(problem));
  }

 private:
  Answer answer_;
};

AttentionEstimate zero_answer(const AttentionProblem& problem) {
  AttentionEstimate estimate(problem.queries(), problem.value_dim());
  estimate.denominator.setOnes();
  return estimate;
}

AttentionEstimate mean_answer(const AttentionProblem& problem) {
  AttentionEstimate estimate(problem.queries(), problem.value_dim());
  Eigen::RowVectorXd sum = Eigen::RowVectorXd::Zero(problem.value_dim());
  Index summed = 0;
  for (Index i = 0; i < problem.queries(); ++i) {
    for (; summed < problem.visible_keys(i); ++summed) sum += problem.V.row(summed);
    estimate.numerator.row(i) = sum;
    estimate.denominator(i) = static_cast<double>(summed);
  }
  return estimate;
}

}  // namespace

std::unique_ptr<AttentionEstimator> make_exact(const Spec& spec) {
  return std::make_unique<Baseline>(spec, &exact_sums);
}
std::unique_ptr<AttentionEstimator> make_zero(const Spec& spec) {
  return std::make_unique<Baseline>(spec, &zero_answer);
}
std::unique_ptr<AttentionEstimator> make_mean_value(const Spec& spec) {
  return std::make_unique<Baseline>(spec, &mean_answer);
}

}  // namespace attngap
