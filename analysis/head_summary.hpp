#pragma once

#include "estimators/attention_problem.hpp"

#include <array>
#include <cstdint>
#include <string>

namespace attngap {

/// The levels of HeadSummary::pair_norm2_quantiles.
inline constexpr std::array kPairQuantileLevels{0.05, 0.25, 0.50, 0.75, 0.95};

/// How hard a head is for random features. q̃ = √scale q, k̃ = √scale k, so q̃·k̃ is the logit; A is the
/// attention matrix; sums over pairs and keys run over visible pairs alone; logarithms are natural.
struct HeadSummary {
  Index queries = 0;    ///< n
  Index keys = 0;       ///< l
  Index head_dim = 0;   ///< d
  Index value_dim = 0;  ///< p
  double scale = 0;
  Mask mask = Mask::none;
  std::uint64_t visible_pairs = 0;

  double query_norm_mean = 0;  ///< of |q̃|
  double query_norm_max = 0;
  double key_norm_mean = 0;  ///< of |k̃|
  double key_norm_max = 0;
  double centred_key_norm_mean = 0;  ///< of |k̃ − mean of all k̃|

  double logit_min = 0;
  double logit_mean = 0;
  double logit_sd = 0;  ///< with 1/N: the pairs are the population
  double logit_max = 0;

  double entropy_mean = 0;  ///< of H_i = −Σ_j A_ij ln A_ij over rows
  double entropy_min = 0;
  double entropy_max = 0;
  double entropy_ratio_mean = 0;   ///< of H_i / ln(visible keys) over rows with two or more; NaN if none has
  double largest_weight_mean = 0;  ///< of max_j A_ij

  double pair_norm2_mean = 0;          ///< R²: mean over rows of Σ_j A_ij |q̃_i + k̃_j|²
  double centred_pair_norm2_mean = 0;  ///< the same with k̃ − mean of all k̃, which leaves A as it is
  std::array<double, 5> pair_norm2_quantiles{};  ///< of |q̃_i + k̃_j|², every visible pair alike
  std::uint64_t quantile_pairs = 0;              ///< pairs the quantiles are taken over
};

/// Reads the head in blocks of queries by keys, with a running maximum per row; no n×l matrix is held.
///
/// The quantiles (linear interpolation between order statistics, numpy's default) are over all visible pairs
/// up to 1 000 003 of them, else over that many, evenly strided: pair ⌊t·pairs/count⌋ in row order. The count
/// is prime so that the stride does not walk down one column.
HeadSummary summarize_head(const AttentionProblem& problem);

/// One sentence on how hard the head is, with its number: one positive feature estimates exp(q̃·k̃) with
/// relative variance exp(|q̃ + k̃|²) − 1 (Choromanski et al., ICLR 2021, Lemma 2), so about exp(R²) features
/// are needed before the entries that carry the attention are resolved.
std::string hardness_sentence(const HeadSummary& summary);

}  // namespace attngap
