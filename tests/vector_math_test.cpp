#include "estimators/vector_math.hpp"

#include "estimators/random_stream.hpp"

#include <cmath>
#include <functional>
#include <limits>
#include <span>
#include <vector>

#include <boost/math/constants/constants.hpp>
#include <boost/multiprecision/cpp_bin_float.hpp>
#include <gtest/gtest.h>

namespace attngap {
namespace {

using Exact = boost::multiprecision::cpp_bin_float_50;

// Distance of `found` from the exact value in units in the last place of the exact value.
template <typename Scalar>
double ulps(Scalar found, const Exact& exact) {
  const Scalar rounded = std::abs(static_cast<Scalar>(exact));
  const Scalar unit = std::max(std::nextafter(rounded, std::numeric_limits<Scalar>::infinity()) - rounded,
                               std::numeric_limits<Scalar>::denorm_min());
  return static_cast<double>(abs(Exact(found) - exact) / Exact(unit));
}

// Hostile arguments: all magnitudes, both signs, multiples of π/2 and their neighbours, up to `largest`.
template <typename Scalar>
std::vector<Scalar> angles(double largest) {
  std::vector<Scalar> x{0, Scalar(-0.0), std::numeric_limits<Scalar>::min(), Scalar(largest),
                        Scalar(-largest)};
  std::vector<double> u(501);
  RandomStream({11, 0, 0}, Purpose::data).uniforms(0, u);
  for (std::size_t i = 0; i + 1 < u.size(); i += 2) {
    const double magnitude = std::exp(std::log(1e-9) + u[i] * std::log(largest / 1e-9));
    x.push_back(static_cast<Scalar>(u[i + 1] < 0.5 ? -magnitude : magnitude));
  }
  for (double k = 1; k * 1.5707963267948966 < largest; k = k * 2 + 1) {
    const auto near = static_cast<Scalar>(k * 1.5707963267948966);
    for (const Scalar place : {near, std::nextafter(near, Scalar(0)), std::nextafter(near, Scalar(1e30))}) {
      x.push_back(place);
      x.push_back(-place);
    }
  }
  return x;
}

template <typename Scalar>
void expect_sincos_within_an_ulp(double largest) {
  const auto x = angles<Scalar>(largest);
  std::vector<Scalar> sine(x.size()), cosine(x.size());
  vector_sincos(x, sine, cosine);
  for (std::size_t i = 0; i < x.size(); ++i) {
    EXPECT_LE(ulps(sine[i], sin(Exact(x[i]))), 1.0) << "sin " << x[i];
    EXPECT_LE(ulps(cosine[i], cos(Exact(x[i]))), 1.0) << "cos " << x[i];
  }
}

TEST(VectorMath, SineAndCosineAreWithinAnUlp) {
  expect_sincos_within_an_ulp<double>(1e5);
}

TEST(VectorMath, FloatSineAndCosineAreWithinAnUlp) {
  expect_sincos_within_an_ulp<float>(1e5);
}

TEST(VectorMath, SineOfZeroKeepsItsSign) {
  const std::vector<double> x{0.0, -0.0};
  std::vector<double> sine(2), cosine(2);
  vector_sincos(x, sine, cosine);
  EXPECT_EQ(sine[0], 0.0);
  EXPECT_EQ(sine[1], 0.0);
  EXPECT_TRUE(std::signbit(sine[1]));
  EXPECT_EQ(cosine, (std::vector<double>{1.0, 1.0}));
}

TEST(VectorMath, SineAndCosineOfTurnsAreWithinThreeAndAHalfUlps) {
  std::vector<double> turns(2001);
  RandomStream({12, 0, 0}, Purpose::data).uniforms(0, turns);
  for (const double t : {0.0, 0.125, 0.25, 0.5, 0.75, 1.0, 0x1p-54, 1.0 - 0x1p-53, 0.25 + 0x1p-54}) {
    turns.push_back(t);
    turns.push_back(std::nextafter(t, 2.0));
  }
  std::vector<double> sine(turns.size()), cosine(turns.size());
  vector_sincos_of_turns(turns, sine, cosine);
  const Exact two_pi = boost::math::constants::two_pi<Exact>();
  for (std::size_t i = 0; i < turns.size(); ++i) {
    const Exact angle = two_pi * Exact(turns[i]);
    const double quarter = 4.0 * turns[i];
    if (quarter == std::floor(quarter)) continue;  // exactly on an axis: the next test
    EXPECT_LE(ulps(sine[i], sin(angle)), 3.5) << "sine of " << turns[i] << " turns";
    EXPECT_LE(ulps(cosine[i], cos(angle)), 3.5) << "cosine of " << turns[i] << " turns";
  }
}

TEST(VectorMath, WholeQuartersOfATurnAreExact) {
  const std::vector<double> turns{0.0, 0.25, 0.5, 0.75, 1.0};
  std::vector<double> sine(5), cosine(5);
  vector_sincos_of_turns(turns, sine, cosine);
  EXPECT_EQ(sine, (std::vector<double>{0.0, 1.0, 0.0, -1.0, 0.0}));
  EXPECT_EQ(cosine, (std::vector<double>{1.0, 0.0, -1.0, 0.0, 1.0}));
}

TEST(VectorMath, LogarithmIsWithinAnUlp) {
  std::vector<double> x{std::numeric_limits<double>::min(),
                        std::numeric_limits<double>::max(),
                        1.0,
                        std::nextafter(1.0, 0.0),
                        std::nextafter(1.0, 2.0),
                        0x1p-54,
                        1.0 - 0x1p-54};
  std::vector<double> u(1001);
  RandomStream({13, 0, 0}, Purpose::data).uniforms(0, u);
  for (std::size_t i = 0; i < u.size(); ++i)
    x.push_back(i % 3 == 0 ? u[i] : i % 3 == 1 ? 0.99 + 0.02 * u[i] : std::exp(1400.0 * (u[i] - 0.5)));
  std::vector<double> y = x;
  vector_log(y);
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_LE(ulps(y[i], log(Exact(x[i]))), 1.0) << "ln " << x[i];
}

// Near ±1, where the angle is the root of what the cosine lacks, near 0 and between.
TEST(VectorMath, AngleOfACosineIsWithinAnUlp) {
  std::vector<double> x{1.0,   -1.0, 0.0, 0.5, -0.5, std::nextafter(1.0, 0.0), std::nextafter(-1.0, 0.0),
                        1e-300};
  std::vector<double> u(1001);
  RandomStream({17, 0, 0}, Purpose::data).uniforms(0, u);
  for (std::size_t i = 0; i < u.size(); ++i) {
    const double sign = i % 2 == 0 ? 1.0 : -1.0;
    x.push_back(sign * (i % 3 == 0   ? u[i]
                        : i % 3 == 1 ? 1.0 - std::exp(-36.0 * u[i])
                                     : std::exp(-40.0 * u[i])));
  }
  std::vector<double> y = x;
  vector_acos(y);
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_LE(ulps(y[i], acos(Exact(x[i]))), 1.0) << "acos " << x[i];
}

// Between where the result is the smallest normal number and the largest number there is.
template <typename Scalar>
void expect_exp_within_four_ulps(double smallest, double largest) {
  std::vector<Scalar> x{0, Scalar(-0.0), Scalar(smallest), Scalar(largest), Scalar(1e-30), 1, -1};
  std::vector<double> u(2001);
  RandomStream({16, 0, 0}, Purpose::data).uniforms(0, u);
  for (std::size_t i = 0; i < u.size(); ++i)
    x.push_back(static_cast<Scalar>(i % 2 == 0 ? smallest + (largest - smallest) * u[i] : 4.0 * u[i] - 2.0));
  // Halfway between multiples of ln 2, where the argument is reduced the furthest.
  for (double k = std::ceil(smallest / 0.6931471805599453) + 1; k + 1 < largest / 0.6931471805599453; k += 7)
    x.push_back(static_cast<Scalar>((k + 0.5) * 0.6931471805599453));
  std::vector<Scalar> y = x;
  vector_exp(std::span<Scalar>(y));
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_LE(ulps(y[i], exp(Exact(x[i]))), 4.0) << "exp " << x[i];
}

TEST(VectorMath, ExponentialIsWithinFourUlps) {
  expect_exp_within_four_ulps<double>(-708.39, 709.78);
  expect_exp_within_four_ulps<float>(-87.33, 88.72);
}

template <typename Scalar>
void expect_exp_at_its_ends() {
  constexpr Scalar kInfinity = std::numeric_limits<Scalar>::infinity();
  std::vector<Scalar> x{
      -kInfinity, kInfinity, Scalar(-1e5), Scalar(1e5), std::numeric_limits<Scalar>::quiet_NaN(), Scalar(0)};
  vector_exp(std::span<Scalar>(x));
  EXPECT_EQ(x[0], Scalar(0));
  EXPECT_EQ(x[1], kInfinity);
  EXPECT_EQ(x[2], Scalar(0));
  EXPECT_EQ(x[3], kInfinity);
  EXPECT_TRUE(std::isnan(x[4]));
  EXPECT_EQ(x[5], Scalar(1));
}

TEST(VectorMath, ExponentialEndsInZeroAndInfinity) {
  expect_exp_at_its_ends<double>();
  expect_exp_at_its_ends<float>();
}

// Where results are no normal numbers, their unit is that of the smallest one.
TEST(VectorMath, ExponentialGoesToZeroGradually) {
  std::vector<double> x{-709.0, -720.0, -740.0, -745.0, -746.0};
  std::vector<float> xf{-88.0F, -95.0F, -103.0F, -105.0F};
  std::vector<double> y = x;
  std::vector<float> yf = xf;
  vector_exp(std::span<double>(y));
  vector_exp(std::span<float>(yf));
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_LE(ulps(y[i], exp(Exact(x[i]))), 4.0) << "exp " << x[i];
  for (std::size_t i = 0; i < xf.size(); ++i)
    EXPECT_LE(ulps(yf[i], exp(Exact(xf[i]))), 4.0) << "exp " << xf[i];
}

TEST(VectorMath, ATailOfAnyLengthEqualsTheBodyElementByElement) {
  std::vector<double> x(67);
  RandomStream({14, 0, 0}, Purpose::data).uniforms(0, x);
  const std::vector<float> xf(x.begin(), x.end());
  const std::size_t n = x.size();
  std::vector<double> sine(n), cosine(n), turn_sine(n), turn_cosine(n), logs = x, exps = x, angles_of = x;
  std::vector<float> sine_f(n), cosine_f(n), exps_f = xf;
  vector_sincos(x, sine, cosine);
  vector_sincos_of_turns(x, turn_sine, turn_cosine);
  vector_sincos(xf, sine_f, cosine_f);
  vector_log(logs);
  vector_acos(angles_of);
  vector_exp(std::span<double>(exps));
  vector_exp(std::span<float>(exps_f));
  for (std::size_t length = 0; length <= 33; ++length)
    for (const std::size_t first : {0U, 1U, 5U}) {
      std::vector<double> s(length), c(length), ts(length), tc(length);
      std::vector<double> l(&x[first], &x[first] + length);
      std::vector<double> e(&x[first], &x[first] + length);
      std::vector<double> a(&x[first], &x[first] + length);
      std::vector<float> sf(length), cf(length), ef(&xf[first], &xf[first] + length);
      vector_sincos(std::span<const double>(x).subspan(first, length), s, c);
      vector_sincos_of_turns(std::span<const double>(x).subspan(first, length), ts, tc);
      vector_sincos(std::span<const float>(xf).subspan(first, length), sf, cf);
      vector_log(l);
      vector_acos(a);
      vector_exp(std::span<double>(e));
      vector_exp(std::span<float>(ef));
      for (std::size_t i = 0; i < length; ++i) {
        EXPECT_EQ(s[i], sine[first + i]);
        EXPECT_EQ(c[i], cosine[first + i]);
        EXPECT_EQ(ts[i], turn_sine[first + i]);
        EXPECT_EQ(tc[i], turn_cosine[first + i]);
        EXPECT_EQ(sf[i], sine_f[first + i]);
        EXPECT_EQ(cf[i], cosine_f[first + i]);
        EXPECT_EQ(l[i], logs[first + i]);
        EXPECT_EQ(a[i], angles_of[first + i]);
        EXPECT_EQ(e[i], exps[first + i]);
        EXPECT_EQ(ef[i], exps_f[first + i]);
      }
    }
}

TEST(VectorMath, TheSinesMayReplaceTheArguments) {
  std::vector<double> x(13);
  RandomStream({15, 0, 0}, Purpose::data).uniforms(0, x);
  std::vector<double> sine(13), cosine(13), in_place = x, other(13);
  vector_sincos(x, sine, cosine);
  vector_sincos(in_place, in_place, other);
  EXPECT_EQ(in_place, sine);
  EXPECT_EQ(other, cosine);
}

// The ruler itself: a last digit off by two must not pass.
TEST(VectorMathControl, RejectsASineTwoUlpsOff) {
  const double right = std::sin(0.7);
  const double wrong = std::nextafter(std::nextafter(right, 1.0), 1.0);
  EXPECT_LE(ulps(right, sin(Exact(0.7))), 1.0);
  EXPECT_GT(ulps(wrong, sin(Exact(0.7))), 1.0);
}

TEST(VectorMathControl, RejectsAnExponentialFiveUlpsOff) {
  double wrong = std::exp(0.7);
  for (int i = 0; i < 5; ++i) wrong = std::nextafter(wrong, 10.0);
  EXPECT_GT(ulps(wrong, exp(Exact(0.7))), 4.0);
}

}  // namespace
}  // namespace attngap
