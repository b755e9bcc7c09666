// The exponent of a power law: exact on one, covering under nested draws, and wide where it is none.

#include "analysis/rates.hpp"

#include "estimators/error.hpp"
#include "tests/stream_words.hpp"

#include <cmath>
#include <numeric>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace attngap {
namespace {

const std::vector<double> kDoubling{4, 8, 16, 32, 64, 128};

std::vector<double> power(const std::vector<double>& x, double exponent) {
  std::vector<double> y;
  for (const double one : x) y.push_back(3.0 * std::pow(one, exponent));
  return y;
}

std::vector<double> of_all(const std::vector<double>& values, double share) {
  std::vector<double> errors;
  for (const double value : values) errors.push_back(share * value);
  return errors;
}

TEST(ExponentOf, IsExactOnAPowerLaw) {
  for (const bool of_draws : {false, true})
    for (const double exponent : {-1.0, -0.5, 0.0, 2.0}) {
      const auto y = power(kDoubling, exponent);
      const auto known = *exponent_of({kDoubling, y, of_all(y, 0.0), of_draws});
      EXPECT_NEAR(known.value, exponent, 1e-13);
      EXPECT_NEAR(known.low, exponent, 1e-13);
      EXPECT_NEAR(known.high, exponent, 1e-13);
      EXPECT_EQ(known.std_error, 0.0);
      EXPECT_NEAR(exponent_of({kDoubling, y, of_all(y, 0.1), of_draws})->value, exponent, 1e-13);
    }
}

// Independent points weigh alike: se² = s²/Σ(ln x − mean)², by hand. With nested draws the variance of a
// slope of two points is 2s²(1 − m/m')/(ln m'/m)², below that, and of six doubling points above; the larger
// is told.
TEST(ExponentOf, TellsTheLargerErrorOfNestedAndOfIndependentDraws) {
  const std::vector<double> two{16, 32};
  const auto error = [](const std::vector<double>& x, bool of_draws) {
    const auto y = power(x, -1.0);
    return exponent_of({x, y, of_all(y, 0.1), of_draws})->std_error;
  };
  EXPECT_NEAR(error(two, false), 0.1 * std::sqrt(2.0) / std::log(2.0), 1e-14);
  EXPECT_NEAR(error(two, true), error(two, false), 1e-14);
  EXPECT_NEAR(error(kDoubling, false), 0.1 / (std::log(2.0) * std::sqrt(17.5)), 1e-14);
  // Σ⁻¹ of an autoregression of ρ = 1/2 is tridiagonal: (1, 5/4, …, 5/4, 1) and −1/2, over 3/4.
  const double information = (2 * 2.5 * 2.5 + 1.25 * 2 * (1.5 * 1.5 + 0.5 * 0.5) -
                              2 * 0.5 * (2 * 2.5 * 1.5 + 2 * 1.5 * 0.5 - 0.5 * 0.5)) /
                             0.75;
  EXPECT_NEAR(error(kDoubling, true), 0.1 / (std::log(2.0) * std::sqrt(information)), 1e-14);
  EXPECT_GT(error(kDoubling, true), 1.1 * error(kDoubling, false));
  // Two points at one count are not nested in one another.
  const std::vector<double> twice{4, 4, 8, 16, 32, 64, 128};
  EXPECT_NEAR(error(twice, true), error(twice, false), 1e-14);
}

// Mean square errors of R replicates, whose estimates at m' > m directions begin with those at m.
std::vector<std::vector<double>> squared_errors(testing_tools::StreamWords& random, int replicates) {
  std::normal_distribution<double> normal;
  std::vector<std::vector<double>> squares(kDoubling.size());
  for (int r = 0; r < replicates; ++r) {
    double sum = 0.0, m = 0.0;
    for (std::size_t i = 0; i < kDoubling.size(); ++i) {
      sum += std::sqrt(kDoubling[i] - m) * normal(random);
      m = kDoubling[i];
      squares[i].push_back(std::pow(sum / m, 2));
    }
  }
  return squares;
}

TEST(ExponentOf, CoversMonteCarlosRateUnderNestedDraws) {
  testing_tools::StreamWords random(93);
  constexpr int kTrials = 2000, kReplicates = 64;
  int covered = 0, as_if_independent = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::vector<double> mse, errors;
    for (const auto& squares : squared_errors(random, kReplicates)) {
      const Estimated mean = mean_with_interval(squares);
      mse.push_back(mean.value);
      errors.push_back(mean.std_error);
    }
    const Estimated slope = *exponent_of({kDoubling, mse, errors, true});
    covered += slope.low <= -1 && -1 <= slope.high ? 1 : 0;
    const Estimated wrong = *exponent_of({kDoubling, mse, errors, false});
    as_if_independent += std::abs(wrong.value + 1) <= 1.96 * wrong.std_error ? 1 : 0;
  }
  EXPECT_GE(covered / double(kTrials), 0.93);
  EXPECT_LE(covered / double(kTrials), 0.99);            // the wider of two intervals
  EXPECT_LT(as_if_independent / double(kTrials), 0.93);  // can fail: without the correlation
}

// ln y about the line by ±0.1 in turn: the scatter of three points on one degree of freedom, by hand.
TEST(ExponentOf, IsAsWideAsTheScatterWhereTheLawIsNone) {
  const std::vector<double> x{1, std::exp(1.0), std::exp(2.0)}, y{1, std::exp(0.3), 1};
  const auto slope = *exponent_of({x, y, of_all(y, 0.0), false});
  EXPECT_NEAR(slope.value, 0.0, 1e-14);
  // Residuals −0.1, 0.2, −0.1; Σ(x − x̄)² = 2.
  EXPECT_NEAR(slope.high, student_t_quantile(0.975, 1) * std::sqrt(0.06 / 2), 1e-12);
  EXPECT_NEAR(slope.low, -slope.high, 1e-12);
}

TEST(ExponentOf, HasNothingToSayBelowTwoCounts) {
  const std::vector<double> x{4, 4}, y{1, 2}, none{0, 0}, one{1};
  EXPECT_FALSE(exponent_of({x, y, none, true}));
  EXPECT_FALSE(exponent_of({}));
  EXPECT_THROW(exponent_of({x, one, none, true}), BadInput);
  const std::vector<double> two{4, 8}, negative{1, -1}, zero{0, 8};
  EXPECT_THROW(exponent_of({two, negative, none, true}), BadInput);
  EXPECT_THROW(exponent_of({zero, y, none, true}), BadInput);
}

}  // namespace
}  // namespace attngap
