#include "estimators/estimator_table.hpp"
#include "estimators/exact_attention.hpp"
#include "tests/house_problem.hpp"
#include "tests/naive_pass.hpp"

#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace attngap {
namespace {

using testing_tools::draw_once;
using testing_tools::house_problem;
using testing_tools::kHouseDraws;
using testing_tools::naive_answer;
using testing_tools::NaiveRatio;
using testing_tools::normal_matrix;
using testing_tools::ratio;

constexpr StreamAddress kHome{81, 1, 3};

std::vector<NaiveRatio> positive_maps() {
  std::vector<NaiveRatio> maps;
  for (const std::string_view projection : {"iid", "orthogonal"})
    for (const std::string_view features : {"positive", "hyperbolic", "regularized"})
      maps.push_back({features, projection});
  return maps;
}

std::string name_of(const NaiveRatio& map) {
  return "performer:features=" + std::string(map.features) + ",projection=" + std::string(map.projection) +
         (map.center_keys ? ",center=keys" : "");
}

// Rows with norms |q̃| = |k̃| = these in turn: kernels from exp(−3600) to exp(+7000) at norm 60.
AttentionProblem hostile(const std::vector<double>& query_norms, const std::vector<double>& key_norms,
                         Mask mask, Index keys = 7) {
  const Index queries = mask == Mask::causal ? keys : 3;
  Matrix Q = normal_matrix(82, 1, queries, 5), K = normal_matrix(82, 2, keys, 5);
  for (Index i = 0; i < queries; ++i)
    Q.row(i) *= query_norms[static_cast<std::size_t>(i) % query_norms.size()] / Q.row(i).norm();
  for (Index j = 0; j < keys; ++j)
    K.row(j) *= key_norms[static_cast<std::size_t>(j) % key_norms.size()] / K.row(j).norm();
  return make_problem(Q, K, normal_matrix(82, 3, keys, 2), mask, 1.0);
}

// An exponent of size up to ~5000 is rounded by 5000 · 2⁻⁵³ · a few; a weight by that in relative terms.
constexpr double kHostileTolerance = 1e-10;

void expect_finite_and_right(const AttentionProblem& problem, const std::string& what) {
  for (const NaiveRatio& map : positive_maps()) {
    const auto estimate = draw_once(name_of(map), problem, {kHouseDraws}, kHome).back();
    const auto expected = naive_answer(map, problem, kHouseDraws, kHome);
    const Matrix found = ratio(estimate);
    EXPECT_TRUE(found.allFinite()) << name_of(map) << ", " << what;
    EXPECT_LE((found - expected.ratio).cwiseAbs().maxCoeff(), kHostileTolerance)
        << name_of(map) << ", " << what;
    const Vector log_denominator = estimate.denominator.array().log().matrix() + estimate.log_scale;
    EXPECT_LE((log_denominator - expected.log_denominator).cwiseAbs().maxCoeff(), kHostileTolerance)
        << name_of(map) << ", " << what;
  }
}

TEST(FeaturePassRange, PositiveMapsAreRightAtHostileNorms) {
  expect_finite_and_right(hostile({60.0}, {60.0}, Mask::none), "60 and 60");
  expect_finite_and_right(hostile({1.0}, {60.0}, Mask::none), "1 and 60");
  expect_finite_and_right(hostile({60.0}, {1.0}, Mask::none), "60 and 1");
  expect_finite_and_right(hostile({60.0, 0.01, 5.0}, {60.0, 1.0, 20.0, 0.1}, Mask::none), "mixed");
  expect_finite_and_right(hostile({60.0, 0.01, 5.0}, {60.0, 1.0, 20.0, 0.1}, Mask::none, 300),
                          "mixed, 300 keys");
}

// A query early in a block must not lose its keys to a later key of the same block, which it does not see.
TEST(FeaturePassRange, PositiveMapsAreRightAtHostileNormsUnderTheCausalMask) {
  expect_finite_and_right(hostile({60.0}, {60.0}, Mask::causal), "60 and 60");
  expect_finite_and_right(hostile({1.0}, {60.0, 1.0}, Mask::causal), "a small key after a large one");
  expect_finite_and_right(hostile({60.0}, {60.0, 1.0}, Mask::causal), "the same for a large query");
  expect_finite_and_right(hostile({60.0, 0.01, 5.0}, {60.0, 40.0, 20.0, 10.0, 5.0, 1.0, 0.1}, Mask::causal),
                          "falling");
  expect_finite_and_right(hostile({60.0, 0.01, 5.0}, {60.0, 1.0, 20.0, 0.1}, Mask::causal, 300),
                          "mixed, 300 keys");
}

TEST(FeaturePassRange, FloatsAreRightWhereOneKeyDwarfsAnother) {
  for (const Mask mask : {Mask::none, Mask::causal}) {
    const AttentionProblem problem = hostile({3.0, 1.0}, {15.0, 1.0, 9.0}, mask);
    for (const NaiveRatio& map : positive_maps()) {
      const auto estimate = draw_once(name_of(map), problem, {kHouseDraws}, kHome, Precision::float32).back();
      const Matrix found = ratio(estimate);
      EXPECT_TRUE(found.allFinite()) << name_of(map);
      // Exponents up to 150 in size, a dozen roundings of 2⁻²⁴ each.
      EXPECT_LE((found - naive_answer(map, problem, kHouseDraws, kHome).ratio).cwiseAbs().maxCoeff(),
                150.0 * 12.0 * 0x1p-24 * problem.V.cwiseAbs().maxCoeff())
          << name_of(map);
    }
  }
}

// In float an exponent w·x − |x|²/2 is a sum of d + 2 roundings of terms up to E; a weight moves by (d + 4) E
// u, a ratio by twice that times the largest value. Signed maps divide by what is left of the denominator.
TEST(FeaturePassRange, FloatsFollowDoublesWithinTheirRounding) {
  const AttentionProblem problem = house_problem(83, {.spread = 0.5});
  for (const std::string name :
       {"performer", "performer:features=hyperbolic", "performer:features=regularized",
        "performer:projection=orthogonal", "rfa", "rmfa"}) {
    const auto exact = draw_once(name, problem, {kHouseDraws, 131}, kHome);
    const auto rounded = draw_once(name, problem, {kHouseDraws, 131}, kHome, Precision::float32);
    for (std::size_t i = 0; i < exact.size(); ++i) {
      const Vector size = exact[i].denominator.cwiseAbs();
      const Vector scaled =
          (rounded[i].denominator.array() * (rounded[i].log_scale - exact[i].log_scale).array().exp());
      const double draws = i == 0 ? 11.0 : 131.0;
      // Maclaurin products and sines sum to less than their parts, of which there are draws · keys · 2.
      const double parts = name[0] == 'p' ? 1.0 : draws * 7.0 * 2.0;
      for (Index q = 0; q < 3; ++q)
        EXPECT_NEAR(scaled(q), exact[i].denominator(q), 100.0 * 0x1p-24 * (size(q) + parts)) << name;
    }
  }
}

TEST(FeaturePass, CentringTheKeysMovesTheEstimateButNotTheTarget) {
  AttentionProblem problem = house_problem(84);
  problem.K.rowwise() += normal_matrix(84, 9, 1, 5).row(0);
  for (const std::string name : {"performer", "rfa"}) {
    const auto plain = make_estimator(name), centred = make_estimator(name + ":center=keys");
    EXPECT_EQ(plain->target(problem), exact_attention(problem).output);
    EXPECT_EQ(centred->target(problem), exact_attention(problem).output);
    const Matrix found = ratio(draw_once(*centred, problem, {kHouseDraws}, kHome).back());
    EXPECT_GT((found - ratio(draw_once(*plain, problem, {kHouseDraws}, kHome).back())).cwiseAbs().maxCoeff(),
              1e-3);
    const NaiveRatio naive{name == "rfa" ? "trigonometric" : "positive", "iid", true};
    EXPECT_TRUE(found.isApprox(naive_answer(naive, problem, kHouseDraws, kHome).ratio, 1e-12)) << name;
  }
}

// A shift common to all keys changes nothing about a centred estimate.
TEST(FeaturePass, CentredKeysForgetWhatTheyShare) {
  const AttentionProblem problem = house_problem(85);
  AttentionProblem shifted = problem;
  shifted.K.rowwise() += 2.0 * normal_matrix(85, 9, 1, 5).row(0);
  for (const std::string_view name : {"performer:center=keys", "rfa:center=keys", "rmfa:center=keys"}) {
    const auto a = draw_once(name, problem, {kHouseDraws}, kHome).back();
    const auto b = draw_once(name, shifted, {kHouseDraws}, kHome).back();
    EXPECT_TRUE(ratio(a).isApprox(ratio(b), 1e-11)) << name;
  }
}

std::vector<std::string> every_ratio() {
  std::vector<std::string> names{"rfa", "rfa:projection=orthogonal", "rmfa", "rmfa:p=3"};
  for (const NaiveRatio& map : positive_maps()) names.push_back(name_of(map));
  return names;
}

// Equal keys have equal kernel estimates: the ratio is the mean value whatever was drawn.
TEST(FeaturePass, IsExactForEqualKeysInEveryDraw) {
  for (const Mask mask : {Mask::none, Mask::causal}) {
    AttentionProblem problem = house_problem(86, {}, mask);
    problem.K = problem.K.row(3).replicate(7, 1).eval();
    const Matrix expected = exact_attention(problem).output;
    for (const std::string& name : every_ratio())
      for (const std::uint32_t replicate : {0U, 1U, 2U, 3U})
        for (const AttentionEstimate& estimate : draw_once(name, problem, {2, 7, 64}, {81, 1, replicate})) {
          const Matrix found = ratio(estimate);
          for (Index i = 0; i < problem.queries(); ++i) {
            // Cancelling features of Maclaurin may leave a denominator of rounding alone: 0/0 by right.
            const double size = estimate.denominator.cwiseAbs().maxCoeff();
            if (std::abs(estimate.denominator(i)) < 1e-6 * size) continue;
            EXPECT_LE((found.row(i) - expected.row(i)).cwiseAbs().maxCoeff(), 1e-9) << name;
          }
        }
  }
}

TEST(FeaturePass, DoesNotSeeTheOrderOfTheKeys) {
  const AttentionProblem problem = house_problem(87, {.keys = 131, .spread = 0.7});
  std::vector<Index> order(131);
  std::iota(order.begin(), order.end(), Index{0});
  std::rotate(order.begin(), order.begin() + 40, order.end());
  std::swap(order[3], order[77]);
  AttentionProblem permuted = problem;
  permuted.K = problem.K(order, Eigen::all);
  permuted.V = problem.V(order, Eigen::all);
  for (const std::string& name : every_ratio()) {
    const auto a = draw_once(name, problem, {kHouseDraws}, kHome).back();
    const auto b = draw_once(name, permuted, {kHouseDraws}, kHome).back();
    const Vector shift = (b.log_scale - a.log_scale).array().exp();
    EXPECT_TRUE((shift.asDiagonal() * b.numerator).isApprox(a.numerator, 1e-11)) << name;
    EXPECT_TRUE((shift.asDiagonal() * b.denominator).isApprox(a.denominator, 1e-11)) << name;
  }
}

}  // namespace
}  // namespace attngap
