#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/exact_attention.hpp"
#include "estimators/gate.hpp"
#include "estimators/kernel_attention.hpp"
#include "estimators/projection.hpp"
#include "estimators/ratio_estimator.hpp"
#include "tests/house_problem.hpp"
#include "tests/quadrature.hpp"
#include "tests/statistical_assertions.hpp"

#include <array>
#include <cmath>
#include <numbers>

#include <boost/math/constants/constants.hpp>
#include <boost/multiprecision/cpp_bin_float.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace attngap {
namespace {

using std::numbers::pi;
using testing::HasSubstr;
using testing_tools::chi_expectation;
using testing_tools::draw_once;
using testing_tools::house_problem;
using testing_tools::integral;
using testing_tools::normal_matrix;
using testing_tools::ratio;
using testing_tools::sentence_of;
using testing_tools::vector_of;

const RatioEstimator& as_ratio(const std::unique_ptr<AttentionEstimator>& estimator) {
  return dynamic_cast<const RatioEstimator&>(*estimator);
}

double relu(double x) {
  return std::max(x, 0.0);
}

// Vectors in a plane: w = r (cos α, sin α) with E r² = 2 and E r⁴ = 8, so that only the angle is left. The
// kinks are ends of intervals.
double planar(int power_of_r_squared, const std::vector<Vector>& kinks,
              const std::function<double(double)>& f) {
  std::vector<double> ends{-pi, pi};
  for (const Vector& x : kinks)
    for (const double turn : {0.5 * pi, -0.5 * pi})
      ends.push_back(std::remainder(std::atan2(x(1), x(0)) + turn, 2.0 * pi));
  std::sort(ends.begin(), ends.end());
  double sum = 0.0;
  for (std::size_t i = 1; i < ends.size(); ++i)
    if (ends[i] > ends[i - 1]) sum += integral(f, ends[i - 1], ends[i]);
  return (power_of_r_squared == 1 ? 2.0 : 8.0) * sum / (2.0 * pi);
}

double relu_at(double alpha, const Vector& x) {
  return relu(std::cos(alpha) * x(0) + std::sin(alpha) * x(1));
}

TEST(ArccosFeatures, HaveTheKernelAndPairMomentOfTheirFormulas) {
  const FeatureMap& map = feature_map_named("arccos");
  const std::vector<Vector> points{vector_of({1.2, 0.1}), vector_of({-0.4, 0.9}), vector_of({0.3, -0.8}),
                                   vector_of({-1.0, -0.2}), vector_of({0.6, 0.05})};
  for (const Vector& q : points)
    for (const Vector& k1 : points) {
      const double mean = planar(1, {q, k1}, [&](double a) { return relu_at(a, q) * relu_at(a, k1); });
      EXPECT_NEAR(map.kernel(q, k1), mean, 1e-12);
      for (const Vector& k2 : points) {
        const double moment = planar(2, {q, k1, k2}, [&](double a) {
          return std::pow(relu_at(a, q), 2) * relu_at(a, k1) * relu_at(a, k2);
        });
        EXPECT_NEAR(map.pair_moment(q, k1, k2), moment, 1e-10 * moment + 1e-14)
            << q.transpose() << " " << k1.transpose();
      }
    }
}

// k₁ = k₂: J₂ = 3 sin θ cos θ + (π − θ)(1 + 2 cos² θ), outside the plane too.
TEST(ArccosFeatures, HaveTheSecondMomentOfChoAndSaul) {
  const FeatureMap& map = feature_map_named("arccos");
  for (std::uint32_t which = 0; which < 5; ++which) {
    const Matrix rows = normal_matrix(301, which, 2, 5);
    const Vector x = rows.row(0), y = rows.row(1);
    const double theta = std::acos(x.dot(y) / (x.norm() * y.norm()));
    const double c = std::cos(theta);
    const double j2 = 3.0 * std::sin(theta) * c + (pi - theta) * (1.0 + 2.0 * c * c);
    const double expected = x.squaredNorm() * y.squaredNorm() * j2 / (2.0 * pi);
    EXPECT_NEAR(map.pair_moment(x, y, y), expected, 1e-12 * expected);
  }
}

// The fourth central moment of one direction's product, by quadrature over the angle of w in the plane and
// over the square of its length, of which the n-th power has the mean 2ⁿ n!.
TEST(ArccosFeatures, HaveTheKurtosisOfTheirLaw) {
  const FeatureMap& map = feature_map_named("arccos");
  for (const double theta : {0.0, 0.4, 1.3, 2.2, 3.0, 3.13}) {
    const Vector x = vector_of({1.3, 0.0}), y = vector_of({0.4 * std::cos(theta), 0.4 * std::sin(theta)});
    double moments[5] = {1.0};
    for (int n = 1; n <= 4; ++n) {
      const auto power = [&](double a) { return std::pow(relu_at(a, x) * relu_at(a, y), n); };
      moments[n] =
          std::pow(2.0, n) * std::tgamma(n + 1.0) * integral(power, theta - 0.5 * pi, 0.5 * pi) / (2.0 * pi);
    }
    const double mean = moments[1], variance = moments[2] - mean * mean;
    const double fourth =
        moments[4] - 4 * mean * moments[3] + 6 * mean * mean * moments[2] - 3 * std::pow(mean, 4);
    const double expected = fourth / (variance * variance);
    EXPECT_NEAR(map.kurtosis(x, y), expected, 1e-10 * expected) << theta;
    EXPECT_DOUBLE_EQ(map.kurtosis(x, y), map.kurtosis(2.0 * y, x));
  }
  const Vector x = vector_of({1.3, 0.0});
  EXPECT_TRUE(std::isnan(map.kurtosis(x, -x)));
  EXPECT_TRUE(std::isnan(map.kurtosis(x, 0.0 * x)));
}

// Nearly opposite vectors: J₁ and J₂ are of third and fifth order in π − θ, and are compared with 60 digits.
TEST(ArccosFeatures, KeepTheirDigitsWhereVectorsAreOpposite) {
  using Exact = boost::multiprecision::number<boost::multiprecision::cpp_bin_float<60>>;
  const FeatureMap& map = feature_map_named("arccos");
  for (const double opening : {1.0, 0.51, 0.49, 0.1, 1e-2, 1e-3, 1e-4}) {
    const Vector x = vector_of({1.3, 0.0}), y = vector_of({-std::cos(opening), std::sin(opening)});
    const Exact left = -Exact(y(0)), up = Exact(y(1)), angle = atan2(up, left);
    const Exact norms = Exact(x(0)) * sqrt(left * left + up * up), s = sin(angle), c = cos(angle);
    const Exact two_pi = 2 * boost::math::constants::pi<Exact>();
    const Exact mean = (s - angle * c) / two_pi, second = (angle * (1 + 2 * c * c) - 3 * s * c) / two_pi;
    const auto kernel = static_cast<double>(norms * mean);
    const auto variance = static_cast<double>(norms * norms * (second - mean * mean) / 7);
    EXPECT_NEAR(map.kernel(x, y), kernel, 1e-10 * kernel) << opening;
    EXPECT_NEAR(map.variance(x, y, 7), variance, 1e-10 * variance) << opening;
  }
}

using Exact = boost::multiprecision::number<boost::multiprecision::cpp_bin_float<100>>;
using ExactVector = std::array<Exact, 3>;

Exact dot(const ExactVector& x, const ExactVector& y) {
  return x[0] * y[0] + x[1] * y[1] + x[2] * y[2];
}
ExactVector across(const ExactVector& x, const ExactVector& y) {
  const Exact along = dot(x, y) / dot(y, y);
  return {x[0] - along * y[0], x[1] - along * y[1], x[2] - along * y[2]};
}

// E (X₀⁺)² X₁⁺ X₂⁺ by Stein's identity as for the pair moment far from opposite, in a hundred digits.
Exact pair_moment_in_many_digits(const std::array<ExactVector, 3>& x) {
  const Exact circle = boost::math::constants::two_pi<Exact>();
  const auto angle = [&](std::size_t i, std::size_t j) {
    return acos(dot(x[i], x[j]) / sqrt(dot(x[i], x[i]) * dot(x[j], x[j])));
  };
  const Exact orthant = Exact(1) / 2 - (angle(0, 1) + angle(1, 2) + angle(2, 0)) / (2 * circle);
  const auto boundary = [&](std::size_t a, std::size_t b, std::size_t c) {
    const ExactVector left_b = across(x[b], x[a]), left_c = across(x[c], x[a]);
    return (sqrt(dot(left_b, left_b)) + dot(left_b, left_c) / sqrt(dot(left_c, left_c))) /
           (2 * circle * sqrt(dot(x[a], x[a])));
  };
  const auto second = [&](std::size_t i, std::size_t j) {
    const std::size_t k = 3 - i - j;
    return Exact(dot(x[i], x[j]) * orthant + dot(x[i], x[i]) * boundary(i, j, k) +
                 dot(x[i], x[k]) * boundary(k, j, i));
  };
  return dot(x[0], x[0]) * second(1, 2) + dot(x[0], x[1]) * second(0, 2) + dot(x[0], x[2]) * second(0, 1);
}

// One key or both nearly opposite to the query, beside each other, across, and in its plane.
TEST(ArccosFeatures, KeepTheDigitsOfPairMomentsWhereKeysAreOpposite) {
  const FeatureMap& map = feature_map_named("arccos");
  const Vector q = vector_of({1.3, 0.2, -0.4});
  for (const double opening : {0.31, 0.29, 0.1, 1e-2, 1e-3, 1e-4})
    for (const Vector& off :
         {vector_of({0.3, 1.0, 0.2}), vector_of({-0.2, -0.9, 0.5}), vector_of({0.1, 0.8, 0.9})})
      for (const Vector& other : {vector_of({0.4, 0.3, 0.8}), vector_of({-0.9, 0.5, 0.3}),
                                  Vector(-0.7 * q + 0.6 * opening * vector_of({0.2, 0.3, 1.0}))}) {
        const Vector k = -0.8 * q + opening * off;
        std::array<ExactVector, 3> x;
        for (std::size_t i = 0; i < 3; ++i) {
          const auto at = static_cast<Index>(i);
          x[0][i] = q(at);
          x[1][i] = k(at);
          x[2][i] = other(at);
        }
        const auto expected = static_cast<double>(pair_moment_in_many_digits(x));
        EXPECT_NEAR(map.pair_moment(q, k, other), expected, 1e-10 * expected)
            << opening << " " << other.transpose();
        EXPECT_NEAR(map.pair_moment(q, other, k), expected, 1e-10 * expected);
      }
}

// d = 2: the second direction is ± the first turned by a right angle, and E r² = 2 for each.
TEST(ArccosFeatures, HaveTheOrthogonalPairMomentOfTwoDimensions) {
  const Vector x = vector_of({1.1, 0.2}), y = vector_of({0.5, 0.9});
  const auto product = [&](double a) { return relu_at(a, x) * relu_at(a, y); };
  const std::vector<Vector> kinks{x, y, vector_of({-x(1), x(0)}), vector_of({-y(1), y(0)})};
  const double expected = 0.5 * planar(1, kinks, [&](double a) {
                            return product(a) * (product(a + 0.5 * pi) + product(a - 0.5 * pi));
                          });
  EXPECT_NEAR(feature_map_named("arccos").orthogonal_pair_moment(x, y), 2.0 * expected, 2e-10 * expected);
}

TEST(RfaArccos, TargetsKernelisedAttention) {
  for (const Mask mask : {Mask::none, Mask::causal}) {
    const AttentionProblem problem = house_problem(302, {}, mask);
    const auto rfa = make_estimator("rfa:kernel=arccos");
    Matrix expected = Matrix::Zero(problem.queries(), 2);
    for (Index i = 0; i < problem.queries(); ++i) {
      double mass = 0.0;
      for (Index j = 0; j < problem.visible_keys(i); ++j) {
        const double k = as_ratio(rfa).map().kernel(problem.Q.row(i), problem.K.row(j));
        mass += k;
        expected.row(i) += k * problem.V.row(j);
      }
      expected.row(i) /= mass;
    }
    EXPECT_TRUE(rfa->target(problem).isApprox(expected, 1e-12));
  }
  EXPECT_THROW(make_estimator("rfa:kernel=arccos,center=keys"), BadInput);
  EXPECT_THROW(make_estimator("rfa:kernel=arccos,normalize=unit,sigma=2"), BadInput);
  EXPECT_THROW(make_estimator("rfa:sigma=2"), BadInput);
}

// E cos(w·z) is exp(−|z|²/2σ²) for w ~ N(0, σ⁻² I), and exp(−σ²|z|²/2) for the printed law N(0, σ² I).
TEST(RfaTemperature, HoldsForDirectionsOverSigmaAndFailsForThePrintedLaw) {
  const double sigma = 1.7, z = 0.8;
  const double target = std::exp(-0.5 * z * z / (sigma * sigma));
  const auto mean = [&](double spread) {
    return testing_tools::normal_expectation([&](double g) { return std::cos(spread * g * z); });
  };
  EXPECT_NEAR(mean(1.0 / sigma), target, 1e-12);
  EXPECT_GT(std::abs(mean(sigma) - target), 0.1);
}

TEST(RfaTemperature, TargetsSoftmaxOfUnitInputsWithItsFeatures) {
  const AttentionProblem problem = house_problem(303);
  const auto rfa = make_estimator("rfa:normalize=unit,sigma=0.8");
  Matrix expected = Matrix::Zero(3, 2);
  for (Index i = 0; i < 3; ++i) {
    double mass = 0.0;
    for (Index j = 0; j < 7; ++j) {
      const double cosine = problem.Q.row(i).normalized().dot(problem.K.row(j).normalized());
      const double weight = std::exp(cosine / 0.64);
      mass += weight;
      expected.row(i) += weight * problem.V.row(j);
    }
    expected.row(i) /= mass;
  }
  EXPECT_TRUE(rfa->target(problem).isApprox(expected, 1e-12));
  EXPECT_EQ(rfa->target_name(), "softmax of unit-normalised inputs at temperature 0.8");
  const Matrix far = ratio(draw_once(*rfa, problem, {60'000}, {1, 0, 0}).back());
  EXPECT_LT((far - expected).cwiseAbs().maxCoeff(), 0.1);
}

TEST(Gates, UnrollToTheRecurrence) {
  const Matrix keys = normal_matrix(304, 1, 7, 5);
  const Gates gates = linear_gates(keys, vector_of({0.3, -0.5, 1.0, 0.2, -0.9}), 0.4);
  double state = 0.0;
  const Vector x = normal_matrix(304, 2, 7, 1).col(0);
  for (Index t = 0; t < 7; ++t) {
    const double g = std::exp(gates.log_keep(t));
    EXPECT_NEAR(g, 1.0 / (1.0 + std::exp(-keys.row(t).dot(vector_of({0.3, -0.5, 1.0, 0.2, -0.9})) - 0.4)),
                1e-15);
    state = g * state + (1.0 - g) * x(t);
    const Vector weights = log_unrolled_weights(gates, t).array().exp();
    EXPECT_NEAR(weights.dot(x.head(t + 1)), state, 1e-14);
    // The form for all t at once differs by a factor common to all tokens.
    const Vector relative = log_relative_weights(gates).head(t + 1).array().exp();
    EXPECT_TRUE((relative / relative.sum()).isApprox(weights / weights.sum(), 1e-13));
  }
}

TEST(Gates, OfTheRunningMeanWeighTokensAlikeAndAConstantGateDoesNot) {
  const Gates gates = running_mean_gates(7);
  for (Index t = 0; t < 7; ++t)
    EXPECT_TRUE(log_unrolled_weights(gates, t).array().exp().matrix().isApprox(
        Vector::Constant(t + 1, 1.0 / static_cast<double>(t + 1)), 1e-14));
  const Vector constant = log_unrolled_weights(given_gates(Vector::Constant(7, 0.5)), 6);
  EXPECT_GT(constant(6) - constant(1), 1.0);
  EXPECT_THROW(given_gates(vector_of({0.5, 1.0})), BadInput);
  EXPECT_THROW(make_estimator("rfa:gate=constant:1"), BadInput);
  EXPECT_THROW(make_estimator("rfa:gate=constant"), BadInput);
}

// One estimate of every token from a state that is saved and taken up again in the middle.
Matrix recurrent(const RatioEstimator& estimator, const AttentionProblem& problem, Index draws,
                 const StreamAddress& address, const Gates* gates = nullptr) {
  const AttentionProblem seen = estimator.prepared(problem);
  const Matrix Q = seen.scaled_queries(), K = seen.scaled_keys();
  DecodingState state = estimator.decoding_state(problem, {draws}, address);
  Matrix output(problem.queries(), problem.value_dim());
  for (Index t = 0; t < problem.keys(); ++t) {
    if (t == 4) {
      const auto saved = state.save();
      state = estimator.decoding_state(problem, {draws}, address);
      state.restore(saved);
    }
    const TokenGate gate = gates == nullptr ? TokenGate{} : TokenGate{gates->log_keep(t), gates->log_take(t)};
    state.push(K.row(t), problem.V.row(t), gate);
    output.row(t) = ratio(state.read(Q.row(t)));
  }
  return output;
}

class EveryRatio : public testing::TestWithParam<const char*> {};

TEST_P(EveryRatio, IsTheSameTokenByTokenAcrossSegments) {
  const AttentionProblem problem = house_problem(305, {.spread = 0.7}, Mask::causal);
  const auto estimator = make_estimator(GetParam());
  const Matrix pass = ratio(draw_once(*estimator, problem, {11}, {2, 0, 1}).back());
  const Matrix tokens = recurrent(as_ratio(estimator), problem, 11, {2, 0, 1});
  const Gates mean = running_mean_gates(7);
  const Matrix gated = recurrent(as_ratio(estimator), problem, 11, {2, 0, 1}, &mean);
  for (Index i = 0; i < 7; ++i) {
    if (!pass.row(i).allFinite()) continue;  // 0/0 of arccos features
    EXPECT_LT((tokens.row(i) - pass.row(i)).norm(), 1e-12 * (1.0 + 1e2 * pass.row(i).norm()));
    EXPECT_LT((gated.row(i) - pass.row(i)).norm(), 1e-12 * (1.0 + 1e2 * pass.row(i).norm()));
  }
}

// Σ h_m v_m / Σ h_m is the draw's estimate, and the mean of the single directions its halves.
TEST_P(EveryRatio, HasKeyWeightsWhoseRatioIsTheEstimate) {
  for (const Mask mask : {Mask::none, Mask::causal}) {
    const AttentionProblem problem = house_problem(306, {.spread = 0.7}, mask);
    const auto estimator = make_estimator(GetParam());
    const Matrix pass = ratio(draw_once(*estimator, problem, {11}, {3, 0, 1}).back());
    const KeyWeights weights = estimator->key_weights(problem, 2, 11, {3, 0, 1});
    EXPECT_NEAR(weights.expected.sum(), 1.0, 1e-12);
    const Index keys = problem.visible_keys(2);
    const Eigen::RowVectorXd g = weights.drawn.transpose() * problem.V.topRows(keys);
    EXPECT_LT((g / weights.drawn.sum() - pass.row(2)).norm(), 1e-12 * (1.0 + 1e2 * pass.row(2).norm()));
    const Eigen::RowVectorXd halves = weights.direction_sums.colwise().mean();
    EXPECT_LT((halves.head(2) - g).norm() + std::abs(halves(2) - weights.drawn.sum()),
              1e-12 * (1.0 + g.norm()));
  }
}

INSTANTIATE_TEST_SUITE_P(Families, EveryRatio,
                         testing::Values("rfa", "rfa:normalize=unit,sigma=0.5", "rfa:kernel=arccos",
                                         "performer", "performer:features=hyperbolic,center=keys", "rmfa",
                                         "rmfa:known=linear,directions=gaussian",
                                         "rmfa:degrees=fixed,max-degree=3,known=constant",
                                         "rmfa:ppsbn=code,kernel=inverse,degrees=optimal"));

// The gates that come with the data are those of the recurrence.
TEST(GatedRfa, TakesTheGatesOfTheData) {
  AttentionProblem problem = house_problem(308, {.spread = 0.7}, Mask::causal);
  const auto given = make_estimator("rfa:gate=given"), constant = make_estimator("rfa:gate=constant:0.75");
  EXPECT_THAT(sentence_of([&] { given->check(problem); }), HasSubstr("0 gates for 7 keys"));
  problem.gates = Vector::Constant(7, 0.75);
  given->check(problem);
  const StreamAddress address{4, 0, 1};
  EXPECT_EQ(ratio(draw_once(*given, problem, {11}, address).back()),
            ratio(draw_once(*constant, problem, {11}, address).back()));
  EXPECT_EQ(given->target(problem), constant->target(problem));
  problem.gates(3) = 0.2;
  EXPECT_FALSE(given->target(problem).isApprox(constant->target(problem), 1e-6));
  EXPECT_EQ(sample_queries(problem, 3).gates, problem.gates);
  problem.gates(3) = 1.0;
  EXPECT_THAT(sentence_of([&] { given->check(problem); }), HasSubstr("gate 3 = 1"));
}

TEST(GatedRfa, IsTheRatioOfGatedWeightsAndTargetsGatedSoftmax) {
  const AttentionProblem problem = house_problem(307, {.spread = 0.7}, Mask::causal);
  const auto rfa = make_estimator("rfa:gate=linear:5");
  const Matrix drawn = ratio(draw_once(*rfa, problem, {3, 11}, {4, 0, 1}).back());
  const Gates gates = GateRule("linear:5").gates(problem, {0, problem.keys()}, problem.scaled_keys());
  EXPECT_TRUE(drawn.isApprox(recurrent(as_ratio(rfa), problem, 11, {4, 0, 1}, &gates), 1e-12));
  const Matrix target = rfa->target(problem);
  for (Index t = 0; t < 7; ++t) {
    const Vector logits = problem.scale * problem.K.topRows(t + 1) * problem.Q.row(t).transpose();
    const Vector weights = (logits + log_unrolled_weights(gates, t)).array().exp();
    const Eigen::RowVectorXd expected = weights.transpose() * problem.V.topRows(t + 1) / weights.sum();
    EXPECT_LT((target.row(t) - expected).norm(), 1e-12);
    const KeyWeights key_weights = rfa->key_weights(problem, t, 11, {4, 0, 1});
    const Eigen::RowVectorXd g = key_weights.drawn.transpose() * problem.V.topRows(t + 1);
    EXPECT_LT((g / key_weights.drawn.sum() - drawn.row(t)).norm(), 1e-12 * (1.0 + 1e2 * drawn.row(t).norm()));
    EXPECT_LT((key_weights.expected.transpose() * problem.V.topRows(t + 1) - expected).norm(), 1e-12);
  }
  EXPECT_NE(sentence_of([&] { rfa->check(house_problem(307)); }).find("mask=causal"), std::string::npos);
}

// A forgetful state and hostile norms: shifts take the decay, so nothing leaves the range of a double.
TEST(DecodingState, StaysFiniteOverLongForgettingAndHostileNorms) {
  for (const std::string_view name : {"positive", "trigonometric"}) {
    DecodingState state(feature_map_named(name), normal_matrix(308, 1, 11, 5), 1);
    EXPECT_NE(sentence_of([&] { state.read(Vector::Ones(5)); }).find("no key"), std::string::npos);
    for (int t = 0; t < 3000; ++t)
      state.push(Vector::Constant(5, t == 0 ? 15.0 : 0.1), vector_of({1.0}), {std::log(0.3), std::log(0.7)});
    const AttentionEstimate estimate = state.read(Vector::Constant(5, 0.2));
    EXPECT_TRUE(std::isfinite(estimate.numerator(0, 0)));
    EXPECT_NEAR(estimate.numerator(0, 0), estimate.denominator(0), 1e-12 * std::abs(estimate.denominator(0)));
    DecodingState other(feature_map_named(name), normal_matrix(308, 1, 3, 5), 1);
    EXPECT_THROW(other.restore(state.save()), BadInput);
  }
}

}  // namespace
}  // namespace attngap
