#include "analysis/unbiasedness.hpp"

#include "analysis/claim_checks.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

namespace attngap {
namespace {

// Of a query whose exact output is zero: then only zero is unbiased.
constexpr double kSmallestMargin = 1e-300;

}  // namespace

std::vector<Moments> error_moments(const UnbiasednessClaim& claim, std::uint32_t first, std::uint32_t count) {
  const AttentionEstimator& estimator = claim.estimator;
  const Matrix exact = estimator.target(claim.problem);
  std::vector<Moments> errors(static_cast<std::size_t>(exact.size()));
  const std::array<const AttentionEstimator*, 1> group{&estimator};
  const auto plan = estimator.plan(claim.problem, group, {claim.draws}, Precision::float64);
  const auto sampler = plan->sampler();
  const auto add = [&](std::size_t, std::size_t, const AttentionEstimate& estimate) {
    const Matrix error =
        attention_output(estimate, estimator.denominator(), estimator.post_scaling()) - exact;
    for (std::size_t i = 0; i < errors.size(); ++i) errors[i].add(error.data()[i]);
  };
  const std::uint32_t replicates = estimator.random() ? count : (first == 0 ? 1U : 0U);
  for (std::uint32_t r = 0; r < replicates; ++r) sampler->draw({claim.seed, 0, first + r}, add);
  return errors;
}

Finding judge_unbiasedness(const UnbiasednessClaim& claim, const std::vector<Moments>& errors) {
  if (!claim.estimator.has_moments())
    return {Verdict::undecided, claim.margin,
            fmt::format(
                "no-moment: the output of {} has no mean, as its denominator can be zero or as near to it "
                "as one likes; there is no bias to test, give it a denominator policy that bounds it",
                claim.estimator.spec().text())};
  const Matrix exact = claim.estimator.target(claim.problem);
  std::vector<MeanWithin> family;
  const Index first = claim.query.value_or(0), last = claim.query.value_or(exact.rows() - 1);
  for (Index i = first; i <= last; ++i)
    for (Index c = 0; c < exact.cols(); ++c) {
      const double size = exact.row(i).norm() / std::sqrt(static_cast<double>(exact.cols()));
      Moments moments = errors[static_cast<std::size_t>(i * exact.cols() + c)];
      if (!claim.estimator.random()) moments.merge(Moments(moments));  // the same number twice: no variance
      family.push_back({fmt::format("query {}, channel {} (exact {:.4g})", i, c, exact(i, c)), moments,
                        std::max(claim.margin * size, kSmallestMargin)});
    }
  return judge_means(family, claim.margin);
}

}  // namespace attngap
