#pragma once

#include "analysis/moments.hpp"

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include <gtest/gtest.h>

namespace attngap::testing_tools {

/// The chance that one correct statistical assertion fails when the random stream changes. The suite holds a
/// few hundred of them, so a false alarm is expected less than once in a thousand changes of the stream.
/// Seeds are fixed: a test that passes goes on passing.
inline constexpr double kFalseAlarm = 1e-6;

/// |z| that a standard normal exceeds with probability kFalseAlarm: 4.89.
double sigma_limit();

/// That something found `sigmas` standard errors from where it should be is within the limit.
::testing::AssertionResult within_limit(double sigmas, double found, double expected, double std_error);

/// z-test of a mean, with the known variance of one number or else the sample's.
::testing::AssertionResult mean_is(const Moments& moments, double exact,
                                   std::optional<double> known_variance = std::nullopt);

/// z-test of a sample variance. Its standard error is √((μ₄ − σ⁴(n−3)/(n−1))/n) with the known fourth central
/// moment, or else the sample's: honest only where the tails are light (|x+y|² ≤ 1 for positive features).
::testing::AssertionResult variance_is(const Moments& moments, double closed_form,
                                       std::optional<double> known_fourth_moment = std::nullopt);

/// z-test of how often something happened in independent trials.
::testing::AssertionResult frequency_is(std::size_t hits, std::size_t trials, double probability);

/// Kolmogorov and Smirnov's test against a continuous law. The limit √(ln(2/α)/2n) is Massart's (1990), valid
/// for every n.
::testing::AssertionResult is_distributed_as(std::vector<double> sample,
                                             const std::function<double(double)>& distribution_function);

/// z-test that two columns of independent pairs are uncorrelated, by the mean product of their deviations.
::testing::AssertionResult are_uncorrelated(std::span<const double> a, std::span<const double> b);

/// Fourth central moment of the mean of m independent copies of a number with these central moments.
double fourth_moment_of_mean(double variance, double fourth_moment, double m);

}  // namespace attngap::testing_tools
