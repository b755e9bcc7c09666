#pragma once

#include <cmath>

namespace attngap {

/// An unevaluated sum of two doubles, about 106 bits: every product and sum carries the rounding error it
/// made (Dekker 1971; Knuth's TwoSum; TwoProduct by a fused multiply-add). The range is a double's, and an
/// overflow becomes NaN. A file that uses it must be compiled with -ffp-contract=off: a sum fused with the
/// product before it would break TwoSum.
struct DoubleDouble {
  double high = 0.0;
  double low = 0.0;

  constexpr DoubleDouble() = default;
  constexpr explicit DoubleDouble(double x) : high(x) {}
  constexpr DoubleDouble(double h, double l) : high(h), low(l) {}

  explicit operator double() const { return high + low; }
};

/// a + b exactly, as the rounded sum and its error.
inline DoubleDouble two_sum(double a, double b) {
  const double sum = a + b;
  const double b_seen = sum - a;
  return {sum, (a - (sum - b_seen)) + (b - b_seen)};
}

/// two_sum where |a| ≥ |b|.
inline DoubleDouble quick_two_sum(double a, double b) {
  const double sum = a + b;
  return {sum, b - (sum - a)};
}

/// a·b exactly, as the rounded product and its error.
inline DoubleDouble two_product(double a, double b) {
  const double product = a * b;
  return {product, std::fma(a, b, -product)};
}

/// Relative error at most 3·2⁻¹⁰⁶. Li et al., "XBLAS", 2002.
inline DoubleDouble operator+(const DoubleDouble& a, const DoubleDouble& b) {
  DoubleDouble high = two_sum(a.high, b.high);
  const DoubleDouble low = two_sum(a.low, b.low);
  high = quick_two_sum(high.high, high.low + low.high);
  return quick_two_sum(high.high, high.low + low.low);
}

/// Exact.
inline DoubleDouble operator-(const DoubleDouble& a) {
  return {-a.high, -a.low};
}
/// As the sum.
inline DoubleDouble operator-(const DoubleDouble& a, const DoubleDouble& b) {
  return a + -b;
}

/// Relative error at most 5·2⁻¹⁰⁶ (Joldes, Muller and Popescu 2017).
inline DoubleDouble operator*(const DoubleDouble& a, const DoubleDouble& b) {
  const DoubleDouble product = two_product(a.high, b.high);
  return quick_two_sum(product.high, product.low + (a.high * b.low + a.low * b.high));
}

/// Long division, three quotient digits.
inline DoubleDouble operator/(const DoubleDouble& a, const DoubleDouble& b) {
  const double first = a.high / b.high;
  DoubleDouble rest = a - b * DoubleDouble(first);
  const double second = rest.high / b.high;
  rest = rest - b * DoubleDouble(second);
  return quick_two_sum(first, second) + DoubleDouble(rest.high / b.high);
}

/// By value.
inline bool operator<(const DoubleDouble& a, const DoubleDouble& b) {
  return a.high < b.high || (a.high == b.high && a.low < b.low);
}

/// √x of an exact x > 0: one Newton step on the rounded root.
inline DoubleDouble double_double_sqrt(double x) {
  const double root = std::sqrt(x);
  return quick_two_sum(root, std::fma(-root, root, x) / (2.0 * root));
}

}  // namespace attngap
