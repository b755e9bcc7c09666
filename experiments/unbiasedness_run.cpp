#include "experiments/unbiasedness_run.hpp"

#include "estimators/error.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>

#include <fmt/format.h>
#include <tbb/parallel_for.h>

namespace attngap {
namespace {

// Below this a confidence sequence, which holds in the limit, is not to be trusted.
constexpr std::uint32_t kFirstLook = 256;

// The replicates from … to−1, in fixed blocks, merged in their order: the same numbers on any number of
// threads. A few blocks at a time, so that memory does not grow with their number. `from` is a multiple of a
// block.
void add_errors(const UnbiasednessStudy& study, std::uint32_t from, std::uint32_t to,
                std::vector<Moments>& merged) {
  constexpr std::uint32_t kBlock = 64;
  constexpr std::size_t kAtATime = 32;
  static_assert(kFirstLook % kBlock == 0);
  const std::size_t blocks = (std::size_t{to - from} + kBlock - 1) / kBlock;
  for (std::size_t begin = 0; begin < blocks; begin += kAtATime) {
    std::vector<std::vector<Moments>> some(std::min(kAtATime, blocks - begin));
    tbb::parallel_for(std::size_t{0}, some.size(), [&](std::size_t b) {
      const auto first = static_cast<std::uint32_t>(from + (begin + b) * kBlock);
      some[b] = study.errors(first, std::min(kBlock, to - first));
    });
    for (const auto& block : some)
      for (std::size_t i = 0; i < merged.size(); ++i) merged[i].merge(block[i]);
  }
}

Finding judge_by_looks(const UnbiasednessStudy& study, const UnbiasednessPlan& plan) {
  require(plan.replicates >= kFirstLook,
          "--replicates = {}: the first look is at {} draws, before which its interval is not to be trusted",
          plan.replicates, kFirstLook);
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  // In the middle of the looks, as they double.
  const double tuned_for = std::sqrt(static_cast<double>(kFirstLook) * plan.replicates);
  std::vector<Moments> merged = study.errors(0, 0);
  std::string looks;
  std::uint32_t done = 0;
  for (std::uint64_t next = kFirstLook;; next *= 2) {
    const auto to = static_cast<std::uint32_t>(std::min<std::uint64_t>(next, plan.replicates));
    add_errors(study, done, to, merged);
    done = to;
    looks += fmt::format("{}{}", looks.empty() ? "looks at " : ", ", done);
    Finding finding = study.judge_at_a_look(merged, tuned_for);
    const bool late = std::chrono::duration<double>(Clock::now() - start).count() >= plan.budget_seconds;
    if (finding.verdict == Verdict::undecided && done < plan.replicates && !late) continue;
    finding.evidence =
        fmt::format("{}{}; {}", looks, late ? " (the budget was used up)" : "", finding.evidence);
    return finding;
  }
}

}  // namespace

Finding judge_unbiased(const UnbiasednessStudy& study, const AttentionEstimator& estimator,
                       const UnbiasednessPlan& plan) {
  if (!estimator.has_moments()) return study.judge({});
  if (plan.until_decided && estimator.random()) return judge_by_looks(study, plan);
  std::vector<Moments> merged = study.errors(0, 0);
  add_errors(study, 0, plan.replicates, merged);
  return study.judge(merged);
}

}  // namespace attngap
