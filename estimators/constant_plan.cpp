#include "estimators/constant_plan.hpp"

#include <utility>

namespace attngap {
namespace {

class Constant final : public SamplerPlan {
 public:
  explicit Constant(AttentionEstimate estimate) : estimate_(std::move(estimate)) {}
  std::unique_ptr<AttentionSampler> sampler() const override { return std::make_unique<Sampler>(estimate_); }

 private:
  class Sampler final : public AttentionSampler {
   public:
    explicit Sampler(const AttentionEstimate& estimate) : estimate_(estimate) {}
    void draw(const StreamAddress&, const EstimateVisitor& visit) override { visit(0, 0, estimate_); }

   private:
    const AttentionEstimate& estimate_;
  };

  AttentionEstimate estimate_;
};

}  // namespace

std::unique_ptr<SamplerPlan> constant_plan(AttentionEstimate estimate) {
  return std::make_unique<Constant>(std::move(estimate));
}

}  // namespace attngap
