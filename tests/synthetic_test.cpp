#include "data_test_support.hpp"
#include "experiments/synthetic_stream.hpp"
#include "statistical_assertions.hpp"

#include <cmath>
#include <set>
#include <vector>

#include <Eigen/QR>
#include <gmock/gmock.h>

namespace attngap {
namespace {

using ::testing::AllOf;
using testing::bad_input;
using ::testing::HasSubstr;
using testing::mean_is;

AttentionProblem problem_of(const std::string& text) {
  return make_synthetic(parse_synthetic(text));
}

std::string refusal(const std::string& text) {
  return bad_input([&] { static_cast<void>(problem_of(text)); });
}

double mean_norm2(const Matrix& rows) {
  return rows.rowwise().squaredNorm().mean();
}

std::vector<std::string> every_problem() {
  std::vector<std::string> texts;
  for (const SyntheticKind& kind : synthetic_kinds())
    for (const char* values : {"independent", "linear"})
      texts.push_back(fmt::format("{},dim=5,value-dim=3,values={}", kind.name, values));
  return texts;
}

TEST(Synthetic, AShorterProblemIsAPrefixOfALongerOne) {
  for (const std::string& text : every_problem()) {
    const AttentionProblem longer = problem_of(text + ",length=1031");
    for (const Index length : {1, 7, 36, 513}) {
      const AttentionProblem shorter = problem_of(fmt::format("{},length={}", text, length));
      EXPECT_EQ(shorter.Q, longer.Q.topRows(length)) << text << " " << length;
      EXPECT_EQ(shorter.K, longer.K.topRows(length)) << text << " " << length;
      EXPECT_EQ(shorter.V, longer.V.topRows(length)) << text << " " << length;
    }
  }
}

TEST(Synthetic, TheSeedDecidesTheDrawAndArraysShareNoNumbers) {
  for (const std::string& text : every_problem()) {
    const AttentionProblem problem = problem_of(text + ",length=37");
    EXPECT_EQ(problem.Q, problem_of(text + ",length=37").Q);
    EXPECT_NE(problem.Q, problem_of(text + ",length=37,seed=2").Q);
    EXPECT_NE(problem.Q, problem.K);
  }
}

TEST(Synthetic, SphereHasExactlyTheNorm) {
  const AttentionProblem problem = problem_of("sphere,length=257,dim=7,norm=2.5");
  for (const Matrix& rows : {problem.scaled_queries(), problem.scaled_keys()}) {
    EXPECT_NEAR(rows.rowwise().norm().maxCoeff(), 2.5, 1e-14);
    EXPECT_NEAR(rows.rowwise().norm().minCoeff(), 2.5, 1e-14);
  }
}

// (|x̃|/R)^d is uniform on (0, 1), whatever the direction, whose mean is zero with variance 1/d a coordinate.
TEST(Synthetic, BallIsUniformInItsVolume) {
  constexpr double kDim = 5, kLength = 16384, kNorm = 1.5;
  const double radius = kNorm * std::sqrt((kDim + 2) / kDim);
  const AttentionProblem problem = problem_of("ball,length=16384,dim=5,norm=1.5");
  for (const Matrix& rows : {problem.scaled_queries(), problem.scaled_keys()}) {
    const Vector norms = rows.rowwise().norm();
    EXPECT_LE(norms.maxCoeff(), radius * (1 + 1e-15));
    std::vector<double> shares;
    for (const double norm : norms) shares.push_back(std::pow(norm / radius, kDim));
    const auto uniform = [](double u) { return u; };
    EXPECT_TRUE(testing_tools::is_distributed_as(shares, uniform));
    for (double& share : shares) share = std::pow(share, 1.2);
    EXPECT_FALSE(testing_tools::is_distributed_as(shares, uniform)) << "blind to a dimension of 6";
    // E|x̃|⁴ = R⁴ d/(d+4).
    const double sd =
        radius * radius * std::sqrt((kDim / (kDim + 4) - std::pow(kDim / (kDim + 2), 2)) / kLength);
    EXPECT_TRUE(mean_is(mean_norm2(rows), kNorm * kNorm, sd));
    EXPECT_FALSE(mean_is(mean_norm2(rows), kNorm * kNorm * 1.05, sd)) << "blind to a norm² off by 5 %";
    for (Index column = 0; column < 5; ++column)
      EXPECT_TRUE(
          mean_is(rows.col(column).cwiseQuotient(norms).mean(), 0.0, 1.0 / std::sqrt(kDim * kLength)));
  }
}

// |x̃|² d / norm² is chi-squared with d degrees of freedom: variance 2d.
TEST(Synthetic, GaussianNormIsTheRootMeanSquare) {
  constexpr double kDim = 5, kLength = 65536, kNorm = 1.5;
  const AttentionProblem problem = problem_of("gaussian,length=65536,dim=5,norm=1.5");
  const double sd = kNorm * kNorm * std::sqrt(2.0 / (kDim * kLength));
  for (const Matrix& rows : {problem.scaled_queries(), problem.scaled_keys()}) {
    EXPECT_TRUE(mean_is(mean_norm2(rows), kNorm * kNorm, sd));
    EXPECT_FALSE(mean_is(mean_norm2(rows), kNorm * kNorm * 1.05, sd)) << "blind to a norm² off by 5 %";
  }
}

// q̃·k̃ of independent tokens has mean 0 and variance norm⁴/d.
TEST(Synthetic, QueriesAndKeysAreIndependent) {
  constexpr double kDim = 5, kLength = 65536;
  const AttentionProblem problem = problem_of("gaussian,length=65536,dim=5");
  const Matrix q = problem.scaled_queries(), k = problem.scaled_keys();
  const double sd = 1.0 / std::sqrt(kDim * kLength);
  EXPECT_TRUE(mean_is(q.cwiseProduct(k).rowwise().sum().mean(), 0.0, sd));
  EXPECT_FALSE(mean_is(q.cwiseProduct(k + 0.05 * q).rowwise().sum().mean(), 0.0, sd))
      << "blind to 5 % correlation";
}

// Mean over t of x_t x_{t+h} for a stationary Gaussian sequence with correlations r(h) = rho^|h| and variance
// 1: Var = Σ_{s,t} (r(s−t)² + r(s−t+h) r(s−t−h)) / N² (Isserlis 1918), N the number of terms.
double lag_product_sd(double rho, int lag, int terms) {
  const auto r = [&](int h) { return std::pow(rho, std::abs(h)); };
  double variance = 0;
  for (int gap = 1 - terms; gap < terms; ++gap)
    variance += (terms - std::abs(gap)) * (r(gap) * r(gap) + r(gap + lag) * r(gap - lag));
  return std::sqrt(variance) / terms;
}

TEST(Synthetic, Ar1HasItsMarginalLawAndItsCorrelation) {
  constexpr int kLength = 20000, kDim = 7;
  const AttentionProblem problem = problem_of("ar1,length=20000,dim=7,norm=2,rho=0.8");
  for (const Matrix& scaled : {problem.scaled_queries(), problem.scaled_keys()}) {
    const Matrix x = scaled * (std::sqrt(kDim) / 2.0);  // unit variance
    for (const int lag : {0, 1, 3}) {
      const int terms = kLength - lag;
      const double product = x.topRows(terms).cwiseProduct(x.bottomRows(terms)).mean();
      const double sd = lag_product_sd(0.8, lag, terms) / std::sqrt(kDim);
      EXPECT_TRUE(mean_is(product, std::pow(0.8, lag), sd)) << lag << ": " << product;
      EXPECT_FALSE(mean_is(product, std::pow(0.8, lag) + 0.1, sd)) << "blind to a correlation off by 0.1";
    }
  }
}

// |x̃|² = norm² (1 − s² + 2 √(1 − s²) s c·z/√d + s² |z|²/d), so its variance is
// norm⁴ (4 (1 − s²) s² / d + 2 s⁴ / d).
TEST(Synthetic, ClusteredNormIsTheRootMeanSquare) {
  constexpr double kDim = 5, kLength = 65536, kNorm2 = 9, kS2 = 0.25;
  const AttentionProblem problem = problem_of("clustered,length=65536,dim=5,spread=0.5");
  const double sd = kNorm2 * std::sqrt((4 * (1 - kS2) * kS2 + 2 * kS2 * kS2) / (kDim * kLength));
  for (const Matrix& rows : {problem.scaled_queries(), problem.scaled_keys()}) {
    EXPECT_TRUE(mean_is(mean_norm2(rows), kNorm2, sd));
    EXPECT_FALSE(mean_is(mean_norm2(rows), kNorm2 * 1.05, sd)) << "blind to a norm² off by 5 %";
  }
}

TEST(Synthetic, WithoutSpreadTokensAreTheSharedCentres) {
  const AttentionProblem problem = problem_of("clustered,length=300,dim=5,clusters=3,spread=0");
  std::set<std::vector<double>> centres;
  for (const Matrix* rows : {&problem.Q, &problem.K})
    for (Index i = 0; i < rows->rows(); ++i)
      centres.insert(std::vector<double>(rows->row(i).begin(), rows->row(i).end()));
  EXPECT_EQ(centres.size(), 3u);
}

TEST(Synthetic, LinearValuesAreLinearInTheKeysWithUnitVariance) {
  constexpr double kLength = 40000;
  const AttentionProblem linear = problem_of("gaussian,length=40000,dim=5,value-dim=3,norm=2,values=linear");
  const auto residual = [](const AttentionProblem& problem) {
    const Matrix map = problem.K.colPivHouseholderQr().solve(problem.V);
    return (problem.K * map - problem.V).norm() / problem.V.norm();
  };
  EXPECT_LT(residual(linear), 1e-12);
  EXPECT_GT(residual(problem_of("gaussian,length=40000,dim=5,value-dim=3,norm=2")), 0.9);
  // Given A, the entries of one column are independent N(0, 1): their squares have variance 2.
  for (Index column = 0; column < 3; ++column) {
    const double mean_square = linear.V.col(column).squaredNorm() / kLength;
    EXPECT_TRUE(mean_is(mean_square, 1.0, std::sqrt(2.0 / kLength))) << column << ": " << mean_square;
    EXPECT_FALSE(mean_is(mean_square, 1.1, std::sqrt(2.0 / kLength))) << "blind to a variance off by 10 %";
  }
}

TEST(Synthetic, DefaultsAndNamesAreAsListed) {
  const SyntheticSpec spec = parse_synthetic("gaussian");
  EXPECT_EQ(spec.length, 1024);
  EXPECT_EQ(spec.dim, 64);
  EXPECT_EQ(spec.value_dim, 64);
  EXPECT_EQ(spec.norm, 1.0);
  EXPECT_EQ(spec.seed, 1u);
  EXPECT_EQ(spec.mask, Mask::none);
  EXPECT_EQ(spec.name, "gaussian");
  EXPECT_EQ(parse_synthetic("clustered").norm, 3.0);
  EXPECT_EQ(parse_synthetic("ar1,dim=5").value_dim, 5);
  EXPECT_EQ(parse_synthetic("gaussian,norm=2,length=256,values=linear").name,
            "gaussian_length256_norm2_values-linear");
  EXPECT_EQ(parse_synthetic("gaussian,name=easy").name, "easy");
  EXPECT_EQ(problem_of("sphere,mask=causal,length=7").visible_keys(3), 4);
}

TEST(Synthetic, BadSpecificationsAreNamed) {
  EXPECT_THAT(refusal(""), HasSubstr("synthetic:gaussian"));
  EXPECT_THAT(refusal("gausian"),
              AllOf(HasSubstr("unknown synthetic kind \"gausian\""), HasSubstr("\"gaussian\"")));
  EXPECT_THAT(refusal("gaussian,lenght=7"), AllOf(HasSubstr("\"lenght\""), HasSubstr("\"length\"")));
  EXPECT_THAT(refusal("gaussian,rho=0.5"), HasSubstr("unknown key of synthetic:gaussian \"rho\""));
  EXPECT_THAT(refusal("gaussian,length"), HasSubstr("is not key=value"));
  EXPECT_THAT(refusal("gaussian,length=0"),
              AllOf(HasSubstr("synthetic:gaussian: length"), HasSubstr("\"0\"")));
  EXPECT_THAT(refusal("gaussian,length=1e3"), HasSubstr("whole number"));
  EXPECT_THAT(refusal("gaussian,length=99999999999999999999"), HasSubstr("whole number"));
  EXPECT_THAT(refusal("gaussian,length=200000000"), HasSubstr("at most 268435456"));
  EXPECT_THAT(refusal("gaussian,dim=1000000"), HasSubstr("at most 65536"));
  EXPECT_THAT(refusal("gaussian,norm=0"), HasSubstr("must be positive"));
  EXPECT_THAT(refusal("gaussian,norm=nan"), HasSubstr("finite"));
  EXPECT_THAT(refusal("gaussian,seed=-1"), HasSubstr("from 0 to"));
  EXPECT_THAT(refusal("ar1,rho=1"), HasSubstr("between -1 and 1"));
  EXPECT_THAT(refusal("clustered,spread=1.5"), HasSubstr("[0, 1]"));
  EXPECT_THAT(refusal("clustered,clusters=0"), HasSubstr("clusters"));
  EXPECT_THAT(refusal("gaussian,values=liner"), AllOf(HasSubstr("\"liner\""), HasSubstr("\"linear\"")));
}

}  // namespace
}  // namespace attngap
