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

}  // namespace attngap
