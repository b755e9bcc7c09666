#pragma once

#include "analysis/unbiasedness.hpp"

#include <cstdint>
#include <limits>

namespace attngap {

/// How a claim of unbiasedness is looked at.
struct UnbiasednessPlan {
  std::uint32_t replicates = 1000;  ///< of the one look, or the most there may be
  bool until_decided = false;       ///< look at 256 replicates, 512, 1024 …, and stop at the first verdict
  double budget_seconds = std::numeric_limits<double>::infinity();  ///< after which no further look begins
};

/// The draws of the study, on the calling arena's threads, and their verdict: that of one look at all of
/// them, or of the first look that is not undecided, by confidence sequences, so that looking often does not
/// make it wrong more often. The same numbers for a seed on any number of threads; only how many looks a
/// budget leaves time for depends on the machine. Of an estimator without moments nothing is drawn; one that
/// is not random is drawn once. Throws BadInput when the looks end before the first, at 256 replicates.
Finding judge_unbiased(const UnbiasednessStudy& study, const AttentionEstimator& estimator,
                       const UnbiasednessPlan& plan);

}  // namespace attngap
