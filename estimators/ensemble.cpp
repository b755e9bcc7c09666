#include "estimators/ensemble.hpp"

#include <map>
#include <string>
#include <utility>

namespace attngap {
namespace {

class EnsembleSampler final : public AttentionSampler {
 public:
  void add(std::vector<std::size_t> members, std::unique_ptr<AttentionSampler> sampler) {
    parts_.emplace_back(std::move(members), std::move(sampler));
  }

  void draw(const StreamAddress& address, const EstimateVisitor& visit) override {
    for (auto& [members, sampler] : parts_) {
      const auto& group = members;
      sampler->draw(address, [&](std::size_t member, std::size_t count, const AttentionEstimate& estimate) {
        visit(group[member], count, estimate);
      });
    }
  }

 private:
  std::vector<std::pair<std::vector<std::size_t>, std::unique_ptr<AttentionSampler>>> parts_;
};

}  // namespace

Ensemble::Ensemble(const AttentionProblem& problem, const std::vector<const AttentionEstimator*>& estimators,
                   const std::vector<Index>& counts, Precision precision) {
  std::map<std::string, std::vector<std::size_t>> alike;
  for (std::size_t i = 0; i < estimators.size(); ++i) alike[estimators[i]->sharing_key()].push_back(i);
  for (auto& [key, members] : alike) {
    std::vector<const AttentionEstimator*> group;
    for (const std::size_t member : members) group.push_back(estimators[member]);
    groups_.push_back({members, group.front()->plan(problem, group, counts, precision)});
  }
}

std::unique_ptr<AttentionSampler> Ensemble::sampler() const {
  auto sampler = std::make_unique<EnsembleSampler>();
  for (const Group& group : groups_) sampler->add(group.members, group.plan->sampler());
  return sampler;
}

}  // namespace attngap
