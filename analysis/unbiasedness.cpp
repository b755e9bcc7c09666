#include "analysis/unbiasedness.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

namespace attngap {
namespace {

// Of a query whose exact output is zero: then only zero is unbiased.
constexpr double kSmallestMargin = 1e-300;

}  // namespace

UnbiasednessStudy::UnbiasednessStudy(const UnbiasednessClaim& claim)
    : claim_(claim), exact_(claim.estimator.target(claim.problem)) {
  const std::array<const AttentionEstimator*, 1> group{&claim.estimator};
  plan_ = claim.estimator.plan(claim.problem, group, {claim.draws}, Precision::float64);
}

std::vector<Moments> UnbiasednessStudy::errors(std::uint32_t first, std::uint32_t count) const {
  const AttentionEstimator& estimator = claim_.estimator;
  std::vector<Moments> moments(static_cast<std::size_t>(query_count() * exact_.cols()));
  const auto add = [&](std::size_t, std::size_t, const AttentionEstimate& estimate) {
    const Matrix error =
        (attention_output(estimate, estimator.denominator(), estimator.post_scaling()) - exact_)
            .middleRows(first_query(), query_count());
    for (std::size_t i = 0; i < moments.size(); ++i) moments[i].add(error.data()[i]);
  };
  const auto sampler = plan_->sampler();
  const std::uint32_t replicates = estimator.random() ? count : std::min(count, first == 0 ? 1U : 0U);
  for (std::uint32_t r = 0; r < replicates; ++r) sampler->draw({claim_.seed, 0, first + r}, add);
  return moments;
}

std::vector<MeanWithin> UnbiasednessStudy::family(const std::vector<Moments>& errors) const {
  std::vector<MeanWithin> family;
  for (Index row = 0; row < query_count(); ++row)
    for (Index c = 0; c < exact_.cols(); ++c) {
      const Index i = first_query() + row;
      const double size = exact_.row(i).norm() / std::sqrt(static_cast<double>(exact_.cols()));
      Moments moments = errors[static_cast<std::size_t>(row * exact_.cols() + c)];
      if (!claim_.estimator.random()) moments.merge(Moments(moments));  // the same number twice: no variance
      family.push_back({fmt::format("query {}, channel {} (exact {:.4g})", i, c, exact_(i, c)), moments,
                        std::max(claim_.margin * size, kSmallestMargin), !claim_.estimator.random()});
    }
  return family;
}

Finding UnbiasednessStudy::no_moment() const {
  return {
      Verdict::undecided, claim_.margin,
      fmt::format("no-moment: the output of {} has no mean, as its denominator can be zero or as near to "
                  "it as one likes; there is no bias to test, give it a denominator policy that bounds it",
                  claim_.estimator.spec().text())};
}

Finding UnbiasednessStudy::judge(const std::vector<Moments>& errors) const {
  return claim_.estimator.has_moments() ? judge_means(family(errors), claim_.margin) : no_moment();
}

Finding UnbiasednessStudy::judge_at_a_look(const std::vector<Moments>& errors, double tuned_for) const {
  return claim_.estimator.has_moments() ? judge_means_at_a_look(family(errors), claim_.margin, tuned_for)
                                        : no_moment();
}

}  // namespace attngap
