#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/exact_attention.hpp"
#include "estimators/maclaurin_data.hpp"
#include "estimators/ratio_estimator.hpp"
#include "estimators/scaling_batch_norm.hpp"
#include "estimators/special_functions.hpp"
#include "tests/house_problem.hpp"
#include "tests/statistical_assertions.hpp"

#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include <boost/math/special_functions/bessel.hpp>
#include <gtest/gtest.h>

namespace attngap {
namespace {

using testing_tools::draw_once;
using testing_tools::house_problem;
using testing_tools::kernel_estimate;
using testing_tools::mean_is;
using testing_tools::one_pair;
using testing_tools::ratio;
using testing_tools::sentence_of;
using testing_tools::variance_is;
using testing_tools::vector_of;

const Vector kX = vector_of({0.5, -0.3, 0.2, 0.1, -0.4});
const Vector kY = vector_of({0.3, 0.2, -0.5, 0.4, 0.1});
constexpr auto kSigns = MaclaurinDirection::rademacher;

// A vector pair of one dimension has m = z².
RandomMaclaurin exp_law(DegreeLaw law, int known = 0) {
  return {maclaurin_kernel_named("exp"), std::move(law), {kSigns, known, {}}};
}

// Var K̂ of one feature at base m and z; a pair in the plane with these numbers.
struct Pair {
  Vector x, y;
};
// x = (a, a), y = (b, 0): m = 2a²b² + 2a²b² − 2a²b² = 2a²b², z = ab. Rademacher's m = 2z².
Pair plane_pair(double z) {
  return {vector_of({std::sqrt(z), std::sqrt(z)}), vector_of({std::sqrt(z), 0.0})};
}

TEST(SquaredSums, EqualTheirSeries) {
  for (const MaclaurinKernel& kernel : maclaurin_kernels())
    for (const double x : {-0.97, -0.6, -0.2, 0.0, 1e-9, 0.3, 0.49, 0.51, 0.8, 0.97}) {
      for (int lowest = 0; lowest <= 2; ++lowest) {
        double series = 0.0, largest = 1.0;
        for (int n = lowest; n < 1500; ++n) {
          const double term = std::pow(kernel.coefficient(n), 2) * std::pow(x, n);
          series += term;
          if (kernel.degree) largest = std::max(largest, std::abs(term));  // their signs alternate at x < 0
        }
        EXPECT_NEAR(squared_tail(kernel, lowest, x), series, 1e-13 * (largest + std::abs(series)))
            << kernel.name << " " << lowest << " " << x;
      }
    }
  EXPECT_NEAR(maclaurin_kernel_named("sqrt").squared_sum(1.0), 4.0 / std::numbers::pi, 1e-15);
  EXPECT_NEAR(maclaurin_kernel_named("log").squared_sum(1.0), 1.0 + std::pow(std::numbers::pi, 2) / 6.0,
              1e-15);
  EXPECT_TRUE(std::isinf(maclaurin_kernel_named("log").squared_sum(1.01)));
}

TEST(TruncationBias, IsTheRestOfTheSeries) {
  for (const MaclaurinKernel& kernel : maclaurin_kernels())
    for (const double z : {-0.95, -0.5, -0.1, 0.1, 0.5, 0.95})
      for (const int T : {0, 1, 4, 9}) {
        double rest = 0.0;
        for (int n = 1200; n > T; --n) rest += kernel.coefficient(n) * std::pow(z, n);
        EXPECT_NEAR(truncation_bias(kernel, T, z), rest, 1e-12 * std::abs(rest) + 2e-15)
            << kernel.name << " " << T << " " << z;
      }
  // The printed examples: inverse at T = 20.
  EXPECT_NEAR(truncation_bias(maclaurin_kernel_named("inverse"), 20, 0.9), 1.0941898913151, 1e-12);
  EXPECT_NEAR(truncation_bias(maclaurin_kernel_named("exp"), 3, -20.0), std::exp(-20.0) + 1152.3333333333333,
              1e-9);
}

// In one dimension signs have no noise, and with λ = |xy| neither have Poisson degrees: every draw is e^{xy}
// itself, as far as degrees have weights that a double holds.
TEST(DegreeLaws, OfPoissonAreExactInOneDimensionOrRefused) {
  const auto poisson = make_estimator("rmfa:degrees=poisson");
  for (const double z : {0.3, 4.0, 30.0, 99.0}) {
    const AttentionProblem pair = one_pair(vector_of({z}), vector_of({1.0}));
    for (std::uint32_t r = 0; r < 20; ++r) {
      const AttentionEstimate draw = draw_once(*poisson, pair, {11}, {7, 0, r}).back();
      EXPECT_NEAR(std::log(draw.denominator(0)) + draw.log_scale(0), z, 1e-10 * (1.0 + z)) << z;
    }
  }
  for (const char* name : {"rmfa:degrees=poisson", "rmfa:degrees=optimal"})
    EXPECT_THAT(
        sentence_of([&] { make_estimator(name)->check(one_pair(vector_of({150.0}), vector_of({1.0}))); }),
        testing::HasSubstr("no double holds"))
        << name;
}

// Two pairs: q_n ∝ a_n √(mean mⁿ), and needs a_n² (mean mⁿ − mean z^{2n}) for an allocation.
TEST(DegreeLaws, OfTheDataAverageOverItsPairs) {
  const PairSample pairs{{0.3, -0.9}, {0.5, 2.0}};
  const MaclaurinKernel& kernel = maclaurin_kernel_named("exp");
  const DegreeLaw law = optimal_degrees(kernel, pairs, {});
  const auto mean = [](double first, double second, int n) {
    return 0.5 * (std::pow(first, n) + std::pow(second, n));
  };
  for (int n = 1; n < 8; ++n) {
    const double ratio = std::sqrt(mean(0.5, 2.0, n) / mean(0.5, 2.0, n - 1)) / n;
    const auto at = static_cast<std::size_t>(n);
    EXPECT_NEAR(law.probability[at] / law.probability[at - 1], ratio, 1e-13 * ratio) << n;
  }
  MaclaurinOptions options;
  options.max_degree = 3;
  std::vector<double> needs;
  for (int n = 0; n <= 3; ++n)
    needs.push_back(std::pow(kernel.coefficient(n), 2) * (mean(0.5, 2.0, n) - mean(0.09, 0.81, n)));
  const DegreeAllocation by_hand(0, needs);
  EXPECT_EQ(neyman_allocation(kernel, pairs, options).degrees(500), by_hand.degrees(500));
}

// The closed forms for the laws of the exp kernel, at m = 2z².
TEST(DegreeLaws, HaveTheirSecondMomentsInClosedForm) {
  for (const double z : {0.05, 0.5, 1.2}) {
    const auto pair = plane_pair(z);
    const Vector &x = pair.x, &y = pair.y;  // not bindings: clang 14 does not capture those
    const double m = 2.0 * z * z, K = std::exp(z);
    ASSERT_NEAR(maclaurin_pair_base(kSigns, x, y, y), m, 1e-14);
    const double bessel = boost::math::cyl_bessel_i(0, 2.0 * std::sqrt(2.0 * m));
    const auto variance = [&](const RandomMaclaurin& law) { return law.covariance(x, y, y, 1); };
    EXPECT_NEAR(variance(exp_law(geometric_degrees(2.0))), 2.0 * bessel - K * K, 1e-12 * bessel);
    EXPECT_NEAR(variance(exp_law(geometric_degrees(2.0), 1)), bessel - 1.0 - std::pow(K - 1.0, 2),
                1e-12 * bessel);
    EXPECT_NEAR(variance(exp_law(geometric_degrees(2.0), 2)),
                0.5 * (bessel - 1.0 - 2.0 * m) - std::pow(K - 1.0 - z, 2), 1e-12 * bessel);
    const double lambda = std::sqrt(m);
    EXPECT_NEAR(variance(exp_law(poisson_degrees(lambda))), std::exp(2.0 * lambda) - K * K, 1e-11 * bessel);
    EXPECT_NEAR(variance(exp_law(poisson_degrees(0.3))), std::exp(0.3 + m / 0.3) - K * K,
                1e-12 * std::exp(0.3 + m / 0.3));
    const PairSample pairs{{z}, {m}};
    const auto optimal = optimal_degrees(maclaurin_kernel_named("exp"), pairs, {});
    EXPECT_NEAR(variance(exp_law(optimal)), std::exp(2.0 * lambda) - K * K, 1e-11 * bessel);
    EXPECT_DOUBLE_EQ(best_lambda(pairs), lambda);
    // pair moment − product of means is the variance.
    for (const int known : {0, 1, 2}) {
      const RandomMaclaurin law = exp_law(geometric_degrees(2.0), known);
      EXPECT_NEAR(law.pair_moment(x, y, y) - K * K, variance(law), 1e-12 * bessel);
    }
  }
}

// Where nothing is left to chance the variance is 0 and never below; where degrees 0 and 1 are nearly all of
// the kernel it is Σ_{n≥2} a_n² mⁿ 2^{n−1} − (Σ_{n≥2} a_n zⁿ)², each summed by itself.
TEST(DegreeLaws, KeepTheDigitsOfVariancesThatVanish) {
  const Vector one = vector_of({1.0}), half = vector_of({0.5}), none = vector_of({0.0});
  const MaclaurinKernel& inverse = maclaurin_kernel_named("inverse");
  const RandomMaclaurin exact(inverse, optimal_degrees(inverse, {{0.5}, {0.25}}, {}), {});
  EXPECT_EQ(exact.variance(one, half, 3), 0.0);
  EXPECT_EQ(
      exp_law(optimal_degrees(maclaurin_kernel_named("exp"), {{0.0}, {0.0}}, {})).variance(one, none, 3),
      0.0);
  for (const MaclaurinKernel& kernel : maclaurin_kernels()) {
    if (kernel.degree) continue;
    const RandomMaclaurin law(kernel, geometric_degrees(2.0), {kSigns, 2, {}});
    for (const double z : {1e-2, 1e-4, 1e-6}) {
      const auto pair = plane_pair(z);
      double second = 0.0, rest = 0.0;
      for (int n = 20; n >= 2; --n) {
        second += std::pow(kernel.coefficient(n), 2) * std::pow(2.0 * z * z, n) * std::pow(2.0, n - 1);
        rest += kernel.coefficient(n) * std::pow(z, n);
      }
      const double expected = (second - rest * rest) / 3.0;
      EXPECT_NEAR(law.variance(pair.x, pair.y, 3), expected, 1e-10 * expected) << kernel.name << " " << z;
    }
  }
}

// The printed row of the derivations: m = 0.9886 and the laws' var·D, with the z that the first implies.
TEST(DegreeLaws, HaveThePrintedVariancesAtThePrintedBase) {
  const double m = 0.9886;
  const double z = 0.5 * std::log(2.0 * boost::math::cyl_bessel_i(0, 2.0 * std::sqrt(2.0 * m)) - 6.842);
  // Normal directions have m = |x|²|y|² + 2z².
  const double norm = std::sqrt(m - 2.0 * z * z);
  const Vector x = vector_of({1.0, 0.0}), y = vector_of({z, std::sqrt(norm * norm - z * z)});
  const MaclaurinKernel& kernel = maclaurin_kernel_named("exp");
  const auto variance = [&](const DegreeLaw& law, int known) {
    return RandomMaclaurin(kernel, law, {MaclaurinDirection::gaussian, known, {}}).variance(x, y, 1);
  };
  EXPECT_NEAR(maclaurin_pair_base(MaclaurinDirection::gaussian, x, y, y), m, 1e-14);
  EXPECT_NEAR(variance(geometric_degrees(2.0), 0), 6.842, 1e-12);
  EXPECT_NEAR(variance(geometric_degrees(2.0), 1), 3.137, 3e-3);
  EXPECT_NEAR(variance(geometric_degrees(2.0), 2), 0.610, 2e-3);
  EXPECT_NEAR(variance(poisson_degrees(std::sqrt(m)), 0), 5.751, 2e-3);
  EXPECT_NEAR(variance(optimal_degrees(kernel, {{z}, {m}}, {}), 0), 5.751, 2e-3);
}

// q_n ∝ a_n √(m₀ⁿ): the terms a_n² mⁿ/q_n of kernel 1/(1 − z) have the ratio m/√m₀.
TEST(OptimalDegrees, OfAFittedBaseTheVarianceIsFiniteBelowItsRoot) {
  const MaclaurinKernel& kernel = maclaurin_kernel_named("inverse");
  const RandomMaclaurin law(kernel, optimal_degrees(kernel, {{0.3}, {0.36}}, {}), {});
  EXPECT_TRUE(law.has_variance(0.599));
  EXPECT_FALSE(law.has_variance(0.6));
  EXPECT_FALSE(law.has_variance(0.7));
}

TEST(DegreeLaws, AreProbabilitiesAndKeepOutOfKnownDegrees) {
  const PairSample pairs = sample_pairs(house_problem(401), kSigns);
  for (const int known : {0, 1, 2})
    for (const auto& law : {geometric_degrees(3.0), poisson_degrees(1.7),
                            optimal_degrees(maclaurin_kernel_named("exp"), pairs, {kSigns, known, {}})}) {
      const DegreeLaw restricted = between_degrees(law, known, 6);
      EXPECT_NEAR(std::accumulate(restricted.probability.begin(), restricted.probability.end(), 0.0), 1.0,
                  1e-14);
      EXPECT_LE(restricted.probability.size(), 7U);
      for (int n = 0; n < known; ++n) EXPECT_EQ(restricted.probability[static_cast<std::size_t>(n)], 0.0);
    }
  EXPECT_THROW(poisson_degrees(0.0), BadInput);
  EXPECT_THROW(between_degrees(geometric_degrees(2.0), 2, 1), BadInput);
  const DegreeLaw constant{{1.0}, false, 0.0, 0.0};  // the optimal law where every product is zero
  try {
    between_degrees(constant, 1, {});
    FAIL() << "nothing is left to draw";
  } catch (const BadInput& complaint) {
    EXPECT_THAT(complaint.what(), testing::HasSubstr("no degree of at least 1 is ever drawn"));
    EXPECT_THAT(complaint.what(), testing::HasSubstr("leave known= out"));
  }
  EXPECT_THROW(optimal_degrees(maclaurin_kernel_named("inverse"), {{1.0}, {1.5}}, {}), BadInput);
}

// Every degree once, then the greedy order, which is the best whole-numbered allocation: by enumeration.
TEST(DegreeAllocation, IsOptimalAtEveryPrefix) {
  const std::vector<double> needs{3.0, 0.7, 0.05};
  const DegreeAllocation allocation(1, needs);
  EXPECT_THROW(allocation.degrees(2), BadInput);
  for (Index draws = 3; draws <= 30; ++draws) {
    const auto counts = allocation.counts(draws);
    double value = 0.0, best = std::numeric_limits<double>::infinity();
    for (std::size_t n = 0; n < 3; ++n) value += needs[n] / counts[n + 1];
    for (Index a = 1; a <= draws - 2; ++a)
      for (Index b = 1; a + b <= draws - 1; ++b)
        best = std::min(best, needs[0] / static_cast<double>(a) + needs[1] / static_cast<double>(b) +
                                  needs[2] / static_cast<double>(draws - a - b));
    EXPECT_NEAR(value, best, 1e-12);
    EXPECT_EQ(counts[0], 0.0);
    const auto shorter = allocation.degrees(3), longer = allocation.degrees(draws);
    EXPECT_TRUE(std::equal(shorter.begin(), shorter.end(), longer.begin()));
  }
}

// Moments of K̂ of the real pass at every count.
std::vector<Moments> simulate(std::string_view estimator, const std::vector<Index>& counts) {
  const auto problem = one_pair(kX, kY);
  const auto made = make_estimator(estimator);
  const std::vector<const AttentionEstimator*> group{made.get()};
  const auto plan = made->plan(problem, group, counts, Precision::float64);
  const auto sampler = plan->sampler();
  std::vector<Moments> kernels(counts.size());
  for (std::uint32_t r = 0; r < 20'000; ++r)
    sampler->draw({402, 0, r}, [&](auto, std::size_t count, const AttentionEstimate& estimate) {
      kernels[count].add(kernel_estimate(estimate));
    });
  return kernels;
}

class EveryLaw : public testing::TestWithParam<const char*> {};

TEST_P(EveryLaw, HasAnUnbiasedKernelOfTheVarianceOfItsLaw) {
  const std::vector<Index> counts{4, 11};
  const auto kernels = simulate(GetParam(), counts);
  const auto made = make_estimator(GetParam());
  const auto problem = one_pair(kX, kY);
  made->check(problem);
  const auto map = dynamic_cast<const RatioEstimator&>(*made).map_on(problem);
  const double mean = map->kernel(kX, kY);
  const bool fixed = std::string_view(GetParam()).find("fixed") != std::string_view::npos;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    EXPECT_TRUE(mean_is(kernels[i], mean)) << counts[i];
    EXPECT_FALSE(mean_is(kernels[i], 1.1 * mean)) << counts[i];
    const double variance = (map->pair_moment(kX, kY, kY) - mean * mean) / static_cast<double>(counts[i]);
    if (!fixed) {
      EXPECT_TRUE(variance_is(kernels[i], variance)) << counts[i];
    }
  }
  if (!fixed) return;
  // The allocation's variance at a count is exact with whole-numbered D_n.
  const MaclaurinOptions options{kSigns, 1, 3};
  const RandomMaclaurin law(
      maclaurin_kernel_named("exp"),
      neyman_allocation(maclaurin_kernel_named("exp"), sample_pairs(problem, kSigns), options), options);
  for (std::size_t i = 0; i < counts.size(); ++i)
    EXPECT_TRUE(variance_is(kernels[i], law.covariance(kX, kY, kY, counts[i])));
}

INSTANTIATE_TEST_SUITE_P(Keys, EveryLaw,
                         testing::Values("rmfa:known=constant", "rmfa:known=linear",
                                         "rmfa:directions=gaussian,known=linear", "rmfa:degrees=poisson",
                                         "rmfa:degrees=optimal", "rmfa:max-degree=3",
                                         "rmfa:kernel=inverse,p=1.2", "rmfa:kernel=log,degrees=optimal",
                                         "rmfa:kernel=sqrt,known=constant",
                                         "rmfa:degrees=fixed,known=constant,max-degree=3"));

// With the known degrees all there is, nothing is random: known=linear of a law cut to a zero kernel part. In
// one dimension Rademacher features have no projection noise, so degree n is exact too.
TEST(KnownDegrees, AreExact) {
  const Vector x = vector_of({0.8}), y = vector_of({-0.6});
  const double z = x.dot(y);
  for (std::uint32_t r = 0; r < 20; ++r) {
    const auto at = [&](std::string_view name) {
      return kernel_estimate(draw_once(name, one_pair(x, y), {3}, {403, 0, r}).back());
    };
    EXPECT_NEAR(at("rmfa:known=constant,max-degree=1"), 1.0 + z, 1e-14);
    EXPECT_NEAR(at("rmfa:known=linear,max-degree=2"), 1.0 + z + 0.5 * z * z, 1e-14);
    EXPECT_NEAR(at("rmfa:degrees=fixed,max-degree=2,directions=rademacher"), 1.0 + z + 0.5 * z * z, 1e-14);
  }
  EXPECT_EQ(exp_law(geometric_degrees(2.0), 2).known_part(0.3), 1.3);
}

// Unbiased under every law; the optimal one of z¹⁰ draws degree ten alone, m¹⁰ − z²⁰ in closed form.
TEST(Macformer, EveryLawOfDegreesReachesThePolynomials) {
  const AttentionProblem pair = one_pair(vector_of({0.8, -0.3}), vector_of({0.5, 0.9}));
  const double z = 0.13, base = (0.64 + 0.09) * (0.25 + 0.81) + 2 * z * z - 2 * (0.64 * 0.25 + 0.09 * 0.81);
  for (const char* kernel : {"power10", "polynomial10"})
    for (const char* law :
         {"degrees=geometric", "degrees=geometric,p=3", "degrees=poisson", "degrees=optimal",
          "degrees=fixed,max-degree=10", "degrees=geometric,max-degree=12"})
      for (const char* known : {"none", "linear"}) {
        const auto rmfa = make_estimator(fmt::format("rmfa:kernel={},{},known={}", kernel, law, known));
        const KernelMoments moments = dynamic_cast<const RatioEstimator&>(*rmfa).kernel_moments(pair, 11);
        const MaclaurinKernel& f = maclaurin_kernel_named(kernel);
        EXPECT_NEAR(moments.target, f.value(z), 1e-13 * f.value(z));  // of z = 0.4 - 0.27, to the tenth
        EXPECT_NEAR(moments.mean, f.value(z), 1e-13 * f.value(z)) << kernel << " " << law;
        EXPECT_TRUE(std::isfinite(moments.variance)) << kernel << " " << law;
        EXPECT_GT(moments.variance, 0.0) << kernel << " " << law;
      }
  const auto optimal = make_estimator("rmfa:kernel=power10,degrees=optimal");
  EXPECT_NEAR(dynamic_cast<const RatioEstimator&>(*optimal).kernel_moments(pair, 11).variance,
              (std::pow(base, 10) - std::pow(z, 20)) / 11, 1e-13 * std::pow(base, 10));
}

TEST(Macformer, RefusesPolynomialsThatSayNothing) {
  EXPECT_THAT(sentence_of([] { make_estimator("rmfa:kernel=power10,max-degree=9"); }),
              testing::HasSubstr("max-degree = 9, must be at least 10"));
  EXPECT_THAT(sentence_of([] { make_estimator("rmfa:kernel=polynomial10,p=1000"); }),
              testing::HasSubstr("its term of degree 7 is never drawn"));
  EXPECT_NO_THROW(make_estimator("rmfa:kernel=polynomial10,max-degree=2"));
  AttentionProblem problem = house_problem(404, {.spread = 0.3});
  problem.Q.row(1).setZero();
  EXPECT_THAT(sentence_of([&] { make_estimator("rmfa:kernel=power10")->check(problem); }),
              testing::HasSubstr("query 1: the kernel power10 = z¹⁰ sums to 0 over its keys"));
  EXPECT_NO_THROW(make_estimator("rmfa:kernel=polynomial10")->check(problem));
  problem.K *= 1e40;
  EXPECT_THAT(sentence_of([&] { make_estimator("rmfa:kernel=polynomial10")->check(problem); }),
              testing::HasSubstr("sums to inf"));
}

TEST(Macformer, TargetsKernelisedAttention) {
  for (const std::string_view name : {"inverse", "log", "sqrt", "power10", "polynomial10"})
    for (const Mask mask : {Mask::none, Mask::causal}) {
      const AttentionProblem problem = house_problem(404, {.spread = 0.3}, mask);
      const MaclaurinKernel& kernel = maclaurin_kernel_named(name);
      const auto rmfa = make_estimator("rmfa:kernel=" + std::string(name));
      Matrix expected = Matrix::Zero(problem.queries(), 2);
      for (Index i = 0; i < problem.queries(); ++i) {
        double mass = 0.0;
        for (Index j = 0; j < problem.visible_keys(i); ++j) {
          const double weight = kernel.value(problem.scale * problem.Q.row(i).dot(problem.K.row(j)));
          mass += weight;
          expected.row(i) += weight * problem.V.row(j);
        }
        expected.row(i) /= mass;
      }
      EXPECT_TRUE(rmfa->target(problem).isApprox(expected, 1e-12));
      EXPECT_EQ(rmfa->target_name(), "kernelised attention (" + std::string(name) + ")");
    }
  EXPECT_EQ(make_estimator("rmfa:kernel=trigh")->target_name(), "softmax");
  for (const char* name : {"log", "power10", "polynomial10"})
    EXPECT_THROW(make_estimator(fmt::format("rmfa:kernel={},center=keys", name)), BadInput);
  EXPECT_THROW(make_estimator("rmfa:degrees=fixed"), BadInput);
  EXPECT_THROW(make_estimator("rmfa:degrees=poisson,p=3"), BadInput);
  EXPECT_THROW(make_estimator("rmfa:gamma=2"), BadInput);
}

// d = 2, x = y = (a, 0): m = a⁴, z = a².
TEST(Macformer, RefusesWhereThereIsNoMeanOrVarianceUnlessForced) {
  const auto refusal = [](std::string_view name, double z) {
    const AttentionProblem problem = one_pair(vector_of({std::sqrt(z), 0.0}), vector_of({std::sqrt(z), 0.0}));
    return sentence_of([&] { make_estimator(name)->check(problem); });
  };
  const auto accepted = [&](std::string_view name, double z) {
    return refusal(name, z) == "nothing was thrown";
  };
  EXPECT_TRUE(accepted("rmfa", 30.0));
  EXPECT_TRUE(accepted("rmfa:kernel=inverse", 0.7));  // p·m = 0.98
  EXPECT_NE(refusal("rmfa:kernel=inverse", 0.72).find("infinite variance"), std::string::npos);
  EXPECT_NE(refusal("rmfa:kernel=inverse", 0.72).find("p = 2"), std::string::npos);
  EXPECT_TRUE(accepted("rmfa:kernel=inverse,p=1.2", 0.9));
  EXPECT_TRUE(accepted("rmfa:kernel=inverse,degrees=optimal", 0.9));
  EXPECT_NE(refusal("rmfa:kernel=sqrt,degrees=poisson", 0.1).find("Poisson"), std::string::npos);
  EXPECT_TRUE(accepted("rmfa:kernel=inverse,force=on", 0.72));
  EXPECT_TRUE(accepted("rmfa:kernel=inverse,max-degree=5", 0.95));
  EXPECT_NE(refusal("rmfa:kernel=log,max-degree=5,force=on", 1.2).find("does not exist"), std::string::npos);
  EXPECT_NE(refusal("rmfa:kernel=inverse,max-degree=5", 1.2).find("converges up to 1"), std::string::npos);
  // No mean: x ⊥ y with |x||y| > 1 has z = 0, and m = |x|²|y|².
  const auto orthogonal = one_pair(vector_of({1.2, 0.0}), vector_of({0.0, 1.2}));
  EXPECT_NE(sentence_of([&] { make_estimator("rmfa:kernel=inverse")->check(orthogonal); }).find("no mean"),
            std::string::npos);
}

TEST(ScalingBatchNorm, IsWhatPaperAndCodeSay) {
  const AttentionProblem problem = house_problem(405);
  const AttentionProblem code = pre_scaled(problem, PreScaling::code);
  for (Index j = 0; j < 7; ++j) {
    const Vector centred = problem.K.row(j).transpose().array() - problem.K.row(j).mean();
    EXPECT_TRUE(code.K.row(j).transpose().isApprox(centred / centred.norm(), 1e-14));
    EXPECT_NEAR(code.K.row(j).norm(), 1.0, 1e-14);
  }
  EXPECT_EQ(code.V, problem.V);
  EXPECT_EQ(code.scale, problem.scale);
  const AttentionProblem paper = pre_scaled(problem, PreScaling::paper);
  EXPECT_LT(paper.K.colwise().mean().norm(), 1e-15);
  EXPECT_NEAR(paper.K.rowwise().norm().maxCoeff(), 1.0, 1e-15);
  const Vector spreads = paper.K.colwise().norm();
  EXPECT_NEAR(spreads.maxCoeff(), spreads.minCoeff(), 1e-14);
  const auto rmfa = make_estimator("rmfa:ppsbn=code,gamma=2,beta=0.5");
  Matrix expected = exact_attention(code).output;
  for (Index i = 0; i < expected.size(); ++i) {
    double& x = expected.data()[i];
    x = 2.0 * (x < 0 ? -1.0 : 1.0) * std::sqrt(std::abs(x));
  }
  EXPECT_TRUE(rmfa->target(problem).isApprox(expected, 1e-13));
  EXPECT_TRUE(expected.allFinite());  // where x^β itself is NaN
  const AttentionEstimate estimate = draw_once(*rmfa, problem, {11}, {1, 0, 0}).back();
  const Matrix output = attention_output(estimate, rmfa->denominator(), rmfa->post_scaling());
  const double x = estimate.numerator(1, 0) / estimate.denominator(1);
  EXPECT_NEAR(output(1, 0), 2.0 * std::copysign(std::sqrt(std::abs(x)), x), 1e-13);
}

}  // namespace
}  // namespace attngap
