#include "analysis/head_summary.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <fmt/format.h>

namespace attngap {
namespace {

constexpr Index kQueryBlock = 64;
constexpr Index kKeyBlock = 256;
constexpr std::uint64_t kMaxQuantilePairs = 1'000'003;

// Mean and spread of the logits, merged block by block (Chan, Golub, LeVeque 1983).
struct LogitMoments {
  double count = 0;
  double mean = 0;
  double squares = 0;  // Σ (s − mean)²
  double min = std::numeric_limits<double>::infinity();
  double max = -std::numeric_limits<double>::infinity();

  template <typename Row>
  void add(const Row& logits) {
    const auto size = static_cast<double>(logits.size());
    const double block_mean = logits.mean();
    const double delta = block_mean - mean;
    const double total = count + size;
    squares += (logits - block_mean).square().sum() + delta * delta * count * size / total;
    mean += delta * size / total;
    count = total;
    min = std::min(min, logits.minCoeff());
    max = std::max(max, logits.maxCoeff());
  }
};

// Σ_j e^{s_j − max} times 1, s_j, |k̃_j|² and |k̃_j − mean|², rescaled whenever the maximum grows.
struct RowSums {
  double max = -std::numeric_limits<double>::infinity();
  double weight = 0;
  double logit = 0;
  double key_norm2 = 0;
  double centred_norm2 = 0;

  template <typename Row, typename Norms>
  void add(const Row& logits, const Norms& norms2, const Norms& centred_norms2) {
    const double grown = std::max(max, logits.maxCoeff());
    const double shrink = std::exp(max - grown);
    const Eigen::ArrayXd e = (logits - grown).exp().transpose();
    weight = weight * shrink + e.sum();
    logit = logit * shrink + (e * logits.transpose()).sum();
    key_norm2 = key_norm2 * shrink + (e * norms2).sum();
    centred_norm2 = centred_norm2 * shrink + (e * centred_norms2).sum();
    max = grown;
  }
};

struct ScaledHead {
  Matrix Q;
  Matrix K;
  Eigen::RowVectorXd mean_key;
  Eigen::ArrayXd query_norms2;
  Eigen::ArrayXd key_norms2;
  Eigen::ArrayXd centred_norms2;

  explicit ScaledHead(const AttentionProblem& problem)
      : Q(problem.scaled_queries()),
        K(problem.scaled_keys()),
        mean_key(K.colwise().mean()),
        query_norms2(Q.rowwise().squaredNorm().array()),
        key_norms2(K.rowwise().squaredNorm().array()),
        centred_norms2((K.rowwise() - mean_key).rowwise().squaredNorm().array()) {}
};

void summarize_norms(const ScaledHead& head, HeadSummary& summary) {
  summary.query_norm_mean = head.query_norms2.sqrt().mean();
  summary.query_norm_max = std::sqrt(head.query_norms2.maxCoeff());
  summary.key_norm_mean = head.key_norms2.sqrt().mean();
  summary.key_norm_max = std::sqrt(head.key_norms2.maxCoeff());
  summary.centred_key_norm_mean = head.centred_norms2.sqrt().mean();
}

// The rows of queries first … first + sums.size() − 1, walked over the keys they see.
void sum_rows(const AttentionProblem& problem, const ScaledHead& head, Index first,
              std::vector<RowSums>& sums, LogitMoments& moments) {
  const auto rows = static_cast<Index>(sums.size());
  const Index most_visible = problem.visible_keys(first + rows - 1);
  Matrix logits;
  for (Index start = 0; start < most_visible; start += kKeyBlock) {
    const Index cols = std::min(kKeyBlock, most_visible - start);
    logits.noalias() = head.Q.middleRows(first, rows) * head.K.middleRows(start, cols).transpose();
    for (Index i = 0; i < rows; ++i) {
      const Index visible = std::min(cols, problem.visible_keys(first + i) - start);
      if (visible <= 0) continue;
      const auto row = logits.row(i).head(visible).array();
      moments.add(row);
      sums[static_cast<std::size_t>(i)].add(row, head.key_norms2.segment(start, visible),
                                            head.centred_norms2.segment(start, visible));
    }
  }
}

struct Totals {
  double entropy = 0;
  double entropy_ratio = 0;
  double entropy_ratio_rows = 0;
  double largest_weight = 0;
  double pair_norm2 = 0;
  double centred_pair_norm2 = 0;
};

void add_row(const RowSums& sums, const ScaledHead& head, Index query, Index visible, Totals& totals,
             HeadSummary& summary) {
  const double mean_logit = sums.logit / sums.weight;
  // Rounding can leave a row with one visible key a hair below zero.
  const double entropy = std::max(0.0, std::log(sums.weight) + sums.max - mean_logit);
  totals.entropy += entropy;
  summary.entropy_min = std::min(summary.entropy_min, entropy);
  summary.entropy_max = std::max(summary.entropy_max, entropy);
  if (visible >= 2) {
    totals.entropy_ratio += entropy / std::log(static_cast<double>(visible));
    totals.entropy_ratio_rows += 1;
  }
  totals.largest_weight += 1.0 / sums.weight;
  // |q̃ + k̃|² = |q̃|² + |k̃|² + 2 q̃·k̃, averaged with the attention weights.
  const double own = head.query_norms2(query);
  totals.pair_norm2 += own + sums.key_norm2 / sums.weight + 2.0 * mean_logit;
  const double mean_shift = head.Q.row(query).dot(head.mean_key);
  totals.centred_pair_norm2 += own + sums.centred_norm2 / sums.weight + 2.0 * (mean_logit - mean_shift);
}

// Linear interpolation between order statistics; `sorted` is not empty.
double quantile(const std::vector<double>& sorted, double level) {
  const double place = level * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

void summarize_pairs(const AttentionProblem& problem, const ScaledHead& head, HeadSummary& summary) {
  const std::uint64_t pairs = summary.visible_pairs;
  const std::uint64_t count = std::min(pairs, kMaxQuantilePairs);
  // ⌊t·pairs/count⌋ by whole steps and a remainder, which cannot overflow.
  const std::uint64_t step = pairs / count;
  const std::uint64_t remainder = pairs % count;
  std::vector<double> norms2;
  norms2.reserve(count);
  Index query = 0;
  std::uint64_t before = 0;  // pairs in the rows before `query`
  for (std::uint64_t t = 0; t < count; ++t) {
    const std::uint64_t pair = t * step + t * remainder / count;
    while (pair - before >= static_cast<std::uint64_t>(problem.visible_keys(query)))
      before += static_cast<std::uint64_t>(problem.visible_keys(query++));
    norms2.push_back((head.Q.row(query) + head.K.row(static_cast<Index>(pair - before))).squaredNorm());
  }
  std::sort(norms2.begin(), norms2.end());
  for (std::size_t i = 0; i < kPairQuantileLevels.size(); ++i)
    summary.pair_norm2_quantiles[i] = quantile(norms2, kPairQuantileLevels[i]);
  summary.quantile_pairs = count;
}

// Hundreds of digits say no more than four.
std::string short_number(double value, int decimals) {
  return std::abs(value) < 1e7 ? fmt::format("{:.{}f}", value, decimals) : fmt::format("{:.4g}", value);
}

std::string feature_count(double pair_norm2) {
  const double exponent = pair_norm2 / std::log(10.0);
  return exponent < 6 ? fmt::format("{:.0f}", std::exp(pair_norm2)) : "10^" + short_number(exponent, 0);
}

}  // namespace

HeadSummary summarize_head(const AttentionProblem& problem) {
  HeadSummary summary{problem.queries(),   problem.keys(), problem.head_dim(),
                      problem.value_dim(), problem.scale,  problem.mask};
  const ScaledHead head(problem);
  summarize_norms(head, summary);
  summary.entropy_min = std::numeric_limits<double>::infinity();
  LogitMoments moments;
  Totals totals;
  for (Index first = 0; first < summary.queries; first += kQueryBlock) {
    std::vector<RowSums> sums(static_cast<std::size_t>(std::min(kQueryBlock, summary.queries - first)));
    sum_rows(problem, head, first, sums, moments);
    for (std::size_t i = 0; i < sums.size(); ++i) {
      const Index query = first + static_cast<Index>(i);
      const Index visible = problem.visible_keys(query);
      summary.visible_pairs += static_cast<std::uint64_t>(visible);
      add_row(sums[i], head, query, visible, totals, summary);
    }
  }
  summary.logit_min = moments.min;
  summary.logit_mean = moments.mean;
  summary.logit_sd = std::sqrt(moments.squares / moments.count);
  summary.logit_max = moments.max;
  const auto rows = static_cast<double>(summary.queries);
  summary.entropy_mean = totals.entropy / rows;
  summary.entropy_ratio_mean = totals.entropy_ratio / totals.entropy_ratio_rows;
  summary.largest_weight_mean = totals.largest_weight / rows;
  summary.pair_norm2_mean = totals.pair_norm2 / rows;
  summary.centred_pair_norm2_mean = totals.centred_pair_norm2 / rows;
  summarize_pairs(problem, head, summary);
  return summary;
}

std::string hardness_sentence(const HeadSummary& summary) {
  const double all = summary.pair_norm2_mean;
  const double centred = summary.centred_pair_norm2_mean;
  if (!std::isfinite(all) || !std::isfinite(centred))
    return "|q+k|^2 is beyond the range of a double: no number of features resolves such a head";
  return fmt::format(
      "about exp(R^2) = exp({}) = {} positive features are needed before the entries that carry the "
      "attention "
      "are resolved; with the mean key subtracted, exp({}) = {}",
      short_number(all, 1), feature_count(all), short_number(centred, 1), feature_count(centred));
}

}  // namespace attngap
