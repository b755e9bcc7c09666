#include "estimators/feature_pass.hpp"

#include "estimators/ensemble.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/exact_attention.hpp"
#include "tests/house_problem.hpp"
#include "tests/naive_pass.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace attngap {
namespace {

using testing_tools::draw_once;
using testing_tools::house_problem;
using testing_tools::HouseSizes;
using testing_tools::kHouseDraws;
using testing_tools::naive_answer;
using testing_tools::NaiveRatio;
using testing_tools::normal_matrix;
using testing_tools::ratio;

constexpr StreamAddress kHome{71, 2, 5};

struct Case {
  std::string estimator;
  NaiveRatio naive;
};

std::vector<Case> gaussian_cases() {
  std::vector<Case> cases;
  for (const std::string_view projection : {"iid", "orthogonal"}) {
    const std::string law = "projection=" + std::string(projection);
    cases.push_back({"rfa:" + law, {"trigonometric", projection}});
    for (const std::string_view features : {"positive", "hyperbolic", "regularized"})
      cases.push_back({"performer:features=" + std::string(features) + "," + law, {features, projection}});
  }
  return cases;
}

std::vector<std::string> all_estimators() {
  std::vector<std::string> names{"rmfa", "rmfa:p=3"};
  for (const Case& c : gaussian_cases()) names.push_back(c.estimator);
  return names;
}

// The error of a ratio relative to its size, or to that of the values where the ratio is near zero.
double relative_distance(const Matrix& found, const Matrix& expected) {
  return ((found - expected).array().abs() / (expected.array().abs() + 1.0)).maxCoeff();
}

void expect_bits(const AttentionEstimate& a, const AttentionEstimate& b, const std::string& what) {
  EXPECT_TRUE(a.numerator == b.numerator && a.denominator == b.denominator && a.log_scale == b.log_scale)
      << what << " differs by up to " << (a.numerator - b.numerator).cwiseAbs().maxCoeff();
}

// Rows of a problem's queries, with their places in the sequence.
AttentionProblem at_queries(const AttentionProblem& problem, const std::vector<Index>& rows) {
  AttentionProblem chosen = problem;
  chosen.Q = problem.Q(rows, Eigen::all);
  chosen.positions.clear();
  for (const Index i : rows) chosen.positions.push_back(problem.positions[static_cast<std::size_t>(i)]);
  return chosen;
}

// The whole pass, held against two loops at some of its queries.
void expect_naive(const AttentionProblem& problem, Index draws, const std::vector<Index>& rows,
                  double tolerance) {
  for (const Case& c : gaussian_cases()) {
    const auto estimate = draw_once(c.estimator, problem, {draws}, kHome).back();
    const auto expected = naive_answer(c.naive, at_queries(problem, rows), draws, kHome);
    EXPECT_LE(relative_distance(ratio(estimate)(rows, Eigen::all), expected.ratio), tolerance) << c.estimator;
    const Vector found = estimate.denominator.array().abs().log().matrix() + estimate.log_scale;
    EXPECT_LE((found(rows) - expected.log_denominator).cwiseAbs().maxCoeff(), tolerance) << c.estimator;
  }
}

TEST(FeaturePass, EqualsTwoLoopsAtTheHouseSizes) {
  expect_naive(house_problem(1), kHouseDraws, {0, 1, 2}, 1e-12);
}

TEST(FeaturePass, EqualsTwoLoopsUnderTheCausalMask) {
  const AttentionProblem problem = house_problem(2, {}, Mask::causal);
  expect_naive(problem, kHouseDraws, {0, 1, 2, 3, 4, 5, 6}, 1e-12);
  expect_naive(sample_queries(problem, 3), kHouseDraws, {0, 1, 2}, 1e-12);
}

// Blocks of 128 rows and panels of 64 directions, crossed and cut.
TEST(FeaturePass, EqualsTwoLoopsAcrossBlocksAndPanels) {
  expect_naive(house_problem(3, {.queries = 131, .keys = 300, .spread = 0.7}), 131, {0, 63, 127, 128, 130},
               1e-11);
}

TEST(FeaturePass, EqualsTwoLoopsAcrossCausalBlocksAndPanels) {
  const AttentionProblem problem = house_problem(4, {.keys = 300, .spread = 0.7}, Mask::causal);
  expect_naive(sample_queries(problem, 131), 131, {0, 1, 55, 56, 111, 130}, 1e-11);
}

TEST(FeaturePassControl, TheComparisonSeesOneDirectionLess) {
  const AttentionProblem problem = house_problem(1);
  const auto estimate = draw_once("performer", problem, {kHouseDraws}, kHome).back();
  EXPECT_GT(relative_distance(ratio(estimate), naive_answer({}, problem, kHouseDraws - 1, kHome).ratio),
            1e-6);
}

// Without a mask constants and linear features take a short cut through sums over the keys; under the causal
// mask, which at the last position sees every key too, each is evaluated.
TEST(FeaturePass, MaclaurinShortCutsEqualTheUnmergedFeatures) {
  for (const Index keys : {Index{7}, Index{300}})
    for (const std::string_view name : {"rmfa", "rmfa:p=3", "rmfa:p=1.3", "rmfa:center=keys"})
      for (const Index m : {1, 2, 3, 11, 64, 131, 700}) {
        AttentionProblem causal = house_problem(5, {.keys = keys, .spread = 0.6}, Mask::causal);
        AttentionProblem open = causal;
        open.mask = Mask::none;
        const auto a = draw_once(name, open, {m}, kHome).back();
        const auto b = draw_once(name, causal, {m}, kHome).back();
        const Index last = keys - 1;
        const double size =
            b.numerator.row(last).cwiseAbs().maxCoeff() + std::abs(b.denominator(last)) + 1e-3;
        EXPECT_NEAR(a.denominator(last), b.denominator(last), 1e-11 * size) << name << ", m = " << m;
        EXPECT_LE((a.numerator.row(last) - b.numerator.row(last)).cwiseAbs().maxCoeff(), 1e-11 * size)
            << name << ", m = " << m;
      }
}

// The largest relative distance of a query's numerator and denominator, in units of the kernel.
double distance(const AttentionEstimate& a, const AttentionEstimate& b) {
  const auto natural = [](const AttentionEstimate& e, double shift) {
    Matrix both(e.numerator.rows(), e.numerator.cols() + 1);
    both << e.numerator, e.denominator;
    for (Index i = 0; i < both.rows(); ++i) both.row(i) *= std::exp(e.log_scale(i) - shift);
    return both;
  };
  const double shift = a.log_scale.maxCoeff();
  const Matrix x = natural(a, shift), y = natural(b, shift);
  return ((x - y).rowwise().norm().array() / x.rowwise().norm().array()).maxCoeff();
}

TEST(FeaturePass, GivesEachPrefixWhatARunOfThatSizeGives) {
  const AttentionProblem open = house_problem(6, {.queries = 3, .keys = 131, .spread = 0.7});
  const AttentionProblem causal = house_problem(6, {.keys = 131, .spread = 0.7}, Mask::causal);
  const std::vector<Index> counts{3, 64, 100, 128, 512, 600};
  for (const std::string& name : all_estimators())
    for (const AttentionProblem* problem : {&open, &causal}) {
      const auto nested = draw_once(name, *problem, counts, kHome);
      ASSERT_EQ(nested.size(), counts.size());
      for (std::size_t i = 0; i < counts.size(); ++i) {
        const std::string what = name + ", m = " + std::to_string(counts[i]);
        EXPECT_LE(distance(draw_once(name, *problem, {counts[i]}, kHome).back(), nested[i]), 1e-12) << what;
        // What lies above a count does not touch it.
        const std::vector<Index> below(counts.begin(), counts.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        expect_bits(draw_once(name, *problem, below, kHome).back(), nested[i], what);
      }
      // A multiple of the panel cuts nothing: alone and nested are the same computation. 512 is one for both.
      const auto alone = draw_once(name, *problem, {512}, kHome).back();
      expect_bits(alone, draw_once(name, *problem, {512, 600}, kHome).front(), name);
    }
}

TEST(FeaturePass, SharingDirectionsChangesNoBit) {
  for (const Mask mask : {Mask::none, Mask::causal}) {
    const AttentionProblem problem = house_problem(7, {.keys = 131, .spread = 0.7}, mask);
    std::vector<std::string> names = all_estimators();
    names.insert(names.end(), {"zero", "mean-value", "exact", "performer:center=keys"});
    const std::vector<Index> counts{11, 64, 70};
    std::map<std::string, std::vector<AttentionEstimate>> alone;
    for (const auto& name : names) alone[name] = draw_once(name, problem, counts, kHome);
    for (int rotation = 0; rotation < 3; ++rotation) {
      std::rotate(names.begin(), names.begin() + 4, names.end());
      std::vector<std::unique_ptr<AttentionEstimator>> owned;
      std::vector<const AttentionEstimator*> together;
      for (const auto& name : names) {
        owned.push_back(make_estimator(name));
        together.push_back(owned.back().get());
      }
      const Ensemble ensemble(problem, together, counts, Precision::float64);
      std::map<std::string, std::size_t> visits;
      ensemble.sampler()->draw(kHome, [&](std::size_t which, std::size_t count, const AttentionEstimate& e) {
        expect_bits(e, alone[names[which]].at(count), names[which]);
        ++visits[names[which]];
      });
      for (const auto& name : names) EXPECT_EQ(visits[name], alone[name].size()) << name;
    }
  }
}

TEST(FeaturePass, OneWorkspaceDrawsTheSameAgainAfterOtherAddresses) {
  const AttentionProblem problem = house_problem(8);
  for (const std::string& name : all_estimators()) {
    const auto estimator = make_estimator(name);
    const std::vector<const AttentionEstimator*> group{estimator.get()};
    const auto plan = estimator->plan(problem, group, {kHouseDraws}, Precision::float64);
    const auto sampler = plan->sampler();
    std::vector<AttentionEstimate> seen;
    for (const std::uint32_t r : {5U, 6U, 5U})
      sampler->draw({71, 2, r}, [&](auto, auto, const AttentionEstimate& e) { seen.push_back(e); });
    expect_bits(seen[0], seen[2], name);
    EXPECT_NE(seen[0].denominator, seen[1].denominator) << name;
  }
}

}  // namespace
}  // namespace attngap
