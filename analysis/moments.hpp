#pragma once

#include <cstdint>
#include <span>

namespace attngap {

/// Count, mean and central moments to order four of a stream of numbers; a value that can be merged.
///
/// Updates and merges add deviations from the running mean and never subtract large sums: Welford 1962;
/// Chan, Golub and LeVeque 1983; Pébay, SAND2008-6212, eqs. (2.1)–(2.9). Merging is associative to rounding;
/// merged in one order it gives one result, bit for bit.
class Moments {
 public:
  /// Those of all these numbers, with two walks over them: faster than adding one after the other.
  static Moments of(std::span<const double> numbers);

  void add(double x);
  void merge(const Moments& other);

  std::int64_t count() const { return count_; }
  double mean() const { return mean_; }

  /// Unbiased sample variance, Σ(x−mean)²/(n−1); NaN below two numbers.
  double variance() const;

  /// Central moments Σ(x−mean)^k/n of order 2, 3, 4, with no finite-sample correction.
  double central_moment(int order) const;

  /// √(variance/n); NaN below two numbers.
  double standard_error_of_mean() const;

  /// √((μ₄ − μ₂² (n−3)/(n−1)) / n), the standard error of the sample variance with sample moments; NaN below
  /// four.
  double standard_error_of_variance() const;

 private:
  std::int64_t count_ = 0;
  double mean_ = 0.0;
  double sum2_ = 0.0;  // Σ (x − mean)^k
  double sum3_ = 0.0;
  double sum4_ = 0.0;
};

}  // namespace attngap
