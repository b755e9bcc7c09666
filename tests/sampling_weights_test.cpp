// The weights of importance-sampling estimators, each computed once more by hand from its definition.

#include "analysis/eva_moments.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/key_pool.hpp"
#include "estimators/mis_weights.hpp"
#include "tests/house_problem.hpp"

#include <cmath>

#include <Eigen/LU>
#include <gtest/gtest.h>

namespace attngap {
namespace {

using testing_tools::draw_once;
using testing_tools::house_problem;
using testing_tools::normal_matrix;
using testing_tools::ratio;

constexpr StreamAddress kAddress{3, 1, 4};

// ξ(k_m, w) = exp(w·k_m − |k_m|²/2) of every key.
Vector positive_features(const Matrix& K, const Vector& w) {
  return (K * w - 0.5 * K.rowwise().squaredNorm()).array().exp();
}

// One proposal N(0, I): the two directions are w and −w, and the output is their weighted mean of f.
TEST(Lara, AntitheticDirectionsAreMirroredAboutTheMean) {
  const AttentionProblem problem = house_problem(11, {.spread = 0.7});
  const Matrix Q = problem.scaled_queries(), K = problem.scaled_keys();
  const Vector noise = proposal_noise(kAddress, {0, 1}, K.cols()).row(0);
  const Matrix output = ratio(draw_once("lara:proposal=zero,antithetic=on", problem, {1}, kAddress)[0]);
  for (Index i = 0; i < Q.rows(); ++i) {
    Eigen::RowVectorXd numerator = Eigen::RowVectorXd::Zero(problem.value_dim());
    double denominator = 0.0;
    for (const double sign : {1.0, -1.0}) {
      const Vector xi = std::exp(sign * Q.row(i).dot(noise)) * positive_features(K, sign * noise);
      numerator += xi.transpose() * problem.V;
      denominator += xi.sum();
    }
    EXPECT_LT((output.row(i) - numerator / denominator).norm(), 1e-13 * output.row(i).norm());
  }
}

// Of a sample of the queries the sum over all tokens' queries is the sample's times tokens per row.
TEST(QueryTilt, OfASampleOfQueriesItIsScaledToAllTokens) {
  const AttentionProblem whole = house_problem(12, {.queries = 9, .keys = 9});
  const AttentionProblem sample = sample_queries(whole, 3);
  const PreparedRows<double> rows(sample);
  const Matrix means = normal_matrix(5, 7, 2, 5);
  const Matrix tilt = query_tilt(rows, means, 1.5);
  Matrix share = (means * rows.Q.transpose()).array().exp();  // C×n
  for (Index c = 0; c < share.rows(); ++c) share.row(c) *= 1.5 * 3.0 / 9.0 / share.row(c).sum();
  Matrix expected = share.transpose();
  expected.colwise() -= expected.rowwise().mean().eval();
  EXPECT_LT((tilt - expected).norm(), 1e-14);
}

// m = G⁻¹ B with G and B averaged over the pilot sample: (1/J) Σ_r over J draws a proposal.
TEST(OptimalMisWeights, ItsCoefficientsSolveTheNormalEquationsOfThePilot) {
  const AttentionProblem problem = house_problem(13, {.spread = 0.6});
  const PreparedRows<double> rows(problem);
  const Matrix means = normal_matrix(6, 7, 2, 5, 0.5);
  const OptimalMisWeights weights(rows, means);
  const Matrix& pilot = weights.pilot();
  const double draws = static_cast<double>(pilot.rows()) / 2.0;
  const Matrix log_ratios = log_proposal_ratios(pilot, means);
  const Matrix balance = balance_heuristic(log_ratios);
  const Matrix G = balance.transpose() * balance / draws;
  const Vector excess = (Vector(2) << 0.3, -0.7).finished();
  const Matrix found = weights.pilot_coefficients(excess, {0, 3});
  KeyPool pool(rows, KeyPool::Bias::features);
  pool.start(pilot);
  pool.absorb({0, problem.keys()});
  for (Index i = 0; i < 3; ++i) {
    // p_n/Q at the pilot's directions, normalised to sum to one over them.
    Vector importance = pilot * rows.Q.row(i).transpose() + pool.log_mass() - log_mixture(log_ratios);
    importance = (importance.array() - importance.maxCoeff()).exp();
    importance /= importance.sum();
    const Vector m = balance * G.inverse() * excess;
    const Vector expected = importance.cwiseProduct(m);
    EXPECT_LT((found.row(i).transpose() - expected).norm(), 1e-11 * expected.norm());
  }
}

// With w = μ, one group of all keys and the proposal N(k̄, I): h_m = N(μ; 0, I)/N(μ; μ, I) ξ(q, μ) ξ(k_m,
// μ)/Z.
TEST(Eva, ItsKeyWeightsAreTheImportanceRatioTimesBothFeatures) {
  const AttentionProblem problem = house_problem(14, {.spread = 0.8});
  const Matrix Q = problem.scaled_queries(), K = problem.scaled_keys();
  const Vector mu = K.colwise().mean();
  const auto estimator = make_estimator("eva:window=0,proposal=keys,deterministic=on");
  for (Index i = 0; i < Q.rows(); ++i) {
    const Vector q = Q.row(i);
    const double Z = (K * q).array().exp().sum();
    const Vector expected =
        std::exp(-0.5 * mu.squaredNorm() + q.dot(mu) - 0.5 * q.squaredNorm()) / Z * positive_features(K, mu);
    const Vector drawn = estimator->key_weights(problem, i, 1, kAddress).drawn;
    EXPECT_LT((drawn - expected).norm(), 1e-13 * expected.norm());
  }
}

// One group is the whole estimate: its variance is the sample variance of the draws, over R − 1.
TEST(EvaMoments, OfOneGroupTheyAreThoseOfTheDrawsThemselves) {
  const AttentionProblem problem = house_problem(15, {.spread = 0.8});
  const auto estimator = make_estimator("eva:window=0");
  const OutputMoments moments = eva_moments(problem, estimator->spec(), 1, 3, 9);
  std::vector<Matrix> outputs;
  for (const std::uint32_t r : {0U, 1U, 2U})
    outputs.push_back(ratio(draw_once(*estimator, problem, {1}, {9, 0, r})[0]));
  const Matrix mean = (outputs[0] + outputs[1] + outputs[2]) / 3.0;
  Matrix variance = Matrix::Zero(mean.rows(), mean.cols());
  for (const Matrix& output : outputs) variance += (output - mean).cwiseAbs2() / 2.0;
  EXPECT_LT((moments.mean - mean).norm(), 1e-13 * mean.norm());
  EXPECT_LT((moments.variance - variance).norm(), 1e-12 * variance.norm());
  EXPECT_LT((moments.standard_error_of_mean - (variance / 3.0).cwiseSqrt()).norm(), 1e-12);
}

}  // namespace
}  // namespace attngap
