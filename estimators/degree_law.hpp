#pragma once

#include "estimators/matrix.hpp"

#include <optional>
#include <span>
#include <vector>

namespace attngap {

/// No law reaches further: a feature has room for this many directions in its streams.
inline constexpr int kMaxDegree = 1024;

/// A law of the degree N of a random Maclaurin feature: probabilities q_0, q_1, … that sum to one, zero where
/// a degree is never drawn.
///
/// An endless law is kept as a table that is cut where nothing it could still say is ever drawn; `ratio` is
/// its lim q_{n+1}/q_n, on which the finiteness of variances depends, and `geometric` its p if it is
/// geometric.
struct DegreeLaw {
  std::vector<double> probability;
  bool endless = false;
  double ratio = 0.0;
  double geometric = 0.0;
};

/// Geometric: q_n = (p−1) p^{−(n+1)}, properly normalised for every p > 1 (Kar and Karnick 2012 print it
/// without the factor, which is right for p = 2 only), cut where what is left is below 2⁻⁶⁰. Throws BadInput
/// unless p > 1.
DegreeLaw geometric_degrees(double p);

/// Poisson: q_n = e^{−λ} λⁿ/n!. For the exp kernel the second moment is e^{λ+m/λ}, least at λ = √m. Throws
/// BadInput unless 0 < λ ≤ 100.
DegreeLaw poisson_degrees(double lambda);

/// Proportional to the given weights, here √(a_n² E mⁿ), which minimises Σ_n (a_n²/q_n) E mⁿ. `ratio` is that
/// of the weights continued. Throws BadInput where their sum does not converge (ratio ≥ 1).
DegreeLaw proportional_degrees(std::vector<double> weights, double ratio);

/// The law given lowest ≤ N ≤ highest, renormalised: what is drawn when degrees below `lowest` are taken
/// exactly and degrees above `highest` are left out. Throws BadInput where nothing is left.
DegreeLaw between_degrees(DegreeLaw law, int lowest, std::optional<int> highest);

/// Degrees by decree instead of by chance: of the first m features D_n(m) have degree n, lowest ≤ n ≤
/// highest, and Var K̂ = Σ_n a_n² V_n / D_n(m) with V_n = E[mⁿ − z^{2n}] (stratified sampling).
///
/// The features come in one order, for all m. First every degree once, upwards; then always the degree whose
/// next feature lowers Σ needs_n/D_n most. That greedy order gives the optimal whole-numbered allocation at
/// every prefix, and tends to Neyman's D_n ∝ √needs_n. A count m must be at least `strata()`, or some degree
/// would be missing.
class DegreeAllocation {
 public:
  /// needs[n − lowest] = a_n² V_n ≥ 0.
  DegreeAllocation(int lowest, std::vector<double> needs);

  Index strata() const { return static_cast<Index>(needs_.size()); }
  int lowest() const { return lowest_; }
  int highest() const { return lowest_ + static_cast<int>(needs_.size()) - 1; }

  /// Degree of each of the first `draws` features. Throws BadInput if draws < strata().
  std::vector<int> degrees(Index draws) const;

  /// D_n(draws) for n = 0 … highest; zero below lowest.
  std::vector<double> counts(Index draws) const;

 private:
  int lowest_;
  std::vector<double> needs_;
};

}  // namespace attngap
