#include "estimators/denominator.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/exact_attention.hpp"
#include "estimators/mis_weights.hpp"
#include "estimators/projection.hpp"
#include "tests/house_problem.hpp"
#include "tests/snis_reference.hpp"
#include "tests/statistical_assertions.hpp"

#include <cmath>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace attngap {
namespace {

using testing::HasSubstr;
using testing_tools::draw_once;
using testing_tools::gaussian_expectation;
using testing_tools::house_problem;
using testing_tools::kHouseDraws;
using testing_tools::normal_matrix;
using testing_tools::ratio;
using testing_tools::sentence_of;
using testing_tools::sigma_limit;
using testing_tools::simulate;
using testing_tools::SnisReference;
using testing_tools::worst_sigma;

constexpr StreamAddress kAddress{3, 1, 4};
constexpr Index kProposals = 3;  // of 7 keys: chunks of 2, 2 and 3; of 3 queries: one each

Matrix mean_keys(const SnisReference& reference) {
  Matrix means(3, reference.K.cols());
  means << reference.K.topRows(2).colwise().mean(), reference.K.middleRows(2, 2).colwise().mean(),
      reference.K.bottomRows(3).colwise().mean();
  return means;
}

// The paper's tilt, from its formula.
Matrix paper_tilt(const SnisReference& reference) {
  Matrix r(3, 3);
  for (Index c = 0; c < 3; ++c) {
    r.col(c) = (reference.Q * reference.Q.row(c).transpose()).array().exp();
    r.col(c) /= r.col(c).sum();
  }
  return r.colwise() - r.rowwise().mean();
}

// q_c(w)/N(w; 0, I) of every proposal.
Vector densities(const Matrix& means, const Vector& w) {
  return (means * w - 0.5 * means.rowwise().squaredNorm()).array().exp();
}

// α_n at w, of every proposal.
Vector shares(const std::string& weights, const SnisReference& reference, const Matrix& means, Index n,
              const Vector& w) {
  if (weights == "constant") return Vector::Constant(means.rows(), 1.0 / static_cast<double>(means.rows()));
  const Vector q = densities(means, w);
  Vector alpha = q / q.sum();
  if (weights == "paper") alpha += paper_tilt(reference).row(n).transpose();
  return alpha;
}

// The coefficients m of [f 1] that the optimal weights have for a query, C×(p+1).
Matrix optimal_coefficients(const OptimalMisWeights& optimal, Index n, Index proposals) {
  Matrix coefficients(proposals, optimal.average().cols() + 1);
  for (Index c = 0; c < proposals; ++c) {
    const Matrix pilot = optimal.pilot_coefficients(Vector::Unit(proposals, c), {n, n + 1});
    coefficients.row(c) << pilot * optimal.average(), pilot.sum();
  }
  return coefficients;
}

// What proposal c adds to the unnormalised estimate of [A_n 1] at w.
Vector term(const std::string& weights, const SnisReference& reference, const Matrix& means, const Matrix& m,
            Index n, Index c, const Vector& w) {
  const Vector q = densities(means, w), f = reference.integrand(w);
  Vector integrand(f.size() + 1);
  integrand << reference.importance(n, w) * f, reference.importance(n, w);
  if (weights != "optimal") return shares(weights, reference, means, n, w)(c) / q(c) * integrand;
  return integrand / q.sum() + m.row(c).transpose() - m.transpose() * q / q.sum();
}

TEST(Lara, WithZeroMeansAndEqualWeightsIsRandomFeatureAttention) {
  const auto problem = house_problem(1);
  const SnisReference reference(problem);
  const Matrix expected = reference.random_feature_attention(proposal_noise(kAddress, {0, kHouseDraws}, 5));
  for (const char* text : {"lara:proposal=zero,weights=constant", "lara:proposal=zero"})
    EXPECT_LT((ratio(draw_once(text, problem, {kHouseDraws}, kAddress)[0]) - expected).norm(), 1e-12) << text;

  Matrix Omega(kHouseDraws, 5);  // and that is what performer computes from its own directions
  projection_named("iid").draw(kAddress, Omega);
  EXPECT_LT((ratio(draw_once("performer", problem, {kHouseDraws}, kAddress)[0]) -
             reference.random_feature_attention(Omega))
                .norm(),
            1e-12);
}

TEST(Lara, WithTheQuerysOwnMixtureAsProposalIsRandomizedAttention) {
  const auto problem = house_problem(2);
  const SnisReference reference(problem);
  Matrix expected(3, 2);
  for (Index n = 0; n < 3; ++n) {  // α = δ_nc: only proposal n counts, and p_n/q_n = 1
    const Vector w = reference.sampled_direction(kAddress, 0, n);
    double density = 0.0;  // of the mixture Σ π_m N(q + k_m, I), over N(0, I)
    for (Index m = 0; m < 7; ++m)
      density += reference.softmax(n)(m) * densities(reference.Q.row(n) + reference.K.row(m), w)(0);
    expected.row(n) = reference.importance(n, w) / density * reference.integrand(w);
  }
  EXPECT_LT((draw_once("ra", problem, {1}, kAddress)[0].numerator - expected).norm(), 1e-12);
}

// Where all keys weigh alike (q = 0) and every key has its proposal, N(k_c, I), their mixture is p_n: then α
// p_n/q_c is 1/C, h = 1, and LARA is Randomized Attention with each key drawn once, the mean of f(k_c + ε_c).
TEST(Lara, ReducesToRandomizedAttentionWhereTheMixtureOfItsProposalsIsItsDensity) {
  AttentionProblem problem = house_problem(14, {.queries = 1});
  problem.Q.setZero();
  const SnisReference reference(problem);
  const Matrix W = reference.K + proposal_noise(kAddress, {0, 7}, 5);
  Vector expected = Vector::Zero(2);
  for (Index c = 0; c < 7; ++c) expected += reference.integrand(W.row(c)) / 7.0;
  const AttentionEstimate drawn = draw_once("lara", problem, {7}, kAddress)[0];
  EXPECT_NEAR(drawn.denominator(0) * std::exp(drawn.log_scale(0)), 7.0, 1e-12);  // Z = Σ exp(0)
  EXPECT_LT((ratio(drawn).row(0).transpose() - expected).norm(), 1e-12);
  // With fewer proposals their mixture is another density.
  EXPECT_GT(std::abs(ratio(draw_once("lara", problem, {3}, kAddress)[0])(0, 0) - expected(0)), 1e-6);
}

TEST(Lara, IsItsFormulaPathwise) {
  const auto problem = house_problem(3);
  const SnisReference reference(problem);
  const Matrix means = reference.Q + mean_keys(reference);
  const Matrix W = means + proposal_noise(kAddress, {0, kProposals}, 5);
  for (const std::string weights : {"balance", "paper", "constant", "optimal"}) {
    const OptimalMisWeights optimal(PreparedRows<double>(problem), means);
    Matrix expected = Matrix::Zero(3, 3);
    for (Index n = 0; n < 3; ++n)
      for (Index c = 0; c < kProposals; ++c)
        expected.row(n) +=
            term(weights, reference, means, optimal_coefficients(optimal, n, kProposals), n, c, W.row(c))
                .transpose();
    const auto plain =
        draw_once("lara:normalized=none,weights=" + weights, problem, {kProposals}, kAddress)[0];
    EXPECT_LT((ratio(plain) - expected.leftCols(2)).norm(), 1e-11) << weights;
    const auto self = draw_once("lara:weights=" + weights, problem, {kProposals}, kAddress)[0];
    const Matrix divided = expected.col(2).cwiseInverse().asDiagonal() * expected.leftCols(2);
    EXPECT_LT((ratio(self) - divided).norm(), 1e-10 * (1.0 + divided.norm())) << weights;
  }
}

TEST(Lara, WeightsSumToOneEverywhereAndClampingBreaksThat) {
  const auto problem = house_problem(4);
  const SnisReference reference(problem);
  const PreparedRows<double> rows(problem);
  const Matrix means = reference.Q + mean_keys(reference);
  const Matrix W = normal_matrix(9, 2, 20, 5, 2.0);  // anywhere
  const Matrix balance = balance_heuristic(log_proposal_ratios(W, means));
  const Matrix tilt = query_tilt(rows, reference.Q, 1.0);
  EXPECT_LT((tilt - paper_tilt(reference)).norm(), 1e-12);
  EXPECT_LT((balance.rowwise().sum().array() - 1.0).matrix().norm(), 1e-12);
  double clamped = 0.0;
  for (Index n = 0; n < 3; ++n)
    for (Index r = 0; r < W.rows(); ++r) {
      const Eigen::RowVectorXd paper = balance.row(r) + tilt.row(n);
      EXPECT_NEAR(paper.sum(), 1.0, 1e-12);
      clamped = std::max(clamped, paper.cwiseMax(1e-8).sum());
    }
  EXPECT_GT(clamped, 1.05);

  const OptimalMisWeights optimal(rows, means);
  const Vector m = optimal_coefficients(optimal, 1, kProposals).col(2);
  for (Index r = 0; r < W.rows(); ++r) {
    const Vector q = densities(means, W.row(r)), of_each = m / reference.importance(1, W.row(r));
    const Vector alpha = q.array() / q.sum() + q.array() * (of_each.array() - of_each.dot(q) / q.sum());
    EXPECT_NEAR(alpha.sum(), 1.0, 1e-9 * alpha.cwiseAbs().sum());
  }
}

TEST(Lara, UnnormalizedIsUnbiasedByQuadratureForEveryWeight) {
  const auto problem = house_problem(5, {.head_dim = 1});
  const SnisReference reference(problem);
  const Matrix means = reference.Q + mean_keys(reference), exact = exact_attention(problem).output;
  const OptimalMisWeights optimal(PreparedRows<double>(problem), means);
  for (const std::string weights : {"balance", "paper", "constant", "optimal"})
    for (Index n = 0; n < 3; ++n) {
      const Matrix m = optimal_coefficients(optimal, n, kProposals);
      Vector mean = Vector::Zero(3);
      for (Index c = 0; c < kProposals; ++c)
        mean += gaussian_expectation(means.row(c).transpose(), 1.0, [&](const Vector& w) {
          return term(weights, reference, means, m, n, c, w);
        });
      EXPECT_LT((mean.head(2).transpose() - exact.row(n)).norm(), 1e-10) << weights;
      EXPECT_NEAR(mean(2), 1.0, 1e-10) << weights;
    }
}

// Exact variance of the unnormalised estimate of column j of [A_n 1], with coefficients m where optimal.
double variance(const std::string& weights, const SnisReference& reference, const Matrix& means,
                const Matrix& m, Index n, Index j) {
  double total = 0.0;
  for (Index c = 0; c < means.rows(); ++c) {
    const Vector moments = gaussian_expectation(means.row(c).transpose(), 1.0, [&](const Vector& w) {
      const double x = term(weights, reference, means, m, n, c, w)(j);
      return testing_tools::vector_of({x, x * x});
    });
    total += moments(1) - moments(0) * moments(0);
  }
  return total;
}

TEST(Lara, OptimalWeightsHaveTheLeastVariance) {
  const auto problem = house_problem(6, {.head_dim = 1});
  const SnisReference reference(problem);
  const Matrix means = reference.Q + mean_keys(reference);
  const OptimalMisWeights optimal(PreparedRows<double>(problem), means);
  // G m = B by quadrature under N(0, 1)
  const auto density = [&](const Vector& w) { return densities(means, w); };
  for (Index n = 0; n < 3; ++n) {
    Matrix G(3, 3), B(3, 3);
    for (Index c = 0; c < 3; ++c) {
      G.row(c) = gaussian_expectation(Vector::Zero(1), 1.0, [&](const Vector& w) -> Vector {
        return density(w) * density(w)(c) / density(w).sum();
      });
      B.row(c) = gaussian_expectation(Vector::Zero(1), 1.0, [&](const Vector& w) -> Vector {
        return term("balance", reference, means, G, n, c, w) * density(w)(c);
      });
    }
    const Matrix exact = Eigen::MatrixXd(G).completeOrthogonalDecomposition().solve(Eigen::MatrixXd(B));
    for (Index j = 0; j < 3; ++j) {
      const double least = variance("optimal", reference, means, exact, n, j);
      EXPECT_LT(least, variance("balance", reference, means, exact, n, j));
      EXPECT_LT(least, variance("paper", reference, means, exact, n, j));
      for (Index c = 0; c < 3; ++c) {
        Matrix moved = exact;
        moved(c, j) += 0.1;
        EXPECT_GT(variance("optimal", reference, means, moved, n, j), least);
      }
      // What the pilot sample costs. Its coefficients are near the best, and the variance is flat there.
      EXPECT_LT(variance("optimal", reference, means, optimal_coefficients(optimal, n, 3), n, j),
                variance("balance", reference, means, exact, n, j));
    }
  }
}

TEST(Lara, UnnormalizedIsUnbiasedInSimulationAndReleasedFormsAreNot) {
  const auto problem = house_problem(7, {.spread = 0.7});
  const Matrix exact = exact_attention(problem).output;
  for (const char* weights : {"balance", "paper", "optimal"}) {
    const std::string text = std::string("lara:normalized=none,weights=") + weights;
    EXPECT_LE(worst_sigma(simulate(text, problem, kProposals, 20'000, exact), exact), sigma_limit()) << text;
  }
  EXPECT_LE(
      worst_sigma(simulate("lara:normalized=none,draws=2,antithetic=on", problem, 3, 20'000, exact), exact),
      sigma_limit());
  // The noise of deviation 5^(-1/4) = 0.67 is caught, and so are weights that sum to more than one.
  for (const char* departure : {"noise=released", "weights=paper,clamp=on,coefficient=2"})
    EXPECT_GT(
        worst_sigma(simulate(std::string("lara:normalized=none,") + departure, problem, 3, 20'000, exact),
                    exact),
        2.0 * sigma_limit())
        << departure;
}

TEST(Lara, SelfNormalizedApproachesSoftmaxWithTheDrawsUnlessDeterministicOrTooNarrow) {
  const auto problem = house_problem(8, {.spread = 0.7});
  const Matrix exact = exact_attention(problem).output;
  const auto error = [&](const std::string& text) { return simulate(text, problem, 3, 20, exact).mse; };
  EXPECT_LT(error("lara:draws=4000"), 0.01 * error("lara:draws=4"));
  EXPECT_GT(error("lara:draws=4000,noise=released"), 10.0 * error("lara:draws=4000"));
  EXPECT_GT(error("lara:draws=4000,deterministic=on"), 10.0 * error("lara:draws=4000"));
  EXPECT_EQ(draw_once("lara:deterministic=on", problem, {3}, {1, 2, 3})[0].numerator,
            draw_once("lara:deterministic=on", problem, {3}, {4, 5, 6})[0].numerator);
}

TEST(Lara, KeyWeightsSumToNumeratorAndDenominator) {
  for (const Mask mask : {Mask::none, Mask::causal}) {
    const auto problem = house_problem(9, {}, mask);
    const Vector log_normalizer = exact_attention(problem).log_normalizer;
    for (const std::string weights : {"balance", "paper", "optimal", "constant"}) {
      if (mask == Mask::causal && weights == "optimal") continue;
      const auto estimator = make_estimator("lara:draws=2,antithetic=on,weights=" + weights);
      const auto estimate = draw_once(*estimator, problem, {kProposals}, kAddress)[0];
      for (Index n = 0; n < problem.queries(); ++n) {
        const KeyWeights keys = estimator->key_weights(problem, n, kProposals, kAddress);
        const double units = std::exp(estimate.log_scale(n) - log_normalizer(n));
        EXPECT_NEAR(keys.drawn.sum(), units * estimate.denominator(n), 1e-11) << weights;
        EXPECT_LT((keys.drawn.transpose() * problem.V.topRows(keys.drawn.size()) -
                   units * estimate.numerator.row(n))
                      .norm(),
                  1e-11)
            << weights;
        EXPECT_NEAR(keys.expected.sum(), 1.0, 1e-12);
      }
    }
  }
}

TEST(Lara, ACausalQueryGivesNoWeightToAFutureValue) {
  auto problem = house_problem(10, {}, Mask::causal);
  const Matrix before = ratio(draw_once("lara", problem, {kProposals}, kAddress)[0]);
  problem.V.bottomRows(2).setConstant(100.0);
  const Matrix after = ratio(draw_once("lara", problem, {kProposals}, kAddress)[0]);
  EXPECT_EQ(before.topRows(5), after.topRows(5));
  EXPECT_NE(before.row(6), after.row(6));
  EXPECT_THAT(sentence_of([&] { make_estimator("lara:weights=optimal")->check(problem); }),
              HasSubstr("causal"));
}

TEST(Lara, TakesMoreProposalsThanTokensAndHostileNorms) {
  const auto estimate = draw_once("lara", house_problem(11), {5, 40}, kAddress);
  EXPECT_TRUE(ratio(estimate[0]).allFinite() && ratio(estimate[1]).allFinite());
  EXPECT_TRUE(ratio(draw_once("lara", house_problem(12, {.spread = 100.0}), {3}, kAddress)[0]).allFinite());
}

}  // namespace
}  // namespace attngap
