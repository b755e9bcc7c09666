#include "estimators/streamed_ensemble.hpp"

#include "estimators/error.hpp"
#include "estimators/kernel_sum.hpp"

#include <algorithm>
#include <utility>

namespace attngap {

StreamedEnsemble::StreamedEnsemble(const AttentionProblem& problem,
                                   const std::vector<const AttentionEstimator*>& estimators,
                                   std::vector<Index> counts, Precision precision)
    : problem_(problem), counts_(std::move(counts)), precision_(precision) {
  for (std::size_t i = 0; i < estimators.size(); ++i) {
    const AttentionEstimator* estimator = estimators[i];
    require(estimator->streams(),
            "{}: needs all keys at once, and these are made piece by piece; leave it out, or use stored data",
            estimator->spec().text());
    if (auto fitted = estimator->fitted(problem_)) {
      fitted_.push_back(std::move(fitted));
      estimator = fitted_.back().get();
    }
    (estimator->sums_over_keys() ? summing_ : reading_).push_back(estimator);
    (estimator->sums_over_keys() ? places_of_summing_ : places_of_reading_).push_back(i);
  }
  if (!reading_.empty()) readers_ = std::make_unique<Ensemble>(problem_, reading_, counts_, precision_);
}

void StreamedEnsemble::draw(std::span<const StreamAddress> addresses, const Visitor& visit,
                            const std::function<bool()>& stopped) const {
  if (!summing_.empty()) draw_sums(addresses, visit, stopped);
  if (!readers_) return;
  const auto sampler = readers_->sampler();
  for (std::size_t r = 0; r < addresses.size() && !stopped(); ++r)
    sampler->draw(addresses[r], [&](std::size_t estimator, std::size_t count, const AttentionEstimate& e) {
      visit(r, places_of_reading_[estimator], count, e);
    });
}

void StreamedEnsemble::draw_sums(std::span<const StreamAddress> addresses, const Visitor& visit,
                                 const std::function<bool()>& stopped) const {
  const std::size_t counts = std::max<std::size_t>(counts_.size(), 1), series = summing_.size() * counts;
  std::vector<KernelSum> sums(addresses.size() * series, KernelSum(problem_.queries(), problem_.value_dim()));
  const auto place = [&](std::size_t replicate, std::size_t estimator, std::size_t count) {
    return replicate * series + estimator * counts + count;
  };
  bool whole = true;
  for_each_segment(problem_, [&](const SegmentProblem& segment) {
    whole = !stopped();
    if (!whole) return false;
    const Ensemble ensemble(segment.problem, summing_, counts_, precision_);
    const auto sampler = ensemble.sampler();
    for (std::size_t r = 0; r < addresses.size(); ++r)
      sampler->draw(addresses[r], [&](std::size_t estimator, std::size_t count, const AttentionEstimate& e) {
        sums[place(r, estimator, count)].add(e, segment.first);
      });
    return true;
  });
  if (!whole) return;
  for (std::size_t r = 0; r < addresses.size(); ++r)
    for (std::size_t i = 0; i < summing_.size(); ++i)
      for (std::size_t count = 0; count < (summing_[i]->random() ? counts : 1); ++count)
        visit(r, places_of_summing_[i], count, sums[place(r, i, count)].estimate());
}

AttentionEstimate streamed_estimate(const AttentionProblem& problem, const AttentionEstimator& estimator,
                                    const Together& together) {
  const auto estimate_of = [&](const AttentionProblem& part) {
    const AttentionEstimator* group[] = {&estimator};
    const auto plan = estimator.plan(part, group, {}, Precision::float64);
    AttentionEstimate estimate;
    plan->sampler()->draw(
        {}, [&](std::size_t, std::size_t, const AttentionEstimate& answer) { estimate = answer; });
    return estimate;
  };
  if (!estimator.sums_over_keys()) return estimate_of(problem);
  return sum_over_segments(
      problem, [&](const SegmentProblem& segment) { return estimate_of(segment.problem); }, together);
}

}  // namespace attngap
