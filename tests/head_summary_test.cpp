#include "analysis/head_summary.hpp"

#include "data_test_support.hpp"
#include "experiments/data_source.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include <gmock/gmock.h>

namespace attngap {
namespace {

using ::testing::HasSubstr;

// A row of the table in the data's README, in its own format.
std::string table_row(const HeadSummary& s) {
  return fmt::format(
      "{:.2f} / {:.2f} | {:.2f} / {:.2f} | {:.2f} | {:.2f} ± {:.2f} | {:.1f} / {:.1f} | {:.2f} | {:.2f} | "
      "{:.2f} | "
      "{:.2f} | {:.3f} | {:.1f} | {:.1f}",
      s.query_norm_mean, s.query_norm_max, s.key_norm_mean, s.key_norm_max, s.centred_key_norm_mean,
      s.logit_mean, s.logit_sd, s.logit_min, s.logit_max, s.entropy_mean, s.entropy_min, s.entropy_max,
      s.entropy_ratio_mean, s.largest_weight_mean, s.pair_norm2_mean, s.centred_pair_norm2_mean);
}

struct KnownHead {
  const char* argument;
  const char* row;
};

// Computed with numpy by those who extracted the activations, before this code existed.
constexpr std::array kKnownHeads{KnownHead{"ppocr4_L1500_l0_h3.npz",
                                           "1.54 / 2.18 | 1.59 / 2.81 | 1.03 | 0.55 ± 0.51 | -1.9 / 3.0 | "
                                           "7.22 | 7.13 | 7.28 | 0.99 | 0.002 | 6.7 | 3.9"},
                                 KnownHead{"ppocr4_L1500_l1_h3.npz",
                                           "3.71 / 9.42 | 2.57 / 4.57 | 2.32 | 0.97 ± 7.03 | -30.0 / 42.1 | "
                                           "4.87 | 0.42 | 7.23 | 0.67 | 0.122 | 51.2 | 48.0"},
                                 KnownHead{"ppocr4_L512_l0_h3.npz",
                                           "1.54 / 2.15 | 1.61 / 2.62 | 1.03 | 0.53 ± 0.50 | -2.0 / 2.6 | "
                                           "6.14 | 6.05 | 6.21 | 0.98 | 0.006 | 6.7 | 4.0"},
                                 KnownHead{"ppocr4_L512_l1_h3.npz",
                                           "3.74 / 8.67 | 2.52 / 4.63 | 2.26 | 0.97 ± 6.81 | -26.1 / 35.7 | "
                                           "3.81 | 1.07 | 6.10 | 0.61 | 0.154 | 51.2 | 48.2"},
                                 KnownHead{"lm_kjv_l0_h3.npz:mask=causal",
                                           "1.75 / 3.85 | 1.70 / 3.55 | 1.69 | -0.03 ± 0.48 | -4.6 / 9.7 | "
                                           "5.76 | 0.00 | 6.89 | 0.97 | 0.037 | 7.0 | 7.1"},
                                 KnownHead{"lm_kjv_l2_h0.npz:mask=causal",
                                           "3.46 / 5.28 | 4.91 / 6.73 | 4.81 | -1.08 ± 3.01 | -17.6 / 22.8 | "
                                           "1.52 | 0.00 | 6.50 | 0.26 | 0.645 | 62.9 | 62.1"}};

TEST(HeadSummary, ReproducesTheTableOfTheBundledHeads) {
  for (const auto& [argument, row] : kKnownHeads) {
    const Dataset dataset = load_dataset(std::string(ATTNGAP_DATA_DIR "/") + argument);
    EXPECT_EQ(table_row(summarize_head(dataset.problem)), row) << argument;
  }
}

// The definitions, with the whole matrix in memory.
HeadSummary naive_summary(const AttentionProblem& problem) {
  const Matrix Q = problem.scaled_queries(), K = problem.scaled_keys();
  const Eigen::RowVectorXd mean_key = K.colwise().mean();
  HeadSummary s{};
  s.entropy_min = INFINITY;
  std::vector<double> logits, norms2;
  double ratio_rows = 0;
  for (Index i = 0; i < problem.queries(); ++i) {
    const Index visible = problem.visible_keys(i);
    const Eigen::VectorXd row = K.topRows(visible) * Q.row(i).transpose();
    const Eigen::VectorXd weights = row.array().exp() / row.array().exp().sum();
    double entropy = 0;
    for (Index j = 0; j < visible; ++j) {
      logits.push_back(row(j));
      norms2.push_back((Q.row(i) + K.row(j)).squaredNorm());
      entropy -= weights(j) * std::log(weights(j));
      s.pair_norm2_mean += weights(j) * norms2.back();
      s.centred_pair_norm2_mean += weights(j) * (Q.row(i) + K.row(j) - mean_key).squaredNorm();
    }
    s.entropy_mean += entropy;
    s.entropy_min = std::min(s.entropy_min, entropy);
    s.entropy_max = std::max(s.entropy_max, entropy);
    s.largest_weight_mean += weights.maxCoeff();
    if (visible < 2) continue;
    s.entropy_ratio_mean += entropy / std::log(static_cast<double>(visible));
    ++ratio_rows;
  }
  const auto rows = static_cast<double>(problem.queries());
  for (double* total :
       {&s.pair_norm2_mean, &s.centred_pair_norm2_mean, &s.entropy_mean, &s.largest_weight_mean})
    *total /= rows;
  s.entropy_ratio_mean /= ratio_rows;
  const Eigen::Map<const Eigen::ArrayXd> all(logits.data(), static_cast<Index>(logits.size()));
  s.logit_mean = all.mean();
  s.logit_sd = std::sqrt((all - all.mean()).square().mean());
  s.logit_min = all.minCoeff();
  s.logit_max = all.maxCoeff();
  s.visible_pairs = norms2.size();
  std::sort(norms2.begin(), norms2.end());
  for (std::size_t level = 0; level < kPairQuantileLevels.size(); ++level) {
    const double place = kPairQuantileLevels[level] * static_cast<double>(norms2.size() - 1);
    const double below = norms2[static_cast<std::size_t>(std::floor(place))];
    const double above = norms2[static_cast<std::size_t>(std::ceil(place))];
    s.pair_norm2_quantiles[level] = below + (place - std::floor(place)) * (above - below);
  }
  return s;
}

void expect_agreement(const AttentionProblem& problem, const std::string& what) {
  const HeadSummary fast = summarize_head(problem), naive = naive_summary(problem);
  EXPECT_EQ(fast.visible_pairs, naive.visible_pairs) << what;
  EXPECT_EQ(fast.quantile_pairs, naive.visible_pairs) << what;
  for (const auto member :
       {&HeadSummary::logit_min, &HeadSummary::logit_mean, &HeadSummary::logit_sd, &HeadSummary::logit_max,
        &HeadSummary::entropy_mean, &HeadSummary::entropy_min, &HeadSummary::entropy_max,
        &HeadSummary::entropy_ratio_mean, &HeadSummary::largest_weight_mean, &HeadSummary::pair_norm2_mean,
        &HeadSummary::centred_pair_norm2_mean})
    EXPECT_NEAR(fast.*member, naive.*member, 1e-11 * (1 + std::abs(naive.*member))) << what;
  for (std::size_t level = 0; level < kPairQuantileLevels.size(); ++level)
    EXPECT_NEAR(fast.pair_norm2_quantiles[level], naive.pair_norm2_quantiles[level], 1e-11) << what;
}

TEST(HeadSummary, AgreesWithTheDefinitionsOnEveryKindAndMask) {
  for (const std::string kind : {"gaussian", "sphere", "ball", "ar1", "clustered"})
    for (const std::string mask : {"none", "causal"}) {
      // 601 tokens: several blocks of queries and of keys, none of them full at the end.
      const Dataset dataset =
          load_dataset("synthetic:" + kind + ",length=601,dim=7,value-dim=2,norm=2.5,mask=" + mask);
      expect_agreement(dataset.problem, kind + " " + mask);
      expect_agreement(sample_queries(dataset.problem, 11), kind + " " + mask + ", 11 queries");
    }
}

TEST(HeadSummary, EqualKeysGiveUniformAttention) {
  const AttentionProblem problem =
      make_problem(Matrix::Random(3, 5), Matrix::Constant(7, 5, 0.4), Matrix::Ones(7, 2));
  const HeadSummary summary = summarize_head(problem);
  EXPECT_NEAR(summary.entropy_min, std::log(7.0), 1e-14);
  EXPECT_NEAR(summary.entropy_ratio_mean, 1.0, 1e-14);
  EXPECT_NEAR(summary.largest_weight_mean, 1.0 / 7, 1e-15);
  EXPECT_NEAR(summary.centred_key_norm_mean, 0.0, 1e-15);
}

TEST(HeadSummary, HugeLogitsDoNotOverflow) {
  Matrix keys = Matrix::Zero(7, 2);
  keys(3, 0) = 1;
  const AttentionProblem problem = make_problem(Matrix::Constant(3, 2, 1e5), keys, Matrix::Ones(7, 2));
  const HeadSummary summary = summarize_head(problem);
  EXPECT_EQ(summary.entropy_max, 0.0);
  EXPECT_EQ(summary.largest_weight_mean, 1.0);
  EXPECT_THAT(hardness_sentence(summary), HasSubstr("10^"));
}

// Beyond the limit the pairs are strided. The rank of a strided quantile is off by at most the share of pairs
// between two that are read, plus the spread that sampling n pairs has: sqrt(p(1-p)/n) < 5e-4.
TEST(HeadSummary, StridedQuantilesAreNearThoseOfAllPairs) {
  const Dataset dataset = load_dataset("synthetic:clustered,length=1300,dim=5");
  const HeadSummary fast = summarize_head(dataset.problem);
  EXPECT_EQ(fast.visible_pairs, 1'690'000u);
  EXPECT_EQ(fast.quantile_pairs, 1'000'003u);
  const Matrix Q = dataset.problem.scaled_queries(), K = dataset.problem.scaled_keys();
  std::array<double, kPairQuantileLevels.size()> below{};
  for (Index i = 0; i < Q.rows(); ++i)
    for (Index j = 0; j < K.rows(); ++j)
      for (std::size_t level = 0; level < below.size(); ++level)
        below[level] += (Q.row(i) + K.row(j)).squaredNorm() <= fast.pair_norm2_quantiles[level] ? 1.0 : 0.0;
  for (std::size_t level = 0; level < below.size(); ++level)
    EXPECT_NEAR(below[level] / 1'690'000, kPairQuantileLevels[level], testing::z_limit() * 5e-4);
}

}  // namespace
}  // namespace attngap
