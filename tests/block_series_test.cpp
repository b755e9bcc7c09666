#include "estimators/block_series.hpp"

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include <boost/multiprecision/cpp_bin_float.hpp>
#include <gtest/gtest.h>

namespace attngap {
namespace {

using Exact = boost::multiprecision::cpp_bin_float_50;

// `count` numbers from low to high.
std::vector<double> between(double low, double high, std::size_t count) {
  std::vector<double> x;
  for (std::size_t i = 0; i < count; ++i)
    x.push_back(low + (high - low) * static_cast<double>(i) /
                          static_cast<double>(std::max<std::size_t>(count, 2) - 1));
  x.back() = count > 1 ? high : x.back();
  return x;
}

// 0 … 70 elements: lanes, tails and both.
TEST(PowerSeries, IsThePolynomialAtEveryElement) {
  const std::vector<double> coefficients{0.5, -1.25, 0.0, 2.0, -0.75};
  for (std::size_t count = 1; count <= 70; ++count) {
    const std::vector<double> x = between(-1.5, 1.0, count);
    std::vector<double> y = x;
    power_series(coefficients, y);
    for (std::size_t i = 0; i < count; ++i) {
      Exact sum = 0;
      for (std::size_t n = coefficients.size(); n-- > 0;) sum = sum * x[i] + coefficients[n];
      EXPECT_NEAR(y[i], static_cast<double>(sum), 1e-14) << count << " " << i;
    }
  }
  std::vector<double> nothing, constants{3.0, -4.0};
  power_series(coefficients, nothing);
  power_series(std::vector<double>{7.0}, constants);
  EXPECT_EQ(constants, (std::vector<double>{7.0, 7.0}));
}

// A pole at a hundredth, and at 1/3000, of the interval's length beyond it: the power series in the distance
// from the middle needs about 1900 terms to 1e-16 of the first, and that of the second 55000.
TEST(ChebyshevSeries, IsTheFunctionNextToAPole) {
  for (const double distance : {1.0, 0.01, 1.0 / 3000.0}) {
    const double low = -0.75, high = 1.25, pole = high + 2.0 * distance;
    const auto series = ChebyshevSeries::of([pole](double x) { return 1.0 / (pole - x); }, low, high);
    ASSERT_TRUE(series) << distance;
    EXPECT_LT(series->terms(), distance == 0.01 ? 200U : 1025U);
    for (const std::size_t count : {1U, 15U, 16U, 401U}) {
      const std::vector<double> x = between(low, high, count);
      std::vector<double> y = x;
      series->evaluate(y);
      for (std::size_t i = 0; i < count; ++i)
        EXPECT_NEAR(y[i], 1.0 / (pole - x[i]), 1e-12 / (pole - high)) << distance << " at " << x[i];
    }
  }
}

TEST(ChebyshevSeries, IsExactForAPolynomialOfEveryDegree) {
  for (int degree = 0; degree <= 13; ++degree) {
    const auto power = [degree](double x) { return std::pow(x, degree); };
    const auto series = ChebyshevSeries::of(power, -2.0, 1.0);
    ASSERT_TRUE(series);
    EXPECT_LE(series->terms(), 17U);
    std::vector<double> x = between(-2.0, 1.0, 21), y = x;
    series->evaluate(y);
    for (std::size_t i = 0; i < x.size(); ++i)
      EXPECT_NEAR(y[i], power(x[i]), 1e-14 * std::pow(2.0, degree)) << degree;
  }
}

TEST(ChebyshevSeries, OfOnePointIsItsValue) {
  const auto series = ChebyshevSeries::of([](double x) { return std::exp(x); }, 0.3, 0.3);
  ASSERT_TRUE(series);
  std::vector<double> x(17, 0.3);
  series->evaluate(x);
  for (const double y : x) EXPECT_NEAR(y, std::exp(0.3), 1e-15);
}

// A kink's coefficients fall like 1/k², and a pole inside has no series at all.
TEST(ChebyshevSeries, OfWhatHasNoneIsNone) {
  EXPECT_FALSE(ChebyshevSeries::of([](double x) { return std::abs(x - 0.1); }, -1.0, 1.0));
  EXPECT_FALSE(ChebyshevSeries::of([](double x) { return std::sqrt(x); }, 0.0, 1.0));
  EXPECT_FALSE(ChebyshevSeries::of([](double x) { return 1.0 / x; }, 0.0, 1.0));
  EXPECT_FALSE(
      ChebyshevSeries::of([](double) { return std::numeric_limits<double>::quiet_NaN(); }, 0.0, 1.0));
}

}  // namespace
}  // namespace attngap
