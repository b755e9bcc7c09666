#include "estimators/elementwise.hpp"
#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/truncation_certificate.hpp"
#include "tests/house_problem.hpp"

#include <functional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace attngap {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using Row = Eigen::RowVectorXd;

Matrix normal_matrix(Index rows, Index cols, double deviation, std::uint64_t seed) {
  return testing_tools::normal_matrix(seed, 0, rows, cols, deviation);
}

// 3 queries, 7 keys, 5 channels, or as many queries as keys under the causal mask. The scale is there to be
// ignored.
AttentionProblem house(double deviation, Mask mask = Mask::none) {
  return make_problem(normal_matrix(mask == Mask::causal ? 7 : 3, 5, deviation, 11),
                      normal_matrix(7, 5, deviation, 12), normal_matrix(7, 5, 1.0, 13), mask, 0.37);
}

AttentionEstimate only_estimate(const AttentionEstimator& estimator, const AttentionProblem& problem) {
  const AttentionEstimator* group[] = {&estimator};
  const auto plan = estimator.plan(problem, group, {}, Precision::float64);
  AttentionEstimate kept;
  plan->sampler()->draw({}, [&](std::size_t, std::size_t, const AttentionEstimate& e) { kept = e; });
  return kept;
}

TEST(ElementwiseEstimator, HoldsTheOutputOverADenominatorOfOne) {
  const AttentionProblem problem = house(0.6, Mask::causal);
  const auto full = make_estimator("elementwise"), truncated = make_estimator("elementwise:degree=6");
  for (const auto* estimator : {full.get(), truncated.get()}) {
    EXPECT_FALSE(estimator->random());
    EXPECT_TRUE(estimator->has_moments());
    EXPECT_EQ(estimator->target_name(), "full element-wise attention");
    EXPECT_EQ(estimator->target(problem), elementwise_attention(problem));
    EXPECT_EQ(only_estimate(*estimator, problem).denominator, Vector::Ones(7));
    EXPECT_EQ(only_estimate(*estimator, problem).log_scale, Vector::Zero(7));
  }
  EXPECT_EQ(only_estimate(*full, problem).numerator, elementwise_attention(problem));
  EXPECT_EQ(only_estimate(*truncated, problem).numerator, elementwise_taylor(problem, 6));
  EXPECT_EQ(truncated->dimension(16), 7);
  EXPECT_EQ(full->dimension(16), 0);
}

TEST(ElementwiseEstimator, TermsAreOneMoreThanTheDegree) {
  const auto terms = make_estimator("elementwise:terms=6"), degree = make_estimator("elementwise:degree=5");
  EXPECT_EQ(terms->spec().text(), "elementwise:degree=5");
  EXPECT_EQ(degree->spec().text(), "elementwise:degree=5");
  const AttentionProblem problem = house(0.6);
  EXPECT_EQ(only_estimate(*terms, problem).numerator, elementwise_taylor(problem, 5));
  EXPECT_EQ(make_estimator("elementwise:degree=none")->spec().text(), "elementwise");
  const auto single = make_estimator("elementwise:accumulate=float,terms=1");
  EXPECT_EQ(single->spec().text(), "elementwise:accumulate=float,degree=0");
  EXPECT_EQ(only_estimate(*single, problem).numerator, elementwise_taylor(problem, 0, Accumulation::float32));
}

std::string sentence_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const BadInput& error) {
    return error.what();
  }
  return "nothing was refused";
}

TEST(ElementwiseEstimator, RefusesWithTheReason) {
  const auto made = [](const char* text) { return sentence_of([text] { make_estimator(text); }); };
  EXPECT_THAT(made("elementwise:degree=6,terms=7"), AllOf(HasSubstr("degree=6"), HasSubstr("terms=7")));
  EXPECT_THAT(made("elementwise:degree=-1"), HasSubstr("-1"));
  EXPECT_THAT(made("elementwise:terms=0"), HasSubstr("at least 1"));
  EXPECT_THAT(made("elementwise:degree=2.5"), HasSubstr("2.5"));
  EXPECT_THAT(made("elementwise:degree=10001"), HasSubstr("10000"));
  EXPECT_THAT(made("elementwise:accumulate=half,degree=2"), HasSubstr("did you mean"));
  EXPECT_THAT(made("elementwise:accumulate=float"), HasSubstr("give degree"));

  const AttentionProblem narrow =
      make_problem(normal_matrix(3, 5, 1, 1), normal_matrix(7, 5, 1, 2), normal_matrix(7, 2, 1, 3));
  const auto estimator = make_estimator("elementwise:degree=2");
  EXPECT_THAT(sentence_of([&] { estimator->check(narrow); }),
              AllOf(HasSubstr("5 channels"), HasSubstr("v has 2")));
  EXPECT_THROW(elementwise_attention(narrow), BadInput);
  EXPECT_THROW(elementwise_taylor(narrow, 2), BadInput);
  EXPECT_THROW(elementwise_by_degree(narrow, 2), BadInput);
  EXPECT_THROW(channel_certificates(narrow, 2), BadInput);
  EXPECT_THROW(elementwise_by_degree(house(1.0), -1), BadInput);

  ElementwiseState state(5, 2);
  EXPECT_THROW(state.push(Row::Zero(4), Row::Zero(5)), BadInput);
  EXPECT_THROW(state.push(Row::Zero(5), Row::Zero(4)), BadInput);
  EXPECT_THROW(state.read(Row::Zero(1)), BadInput);
  EXPECT_THROW(state.read_degrees(Row::Zero(6)), BadInput);
  EXPECT_THROW(ElementwiseState(0, 2), BadInput);
  EXPECT_EQ(state.pushed(), 0);
}

}  // namespace
}  // namespace attngap
