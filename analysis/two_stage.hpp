#pragma once

#include <cstdint>

namespace attngap {

/// How many replicates make the standard error of a number `relative` times the number, from a pilot of
/// `pilot` replicates that gave `value` and `std_error`.
///
///   R = pilot · (std_error/(relative·value))² · (pilot − 1)/χ²_{0.1, pilot−1}
///
/// The last factor makes the variance its upper 90 % confidence bound for normal numbers, so that nine of ten
/// pilots ask for enough. Whatever they ask for, an interval from R fresh replicates is one of a sample of
/// fixed size. Stein, Ann. Math. Statist. 16 (1945); Cox, Biometrika 39 (1952). Infinity where value is 0 or
/// the pilot has no standard error (NaN, or below two replicates); 0 where the standard error is 0.
double replicates_needed(double value, double std_error, std::int64_t pilot, double relative);

/// The same where `value` is a sample variance and `std_error` that of `Moments::standard_error_of_variance`,
/// which is about its kurtosis:
///
///   R = pilot · (std_error/(relative·value))² · 2/L
///
/// with L the value that pilot·(std_error/value)² falls short of for one in ten samples of `pilot` normal
/// numbers (2 for many), from the 10 % quantile of their sample kurtosis: Anscombe and Glynn, Biometrika 70
/// (1983). So nine of ten pilots of normal numbers ask for enough. Of heavier tails a pilot sees too little,
/// and asks for too few: what the fresh replicates reached is then said by their own standard error.
double replicates_needed_of_variance(double value, double std_error, std::int64_t pilot, double relative);

}  // namespace attngap
