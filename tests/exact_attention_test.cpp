#include "estimators/exact_attention.hpp"

#include "tests/house_problem.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include <boost/multiprecision/cpp_bin_float.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace attngap {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing_tools::house_problem;
using testing_tools::normal_matrix;
using testing_tools::sentence_of;

template <typename Real>
struct Answer {
  std::vector<std::vector<Real>> output;
  std::vector<Real> log_normalizer;
};

// Softmax as it is printed: every logit, its exponential, two sums.
template <typename Real>
Answer<Real> naive(const AttentionProblem& problem) {
  using std::exp;
  using std::log;
  Answer<Real> answer;
  for (Index i = 0; i < problem.queries(); ++i) {
    Real mass = 0;
    std::vector<Real> sums(static_cast<std::size_t>(problem.value_dim()), Real(0));
    const Index visible =
        problem.mask == Mask::none ? problem.keys() : problem.positions[static_cast<std::size_t>(i)] + 1;
    for (Index j = 0; j < visible; ++j) {
      Real logit = 0;
      for (Index c = 0; c < problem.head_dim(); ++c) logit += Real(problem.Q(i, c)) * Real(problem.K(j, c));
      const Real weight = exp(Real(problem.scale) * logit);
      mass += weight;
      for (std::size_t c = 0; c < sums.size(); ++c) sums[c] += weight * Real(problem.V(j, Index(c)));
    }
    for (Real& sum : sums) sum /= mass;
    answer.output.push_back(sums);
    answer.log_normalizer.push_back(log(mass));
  }
  return answer;
}

using Exact = boost::multiprecision::number<
    boost::multiprecision::cpp_bin_float<50, boost::multiprecision::digit_base_10, void, std::int64_t>>;

// A logit of d products is rounded by at most (d + 2)u Σ|scale q_c k_c| (Higham 2002, section 3.1, one more
// for the scale); a weight by that much in relative terms, an output by twice that (numerator and
// denominator) times the largest |v|, and both sums by l roundings more.
double logit_rounding(const AttentionProblem& problem) {
  const Matrix sizes = problem.scale * problem.Q.cwiseAbs() * problem.K.cwiseAbs().transpose();
  return static_cast<double>(problem.head_dim() + 2) * 0x1p-53 * sizes.maxCoeff();
}
double tolerance(const AttentionProblem& problem) {
  return 2.0 * (logit_rounding(problem) + static_cast<double>(problem.keys() + 3) * 0x1p-53);
}

template <typename Real>
void expect_equal(const AttentionProblem& problem, const Answer<Real>& reference) {
  const ExactAttention found = exact_attention(problem);
  const double allowed = tolerance(problem);
  const double largest = problem.V.cwiseAbs().maxCoeff();
  for (Index i = 0; i < problem.queries(); ++i) {
    const auto row = static_cast<std::size_t>(i);
    for (Index c = 0; c < problem.value_dim(); ++c)
      EXPECT_NEAR(found.output(i, c), static_cast<double>(reference.output[row][static_cast<std::size_t>(c)]),
                  allowed * largest)
          << "query " << i;
    const auto log_normalizer = static_cast<double>(reference.log_normalizer[row]);
    EXPECT_NEAR(found.log_normalizer(i), log_normalizer, allowed + 0x1p-51 * std::abs(log_normalizer))
        << "query " << i;
  }
}

// Queries and keys along one axis: the logits are ±size and everything between.
AttentionProblem with_logits_up_to(double size, Mask mask = Mask::none) {
  const Index n = 7;
  Matrix Q = 0.01 * normal_matrix(5, 1, n, 5), K = 0.01 * normal_matrix(5, 2, 7, 5);
  for (Index i = 0; i < n; ++i) Q(i, 0) += i % 2 == 0 ? size : -size;
  for (Index j = 0; j < 7; ++j) K(j, 0) += 1.0 - static_cast<double>(j) / 3.0;
  return make_problem(Q, K, normal_matrix(5, 3, 7, 2), mask, 1.0);
}

TEST(ExactAttention, EqualsADoubleLoop) {
  const AttentionProblem problem = house_problem(1);
  expect_equal(problem, naive<double>(problem));
}

TEST(ExactAttention, EqualsADoubleLoopUnderTheCausalMask) {
  const AttentionProblem problem = house_problem(2, {}, Mask::causal);
  expect_equal(problem, naive<double>(problem));
}

// Blocks are 64 queries and 256 keys: sizes on, just before and just behind their edges.
TEST(ExactAttention, EqualsADoubleLoopAtTheEdgesOfItsBlocks) {
  for (const Index keys : {255, 256, 257, 300, 515})
    for (const Index queries : {1, 63, 64, 65, 131}) {
      const AttentionProblem problem = house_problem(3, {.queries = queries, .keys = keys});
      expect_equal(problem, naive<double>(problem));
    }
}

TEST(ExactAttention, EqualsADoubleLoopAtSampledCausalQueries) {
  const AttentionProblem problem = house_problem(4, {.keys = 515}, Mask::causal);
  expect_equal(problem, naive<double>(problem));
  for (const Index count : {1, 2, 11, 100}) {
    const AttentionProblem sample = sample_queries(problem, count);
    expect_equal(sample, naive<double>(sample));
  }
}

TEST(ExactAttention, EqualsFiftyDigitsAtLogitsOfSevenHundred) {
  for (const Mask mask : {Mask::none, Mask::causal})
    for (const double size : {700.0, 7e4, 7e6}) {
      const AttentionProblem problem = with_logits_up_to(size, mask);
      expect_equal(problem, naive<Exact>(problem));
    }
}

TEST(ExactAttention, EqualsFiftyDigitsWhereHugeLogitsTie) {
  Matrix K = normal_matrix(6, 2, 7, 5);
  for (const Index j : {2, 3, 5, 6}) K.row(j) = K.row(1);
  const Matrix Q = 300.0 * normal_matrix(6, 1, 3, 5);
  const AttentionProblem problem = make_problem(Q, K, normal_matrix(6, 3, 7, 2));
  expect_equal(problem, naive<Exact>(problem));
}

TEST(ExactAttention, OfOneKeyIsItsValueWhateverTheLogit) {
  const Matrix V = normal_matrix(7, 3, 1, 2);
  const AttentionProblem problem =
      make_problem(1e3 * normal_matrix(7, 1, 3, 5), 1e3 * normal_matrix(7, 2, 1, 5), V);
  const Matrix output = exact_attention(problem).output;
  for (Index i = 0; i < 3; ++i) EXPECT_EQ(output.row(i), V.row(0));
}

TEST(ExactAttention, OfEqualKeysIsTheMeanValue) {
  const Matrix K = normal_matrix(8, 2, 1, 5).replicate(7, 1);
  const AttentionProblem problem = make_problem(normal_matrix(8, 1, 3, 5), K, normal_matrix(8, 3, 7, 2));
  const Matrix output = exact_attention(problem).output;
  const Matrix mean = problem.V.colwise().mean();
  for (Index i = 0; i < 3; ++i) EXPECT_TRUE(output.row(i).isApprox(mean.row(0), tolerance(problem)));
}

TEST(ExactAttention, DoesNotSeeTheOrderOfTheKeys) {
  const AttentionProblem problem = house_problem(9, {.keys = 300});
  std::vector<Index> order(300);
  std::iota(order.begin(), order.end(), Index{0});
  std::reverse(order.begin(), order.end());
  std::rotate(order.begin(), order.begin() + 101, order.end());
  AttentionProblem permuted = problem;
  permuted.K = problem.K(order, Eigen::all);
  permuted.V = problem.V(order, Eigen::all);
  const double allowed = tolerance(problem) * problem.V.cwiseAbs().maxCoeff();
  EXPECT_LE((exact_attention(permuted).output - exact_attention(problem).output).cwiseAbs().maxCoeff(),
            allowed);
}

// The ruler: the same comparison must see a scale that is off by 1e-9, and a mask that shows one key too
// many.
TEST(ExactAttentionControl, SeesAScaleOffByABillionth) {
  const AttentionProblem problem = house_problem(1);
  AttentionProblem wrong = problem;
  wrong.scale *= 1.0 + 1e-9;
  const auto reference = naive<Exact>(wrong);
  const Matrix found = exact_attention(problem).output;
  EXPECT_GT(std::abs(found(0, 0) - static_cast<double>(reference.output[0][0])),
            tolerance(problem) * problem.V.cwiseAbs().maxCoeff());
}

// Every sentence says where (the source), what (the array), the value, and the mend.
TEST(MakeProblem, SaysWhatIsWrongWithTheData) {
  const Matrix Q = normal_matrix(1, 1, 3, 5), K = normal_matrix(1, 2, 7, 5), V = normal_matrix(1, 3, 7, 2);
  const auto sentence = [](const Matrix& q, const Matrix& k, const Matrix& v, Mask mask = Mask::none,
                           std::optional<double> scale = std::nullopt) {
    return sentence_of([&] { make_problem(q, k, v, mask, scale, "head.npz"); });
  };
  EXPECT_THAT(sentence(Matrix(0, 5), K, V),
              AllOf(HasSubstr("head.npz"), HasSubstr("q has 0 rows"), HasSubstr("at least one")));
  EXPECT_THAT(sentence(Q, Matrix(0, 5), Matrix(0, 2)), AllOf(HasSubstr("head.npz"), HasSubstr("k has 0")));
  EXPECT_THAT(sentence(Matrix(3, 0), Matrix(7, 0), V), AllOf(HasSubstr("head.npz"), HasSubstr("0 columns")));
  EXPECT_THAT(sentence(Q, K, Matrix(7, 0)), AllOf(HasSubstr("head.npz"), HasSubstr("v has 0")));
  EXPECT_THAT(
      sentence(Q, normal_matrix(1, 2, 7, 4), V),
      AllOf(HasSubstr("head.npz"), HasSubstr("dimension 5"), HasSubstr("k has 4"), HasSubstr("must agree")));
  EXPECT_THAT(sentence(Q, K, normal_matrix(1, 3, 6, 2)),
              AllOf(HasSubstr("head.npz"), HasSubstr("k has 7 rows"), HasSubstr("v has 6"),
                    HasSubstr("every key needs its value")));
  EXPECT_THAT(sentence(Q, K, V, Mask::causal), AllOf(HasSubstr("head.npz"), HasSubstr("mask=causal"),
                                                     HasSubstr("q has 3"), HasSubstr("k has 7")));
  for (const double scale : {0.0, -1.0, std::numeric_limits<double>::infinity(), std::nan("")})
    EXPECT_THAT(sentence(Q, K, V, Mask::none, scale),
                AllOf(HasSubstr("head.npz"), HasSubstr("scale="), HasSubstr("positive and finite")));
  Matrix bad = K;
  bad(4, 2) = std::nan("");
  EXPECT_THAT(sentence(Q, bad, V),
              AllOf(HasSubstr("head.npz"), HasSubstr("k[4, 2] = nan"), HasSubstr("finite")));
  bad = V;
  bad(6, 1) = -std::numeric_limits<double>::infinity();
  EXPECT_THAT(sentence(Q, K, bad), AllOf(HasSubstr("v[6, 1] = -inf"), HasSubstr("must be finite")));
  bad = Q;
  bad(0, 4) = std::numeric_limits<double>::infinity();
  EXPECT_THAT(sentence(bad, K, V), HasSubstr("q[0, 4] = inf"));
  EXPECT_EQ(sentence(Q, K, V), "nothing was thrown");
}

TEST(MakeProblem, ScalesByOneOverTheRootOfTheHeadDimension) {
  const AttentionProblem problem = house_problem(1);
  EXPECT_DOUBLE_EQ(problem.scale, 1.0 / std::sqrt(5.0));
  const Matrix logits = problem.scaled_queries() * problem.scaled_keys().transpose();
  EXPECT_TRUE(logits.isApprox(problem.Q * problem.K.transpose() / std::sqrt(5.0), 1e-14));
}

TEST(SampleQueries, AreStrictlyIncreasingWithFirstAndLast) {
  const AttentionProblem problem = house_problem(1, {.queries = 37});
  for (Index count = 1; count < 37; ++count) {
    const AttentionProblem sample = sample_queries(problem, count);
    ASSERT_EQ(sample.queries(), count);
    EXPECT_EQ(sample.positions.front(), 0);
    EXPECT_EQ(sample.positions.back(), count > 1 ? 36 : 0);
    for (std::size_t i = 0; i < sample.positions.size(); ++i) {
      EXPECT_LT(i > 0 ? sample.positions[i - 1] : -1, sample.positions[i]);
      EXPECT_EQ(sample.Q.row(static_cast<Index>(i)), problem.Q.row(sample.positions[i]));
    }
  }
  EXPECT_EQ(sample_queries(problem, 37).queries(), 37);
  EXPECT_EQ(sample_queries(problem, 100).queries(), 37);
}

TEST(SampleQueries, OfASampleKeepTheirPlacesInTheSequence) {
  const AttentionProblem problem = house_problem(1, {.keys = 37}, Mask::causal);
  const AttentionProblem twice = sample_queries(sample_queries(problem, 10), 4);
  EXPECT_EQ(twice.positions, (std::vector<Index>{0, 12, 24, 36}));
  for (Index i = 0; i < 4; ++i)
    EXPECT_EQ(twice.visible_keys(i), twice.positions[static_cast<std::size_t>(i)] + 1);
}

TEST(SampleQueries, RefusesNone) {
  const AttentionProblem problem = house_problem(1);
  EXPECT_THAT(sentence_of([&] { sample_queries(problem, 0); }),
              AllOf(HasSubstr("queries = 0"), HasSubstr("at least 1")));
}

}  // namespace
}  // namespace attngap
