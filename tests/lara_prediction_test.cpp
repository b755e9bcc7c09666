#include "analysis/moments.hpp"
#include "analysis/prediction.hpp"
#include "estimators/estimator_table.hpp"
#include "tests/house_problem.hpp"
#include "tests/quadrature.hpp"
#include "tests/statistical_assertions.hpp"

#include <array>
#include <cmath>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace attngap {
namespace {

using namespace testing_tools;

RatioPrediction predicted(const std::string& name, const AttentionProblem& problem, Index count) {
  const auto estimator = make_estimator(name);
  return PredictionsAt(*estimator, problem, {count}).at(0);
}

// h_m of one direction of N(μ, 1) in one dimension, times π_m' of none: its definition.
double control_variate(double q, double k, double Z, double mu, double w) {
  return std::exp(mu * mu / 2 - w * mu + q * w - q * q / 2 + k * w - k * k / 2) / Z;
}

struct OneDimension {
  Vector q, k, pi;
  double Z;
  Vector mu;  // of two proposals: keys 0 … 2 and 3 … 6, queries 0 and 1 … 2
};

OneDimension in_one_dimension(const AttentionProblem& problem, Index query) {
  OneDimension line{problem.scaled_queries().col(0), problem.scaled_keys().col(0), {}, 0.0, Vector(2)};
  const Index visible = problem.visible_keys(query);
  line.mu << line.q(0) + line.k.head(3).mean(), line.q.tail(2).mean() + line.k.tail(4).mean();
  line.k = line.k.head(visible).eval();
  line.pi = (line.q(query) * line.k).array().exp();
  line.Z = line.pi.sum();
  line.pi /= line.Z;
  return line;
}

// E h_m(w) h_m'(μ + s(w − μ)) averaged over the proposals, by adaptive quadrature: s = 1 one direction, s =
// −1 a direction and its mirror image.
Matrix by_quadrature(const OneDimension& line, double q, double s) {
  Matrix C = Matrix::Zero(line.k.size(), line.k.size());
  for (const double mu : line.mu)
    for (Index m = 0; m < C.rows(); ++m)
      for (Index other = 0; other < C.cols(); ++other)
        C(m, other) += 0.5 * normal_expectation([&](double noise) {
                         return control_variate(q, line.k(m), line.Z, mu, mu + noise) *
                                control_variate(q, line.k(other), line.Z, mu, mu + s * noise);
                       });
  return C;
}

// The definition: Cov h = (C − ππᵀ)/R of R directions, and with mirror images also (C₋ − ππᵀ)/R.
void expect_quadrature(const AttentionProblem& problem, Index query, bool antithetic, bool normalized) {
  const std::string name =
      fmt::format("lara:weights=constant,draws=3{}{}", antithetic ? ",antithetic=on" : "",
                  normalized ? "" : ",normalized=none");
  const RatioPrediction said = predicted(name, problem, 2);
  const OneDimension line = in_one_dimension(problem, query);
  const double q = line.q(query), R = antithetic ? 12.0 : 6.0;
  Matrix covariance = by_quadrature(line, q, 1.0) - line.pi * line.pi.transpose();
  if (antithetic) covariance += by_quadrature(line, q, -1.0) - line.pi * line.pi.transpose();
  Matrix Y = problem.V.topRows(line.pi.size());
  if (normalized) Y.rowwise() -= (line.pi.transpose() * Y).eval().row(0);
  const Vector variance = (Y.transpose() * covariance * Y).diagonal() / R;
  const Vector bias =
      normalized ? Vector(-(Y.transpose() * covariance.rowwise().sum()) / R) : Vector(Vector::Zero(2));
  EXPECT_LT((said.variance_at(2).row(query).transpose() - variance).norm(), 1e-10 * variance.norm() + 1e-25)
      << name;
  EXPECT_LE((said.bias_at(2).row(query).transpose() - bias).norm(), 1e-10 * bias.norm() + 1e-15) << name;
  EXPECT_NEAR(said.ew2_at(2)(query), 1.0 + covariance.sum(), 1e-10) << name;
  EXPECT_EQ(said.condition(query, 2), normalized ? "not-valid" : "ok");
}

TEST(PredictionOfLara, IsTheQuadratureOverItsProposals) {
  const AttentionProblem problem = house_problem(21, {3, 7, 1, 2, 0.6});
  for (Index query = 0; query < 3; ++query)
    for (const bool antithetic : {false, true})
      for (const bool normalized : {false, true}) expect_quadrature(problem, query, antithetic, normalized);
}

// Under a causal mask the proposals see all tokens, the sums only the past.
TEST(PredictionOfLara, UnderACausalMaskSumsOverThePast) {
  const AttentionProblem whole = house_problem(22, {7, 7, 1, 2, 0.6}, Mask::causal);
  const RatioPrediction said = predicted("lara:weights=constant,proposal=keys", whole, 1);
  AttentionProblem past = whole;
  past.mask = Mask::none;
  past.Q = whole.Q.row(4);
  past.K = whole.K.topRows(5);
  past.V = whole.V.topRows(5);
  const Vector k = past.scaled_keys().col(0);
  const double q = past.scaled_queries()(0, 0), mu = whole.scaled_keys().col(0).mean();
  OneDimension line{Vector::Constant(1, q), k, (q * k).array().exp(), 0.0, Vector::Constant(2, mu)};
  line.Z = line.pi.sum();
  line.pi /= line.Z;
  const Matrix C = by_quadrature(line, q, 1.0);
  const Matrix Y = past.V.rowwise() - (line.pi.transpose() * past.V).eval().row(0);
  const Vector variance = (Y.transpose() * C * Y).diagonal();
  EXPECT_LT((said.variance_at(1).row(4).transpose() - variance).norm(), 1e-10 * variance.norm());
  EXPECT_NEAR(said.ew2(4), C.sum(), 1e-10 * C.sum());
}

// Two blocks of keys: zero means are the ratio of positive features, for any number of proposals.
TEST(PredictionOfLara, OfStandardProposalsIsThatOfThePerformer) {
  const AttentionProblem problem = house_problem(5, {3, 150, 5, 2, 0.4});
  const RatioPrediction lara = predicted("lara:weights=constant,proposal=zero,draws=2", problem, 25);
  const RatioPrediction performer = predicted("performer", problem, 50);
  EXPECT_LT((lara.bias_at(25) - performer.bias_at(50)).norm(), 1e-11 * performer.bias_at(50).norm());
  EXPECT_LT((lara.variance_at(25) - performer.variance_at(50)).norm(),
            1e-11 * performer.variance_at(50).norm());
  EXPECT_LT((lara.ew2 - performer.ew2).norm(), 1e-11 * performer.ew2.norm());
  for (Index i = 0; i < 3; ++i) EXPECT_EQ(lara.condition(i, 25), performer.condition(i, 50));
}

// The first token sees itself alone: its weights vary as those of any other, and its error is zero.
TEST(PredictionOfLara, OfOneKeyHasItsWeightsAndNoError) {
  const AttentionProblem problem = house_problem(6, {4, 4, 5, 2, 0.4}, Mask::causal);
  const RatioPrediction lara = predicted("lara:weights=constant,proposal=zero", problem, 3);
  const double expected =
      std::exp((problem.scaled_queries().row(0) + problem.scaled_keys().row(0)).squaredNorm());
  EXPECT_NEAR(lara.ew2(0), expected, 1e-12 * expected);
  EXPECT_EQ(lara.condition(0, 1), "ok");
  EXPECT_TRUE((lara.bias_at(3).row(0).array() == 0.0).all());
  EXPECT_TRUE((lara.variance_at(3).row(0).array() == 0.0).all());
  EXPECT_GT(lara.variance_at(3)(1, 0), 0.0);
}

Moments simulated(const std::string& name, const AttentionProblem& problem, Index count,
                  std::uint32_t replicates) {
  const auto estimator = make_estimator(name);
  Moments moments;
  for (std::uint32_t r = 0; r < replicates; ++r)
    moments.add(ratio(draw_once(*estimator, problem, {count}, {23, 0, r}).back())(1, 0));
  return moments;
}

// The unnormalised estimate is a mean of draws: its variance is exact at any count.
TEST(PredictionOfLara, WithoutNormalisationIsTheVarianceOfItsDraws) {
  const AttentionProblem problem = house_problem(5, {3, 7, 5, 2, 0.2});
  for (const std::string antithetic : {"", ",antithetic=on"}) {
    const std::string name = "lara:weights=constant,normalized=none,draws=2" + antithetic;
    const double variance = predicted(name, problem, 3).variance_at(3)(1, 0);
    const Moments moments = simulated(name, problem, 3, 20'000);
    EXPECT_TRUE(variance_is(moments, variance)) << name;
    EXPECT_FALSE(variance_is(moments, 1.35 * variance)) << name;
    EXPECT_FALSE(variance_is(moments, variance / 1.35)) << name;
    EXPECT_TRUE(mean_is(moments, predicted(name, problem, 3).exact(1, 0)));
  }
}

// First order leaves out a few (E[W²])²/R of R directions, as for every ratio; the test allows five.
TEST(PredictionOfLara, IsThatOfSimulatedRatios) {
  const AttentionProblem problem = house_problem(5, {3, 7, 5, 2, 0.2});
  const std::string name = "lara:weights=constant,draws=40";
  const RatioPrediction said = predicted(name, problem, 3);
  EXPECT_EQ(said.condition(1, 3), "ok");
  const Moments moments = simulated(name, problem, 3, 6000);
  const auto agrees = [&](double variance) {
    const double allowed = sigma_limit() * moments.standard_error_of_variance() +
                           5.0 * said.ew2(1) * said.ew2(1) / 120.0 * variance;
    return std::abs(moments.variance() - variance) <= allowed;
  };
  const double variance = said.variance_at(3)(1, 0);
  EXPECT_TRUE(agrees(variance));
  EXPECT_FALSE(agrees(1.35 * variance));
  EXPECT_FALSE(agrees(variance / 1.35));
}

// Far keys whose factors overflow though the moments do not, and moments beyond a double.
TEST(PredictionOfLara, IsFiniteWhereItsMomentsAreAndInfiniteBeyond) {
  AttentionProblem far = house_problem(3, {3, 7, 5, 2, 0.01});
  far.K.rowwise() += Eigen::RowVectorXd::Constant(5, 40.0);
  for (const std::string antithetic : {"", ",antithetic=on"}) {
    const RatioPrediction near = predicted("lara:weights=constant,draws=100" + antithetic, far, 2);
    EXPECT_LT(near.ew2.maxCoeff(), 1.1);
    EXPECT_TRUE(near.variance_at(2).allFinite() && near.ew2_at(2).allFinite());
    EXPECT_EQ(near.condition(0, 2), "ok");
    for (const std::string normalized : {"self", "none"}) {
      const RatioPrediction beyond = predicted("lara:weights=constant,normalized=" + normalized + antithetic,
                                               house_problem(3, {3, 7, 5, 2, 60.0}), 2);
      EXPECT_TRUE(std::isinf(beyond.ew2.maxCoeff()));
      EXPECT_FALSE(beyond.variance_at(2).hasNaN() || beyond.bias_at(2).hasNaN());
      EXPECT_NE(beyond.condition(2), "ok");
    }
  }
}

// Two blocks of keys, and queries of which several share a pass. All queries make the proposals, whichever
// are asked for.
TEST(PredictionOfLara, AtSomeQueriesIsThatOfAllThere) {
  const AttentionProblem problem = house_problem(23, {11, 150, 5, 2, 0.4});
  for (const std::string more : {"", ",antithetic=on", ",normalized=none"}) {
    const auto estimator = make_estimator("lara:weights=constant,draws=2" + more);
    const RatioPrediction all = predict_lara(*estimator, problem, 7);
    const RatioPrediction some = predict_lara(*estimator, problem, 7, 3);
    ASSERT_EQ(some.exact.rows(), 3);
    for (Index i = 0; i < 3; ++i) {
      const Index of = 5 * i;
      EXPECT_EQ(some.exact.row(i), all.exact.row(of));
      EXPECT_LT((some.variance_at(7).row(i) - all.variance_at(7).row(of)).norm(),
                1e-13 * all.variance_at(7).row(of).norm());
      EXPECT_LE((some.bias_at(7).row(i) - all.bias_at(7).row(of)).norm(),
                1e-13 * all.bias_at(7).row(of).norm());
      EXPECT_NEAR(some.ew2(i), all.ew2(of), 1e-13 * all.ew2(of));
    }
  }
}

// l²(C + p)/2 multiplications a query: 49·(3 + 2 + 5 + 2)/2 = 294 for counts of 3 and 5, twice that with
// mirror images; 49·2/2 of positive features, whatever the counts.
TEST(PredictionOfLara, IsAtAsManyQueriesAsItsMultiplicationsReachFor) {
  const AttentionProblem problem = house_problem(24, {5, 7, 5, 2, 0.4});
  const auto asked = [&](const char* name, double most) {
    return PredictionsAt(*make_estimator(name), problem, {3, 5}, most).at(1).exact.rows();
  };
  const auto queries = [&](double most) { return asked("lara:weights=constant", most); };
  EXPECT_EQ(queries(1.0), 2);
  EXPECT_EQ(queries(3 * 294.0), 3);
  EXPECT_EQ(queries(3 * 294.0 - 1.0), 2);
  EXPECT_EQ(queries(1e12), 5);
  EXPECT_EQ(asked("lara:weights=constant,antithetic=on", 3 * 588.0), 3);
  EXPECT_EQ(asked("lara:weights=constant,antithetic=on", 3 * 588.0 - 1.0), 2);
  EXPECT_EQ(asked("performer", 3 * 49.0), 3);
  EXPECT_EQ(asked("performer", 3 * 49.0 - 1.0), 2);
  EXPECT_EQ(asked("performer:projection=orthogonal", 3 * 49.0), 2);
  EXPECT_EQ(asked("performer:features=regularized", 3 * 2622.0), 3);   // 49·(2 + 5 + 100)/2
  EXPECT_EQ(asked("rmfa:degrees=fixed,max-degree=2", 3 * 2622.0), 2);  // at each of the counts
  EXPECT_EQ(asked("eva", 1.0), 5);
}

// Over all parts of four of six queries the standard error squared is on average the variance of their mean,
// that of sampling without replacement, to rounding; without the factor 1 − 4/6 it is three times that.
TEST(PredictionOfLara, AveragedOverAPartHasTheStandardErrorOfAPart) {
  RatioPrediction whole = predicted("lara:weights=constant", house_problem(25, {6, 7, 5, 2, 0.4}), 3);
  const double mean = predicted_metrics(whole, 3)[1].estimated.value;
  EXPECT_TRUE(std::isnan(predicted_metrics(whole, 3)[1].estimated.std_error));
  double squares = 0.0, errors = 0.0;
  for (Index first = 0; first < 6; ++first)
    for (Index second = 0; second < first; ++second) {
      std::vector<Index> kept;
      for (Index i = 0; i < 6; ++i)
        if (i != first && i != second) kept.push_back(i);
      RatioPrediction part = whole;
      for (auto of :
           {&RatioPrediction::exact, &RatioPrediction::offset, &RatioPrediction::bias,
            &RatioPrediction::variance, &RatioPrediction::coupled_bias, &RatioPrediction::coupled_variance})
        part.*of = Matrix((whole.*of)(kept, Eigen::all));
      part.ew2 = Vector(whole.ew2(kept));
      part.coupled_ew2 = Vector(whole.coupled_ew2(kept));
      part.settled.setConstant(4, false);
      const Estimated said = predicted_metrics(part, 3, 6)[1].estimated;
      squares += (said.value - mean) * (said.value - mean) / 15.0;
      errors += said.std_error * said.std_error / 15.0;
      EXPECT_NEAR(said.high - said.value, student_t_quantile(0.975, 3.0) * said.std_error, 1e-12 * said.high);
      EXPECT_NEAR(said.value - said.low, said.high - said.value, 1e-12 * said.high);
    }
  EXPECT_NEAR(errors, squares, 1e-12 * squares);
}

TEST(PredictionOfLara, IsOnlyForConstantWeightsOfDrawsAsTheyAre) {
  for (const char* name : {"lara:weights=constant", "lara:weights=constant,proposal=half,draws=3",
                           "lara:weights=constant,normalized=none,antithetic=on"})
    EXPECT_EQ(why_unpredictable(*make_estimator(name)), "") << name;
  for (const char* name :
       {"lara", "lara:weights=paper", "lara:weights=optimal", "lara:weights=constant,noise=released",
        "lara:weights=constant,deterministic=on", "lara:weights=constant,denominator=abs"})
    EXPECT_GT(why_unpredictable(*make_estimator(name)).size(), 20U) << name;
}

}  // namespace
}  // namespace attngap
