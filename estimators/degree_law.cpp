#include "estimators/degree_law.hpp"

#include "estimators/error.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace attngap {
namespace {

// Tables of laws whose moments are summed from them reach far below what is ever drawn: a rare degree with a
// large weight may carry the second moment of a pair the law was not made for.
constexpr double kNegligible = 1e-280;

}  // namespace

DegreeLaw geometric_degrees(double p) {
  require(p > 1.0 && std::isfinite(p), "p = {}, must be above 1 (degrees have probability (p-1)/p^(n+1))", p);
  DegreeLaw law{{}, true, 1.0 / p, p};
  double left = 1.0;
  while (left > 0x1p-60) {
    law.probability.push_back(left * (1.0 - 1.0 / p));
    left /= p;
    require(law.probability.size() <= kMaxDegree,
            "p = {}, must be at least 1.05 (degrees grow without bound)", p);
  }
  return law;
}

DegreeLaw poisson_degrees(double lambda) {
  // P(N > 170 | λ = 100) < 1e-10, and 1/170! is the last coefficient of exp that a double holds.
  require(lambda > 0.0 && lambda <= 100.0,
          "lambda = {}, must be above 0 and at most 100: degrees beyond 170 have a weight no double holds; "
          "shrink the "
          "inputs, or leave higher degrees out with max-degree and degrees=fixed",
          lambda);
  DegreeLaw law{{}, true};
  for (int n = 0; n < kMaxDegree; ++n) {
    const double q = std::exp(n * std::log(lambda) - lambda - std::lgamma(n + 1.0));
    if (n > lambda && q < kNegligible) break;
    law.probability.push_back(q);
  }
  return law;
}

DegreeLaw proportional_degrees(std::vector<double> weights, double ratio) {
  require(ratio < 1.0,
          "degrees=optimal: the law a_n √(E m^n) has no finite sum, its terms grow by {} a degree; "
          "shrink the inputs or set max-degree",
          ratio);
  while (!weights.empty() && !(weights.back() > kNegligible)) weights.pop_back();
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  require(total > 0.0 && std::isfinite(total), "degrees=optimal: the weights sum to {}", total);
  for (double& weight : weights) weight /= total;
  return {std::move(weights), true, ratio, 0.0};
}

DegreeLaw between_degrees(DegreeLaw law, int lowest, std::optional<int> highest) {
  if (lowest == 0 && !highest) return law;
  auto& q = law.probability;
  if (highest) {
    require(*highest >= lowest, "max-degree = {}, must be at least {} (the degrees below are exact)",
            *highest, lowest);
    q.resize(std::min(q.size(), static_cast<std::size_t>(*highest) + 1));
    law.endless = false;
  }
  std::fill_n(q.begin(), std::min(q.size(), static_cast<std::size_t>(lowest)), 0.0);
  const double kept = std::accumulate(q.begin(), q.end(), 0.0);
  require(kept > 0.0,
          "degrees: no degree of at least {} is ever drawn, as the law gives all of them no weight on these "
          "inputs; take another law of the degrees (degrees=geometric), or leave known= out",
          lowest);
  for (double& probability : q) probability /= kept;
  return law;
}

DegreeAllocation::DegreeAllocation(int lowest, std::vector<double> needs)
    : lowest_(lowest), needs_(std::move(needs)) {
  require(!needs_.empty(), "degrees=fixed: no degree is left to draw");
}

std::vector<int> DegreeAllocation::degrees(Index draws) const {
  require(draws >= strata(),
          "degrees=fixed: {} features cannot hold one of each degree {} to {}; the smallest count is {}",
          draws, lowest(), highest(), strata());
  std::vector<int> order(needs_.size());
  std::iota(order.begin(), order.end(), lowest_);
  std::vector<double> drawn(needs_.size(), 1.0);
  while (order.size() < static_cast<std::size_t>(draws)) {
    std::size_t best = 0;
    const auto gain = [&](std::size_t n) { return needs_[n] / (drawn[n] * (drawn[n] + 1.0)); };
    for (std::size_t n = 1; n < needs_.size(); ++n) {
      // Degrees that need nothing more are served in turn.
      const bool tie = gain(n) == gain(best) && drawn[n] < drawn[best];
      if (gain(n) > gain(best) || tie) best = n;
    }
    order.push_back(lowest_ + static_cast<int>(best));
    drawn[best] += 1.0;
  }
  return order;
}

std::vector<double> DegreeAllocation::counts(Index draws) const {
  std::vector<double> counts(static_cast<std::size_t>(highest()) + 1, 0.0);
  for (const int degree : degrees(draws)) counts[static_cast<std::size_t>(degree)] += 1.0;
  return counts;
}

}  // namespace attngap
