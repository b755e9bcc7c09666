#pragma once

#include "estimators/attention_problem.hpp"
#include "estimators/maclaurin.hpp"

#include <string_view>
#include <vector>

namespace attngap {

/// What the pairs of a problem say about Maclaurin features: z = q̃·k̃ and the base m of second moments, over
/// an evenly spread grid of at most 64 queries × 64 keys (visible ones only), the same for every run.
struct PairSample {
  std::vector<double> dot;
  std::vector<double> base;

  double mean_base() const;
  double largest_base() const;
};

/// The keys of that grid, of a problem of so many.
std::vector<Index> sampled_keys(Index keys);

/// The pairs of a problem whose keys are held, evenly spread where there are many; `at_keys` with
/// `sampled_keys` leaves them the same.
PairSample sample_pairs(const AttentionProblem& problem, MaclaurinDirection law);

/// Poisson's λ* = √(mean m): for one pair λ = √m has the least variance. At least 10⁻³.
double best_lambda(const PairSample& pairs);

/// The law of least mean second moment, q_n ∝ a_n √(E mⁿ) for n ≥ options.known.
DegreeLaw optimal_degrees(const MaclaurinKernel& kernel, const PairSample& pairs,
                          const MaclaurinOptions& options);

/// Neyman's allocation D_n ∝ a_n √V_n, V_n = E[mⁿ − z^{2n}], from options.known to options.max_degree, which
/// must be given.
DegreeAllocation neyman_allocation(const MaclaurinKernel& kernel, const PairSample& pairs,
                                   const MaclaurinOptions& options);

/// The visible pair of a problem with the largest m, the one with the largest |z|, and the range of z; by
/// parts of its keys.
class PairExtremes {
 public:
  explicit PairExtremes(MaclaurinDirection law) : law_(law) {}

  /// Looks at queries `first_query` … and keys `first_key` … of the whole: streams over blocks of both, time
  /// O(n l d), memory O(block).
  void look_at(const AttentionProblem& part, Index first_query = 0, Index first_key = 0);

  /// A pair by its query and key, and what is extreme there.
  struct Pair {
    Index query = 0, key = 0;
    double value = 0.0;
  };
  Pair base{0, 0, -1.0};           ///< m
  Pair dot;                        ///< z, of either sign
  double norms = 0.0;              ///< |q̃||k̃| of the pair with the largest m
  double least = 0.0, most = 0.0;  ///< of z

 private:
  using Row = Eigen::RowVectorXd;
  // z, |q̃|²|k̃|² and what the law of the directions takes from m, of one query and consecutive keys.
  void look_at_row(Index query, Index first_key, const Row& z, const Row& norms2, const Row& fourth);

  MaclaurinDirection law_;
  Eigen::Array<double, 1, Eigen::Dynamic> m_;
};

/// Throws BadInput, with the first reason found and the pair, where on some visible pair of a problem
///   f is not a number or infinite (nothing to estimate; not even `force` helps),
///   the series does not converge, |z| > its radius,
///   the kernel estimate has no variance, or not even a mean: p·m ≥ 1 (log and sqrt: > 1) for geometric
///   degrees, m above √(largest m) for optimal ones, m > 0 for Poisson degrees of a kernel other than exp.
/// The exp kernel passes everywhere. With a max-degree or a fixed allocation every moment exists, and only f
/// is looked at.
void require_moments(const RandomMaclaurin& law, const PairExtremes& found, std::string_view name,
                     bool force);

}  // namespace attngap
