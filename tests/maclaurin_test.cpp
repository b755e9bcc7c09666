#include "estimators/maclaurin.hpp"

#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"
#include "tests/house_problem.hpp"
#include "tests/statistical_assertions.hpp"

#include <cmath>
#include <numeric>
#include <vector>

#include <boost/math/special_functions/bessel.hpp>
#include <boost/multiprecision/cpp_bin_float.hpp>
#include <gtest/gtest.h>

namespace attngap {
namespace {

using testing_tools::kernel_estimate;
using testing_tools::mean_is;
using testing_tools::one_pair;
using testing_tools::variance_is;
using testing_tools::vector_of;
using Exact = boost::multiprecision::cpp_bin_float_50;

const Vector kX = vector_of({0.5, -0.3, 0.2, 0.4});
const Vector kY = vector_of({-0.2, 0.4, 0.6, 0.1});
const Vector kZ = vector_of({0.3, 0.1, -0.5, 0.2});

// f by its function in fifty digits.
Exact value(std::string_view kernel, const Exact& z) {
  if (kernel == "inverse") return 1 / (1 - z);
  if (kernel == "log") return 1 - log(1 - z);
  if (kernel == "sqrt") return 2 - sqrt(1 - z);
  if (kernel == "power10") return pow(z, 10);
  if (kernel == "polynomial10") return pow(1 + z, 10);
  return exp(z);
}

class EveryKernel : public testing::TestWithParam<std::string_view> {
 protected:
  const MaclaurinKernel& kernel() const { return maclaurin_kernel_named(GetParam()); }
};

TEST_P(EveryKernel, HasTheValueOfItsFormula) {
  for (const double z : {-0.9, -0.3, 0.0, 1e-9, 0.2, 0.7, 0.95})
    EXPECT_NEAR(kernel().value(z), static_cast<double>(value(GetParam(), z)), 1e-13 * kernel().value(z));
}

// Taylor coefficients by Cauchy's differences: with step h the alternating sum of n+1 values over n! hⁿ is
// a_n to O(h²) when taken centrally; fifty digits leave room for h = 1e-4 at n = 6.
TEST_P(EveryKernel, HasTheCoefficientsOfItsTaylorSeries) {
  for (int n = 0; n <= 6; ++n) {
    const Exact h("1e-4");
    Exact difference = 0, binomial = 1, factorial = 1;
    for (int i = 0; i <= n; ++i) {
      difference += (i % 2 == 0 ? 1 : -1) * binomial * value(GetParam(), (Exact(n) / 2 - i) * h);
      binomial = binomial * (n - i) / (i + 1);
    }
    for (int i = 1; i <= n; ++i) factorial *= i;
    const auto expected = static_cast<double>(difference / (factorial * pow(h, n)));
    EXPECT_NEAR(kernel().coefficient(n), expected, 1e-6 * std::max(1.0, expected)) << "a_" << n;
  }
}

TEST_P(EveryKernel, IsTheSumOfItsSeries) {
  for (const double z : {-0.5, -0.1, 0.3, 0.6}) {
    double sum = 0.0;
    for (int n = 0; n < 150; ++n) sum += kernel().coefficient(n) * std::pow(z, n);
    EXPECT_NEAR(sum, kernel().value(z), 1e-14 * std::abs(sum)) << "z = " << z;
  }
}

// Mean and second moment of φ(q)φ(k) over all sign vectors: one factor of degree one by enumeration, so that
// E Π_{j≤n} (ω_j·q)(ω_j·k) = (E (ω·q)(ω·k))ⁿ, with every degree of a law of five.
TEST_P(EveryKernel, HasTheMomentsOfAllSignVectors) {
  const DegreeLaw law{{0.3, 0.1, 0.35, 0.05, 0.2}};
  const RandomMaclaurin maclaurin(kernel(), law);
  double first = 0.0, second = 0.0;  // E (ω·x)(ω·y), E (ω·x)²(ω·y)(ω·z)
  for (unsigned bits = 0; bits < 16; ++bits) {
    Vector omega(4);
    for (int i = 0; i < 4; ++i) omega(i) = (bits >> i) & 1U ? 1.0 : -1.0;
    first += omega.dot(kX) * omega.dot(kY) / 16.0;
    second += std::pow(omega.dot(kX), 2) * omega.dot(kY) * omega.dot(kZ) / 16.0;
  }
  EXPECT_NEAR(first, kX.dot(kY), 1e-16);
  EXPECT_NEAR(maclaurin_pair_base(MaclaurinDirection::rademacher, kX, kY, kZ), second, 1e-16);
  double mean = 0.0, moment = 0.0, truncated = 0.0;
  for (int n = 0; n < 5; ++n) {
    const auto at = static_cast<std::size_t>(n);
    const double q = law.probability[at], weight = kernel().coefficient(n) / q;
    EXPECT_DOUBLE_EQ(maclaurin.weights(1)[at], weight);
    mean += q * weight * std::pow(first, n);
    moment += q * weight * weight * std::pow(second, n);
    truncated += kernel().coefficient(n) * std::pow(kX.dot(kY), n);
  }
  EXPECT_NEAR(mean, truncated, 1e-15);
  EXPECT_NEAR(maclaurin.pair_moment(kX, kY, kZ), moment, 1e-14 * std::max(1.0, std::abs(moment)));
}

INSTANTIATE_TEST_SUITE_P(Table, EveryKernel,
                         testing::Values("exp", "inverse", "log", "sqrt", "trigh", "power10", "polynomial10"),
                         [](const auto& kernel) { return std::string(kernel.param); });

// Every pair of sign vectors, not one to the power two: the product over independent vectors is what is
// drawn.
TEST(RandomMaclaurin, OfDegreeTwoHasTheMomentsOfAllPairsOfSignVectors) {
  double mean = 0.0, moment = 0.0;
  for (unsigned bits = 0; bits < 256; ++bits) {
    double x = 1.0, y = 1.0, z = 1.0;
    for (unsigned j = 0; j < 2; ++j) {
      Vector omega(4);
      for (unsigned i = 0; i < 4; ++i) omega(i) = (bits >> (4 * j + i)) & 1U ? 1.0 : -1.0;
      x *= omega.dot(kX);
      y *= omega.dot(kY);
      z *= omega.dot(kZ);
    }
    mean += x * y / 256.0;
    moment += x * x * y * z / 256.0;
  }
  EXPECT_NEAR(mean, std::pow(kX.dot(kY), 2), 1e-16);
  EXPECT_NEAR(moment, std::pow(maclaurin_pair_base(MaclaurinDirection::rademacher, kX, kY, kZ), 2), 1e-16);
}

// Mean and second moment of Π_{j≤n} (ω_j·x)(ω_j·y) over all tuples of sign vectors in two dimensions.
struct Enumerated {
  double mean = 0.0;
  double second = 0.0;
};
Enumerated over_all_signs(int degree, const Vector& x, const Vector& y) {
  const int tuples = 1 << (2 * degree);
  Enumerated of;
  for (int bits = 0; bits < tuples; ++bits) {
    double product = 1.0;
    for (int j = 0; j < degree; ++j) {
      const Vector omega =
          vector_of({(bits >> (2 * j)) & 1 ? 1.0 : -1.0, (bits >> (2 * j + 1)) & 1 ? 1.0 : -1.0});
      product *= omega.dot(x) * omega.dot(y);
    }
    of.mean += product / tuples;
    of.second += product * product / tuples;
  }
  return of;
}

// Every kernel under every law of degrees, with and without known degrees: the mean and the variance of one
// feature are those of all its degrees and all its sign vectors.
TEST_P(EveryKernel, HasTheMomentsOfAllDegreesAndSignsUnderEveryLaw) {
  constexpr int kHighest = 4;
  const Vector x = vector_of({0.5, -0.4}), y = vector_of({0.3, 0.6});
  const std::vector<DegreeLaw> laws{geometric_degrees(2.0), geometric_degrees(3.5), poisson_degrees(0.7),
                                    proportional_degrees({0.4, 0.1, 0.9, 0.3, 0.2}, 0.0)};
  for (const DegreeLaw& degrees : laws)
    for (const int known : {0, 1, 2}) {
      const RandomMaclaurin law(kernel(), degrees, {MaclaurinDirection::rademacher, known, kHighest});
      const std::vector<double> weights = law.weights(1);
      double mean = 0.0, second = 0.0, exact = 0.0;
      for (int n = 0; n <= kHighest; ++n) {
        const auto place = static_cast<std::size_t>(n);
        const Enumerated product = over_all_signs(n, x, y);
        if (n < known) {
          exact += kernel().coefficient(n) * product.mean;
          continue;
        }
        const double q = law.degrees().probability[place];
        mean += q * weights[place] * product.mean;
        second += q * weights[place] * weights[place] * product.second;
      }
      EXPECT_NEAR(law.mean(x.dot(y)), exact + mean, 1e-14);
      EXPECT_NEAR(law.covariance(x, y, y, 1), second - mean * mean, 1e-13 * second);
      EXPECT_NEAR(law.pair_moment(x, y, y), exact * exact + 2.0 * exact * mean + second,
                  1e-14 * std::max(1.0, second));
      // The control: the printed weights of Kar and Karnick, right for p = 2 only, would be off by p − 1.
      if (degrees.geometric == 3.5 && known == 0 && kernel().coefficient(0) > 0.0) {
        EXPECT_GT(std::abs(2.5 * mean - law.mean(x.dot(y))), 0.1);
      }
    }
}

// The same for an allocation: D_n features of degree n, whose products are independent.
TEST_P(EveryKernel, HasTheMomentsOfAllSignsUnderAnAllocation) {
  const Vector x = vector_of({0.5, -0.4}), y = vector_of({0.3, 0.6});
  const DegreeAllocation allocation(1, {0.5, 0.2, 0.1});
  const RandomMaclaurin law(kernel(), allocation, {MaclaurinDirection::rademacher, 1, 3});
  constexpr Index kDraws = 11;
  const std::vector<double> weights = law.weights(kDraws), counts = allocation.counts(kDraws);
  double mean = kernel().coefficient(0), variance = 0.0;
  for (int n = 1; n <= 3; ++n) {
    const auto place = static_cast<std::size_t>(n);
    const Enumerated product = over_all_signs(n, x, y);
    mean += counts[place] * weights[place] * product.mean / kDraws;
    variance += counts[place] * weights[place] * weights[place] *
                (product.second - product.mean * product.mean) / (kDraws * kDraws);
  }
  EXPECT_NEAR(law.mean(x.dot(y)), mean, 1e-14);
  EXPECT_NEAR(law.covariance(x, y, y, kDraws), variance, 1e-13 * variance);
}

TEST(GeometricDegrees, AreAProbabilityForEveryP) {
  for (const double p : {1.3, 2.0, 10.0}) {
    const DegreeLaw law = geometric_degrees(p);
    EXPECT_NEAR(std::accumulate(law.probability.begin(), law.probability.end(), 0.0), 1.0, 1e-14)
        << "p = " << p;
    for (std::size_t n = 0; n < law.probability.size(); ++n)
      EXPECT_NEAR(law.probability[n], (p - 1.0) * std::pow(p, -static_cast<double>(n + 1)),
                  1e-13 * law.probability[n])
          << "p = " << p << ", n = " << n;
  }
  for (const double p : {1.0, 0.5, -2.0, 1.0001, std::nan(""), std::numeric_limits<double>::infinity()})
    EXPECT_THROW(geometric_degrees(p), BadInput) << "p = " << p;
}

// Two orthogonal axes give c = |x|²|y|² > 0; x and y on the same axes with opposite signs give any sign of c.
TEST(RandomMaclaurin, OfTheExpKernelHasABesselFunctionForASecondMoment) {
  for (const double p : {1.3, 2.0, 10.0}) {
    const RandomMaclaurin law(maclaurin_kernel_named("exp"), geometric_degrees(p));
    for (const double size : {0.1, 1.0, 2.0, 5.0, 8.0}) {
      const Vector x = size * kX, y = size * kY;
      const double c = maclaurin_pair_base(MaclaurinDirection::rademacher, x, y, y);
      const double expected = p / (p - 1.0) * boost::math::cyl_bessel_i(0, 2.0 * std::sqrt(p * c));
      EXPECT_NEAR(law.pair_moment(x, y, y), expected, 1e-12 * expected) << "p = " << p << ", c = " << c;
    }
    for (const double size : {0.1, 1.0, 2.0}) {
      const double c = maclaurin_pair_base(MaclaurinDirection::rademacher, size * kX, size * kY, -size * kY);
      ASSERT_LT(c, 0.0);
      const double expected = p / (p - 1.0) * boost::math::cyl_bessel_j(0, 2.0 * std::sqrt(-p * c));
      // Alternating terms as large as I₀ cancel.
      const double terms = p / (p - 1.0) * boost::math::cyl_bessel_i(0, 2.0 * std::sqrt(-p * c));
      EXPECT_NEAR(law.pair_moment(size * kX, size * kY, -size * kY), expected, 1e-14 * terms);
    }
  }
}

// In one dimension c = (xy)², so that p c is what we please.
TEST(RandomMaclaurin, OfTheInverseKernelHasASecondMomentIffPCIsBelowOne) {
  const auto moment = [](std::string_view kernel, double p, double pc) {
    const Vector x = vector_of({1.0}), y = vector_of({std::sqrt(std::abs(pc) / p)});
    return RandomMaclaurin(maclaurin_kernel_named(kernel), geometric_degrees(p))
        .pair_moment(x, y, pc < 0 ? -y : y);
  };
  for (const double p : {1.3, 2.0, 10.0}) {
    for (const double pc : {-0.95, -0.5, 0.1, 0.5, 0.9, 0.99})
      EXPECT_NEAR(moment("inverse", p, pc), p / (p - 1.0) / (1.0 - pc), 1e-11 / (1.0 - pc)) << p << " " << pc;
    for (const double pc : {1.0 + 1e-12, 1.5, 4.0}) {
      EXPECT_TRUE(std::isinf(moment("inverse", p, pc))) << p << " " << pc;
      EXPECT_TRUE(std::isinf(moment("log", p, pc))) << p << " " << pc;
      EXPECT_TRUE(std::isinf(moment("sqrt", p, pc))) << p << " " << pc;
      EXPECT_TRUE(std::isfinite(moment("exp", p, pc))) << p << " " << pc;
    }
    EXPECT_TRUE(std::isfinite(moment("log", p, 0.9)));
    EXPECT_TRUE(std::isfinite(moment("sqrt", p, 0.9)));
  }
}

TEST(RandomMaclaurinControl, TheKernelOfKarAndKarnickWithoutItsFactorIsOffByPMinusOne) {
  const double p = 10.0;
  double mean = 0.0;
  const DegreeLaw law = geometric_degrees(p);
  for (std::size_t n = 0; n < law.probability.size(); ++n)  // the normalised law with the weight a_n p^{n+1}
    mean += law.probability[n] * std::pow(p, static_cast<double>(n + 1)) /
            std::tgamma(static_cast<double>(n) + 1.0) * std::pow(0.37, static_cast<double>(n));
  EXPECT_NEAR(mean, 9.0 * std::exp(0.37), 1e-12);
}

// The real pass at small norms: K̂ of m features has mean f(x·y) and the variance of its law over m.
struct Simulation {
  Moments kernel;
  Simulation(std::string_view estimator, const Vector& x, const Vector& y, Index m) {
    const auto problem = one_pair(x, y);
    const auto made = make_estimator(estimator);
    const std::vector<const AttentionEstimator*> group{made.get()};
    const auto plan = made->plan(problem, group, {m}, Precision::float64);
    const auto sampler = plan->sampler();
    for (std::uint32_t r = 0; r < 40'000; ++r)
      sampler->draw({61, 0, r},
                    [&](auto, auto, const AttentionEstimate& e) { kernel.add(kernel_estimate(e)); });
  }
};

double variance_of_feature(double p, const Vector& x, const Vector& y) {
  const RandomMaclaurin law(maclaurin_kernel_named("exp"), geometric_degrees(p));
  return law.pair_moment(x, y, y) - std::exp(2.0 * x.dot(y));
}

// Bases of both signs up to several hundred; what no short series gives is left to one call a pair.
TEST(RandomMaclaurin, PairMomentsOfABlockAreThoseOfItsPairs) {
  const Matrix keys = testing_tools::normal_matrix(7, 1, 11, 5);
  const Vector q = testing_tools::normal_matrix(7, 2, 5, 1);
  const auto expect_equal = [&](const RandomMaclaurin& law, double spread, bool series) {
    const Matrix K = spread * keys;
    const auto moments = law.pair_moments(q, K, 4, 7);
    ASSERT_EQ(moments.has_value(), series);
    if (!series) return;
    ASSERT_EQ(moments->cols(), 11);
    const double largest = moments->cwiseAbs().maxCoeff();
    for (Index m = 0; m < 7; ++m)
      for (Index other = 0; other < 11; ++other)
        EXPECT_NEAR((*moments)(m, other), law.pair_moment(q, K.row(4 + m), K.row(other)), 1e-12 * largest);
  };
  const MaclaurinKernel& exponential = maclaurin_kernel_named("exp");
  for (const int known : {0, 1, 2})
    for (const auto direction : {MaclaurinDirection::rademacher, MaclaurinDirection::gaussian}) {
      MaclaurinOptions options;
      options.direction = direction;
      options.known = known;
      for (const double spread : {0.0, 0.1, 1.0, 4.0}) {
        expect_equal({exponential, geometric_degrees(2.0), options}, spread, true);
        expect_equal({exponential, poisson_degrees(3.0), options}, std::min(spread, 0.3), true);
      }
      options.max_degree = 6;
      expect_equal({exponential, geometric_degrees(2.0), options}, 1.0, true);
      expect_equal({maclaurin_kernel_named("log"), geometric_degrees(2.0), options}, 1.0, true);
    }
  expect_equal({maclaurin_kernel_named("inverse"), geometric_degrees(2.0)}, 0.05, true);
  expect_equal({maclaurin_kernel_named("inverse"), geometric_degrees(2.0)}, 1.0, false);  // diverges
}

// Next to the radius of convergence power series have hundreds of terms, or do not end: p c within 0.1, 0.01
// and 0.001 of one for the largest base c of the block. And table laws, which have no closed form.
TEST(RandomMaclaurin, PairMomentsOfABlockNearTheRadiusAreThoseOfItsPairs) {
  const Matrix keys = testing_tools::normal_matrix(7, 1, 11, 5);
  const Vector q = testing_tools::normal_matrix(7, 2, 5, 1);
  double largest = 0.0;
  for (Index m = 0; m < 11; ++m)
    largest =
        std::max(largest, maclaurin_pair_base(MaclaurinDirection::rademacher, q, keys.row(m), keys.row(m)));
  for (const char* name : {"inverse", "log", "sqrt"})
    for (const int known : {0, 1, 2})
      for (const double missing : {0.1, 0.01, 0.001}) {
        MaclaurinOptions options;
        options.known = known;
        const MaclaurinKernel& kernel = maclaurin_kernel_named(name);
        const RandomMaclaurin geometric(kernel, geometric_degrees(2.0), options);
        std::vector<double> weights;
        for (int n = 0; n < 600; ++n) weights.push_back(kernel.coefficient(n) * std::pow(0.55, n));
        const RandomMaclaurin table(kernel, proportional_degrees(std::move(weights), 0.55), options);
        for (const RandomMaclaurin* law : {&geometric, &table}) {
          if (law == &table && missing < 0.05) continue;  // its terms count at the end of the table
          const double reach = law == &geometric ? 0.5 : 0.55;
          const Matrix K = std::sqrt((1.0 - missing) * reach / largest) * keys;
          const auto moments = law->pair_moments(q, K, 4, 7), covariances = law->pair_covariances(q, K, 4, 7);
          ASSERT_TRUE(moments && covariances) << name << known << missing;
          const double scale = 1e-11 * moments->cwiseAbs().maxCoeff();
          for (Index m = 0; m < 7; ++m)
            for (Index other = 0; other < 11; ++other) {
              EXPECT_NEAR((*moments)(m, other), law->pair_moment(q, K.row(4 + m), K.row(other)), scale)
                  << name << known << missing;
              EXPECT_NEAR((*covariances)(m, other), law->covariance(q, K.row(4 + m), K.row(other), 1), scale);
            }
        }
      }
}

// m times the covariance of m features, of every count whose shares differ; and their limit.
TEST(RandomMaclaurin, CovariancesOfABlockOfAllocatedDegreesAreThoseOfItsPairs) {
  const Matrix keys = testing_tools::normal_matrix(7, 1, 11, 5);
  const Vector q = testing_tools::normal_matrix(7, 2, 5, 1);
  for (const int known : {0, 1, 2})
    for (const double spread : {0.0, 1e-3, 0.3, 3.0}) {
      MaclaurinOptions options;
      options.known = known;
      options.max_degree = 6;
      const std::vector<double> needs(static_cast<std::size_t>(7 - known), 1.0);
      const RandomMaclaurin law(maclaurin_kernel_named("exp"), DegreeAllocation(known, needs), options);
      const Matrix K = spread * keys;
      for (const Index draws : {7, 30}) {
        const auto found = law.pair_covariances(q, K, 4, 7, draws);
        ASSERT_TRUE(found);
        for (Index m = 0; m < 7; ++m)
          for (Index other = 0; other < 11; ++other)
            EXPECT_NEAR((*found)(m, other),
                        static_cast<double>(draws) * law.covariance(q, K.row(4 + m), K.row(other), draws),
                        1e-12 * found->cwiseAbs().maxCoeff())
                << known << " " << spread << " " << draws;
      }
      const Matrix limit = *law.pair_moments(q, K, 4, 7);
      EXPECT_NEAR(limit(3, 2), law.pair_moment(q, K.row(7), K.row(2)), 1e-12 * limit.cwiseAbs().maxCoeff());
    }
}

TEST(Rmfa, HasTheMeanAndVarianceOfItsLaw) {
  const Vector x = vector_of({0.3, -0.2, 0.1, 0.25, -0.15}), y = vector_of({0.2, 0.3, -0.25, 0.1, 0.05});
  for (const auto& [name, p] : {std::pair{"rmfa", 2.0}, {"rmfa:p=1.5", 1.5}})
    for (const Index m : {1, 11}) {
      const Simulation simulation(name, x, y, m);
      const double variance = variance_of_feature(p, x, y) / static_cast<double>(m);
      EXPECT_TRUE(mean_is(simulation.kernel, std::exp(x.dot(y)), variance)) << name << ", m = " << m;
      EXPECT_TRUE(variance_is(simulation.kernel, variance)) << name << ", m = " << m;
    }
}

TEST(RmfaControl, RejectsAMeanOffByTwoPercentAndAVarianceOffByTenPercent) {
  const Vector x = vector_of({0.3, -0.2, 0.1, 0.25, -0.15}), y = vector_of({0.2, 0.3, -0.25, 0.1, 0.05});
  const Simulation simulation("rmfa", x, y, 11);
  const double variance = variance_of_feature(2.0, x, y) / 11.0;
  EXPECT_FALSE(mean_is(simulation.kernel, 1.02 * std::exp(x.dot(y)), variance));
  EXPECT_FALSE(variance_is(simulation.kernel, 1.1 * variance));
}

}  // namespace
}  // namespace attngap
