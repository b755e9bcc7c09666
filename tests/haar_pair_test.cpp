#include "estimators/haar_pair.hpp"

#include "estimators/error.hpp"
#include "estimators/feature_map.hpp"
#include "estimators/projection.hpp"
#include "estimators/special_functions.hpp"
#include "tests/house_problem.hpp"
#include "tests/quadrature.hpp"
#include "tests/statistical_assertions.hpp"

#include <cmath>
#include <functional>

#include <boost/math/special_functions/hypergeometric_0F1.hpp>
#include <boost/math/special_functions/hypergeometric_1F1.hpp>
#include <gtest/gtest.h>

namespace attngap {
namespace {

using namespace testing_tools;

double excess(HaarFactor factor, Index d, double A, double B, double squared_cosine) {
  return HaarPair(factor, d).excess(A, B, Vector::Constant(1, squared_cosine))(0);
}

// E of the factor over one direction of R^d, given |a|.
double mean_of_one(HaarFactor factor, double d, double length) {
  const double square = length * length;
  if (factor == HaarFactor::fixed_norm) return boost::math::hypergeometric_0F1(0.5 * d, 0.25 * d * square);
  return std::exp(factor == HaarFactor::cosine ? -0.5 * square : 0.5 * square);
}

// E of the factor over the second direction, given that it lies in the d − 1 dimensions across the first and
// sees the part `length` of b there; its norm is still that of d dimensions.
double mean_across(HaarFactor factor, double d, double length) {
  const double square = length * length;
  if (factor == HaarFactor::fixed_norm)
    return boost::math::hypergeometric_0F1(0.5 * (d - 1.0), 0.25 * d * square);
  return boost::math::hypergeometric_1F1(0.5 * d, 0.5 * (d - 1.0),
                                         factor == HaarFactor::cosine ? -0.5 * square : 0.5 * square);
}

// The definition: the first direction by quadrature over its norm and its two cosines in the plane of a and
// b, the second given the first by Boost.Math.
double by_quadrature(HaarFactor factor, int d, double A, double B, double cosine) {
  const double a = std::sqrt(A), b = std::sqrt(B), sine = std::sqrt(1.0 - cosine * cosine);
  const auto value = [&](double projected) {
    return factor == HaarFactor::cosine ? std::cos(projected) : std::exp(projected);
  };
  const auto radial = [&](double t) {
    if (factor == HaarFactor::fixed_norm) return value(std::sqrt(static_cast<double>(d)) * a * t);
    return chi_expectation(d, [&](double r) { return value(r * a * t); });
  };
  const auto second = [&](double t, double s) {
    const double seen = b * (cosine * t + sine * s * std::sqrt(1.0 - t * t));
    return mean_across(factor, d, std::sqrt(std::max(0.0, B - seen * seen)));
  };
  const double mean = cosine_expectation(d, [&](double t) {
    return radial(t) * (d == 2 ? 0.5 * (second(t, 1.0) + second(t, -1.0))
                               : cosine_expectation(d - 1, [&](double s) { return second(t, s); }));
  });
  return mean / (mean_of_one(factor, d, a) * mean_of_one(factor, d, b)) - 1.0;
}

constexpr HaarFactor kFactors[] = {HaarFactor::exponential, HaarFactor::cosine, HaarFactor::fixed_norm};

TEST(HaarPair, IsTheQuadratureOverThePlaneOfTheTwoVectors) {
  for (const HaarFactor factor : kFactors)
    for (const int d : {3, 4, 5, 8})
      for (const auto& [A, B, cosine] : {std::tuple{0.4, 0.7, 0.3}, std::tuple{1.5, 0.5, -0.8},
                                         std::tuple{3.0, 2.0, 0.0}, std::tuple{0.9, 4.0, 1.0}}) {
        const double expected = by_quadrature(factor, d, A, B, cosine);
        EXPECT_NEAR(excess(factor, d, A, B, cosine * cosine), expected, 1e-10 * (1.0 + std::abs(expected)))
            << static_cast<int>(factor) << ", d = " << d << ", A = " << A;
      }
}

TEST(HaarPair, ControlTheQuadratureSeesTheAngleAndTheSign) {
  const double right = by_quadrature(HaarFactor::exponential, 5, 1.5, 0.5, 0.8);
  EXPECT_GT(std::abs(excess(HaarFactor::exponential, 5, 1.5, 0.5, 0.8) - right), 1e-4);  // not squared
  EXPECT_GT(std::abs(excess(HaarFactor::cosine, 5, 1.5, 0.5, 0.64) - right), 1e-4);
}

// One key twice: ₁F₁(d; d/2; ±S/2), or ₀F₁ for a fixed norm, as every map has it.
TEST(HaarPair, OfOneVectorTwiceIsThePairMomentOfTheMaps) {
  for (const Index d : {2, 3, 5, 8, 63, 64})
    for (const double size : {0.3, 1.2, 2.5})
      for (const auto& row : feature_maps()) {
        const FeatureMap& map = row.get();
        const auto pairs = map.orthogonal_pairs();
        if (!pairs) continue;
        Vector x = Vector::Constant(d, 0.2 * size), y = Vector::Constant(d, 0.1 * size);
        x(0) = size;
        y(1) = -size;
        const double S = (x + pairs->sign * y).squaredNorm();
        const double mean = map.kernel(x, y);
        const double f = 1.0 + excess(pairs->factor, d, S, S, 1.0);
        const double expected = map.orthogonal_pair_moment(x, y) / (mean * mean);
        EXPECT_NEAR(f, expected, 1e-11 * std::max(1.0, std::abs(expected))) << row.name << ", d = " << d;
      }
}

TEST(HaarPair, IsSymmetricAndZeroWithoutLengthAndEndsAtItsReach) {
  for (const HaarFactor factor : kFactors) {
    EXPECT_NEAR(excess(factor, 5, 3.0, 7.0, 0.2), excess(factor, 5, 7.0, 3.0, 0.2), 1e-11);
    EXPECT_NEAR(excess(factor, 5, 0.0, 7.0, 0.2), 0.0, 1e-11);
    const double reach = HaarPair(factor, 7).reach();
    EXPECT_TRUE(std::isfinite(excess(factor, 7, reach, reach, 0.5)));
    EXPECT_TRUE(std::isnan(excess(factor, 7, reach * 1.001, 1.0, 0.5)));
  }
  EXPECT_THROW(HaarPair(HaarFactor::cosine, 1), BadInput);
}

// Blocks of d = 5 with two keys, all m = 5 directions in one block: the mean over the 20 ordered pairs.
TEST(HaarPair, IsWhatOrthogonalDirectionsDo) {
  const Vector a = vector_of({0.6, -0.3, 0.4, 0.1, 0.5}), b = vector_of({0.5, -0.5, 0.2, 0.3, 0.6});
  for (const HaarFactor factor : {HaarFactor::exponential, HaarFactor::cosine}) {
    const double A = a.squaredNorm(), B = b.squaredNorm(), C = std::pow(a.dot(b), 2) / (A * B);
    const double means = mean_of_one(factor, 5, a.norm()) * mean_of_one(factor, 5, b.norm());
    const double expected = excess(factor, 5, A, B, C);
    Moments found;
    Matrix Omega(5, 5);
    for (std::uint32_t r = 0; r < 30'000; ++r) {
      projection_named("orthogonal").draw({17, 0, r}, Omega);
      const Vector wa = Omega * a, wb = Omega * b;
      const auto value = [&](double x) { return factor == HaarFactor::cosine ? std::cos(x) : std::exp(x); };
      const Vector fa = wa.unaryExpr(value), fb = wb.unaryExpr(value);
      found.add((fa.sum() * fb.sum() - fa.dot(fb)) / (20.0 * means) - 1.0);
    }
    EXPECT_TRUE(mean_is(found, expected));
    EXPECT_FALSE(mean_is(found, 0.0));  // independent directions
    EXPECT_FALSE(mean_is(found, excess(factor, 5, A, B, 0.0)));
  }
}

TEST(HaarTable, InterpolatesThePairsOfAWholeRow) {
  for (const HaarFactor factor : kFactors)
    for (const Index d : {2, 5, 64})
      for (const double highest : {1.0, 20.0}) {
        const HaarPair pair(factor, d);
        const HaarTable table(pair, 0.05 * highest, highest);
        const Vector A = Vector::LinSpaced(4, 0.05 * highest, highest);
        const Vector B = Vector::LinSpaced(5, 0.11 * highest, 0.93 * highest);
        Matrix cosines(4, 5);
        for (Index i = 0; i < cosines.size(); ++i) cosines.data()[i] = static_cast<double>(i) / 19.0;
        const Matrix found = table.excess(A, B, cosines);
        for (Index i = 0; i < 4; ++i)
          for (Index j = 0; j < 5; ++j) {
            const double expected = pair.excess(A(i), B(j), Vector::Constant(1, cosines(i, j)))(0);
            EXPECT_NEAR(found(i, j), expected, 1e-10 * (1.0 + std::abs(expected))) << d << " " << highest;
          }
      }
}

}  // namespace
}  // namespace attngap
