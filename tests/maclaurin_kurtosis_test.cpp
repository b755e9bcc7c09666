// Kurtoses of kernel estimates of Maclaurin features in closed form.

#include "estimators/estimator_table.hpp"
#include "estimators/maclaurin_data.hpp"
#include "estimators/ratio_estimator.hpp"
#include "tests/house_problem.hpp"
#include "tests/quadrature.hpp"
#include "tests/statistical_assertions.hpp"

#include <cmath>
#include <string>
#include <vector>

#include <boost/multiprecision/cpp_bin_float.hpp>
#include <gtest/gtest.h>

namespace attngap {
namespace {

using testing_tools::kernel_estimate;
using testing_tools::mean_is;
using testing_tools::normal_expectation;
using testing_tools::one_pair;
using testing_tools::vector_of;
using Exact = boost::multiprecision::number<
    boost::multiprecision::cpp_bin_float<60, boost::multiprecision::digit_base_10, void, std::int64_t>>;

constexpr auto kSigns = MaclaurinDirection::rademacher;
constexpr auto kNormals = MaclaurinDirection::gaussian;

// An outcome and how probable it is.
struct Outcome {
  double value, probability;
};
using Outcomes = std::vector<Outcome>;

// (ω·x)(ω·y) of every sign vector.
Outcomes sign_products(const Vector& x, const Vector& y) {
  Outcomes outcomes;
  const unsigned count = 1U << x.size();
  for (unsigned bits = 0; bits < count; ++bits) {
    double u = 0.0, v = 0.0;
    for (Index i = 0; i < x.size(); ++i) {
      const double sign = (bits >> i & 1U) != 0U ? 1.0 : -1.0;
      u += sign * x(i);
      v += sign * y(i);
    }
    outcomes.push_back({u * v, 1.0 / count});
  }
  return outcomes;
}

Outcomes combined(const Outcomes& a, const Outcomes& b, double (*of)(double, double)) {
  Outcomes all;
  for (const Outcome& first : a)
    for (const Outcome& second : b)
      all.push_back({of(first.value, second.value), first.probability * second.probability});
  return all;
}

Outcomes powers(const Outcomes& factor, int n) {
  Outcomes product{{1.0, 1.0}};
  for (int i = 0; i < n; ++i) product = combined(product, factor, [](double a, double b) { return a * b; });
  return product;
}

double moment(const Outcomes& outcomes, int k, double about = 0.0) {
  double sum = 0.0;
  for (const Outcome& each : outcomes) sum += each.probability * std::pow(each.value - about, k);
  return sum;
}

double kurtosis_of(const Outcomes& outcomes) {
  const double mean = moment(outcomes, 1);
  return moment(outcomes, 4, mean) / std::pow(moment(outcomes, 2, mean), 2);
}

// ---- products of Maclaurin features ----

TEST(MaclaurinProductMoments, OfSignsAreThoseOfAllSignVectors) {
  const Vector x = vector_of({0.5, -0.3, 0.2, 0.4, -0.7, 1.1, 0.05});
  const Vector y = vector_of({-0.2, 0.4, 0.6, 0.1, 0.9, -0.3, 0.8});
  for (const Index d : {1, 2, 3, 5, 7}) {
    const Outcomes all = sign_products(x.head(d), y.head(d));
    const ProductMoments b = maclaurin_product_moments(kSigns, x.head(d), y.head(d));
    const double fourth = moment(all, 4);
    EXPECT_NEAR(b.first, moment(all, 1), 1e-14);
    EXPECT_NEAR(b.second, moment(all, 2), 1e-13 * b.second);
    EXPECT_NEAR(b.second, maclaurin_pair_base(kSigns, x.head(d), y.head(d), y.head(d)), 1e-13 * b.second);
    EXPECT_NEAR(b.third, moment(all, 3), 1e-13 * std::pow(fourth, 0.75)) << d;
    EXPECT_NEAR(b.fourth, fourth, 1e-13 * fourth) << d;
  }
}

// In the plane of x and y, and by Isserlis' formula.
TEST(MaclaurinProductMoments, OfNormalsAreThoseOfQuadrature) {
  const Vector x = vector_of({0.5, -0.3, 0.2, 0.4, -0.7}), y = vector_of({-0.2, 0.4, 0.6, 0.1, 0.9});
  const ProductMoments b = maclaurin_product_moments(kNormals, x, y);
  const double along = x.dot(y) / x.norm(), across = std::sqrt(y.squaredNorm() - along * along);
  const auto mean = [&](int k) {
    return normal_expectation([&](double g) {
      return normal_expectation(
          [&](double h) { return std::pow(x.norm() * g * (along * g + across * h), k); });
    });
  };
  EXPECT_NEAR(b.first, mean(1), 1e-12);
  EXPECT_NEAR(b.second, mean(2), 1e-10 * b.second);
  EXPECT_NEAR(b.third, mean(3), 1e-10 * b.fourth);
  EXPECT_NEAR(b.fourth, mean(4), 1e-10 * b.fourth);
  const double n = x.squaredNorm() * y.squaredNorm(), z = x.dot(y);
  EXPECT_NEAR(b.third, 9 * n * z + 6 * z * z * z, 1e-13 * b.fourth);
  EXPECT_NEAR(b.fourth, 9 * n * n + 72 * n * z * z + 24 * std::pow(z, 4), 1e-13 * b.fourth);
}

// Every degree of four with all its sign vectors, for every kernel, law and number of known degrees.
TEST(MaclaurinKurtosis, IsThatOfAllDegreesAndSigns) {
  const Vector x = vector_of({0.5, -0.8}), y = vector_of({0.6, 0.3});
  const Outcomes factor = sign_products(x, y);
  const PairSample pairs{{x.dot(y)}, {maclaurin_pair_base(kSigns, x, y, y)}};
  for (const MaclaurinKernel& kernel : maclaurin_kernels())
    for (const int known : {0, 1, 2}) {
      if (kernel.name == "power10") continue;  // its one degree is a row of its own below
      MaclaurinOptions options{kSigns, known, 4};
      for (const auto& law : {geometric_degrees(2.0), geometric_degrees(3.5), poisson_degrees(0.7),
                              optimal_degrees(kernel, pairs, options)}) {
        const RandomMaclaurin maclaurin(kernel, law, options);
        Outcomes all;
        for (int n = known; n <= 4; ++n) {
          const double q = maclaurin.degrees().probability[static_cast<std::size_t>(n)];
          for (const Outcome& each : powers(factor, n))
            all.push_back({kernel.coefficient(n) / q * each.value, q * each.probability});
        }
        const double expected = kurtosis_of(all);
        EXPECT_NEAR(maclaurin.kurtosis(x, y, 1), expected, 1e-10 * expected) << kernel.name << " " << known;
        EXPECT_NEAR(maclaurin.kurtosis(x, y, 7), 3 + (expected - 3) / 7, 1e-10 * expected);
      }
    }
}

// Of power10 with one degree drawn the estimate is a product of ten factors.
TEST(MaclaurinKurtosis, OfOneDegreeIsThatOfAPower) {
  const Vector x = vector_of({0.5, -0.8, 0.3}), y = vector_of({0.6, 0.3, 0.4});
  const Outcomes factor = sign_products(x, y);
  const RandomMaclaurin maclaurin(maclaurin_kernel_named("power10"), geometric_degrees(2.0), {kSigns, 0, {}});
  const double q = maclaurin.degrees().probability[10], mean = std::pow(moment(factor, 1), 10);
  double raw[5] = {1.0};
  for (int k = 1; k <= 4; ++k) raw[k] = std::pow(moment(factor, k), 10) * std::pow(q, 1 - k);
  const double variance = raw[2] - mean * mean;
  const double expected =
      (raw[4] - 4 * raw[3] * mean + 6 * raw[2] * mean * mean - 3 * std::pow(mean, 4)) / (variance * variance);
  EXPECT_NEAR(maclaurin.kurtosis(x, y, 1), expected, 1e-10 * expected);
}

// The features of an allocation, every degree with all its sign vectors, together.
TEST(MaclaurinKurtosis, OfAnAllocationIsThatOfAllItsProductsTogether) {
  const Vector x = vector_of({0.5, -0.8}), y = vector_of({0.6, 0.3});
  const Outcomes factor = sign_products(x, y);
  const PairSample pairs{{x.dot(y)}, {maclaurin_pair_base(kSigns, x, y, y)}};
  for (const std::string name : {"exp", "inverse", "sqrt"})
    for (const int known : {0, 1}) {
      const MaclaurinKernel& kernel = maclaurin_kernel_named(name);
      const MaclaurinOptions options{kSigns, known, 2};
      const RandomMaclaurin maclaurin(kernel, neyman_allocation(kernel, pairs, options), options);
      for (const Index draws : {3, 4, 5}) {
        const std::vector<double> weights = maclaurin.weights(draws);
        Outcomes sum{{0.0, 1.0}};
        for (const int n : maclaurin.allocation()->degrees(draws)) {
          Outcomes feature = powers(factor, n);
          for (Outcome& each : feature) each.value *= weights[static_cast<std::size_t>(n)];
          sum = combined(sum, feature, [](double a, double b) { return a + b; });
        }
        const double expected = kurtosis_of(sum);
        EXPECT_NEAR(maclaurin.kurtosis(x, y, draws), expected, 1e-10 * expected)
            << name << " " << known << " " << draws;
      }
    }
}

// Σ_n (a_nᵏ/q_n^{k−1}) b_kⁿ of an endless law of normal directions, in sixty digits.
double kurtosis_in_many_digits(const MaclaurinKernel& kernel, int known, const Exact& p, const Vector& x,
                               const Vector& y) {
  const Exact n2 = Exact(x.squaredNorm()) * y.squaredNorm(), z = x.dot(y);
  const Exact b[] = {1, z, n2 + 2 * z * z, 9 * n2 * z + 6 * z * z * z,
                     9 * n2 * n2 + 72 * n2 * z * z + 24 * z * z * z * z};
  Exact raw[5];
  for (int k = 1; k <= 4; ++k) {
    Exact factorial = 1, power = 1, largest = 0;
    for (int n = 0; n < 60'000; ++n) {
      if (n > 0) {
        factorial *= n;
        power *= b[k];
      }
      if (n < known) continue;
      const Exact a = is_exponential(kernel) ? 1 / factorial : Exact(kernel.coefficient(n));
      const Exact q = (p - 1) * pow(p, known - 1 - n);
      const Exact term = pow(a, k) * pow(q, 1 - k) * power;
      raw[k] += term;
      largest = std::max(largest, Exact(abs(term)));
      if (abs(term) < 1e-40 * largest) break;
    }
  }
  const Exact variance = raw[2] - raw[1] * raw[1];
  const Exact central =
      raw[4] - 4 * raw[3] * raw[1] + 6 * raw[2] * raw[1] * raw[1] - 3 * raw[1] * raw[1] * raw[1] * raw[1];
  return static_cast<double>(central / (variance * variance));
}

TEST(MaclaurinKurtosis, OfAnEndlessLawIsItsSeriesInManyDigits) {
  const Vector a = vector_of({0.5, -0.3, 0.2}), b = vector_of({0.2, 0.4, 0.6});
  for (const double size : {0.3, 1.0, 2.0, 4.0})  // b₄ to 10⁵, kurtoses to 10²⁰⁰
    for (const int known : {0, 1, 2})
      for (const double p : {2.0, 5.0}) {
        const RandomMaclaurin exp_law(maclaurin_kernel_named("exp"), geometric_degrees(p),
                                      {kNormals, known, {}});
        for (const Vector& y : {b, Vector(-b), a}) {
          const double expected = kurtosis_in_many_digits(exp_law.kernel(), known, p, size * a, size * y);
          EXPECT_NEAR(exp_law.kurtosis(size * a, size * y, 1), expected, 1e-10 * expected) << size << known;
        }
      }
  // p³b₄ = ½ and 0.99 of kernels that have a radius.
  for (const char* name : {"inverse", "log", "sqrt"})
    for (const double share : {0.5, 0.99}) {
      const double fourth = maclaurin_product_moments(kNormals, a, b).fourth;
      const double size = std::pow(share / (8 * fourth), 0.125);
      const RandomMaclaurin law(maclaurin_kernel_named(name), geometric_degrees(2.0), {kNormals, 0, {}});
      const double expected = kurtosis_in_many_digits(law.kernel(), 0, 2.0, size * a, size * b);
      EXPECT_NEAR(law.kurtosis(size * a, size * b, 1), expected, 1e-10 * expected) << name;
    }
}

// Geometric series of the inverse kernel, Σ_n p^{(k−1)(n+1)} b_kⁿ for p = 2, whose terms hardly fall.
TEST(MaclaurinKurtosis, OfTheInverseKernelIsClosed) {
  const Vector x = vector_of({0.5, -0.3, 0.2}), y = vector_of({0.2, 0.4, 0.6});
  const double fourth = maclaurin_product_moments(kSigns, x, y).fourth;
  for (const double left : {0.5, 1e-2, 1e-4}) {
    const double size = std::pow((1 - left) / (8 * fourth), 0.125);
    const Outcomes factor = sign_products(size * x, size * y);
    double raw[5] = {1.0};
    for (int k = 1; k <= 4; ++k) {
      const double p = std::pow(2.0, k - 1);
      raw[k] = p / (1 - p * moment(factor, k));
    }
    const double mean = raw[1], variance = raw[2] - mean * mean;
    const double expected = (raw[4] - 4 * raw[3] * mean + 6 * raw[2] * mean * mean - 3 * std::pow(mean, 4)) /
                            (variance * variance);
    const RandomMaclaurin law(maclaurin_kernel_named("inverse"), geometric_degrees(2.0), {});
    EXPECT_NEAR(law.kurtosis(size * x, size * y, 1), expected, 1e-10 * expected) << left;
  }
}

// e^{3λ + b₄/λ³} and the like of Poisson degrees.
TEST(MaclaurinKurtosis, OfPoissonDegreesIsClosed) {
  const Vector x = vector_of({0.9, -0.5, 0.4}), y = vector_of({0.7, 0.4, 0.6});
  const double lambda = 1.3;
  const RandomMaclaurin law(maclaurin_kernel_named("exp"), poisson_degrees(lambda), {kSigns, 0, {}});
  const Outcomes factor = sign_products(x, y);
  double raw[5] = {1.0};
  for (int k = 1; k <= 4; ++k)
    raw[k] = std::exp((k - 1) * lambda + moment(factor, k) / std::pow(lambda, k - 1));
  const double mean = raw[1], variance = raw[2] - mean * mean;
  const double expected =
      (raw[4] - 4 * raw[3] * mean + 6 * raw[2] * mean * mean - 3 * std::pow(mean, 4)) / (variance * variance);
  EXPECT_NEAR(law.kurtosis(x, y, 1), expected, 1e-10 * expected);
}

// b₄ at which p³b₄ is one, on both sides, for p = 2; the variance stays finite to 2b₂ = 1.
TEST(MaclaurinKurtosis, IsInfiniteWhereTheFourthMomentDiverges) {
  const Vector x = vector_of({1.0, 0.5, -0.5}), y = vector_of({0.5, 1.0, 0.5});
  const double fourth = maclaurin_product_moments(kSigns, x, y).fourth;
  for (const std::string name : {"inverse", "log", "sqrt"}) {
    const MaclaurinKernel& kernel = maclaurin_kernel_named(name);
    const RandomMaclaurin law(kernel, geometric_degrees(2.0), {});
    const double edge = std::pow(1.0 / (8 * fourth), 0.125);
    for (const double side : {1 - 1e-6, 1 + 1e-6}) {
      const Vector u = side * edge * x, v = side * edge * y;
      EXPECT_TRUE(law.has_variance(maclaurin_pair_base(kSigns, u, v, v)));
      EXPECT_EQ(std::isinf(law.kurtosis(u, v, 1)), side > 1) << name << " " << side;
      EXPECT_EQ(std::isinf(law.kurtosis(u, v, 64)), side > 1) << name << " " << side;
    }
    // Optimal degrees of a base: q_{n+1}/q_n tends to √b₂, whose cube b₄ has to stay below.
    const double base = maclaurin_pair_base(kSigns, 0.5 * x, 0.5 * y, 0.5 * y);
    const RandomMaclaurin optimal(kernel, optimal_degrees(kernel, {{0.1}, {base}}, {}), {});
    const double limit = std::pow(base, 1.5);
    const double within = std::pow(limit / fourth, 0.125);
    EXPECT_TRUE(std::isfinite(optimal.kurtosis(0.9 * within * x, 0.9 * within * y, 1))) << name;
    EXPECT_TRUE(std::isinf(optimal.kurtosis(1.01 * within * x, 1.01 * within * y, 1))) << name;
    const RandomMaclaurin poisson(kernel, poisson_degrees(1.0), {});
    EXPECT_TRUE(std::isinf(poisson.kurtosis(0.1 * x, 0.1 * y, 1))) << name;
  }
}

TEST(MaclaurinKurtosis, SaysWhatItDoesNotKnow) {
  const Vector x = vector_of({0.9}), y = vector_of({1.1});
  const RandomMaclaurin exact(maclaurin_kernel_named("exp"), poisson_degrees(0.99), {kSigns, 0, {}});
  EXPECT_TRUE(std::isnan(exact.kurtosis(x, y, 1))) << "nothing varies but by rounding";
  const RandomMaclaurin constant(maclaurin_kernel_named("exp"), poisson_degrees(0.99), {kSigns, 1, {}});
  EXPECT_TRUE(std::isnan(constant.kurtosis(x, 0.0 * y, 1))) << "nothing varies";
  // Normal directions of norm 40: finite moments, and no double for their ratio.
  const Vector far = Vector::Constant(3, 40.0);
  const RandomMaclaurin heavy(maclaurin_kernel_named("exp"), geometric_degrees(2.0), {kNormals, 0, {}});
  EXPECT_TRUE(std::isinf(heavy.kurtosis(far, far, 1)));
}

// The fourth central moment of drawn estimates, whose own variance is known from the eighth.
// (1, 1) and (1, −1): one of the two sums of signs is zero, and the estimate a_0/q_0 where the degree is 0.
TEST(MaclaurinKurtosis, WhereEveryProductIsZeroIsThatOfTheDegreeZero) {
  const AttentionProblem pair = one_pair(vector_of({0.7, 0.7}), vector_of({0.7, -0.7}));
  const auto kurtosis = [&](const std::string& name) {
    const auto estimator = make_estimator(name);
    return dynamic_cast<const RatioEstimator&>(*estimator).kernel_moments(pair, 1).kurtosis;
  };
  const auto of_a_coin = [](double p) { return 1.0 / (p * (1.0 - p)) - 3.0; };
  EXPECT_NEAR(kurtosis("rmfa"), of_a_coin(0.5), 1e-13);
  EXPECT_NEAR(kurtosis("rmfa:p=3"), of_a_coin(1.0 / 3), 1e-13);
  EXPECT_NEAR(kurtosis("rmfa:degrees=poisson,lambda=2"), of_a_coin(std::exp(-2.0)), 1e-12);
  EXPECT_TRUE(std::isnan(kurtosis("rmfa:known=constant"))) << "nothing varies";
}

TEST(MaclaurinKurtosis, IsThatOfDrawnEstimates) {
  const Vector x = vector_of({0.5, -0.3, 0.2, 0.4, -0.7}), y = vector_of({-0.2, 0.4, 0.6, 0.1, -0.9});
  const auto estimator = make_estimator("rmfa:max-degree=2,known=constant");
  const AttentionProblem pair = one_pair(x, y);
  const KernelMoments law = dynamic_cast<const RatioEstimator&>(*estimator).kernel_moments(pair, 1);
  const Outcomes factor = sign_products(x, y);
  Outcomes all;
  for (const Outcome& each : factor) all.push_back({1.5 * each.value, each.probability / 1.5});
  for (const Outcome& each : powers(factor, 2)) all.push_back({1.5 * each.value, each.probability / 3});
  const double mean = moment(all, 1), fourth = moment(all, 4, mean);
  const double expected = law.kurtosis * law.variance * law.variance;
  EXPECT_NEAR(fourth, expected, 1e-10 * expected);
  const double variance = moment(all, 8, mean) - fourth * fourth;
  Moments drawn;
  for (std::uint32_t r = 0; r < 60'000; ++r) {
    const AttentionEstimate estimate = testing_tools::draw_once(*estimator, pair, {1}, {23, 0, r}).back();
    drawn.add(std::pow(kernel_estimate(estimate) - law.mean, 4));
  }
  EXPECT_TRUE(mean_is(drawn, expected, variance));
  EXPECT_FALSE(mean_is(drawn, 1.5 * expected, variance)) << "the test sees half too much";
}

}  // namespace
}  // namespace attngap
