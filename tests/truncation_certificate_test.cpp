#include "estimators/truncation_certificate.hpp"

#include "estimators/elementwise.hpp"
#include "estimators/error.hpp"
#include "tests/house_problem.hpp"
#include "tests/stream_words.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include <boost/math/special_functions/lambert_w.hpp>
#include <gtest/gtest.h>

namespace attngap {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct PrintedBound {
  double radius;
  int degree;
  double total_variation;
  double unit;  // of its last printed digit
};

TEST(TruncationCertificate, TableOfBounds) {
  for (const auto& [radius, degree, printed, unit] : {PrintedBound{0.5, 2, 0.011, 1e-3},
                                                      {0.5, 4, 1.4e-4, 1e-5},
                                                      {0.5, 5, 8e-6, 1e-6},
                                                      {0.5, 6, 8.5e-7, 1e-8},
                                                      {0.5, 8, 3e-9, 1e-9},
                                                      {0.5, 12, 1e-14, 1e-14},
                                                      {1, 2, .097, 1e-3},
                                                      {1, 4, .0057, 1e-4},
                                                      {1, 5, 8e-4, 1e-4},
                                                      {1, 6, 1.4e-4, 1e-5},
                                                      {1, 8, 2e-6, 1e-6},
                                                      {1, 12, 1e-10, 1e-10},
                                                      {2, 2, .54, 1e-2},
                                                      {2, 4, .23, 1e-2},
                                                      {2, 5, .18, 1e-2},
                                                      {2, 6, .036, 1e-3},
                                                      {2, 8, .0022, 1e-4},
                                                      {2, 12, 2e-6, 1e-6},
                                                      {3, 2, .83, 1e-2},
                                                      {3, 4, .71, 1e-2},
                                                      {3, 6, .47, 1e-2},
                                                      {3, 8, .15, 1e-2},
                                                      {3, 12, .0011, 1e-4},
                                                      {4, 2, .94, 1e-2},
                                                      {4, 4, .91, 1e-2},
                                                      {4, 6, .84, 1e-2},
                                                      {4, 8, .69, 1e-2},
                                                      {4, 12, .094, 1e-3}})
    EXPECT_NEAR(truncation_certificate(degree, -radius, radius).total_variation, printed, 0.5 * unit)
        << radius << " " << degree;
  for (const double radius : {3.0, 4.0})
    EXPECT_EQ(truncation_certificate(5, -radius, radius).total_variation, kInfinity) << radius;
}

TEST(TruncationCertificate, TableOfErrorsAtTheEnds) {
  struct Printed {
    double radius;
    int degree;
    double at_plus, unit_plus, at_minus, unit_minus;
  };
  for (const auto& p : {Printed{.5, 2, .024, 1e-3, .030, 1e-3},
                        {1, 2, .22, 1e-2, .36, 1e-2},
                        {2, 2, 2.4, .1, 6.4, .1},
                        {2, 6, .034, 1e-3, .15, 1e-2},
                        {3, 6, .67, 1e-2, 6.3, .1},
                        {4, 6, 6.0, .1, 120, 10}}) {
    EXPECT_NEAR(taylor_remainder(p.degree, p.radius), p.at_plus, 0.5 * p.unit_plus);
    EXPECT_NEAR(std::abs(taylor_relative_error(p.degree, -p.radius)), p.at_minus, 0.5 * p.unit_minus);
  }
}

TEST(TruncationCertificate, DegreesForATolerance) {
  const std::array radii{1.0, 2.0, 4.0, 8.0, 16.0, 32.0};
  const std::array sharp{4, 8, 14, 30, 58, 114};
  const std::array absolute{4, 6, 9, 15, 26, 46};
  for (std::size_t i = 0; i < radii.size(); ++i) {
    EXPECT_EQ(degree_for_total_variation(radii[i], 1e-2), sharp[i]) << radii[i];
    EXPECT_EQ(degree_for_remainder(radii[i], 1e-2), absolute[i]) << radii[i];
  }
  EXPECT_NEAR(kDegreePerRadius, 1 / boost::math::lambert_w0(std::exp(-1.0)), 1e-14);
  EXPECT_NEAR(degree_for_total_variation(2000, 1e-2) / 2000.0, kDegreePerRadius, 0.01);
  EXPECT_NEAR(degree_for_remainder(2000, 1e-2) / 2000.0, 1.0, 0.06);
}

double total_variation(const std::vector<double>& w, const std::vector<double>& truncated) {
  double mass = 0, truncated_mass = 0, sum = 0;
  for (std::size_t j = 0; j < w.size(); ++j) {
    mass += w[j];
    truncated_mass += truncated[j];
  }
  for (std::size_t j = 0; j < w.size(); ++j) sum += std::abs(w[j] / mass - truncated[j] / truncated_mass);
  return 0.5 * sum;
}

// Weights a_j e^{x_j} of two keys at the ends of the range, p : 1−p with p = √r₂/(√r₁+√r₂).
TEST(TruncationCertificate, IsAttainedByTwoKeys) {
  for (const int degree : {2, 4, 5, 6, 12}) {
    const double low = degree == 5 ? -2.0 : -2.5, high = degree == 5 ? 0.0 : 2.5;
    const double first = std::sqrt(taylor_ratio(degree, high)), second = std::sqrt(taylor_ratio(degree, low));
    const std::vector<double> w{first, second};
    const std::vector<double> truncated{first * taylor_ratio(degree, low),
                                        second * taylor_ratio(degree, high)};
    const double bound = truncation_certificate(degree, low, high).total_variation;
    EXPECT_NEAR(total_variation(w, truncated), bound, 1e-12) << degree;
    // So is the output bound: values 0 and 1 differ by TV. A bound one part in a million smaller would be
    // false.
    EXPECT_GT(total_variation(w, truncated), bound * (1 - 1e-6));
  }
}

TEST(TruncationCertificate, IsNeverExceeded) {
  testing_tools::StreamWords random(20260401);
  std::uniform_real_distribution<double> uniform(0, 1);
  double closest = 0;
  int certified = 0;
  for (int instance = 0; instance < 20000; ++instance) {
    const int degree = 1 + instance % 8;
    const double width = 0.5 + 4 * uniform(random);
    const std::size_t keys = 2 + static_cast<std::size_t>(instance) % 5;
    std::vector<double> w, truncated, x(keys);
    for (double& xi : x) xi = width * (2 * uniform(random) - 1);
    for (const double xi : x) {
      const double a = std::exp(6 * (uniform(random) - 0.5));
      w.push_back(a * std::exp(xi));
      truncated.push_back(a * taylor_exp(degree, xi));
    }
    const auto [low, high] = std::minmax_element(x.begin(), x.end());
    const double bound = truncation_certificate(degree, *low, *high).total_variation;
    if (bound == kInfinity) {
      EXPECT_LE(*std::min_element(truncated.begin(), truncated.end()), 0);
      continue;
    }
    ++certified;
    const double variation = total_variation(w, truncated);
    EXPECT_LE(variation, bound + 1e-14);
    closest = std::max(closest, variation / bound);
  }
  EXPECT_GT(certified, 12000);
  EXPECT_GT(closest, 0.999);  // so the test could have seen a bound that is smaller
}

TEST(TruncationCertificate, MaximumOfAnOddDegreeInsideTheRangeIsAtZero) {
  const double at_low = taylor_log_ratio(3, -1), at_high = taylor_log_ratio(3, 2);
  EXPECT_DOUBLE_EQ(truncation_certificate(3, -1, 2).log_spread, -std::min(at_low, at_high));
  EXPECT_DOUBLE_EQ(truncation_certificate(3, 1, 2).log_spread, taylor_log_ratio(3, 1) - at_high);
  EXPECT_DOUBLE_EQ(truncation_certificate(3, -1, -0.5).log_spread, taylor_log_ratio(3, -0.5) - at_low);
}

TEST(TruncationCertificate, HasAnAnswerForEveryRange) {
  for (const int degree : {0, 2, 7, 40})
    for (const double low : {-kInfinity, -1e300, -1e4, 0.0, 50.0})
      for (const double high : {50.0, 1e4, 1e300, kInfinity}) {
        const auto [log_spread, variation] = truncation_certificate(degree, low, high);
        EXPECT_GE(log_spread, 0);
        EXPECT_EQ(variation == kInfinity, degree == 7 && low < -100) << degree << " " << low << " " << high;
        if (variation != kInfinity) {
          EXPECT_LE(variation, 1.0);
        }
      }
  EXPECT_EQ(truncation_certificate(6, 1.5, 1.5).total_variation, 0.0);
}

TEST(TruncationCertificate, RelativeErrorOfTheWeightsBoundsTheVariation) {
  for (const double epsilon : {1e-9, 1e-3, 0.3, 0.99}) {
    // Two keys with r = 1 ± ε: ρ = (1+ε)/(1−ε).
    const double root = std::sqrt((1 + epsilon) / (1 - epsilon));
    EXPECT_NEAR(total_variation_of_relative_error(epsilon), (root - 1) / (root + 1), 1e-15);
  }
  EXPECT_NEAR(total_variation_of_relative_error(1e-9), 0.5e-9, 1e-20);
  EXPECT_EQ(total_variation_of_relative_error(1.0), 1.0);
}

TEST(TruncationCertificate, RefusesWhatHasNoMeaning) {
  EXPECT_THROW(truncation_certificate(2, 1, 0), BadInput);
  EXPECT_THROW(truncation_certificate(-1, 0, 1), BadInput);
  EXPECT_THROW(truncation_certificate(2, std::nan(""), 0), BadInput);
  EXPECT_THROW(degree_for_total_variation(-1, 0.1), BadInput);
  EXPECT_THROW(degree_for_remainder(1, 0), BadInput);
  EXPECT_THROW(total_variation_of_relative_error(1.5), BadInput);
}

Matrix normal_matrix(Index rows, Index cols, double deviation, std::uint64_t seed) {
  return testing_tools::normal_matrix(seed, 0, rows, cols, deviation);
}

// 3 queries, 7 keys, 5 channels, or as many queries as keys under the causal mask. The scale is there to be
// ignored.
AttentionProblem house(double deviation, Mask mask = Mask::none) {
  return make_problem(normal_matrix(mask == Mask::causal ? 7 : 3, 5, deviation, 11),
                      normal_matrix(7, 5, deviation, 12), normal_matrix(7, 5, 1.0, 13), mask, 0.37);
}

double distance(const Matrix& a, const Matrix& b) {
  return (a - b).cwiseAbs().maxCoeff();
}

TEST(ChannelCertificates, AreTheExtremesOfTheVisiblePairs) {
  for (const Mask mask : {Mask::none, Mask::causal}) {
    const AttentionProblem whole = house(0.6, mask);
    for (const AttentionProblem& problem : {whole, sample_queries(whole, 2)}) {
      const auto channels = channel_certificates(problem, 6);
      for (Index c = 0; c < 5; ++c) {
        double low = 1e9, high = -1e9, v_low = 1e9, v_high = -1e9;
        for (Index i = 0; i < problem.queries(); ++i)
          for (Index j = 0; j < problem.visible_keys(i); ++j) {
            const double x = 2 * problem.Q(i, c) * problem.K(j, c);
            low = std::min(low, x);
            high = std::max(high, x);
            v_low = std::min(v_low, problem.V(j, c));
            v_high = std::max(v_high, problem.V(j, c));
          }
        const ChannelCertificate& channel = channels[static_cast<std::size_t>(c)];
        EXPECT_EQ(channel.lowest, low);
        EXPECT_EQ(channel.highest, high);
        EXPECT_TRUE(channel.positive);
        EXPECT_EQ(channel.total_variation, truncation_certificate(6, low, high).total_variation);
        EXPECT_DOUBLE_EQ(channel.output, channel.total_variation * (v_high - v_low));
      }
    }
  }
  // An odd degree below its zero has no bound.
  for (const ChannelCertificate& channel : channel_certificates(house(3.0), 5)) {
    EXPECT_FALSE(channel.positive);
    EXPECT_EQ(channel.output, std::numeric_limits<double>::infinity());
  }
}

// Two keys and as many copies as make the worst weights: the certificate is all but attained by attention.
TEST(ChannelCertificates, AreAllButAttainedByTwoKeys) {
  constexpr double kRadius = 1.0;
  const double copies =
      std::round(std::exp(2 * kRadius - 0.5 * truncation_certificate(2, -kRadius, kRadius).log_spread));
  const auto low_keys = static_cast<Index>(copies);
  Matrix K = Matrix::Constant(low_keys + 1, 1, -0.5 * kRadius), V = Matrix::Zero(low_keys + 1, 1);
  K(low_keys, 0) = 0.5 * kRadius;
  V(low_keys, 0) = 1.0;
  const AttentionProblem problem = make_problem(Matrix::Ones(1, 1), K, V);
  const double difference = distance(elementwise_taylor(problem, 2), elementwise_attention(problem));
  const double bound = channel_certificates(problem, 2)[0].output;
  EXPECT_LE(difference, bound);
  EXPECT_GE(difference, 0.999 * bound);
}

}  // namespace
}  // namespace attngap
