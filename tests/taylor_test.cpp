#include "estimators/taylor.hpp"

#include "estimators/error.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <vector>

#include <boost/math/quadrature/exp_sinh.hpp>
#include <boost/math/special_functions/bessel.hpp>
#include <boost/math/special_functions/lambert_w.hpp>
#include <boost/multiprecision/cpp_bin_float.hpp>
#include <gtest/gtest.h>

namespace attngap {
namespace {

// A hundred digits: the alternating sum loses 35 of them at x = −40.
using Exact = boost::multiprecision::cpp_bin_float_100;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::array kDegrees{0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 20, 41, 60, 101};

Exact exact_polynomial(int degree, const Exact& x) {
  Exact term = 1, sum = 1;
  for (int n = 1; n <= degree; ++n) sum += term *= x / n;
  return sum;
}

// R_t by its own series, which has no e^x to cancel against; alternating for x < 0, hence the digits.
Exact exact_remainder(int degree, const Exact& x) {
  Exact term = 1, sum = 0;
  for (int n = 1; n <= degree + 250; ++n) {
    term *= x / n;
    if (n > degree) sum += term;
  }
  return sum;
}

// From −40 to 40, across 0 with small numbers on both sides.
std::vector<double> grid() {
  std::vector<double> points;
  for (int i = -108; i <= 108; ++i) points.push_back(0.37 * i);
  for (const double tiny : {1e-12, 1e-5, 0.01}) points.insert(points.end(), {-tiny, tiny});
  points.insert(points.end(), {-40.0, 40.0});
  return points;
}

double distance(double value, const Exact& exact) {
  return static_cast<double>(abs(Exact(value) - exact));
}

template <typename Check>
void on_the_grid(const Check& check) {
  for (const int degree : kDegrees)
    for (const double x : grid()) {
      SCOPED_TRACE(fmt::format("degree {} at {}", degree, x));
      check(degree, x);
    }
}

TEST(Taylor, PolynomialAgreesWithAHundredDigits) {
  on_the_grid([](int degree, double x) {
    const Exact exact = exact_polynomial(degree, x);
    // An odd degree has a zero, where only an error relative to e^x can be small.
    const auto size =
        static_cast<double>(degree % 2 == 0 ? abs(exact) : std::max(Exact(abs(exact)), exp(Exact(x))));
    EXPECT_LE(distance(taylor_exp(degree, x), exact), 1e-13 * size);
  });
}

TEST(Taylor, RemainderAndRelativeErrorAgreeWithAHundredDigitsForEveryRealX) {
  on_the_grid([](int degree, double x) {
    const Exact exact = exact_remainder(degree, x), relative = exact / exp(Exact(x));
    const auto size = static_cast<double>(abs(exact)), relative_size = static_cast<double>(abs(relative));
    // Two denormals are as far as a double can say: 1e-12 to the power of 102 is zero.
    EXPECT_LE(distance(taylor_remainder(degree, x), exact), 1e-12 * size + 1e-322);
    EXPECT_LE(distance(taylor_relative_error(degree, x), relative), 1e-12 * relative_size + 1e-322);
  });
}

TEST(Taylor, RatioIsTheRegularizedIncompleteGammaFunction) {
  on_the_grid([](int degree, double x) {
    const Exact ratio = exact_polynomial(degree, x) / exp(Exact(x));
    const auto size =
        static_cast<double>(degree % 2 == 0 || x > 0 ? abs(ratio) : std::max(Exact(abs(ratio)), Exact(1)));
    EXPECT_LE(distance(taylor_ratio(degree, x), ratio), 1e-12 * size);
    if (ratio <= 0) {
      EXPECT_TRUE(std::isnan(taylor_log_ratio(degree, x)));
      return;
    }
    // ln(1 − P) = ln r, with P from its series: near 1 the ratio itself says nothing of its distance to 1.
    const Exact error = exact_remainder(degree, x) / exp(Exact(x));
    const Exact log_ratio = abs(error) < 1e-3 ? boost::multiprecision::log1p(Exact(-error)) : log(ratio);
    const auto tolerance = static_cast<double>(abs(log_ratio) + abs(error / ratio));
    EXPECT_LE(distance(taylor_log_ratio(degree, x), log_ratio), 1e-12 * tolerance + 1e-322);
  });
}

// ln r with nothing that alternates: for x > 0 from the terms on either side of t, for x < 0 and even t from
// |P| = |x|^{t+1}/(t+1)! Σ_n (t+1)/(t+1+n) |x|ⁿ/n! (Kummer's transformation).
Exact exact_log_ratio(int degree, double x) {
  const Exact y = std::abs(x);
  Exact term = 1, below = 0, above = 0, weighted = 0;
  for (int n = 0; n < degree + 400 + static_cast<int>(3 * std::abs(x)); ++n) {
    if (n > 0) term *= y / n;
    (n <= degree ? below : above) += term;
    weighted += term * (degree + 1) / (degree + 1 + n);
  }
  if (x > 0)
    return below > above ? Exact(-boost::multiprecision::log1p(Exact(above / below))) : Exact(log(below) - y);
  Exact leading = 1;
  for (int n = 1; n <= degree + 1; ++n) leading *= y / n;
  return boost::multiprecision::log1p(Exact(leading * weighted));
}

TEST(Taylor, LogRatioIsRightFarBeyondTheRangeOfADouble) {
  for (const double x : {-5000.0, -800.0, 800.0, 5000.0})
    for (const int degree : {0, 2, 6, 40, 900, 5000}) {
      const Exact exact = exact_log_ratio(degree, x);
      // At (5000, ±800) r is next to 1 and what it lacks is e^{−4000}: beyond a double, 0 is right.
      EXPECT_LE(distance(taylor_log_ratio(degree, x), exact),
                2e-12 * static_cast<double>(abs(exact)) + 1e-322)
          << degree << " " << x;
    }
  EXPECT_TRUE(std::isnan(taylor_log_ratio(5, -1e300)));
  EXPECT_EQ(taylor_log_ratio(4, 1e300), -1e300);
  EXPECT_GT(taylor_log_ratio(4, -1e300), 9e299);
}

TEST(Taylor, SignOfTheRemainderIsThatOfXToTheNextPower) {
  on_the_grid([](int degree, double x) {
    const Exact exact = exact_remainder(degree, x);
    EXPECT_EQ(taylor_remainder_sign(degree, x), exact > 0 ? 1 : exact < 0 ? -1 : 0);
    if (std::abs(x) > 0.1) {
      EXPECT_GT(taylor_remainder(degree, x) * taylor_remainder_sign(degree, x), 0);
    }
  });
}

TEST(Taylor, RemainderLiesBetweenItsBounds) {
  on_the_grid([](int degree, double x) {
    const auto [low, high] = taylor_remainder_bounds(degree, x);
    const double size = static_cast<double>(abs(exact_remainder(degree, x)));
    EXPECT_LE(low * (1 - 1e-13), size);
    EXPECT_GE(high * (1 + 1e-13), size);
    if (std::abs(x) < 0.02) {  // both are tight at 0: no vacuous bound
      EXPECT_LE(high, low * (1 + 2 * std::abs(x)));
    }
    EXPECT_LE(size, taylor_error_bound(degree, std::abs(x)) * (1 + 1e-13));
    EXPECT_LE(size, std::abs(taylor_remainder(degree, std::abs(x))) * (1 + 1e-12));  // the supremum is at +R
    if (x < 0) {
      EXPECT_LE(std::abs(taylor_relative_error(degree, x)), taylor_error_bound(degree, -x) * (1 + 1e-12));
    }
    if (x > 0) {
      EXPECT_LT(taylor_relative_error(degree, x), 1.0 + 1e-15);
    }
  });
}

TEST(Taylor, EvenDegreesArePositiveAndOddOnesNegativeBelowTheirZero) {
  on_the_grid([](int degree, double x) {
    const double value = taylor_exp(degree, x);
    if (degree % 2 == 0) {
      EXPECT_GT(value, 0);
      EXPECT_TRUE(taylor_is_positive(degree, x));
      if (x < 0 && degree > 0) {  // over-estimates
        EXPECT_GE(value, std::exp(x));
      }
    } else {
      EXPECT_EQ(value > 0, x > taylor_zero(degree));
      EXPECT_EQ(taylor_is_positive(degree, x), x > taylor_zero(degree));
      EXPECT_LE(value, std::exp(x) * (1 + 1e-15));  // under-estimates
    }
  });
}

TEST(Taylor, ZerosOfOddDegrees) {
  const std::array zeros{-1.0, -1.596072, -2.180607, -2.759003, -3.333551, -3.905452};
  for (std::size_t i = 0; i < zeros.size(); ++i)
    EXPECT_NEAR(taylor_zero(2 * static_cast<int>(i) + 1), zeros[i], 0.5e-6);
  EXPECT_NEAR(taylor_zero(81) / 81, -0.2911, 0.5e-4);
  EXPECT_NEAR(taylor_zero(100001) / 100001, -boost::math::lambert_w0(std::exp(-1.0)), 1e-4);
  for (const int degree : {1, 3, 5, 11, 41, 101, 201}) {
    const Exact zero = taylor_zero(degree);
    EXPECT_LT(exact_polynomial(degree, zero * (1 + Exact(4e-15))), 0) << degree;
    EXPECT_GT(exact_polynomial(degree, zero * (1 - Exact(4e-15))), 0) << degree;
  }
}

TEST(Taylor, FloorOfEvenDegreesIsTheirMinimum) {
  const std::array floors{0.5, 0.2704, 0.1493, 0.0833, 0.0467, 0.0263};
  for (std::size_t i = 0; i < floors.size(); ++i) {
    const int degree = 2 * static_cast<int>(i) + 2;
    const double floor = taylor_floor(degree);
    EXPECT_NEAR(floor, floors[i], 0.5e-4);
    EXPECT_NEAR(taylor_exp(degree, taylor_zero(degree - 1)), floor, 1e-14);
    for (const double x : grid()) EXPECT_GE(taylor_exp(degree, x), floor * (1 - 1e-14)) << degree << " " << x;
  }
  EXPECT_EQ(taylor_floor(0), 1.0);
  EXPECT_DOUBLE_EQ(taylor_exp(2, -4), 5.0);  // grows again on the negative side
}

// P(2qk < x*_t) for q, k ~ N(0, s²): the product of two standard normals has the density K₀(|z|)/π.
double negative_weight_probability(int degree, double s) {
  const double from = -taylor_zero(degree) / (2 * s * s);
  boost::math::quadrature::exp_sinh<double> integrator;
  return integrator.integrate([&](double z) { return boost::math::cyl_bessel_k(0, from + z); }) / M_PI;
}

TEST(Taylor, ThePapersCountOfTermsGivesNegativeWeights) {
  EXPECT_NEAR(negative_weight_probability(1, 0.5), 0.031, 0.5e-3);
  EXPECT_NEAR(negative_weight_probability(5, 0.5), 0.0022, 0.5e-4);
  EXPECT_NEAR(negative_weight_probability(1, 1.0), 0.20, 0.5e-2);
  EXPECT_NEAR(negative_weight_probability(5, 1.0), 0.093, 0.5e-3);
  EXPECT_NEAR(negative_weight_probability(1, 1.5), 0.31, 0.5e-2);
  EXPECT_NEAR(negative_weight_probability(5, 1.5), 0.21, 0.5e-2);
}

// T_t(x) as it is written.
template <typename Scalar>
Scalar term_by_term(int degree, Scalar x) {
  Scalar term = 1, sum = 1;
  for (int n = 1; n <= degree; ++n) sum += term *= x / static_cast<Scalar>(n);
  return sum;
}

struct PrintedError {
  double x;
  double error;
};

// The measured errors depend on the order of the operations, so only their decades are held: no smaller than
// a thirtieth of the printed one, no larger than the bound, which itself is within e^{2|x|} of rounding.
template <typename Scalar>
void check_conditioning(double unit_roundoff, std::initializer_list<PrintedError> printed) {
  constexpr int kConverged = 120;
  for (const auto& [x, error] : printed) {
    const auto exact = static_cast<double>(exact_polynomial(kConverged, x));
    const double measured =
        std::abs(static_cast<double>(term_by_term(kConverged, static_cast<Scalar>(x))) / exact - 1);
    EXPECT_LE(measured, taylor_rounding_bound(kConverged, x, unit_roundoff)) << x;
    EXPECT_LE(measured, 10 * unit_roundoff * std::exp(2 * std::abs(x))) << x;
    EXPECT_GE(measured, error / 30) << x;
  }
}

TEST(Conditioning, AlternatingTermsLoseRelativeErrorLikeTheExponentialOfTwiceX) {
  check_conditioning<float>(0x1p-24, {{-5, 7e-5}, {-8, 4e-2}, {-12, 1e2}});
  check_conditioning<double>(0x1p-53, {{-12, 1.6e-7}, {-18, 1e-2}, {-25, 5e4}});
}

TEST(Conditioning, ConditionNumberIsTheRatioOfTheTwoSidesAndAtMostTheExponentialOfTwiceX) {
  on_the_grid([](int degree, double x) {
    const double condition = taylor_condition(degree, x);
    if (degree % 2 == 0) {
      const Exact exact = exact_polynomial(degree, std::abs(x)) / exact_polynomial(degree, x);
      EXPECT_LE(distance(condition, exact) * (x < 0), 1e-12 * static_cast<double>(exact));
      EXPECT_LE(condition, std::exp(2 * std::abs(x)) * (1 + 1e-13));
    }
    EXPECT_GE(condition, 1.0 - 1e-12);
    if (x < 0 && x > -20 && degree == 101) {
      EXPECT_NEAR(condition / std::exp(2 * std::abs(x)), 1.0, 1e-6);
    }
  });
}

// γ_{3t+1} = (3t+1)u/(1 − (3t+1)u) times the condition number (T_t(|x|)/|T_t(x)|; one for x ≥ 0).
TEST(Conditioning, RoundingBoundIsHighamsGammaTimesTheConditionNumber) {
  const double unit = 0x1p-24, gamma = 22.0 * unit / (1.0 - 22.0 * unit);
  EXPECT_NEAR(taylor_rounding_bound(7, 0.5, unit), gamma, 1e-15 * gamma);
  const double minus = 1.0 - 2.0 + 2.0, plus = 1.0 + 2.0 + 2.0;  // T_2(∓2)
  const double second = 7.0 * unit / (1.0 - 7.0 * unit);
  EXPECT_NEAR(taylor_rounding_bound(2, -2.0, unit), second * plus / minus, 1e-14 * second * plus);
}

TEST(Taylor, RefusesWhatHasNoMeaning) {
  EXPECT_THROW(taylor_exp(-1, 0.5), BadInput);
  EXPECT_THROW(taylor_remainder(3, kInfinity), BadInput);
  EXPECT_THROW(taylor_ratio(3, std::nan("")), BadInput);
  EXPECT_THROW(taylor_zero(4), BadInput);
  EXPECT_THROW(taylor_zero(-1), BadInput);
  EXPECT_THROW(taylor_floor(3), BadInput);
  EXPECT_THROW(taylor_floor(-2), BadInput);
  EXPECT_THROW(taylor_error_bound(3, -1), BadInput);
}

}  // namespace
}  // namespace attngap
