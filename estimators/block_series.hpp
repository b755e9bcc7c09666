#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace attngap {

// Functions of one number at every element of a block, by series whose coefficients the block shares.

/// x[i] ← Σ_n coefficients[n] x[i]ⁿ by Horner's rule.
void power_series(std::span<const double> coefficients, std::span<double> x);

/// A function on [low, high] by its interpolant at Chebyshev points, Σ_k c_k T_k. It takes far fewer terms
/// than a power series where a singularity is near: of one at the relative distance ε of the interval about
/// 1/√ε times fewer than 1/ε. Trefethen, "Approximation Theory and Approximation Practice", 2013, chapters 3
/// and 8.
class ChebyshevSeries {
 public:
  /// The interpolant whose last coefficients are below 1e-14 of the largest value at its points: as
  /// coefficients of an analytic function fall geometrically, what is left out is below 1e-12 of that value.
  /// Nothing where 1024 terms do not get there, or a value is not finite.
  static std::optional<ChebyshevSeries> of(const std::function<double(double)>& function, double low,
                                           double high);

  std::size_t terms() const { return coefficients_.size(); }

  /// x[i] ← its value at x[i], low ≤ x[i] ≤ high, by Clenshaw's recurrence.
  void evaluate(std::span<double> x) const;

 private:
  ChebyshevSeries(double low, double high, std::vector<double> coefficients);

  double centre_, inverse_half_;
  std::vector<double> coefficients_;
};

}  // namespace attngap
