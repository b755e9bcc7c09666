#include "estimators/maclaurin_data.hpp"

#include "estimators/error.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace attngap {
namespace {

constexpr Index kPerSide = 64;
constexpr Index kQueryBlock = 64, kKeyBlock = 256;

// Up to kPerSide evenly spread rows, first and last among them.
std::vector<Index> spread(Index rows) {
  std::vector<Index> chosen;
  const Index count = std::min(rows, kPerSide);
  for (Index i = 0; i < count; ++i) chosen.push_back(count == 1 ? 0 : i * (rows - 1) / (count - 1));
  return chosen;
}

// √(mean of (x/scale)ⁿ) over the sample, in units of scaleⁿ, for n = 0, 1, …
class PowerMeans {
 public:
  PowerMeans(const std::vector<double>& numbers, double scale) : ratios_(numbers) {
    for (double& ratio : ratios_) ratio = scale > 0.0 ? ratio / scale : 0.0;
    powers_.assign(ratios_.size(), 1.0);
  }
  double next() {
    const double mean =
        std::accumulate(powers_.begin(), powers_.end(), 0.0) / static_cast<double>(powers_.size());
    for (std::size_t i = 0; i < powers_.size(); ++i) powers_[i] *= ratios_[i];
    return mean;
  }

 private:
  std::vector<double> ratios_, powers_;
};

}  // namespace

double PairSample::mean_base() const {
  return std::accumulate(base.begin(), base.end(), 0.0) / static_cast<double>(base.size());
}
double PairSample::largest_base() const {
  return *std::max_element(base.begin(), base.end());
}

std::vector<Index> sampled_keys(Index keys) {
  return spread(keys);
}

PairSample sample_pairs(const AttentionProblem& problem, MaclaurinDirection law) {
  PairSample sample;
  const Matrix Q = problem.scaled_queries();
  const Matrix K = problem.scaled_keys();
  for (const Index i : spread(problem.queries())) {
    const Vector q = Q.row(i);
    for (const Index j : spread(problem.keys())) {
      if (j >= problem.visible_keys(i)) break;
      const Vector k = K.row(j);
      sample.dot.push_back(q.dot(k));
      // A mean of squares: below zero only by rounding, where it vanishes.
      sample.base.push_back(std::max(0.0, maclaurin_pair_base(law, q, k, k)));
    }
  }
  return sample;
}

double best_lambda(const PairSample& pairs) {
  return std::max(1e-3, std::sqrt(pairs.mean_base()));
}

// In the unit of the largest m, whose powers alone might leave the range of a double.
DegreeLaw optimal_degrees(const MaclaurinKernel& kernel, const PairSample& pairs,
                          const MaclaurinOptions& options) {
  const double largest = pairs.largest_base();
  PowerMeans means(pairs.base, largest);
  std::vector<double> logs;
  for (int n = 0; n <= options.max_degree.value_or(kMaxDegree - 1); ++n) {
    const double mean = means.next();
    const double a = kernel.coefficient(n);
    const double grown = largest > 0.0 ? 0.5 * n * std::log(largest) : (n == 0 ? 0.0 : -1e9);
    logs.push_back(n < options.known ? -1e9 : std::log(a) + 0.5 * std::log(mean) + grown);
    // A coefficient that is zero ends the series, but for the lower ones of a polynomial.
    if (mean == 0.0 || (a == 0.0 && n >= kernel.degree.value_or(0))) break;
  }
  // The law's mean degree is about √m; see poisson_degrees for the limit.
  require(!is_exponential(kernel) || options.max_degree || largest <= 1e4,
          "degrees=optimal: m = {} is above 10^4, where degrees beyond 170 matter, whose weight no double "
          "holds; shrink "
          "the inputs (scale=, or ppsbn=code) or set max-degree",
          largest);
  const double highest = *std::max_element(logs.begin(), logs.end());
  std::vector<double> weights;
  for (const double log_weight : logs) weights.push_back(std::exp(log_weight - highest));
  const bool endless = std::isfinite(kernel.radius) && !options.max_degree;
  return proportional_degrees(std::move(weights), endless ? std::sqrt(largest) / kernel.radius : 0.0);
}

DegreeAllocation neyman_allocation(const MaclaurinKernel& kernel, const PairSample& pairs,
                                   const MaclaurinOptions& options) {
  require(options.max_degree && *options.max_degree >= options.known,
          "degrees=fixed needs max-degree=T of at least {}: every degree up to T has features of its own",
          options.known);
  std::vector<double> squares(pairs.dot.size());
  std::transform(pairs.dot.begin(), pairs.dot.end(), squares.begin(), [](double z) { return z * z; });
  PowerMeans base_means(pairs.base, 1.0);
  PowerMeans square_means(squares, 1.0);
  std::vector<double> needs;
  for (int n = 0; n <= *options.max_degree; ++n) {
    const double excess = base_means.next() - square_means.next();
    const double a = kernel.coefficient(n);
    if (n >= options.known) needs.push_back(a * a * std::max(0.0, excess));
  }
  return {options.known, std::move(needs)};
}

namespace {

std::string variance_rule(const DegreeLaw& degrees) {
  if (degrees.geometric > 0.0)
    return fmt::format("geometric degrees with p = {} need p·m below 1", degrees.geometric);
  if (degrees.ratio == 0.0) return "Poisson degrees are too thin a law for any kernel but exp";
  return fmt::format("the optimal degrees of this data need m < {}", degrees.ratio);
}

}  // namespace

void PairExtremes::look_at(const AttentionProblem& part, Index first_query, Index first_key) {
  const Matrix Q = part.scaled_queries();
  const Matrix K = part.scaled_keys();
  const Vector query_norms = Q.rowwise().squaredNorm(), key_norms = K.rowwise().squaredNorm();
  const double fourth = law_ == MaclaurinDirection::rademacher ? 2.0 : 0.0;
  Matrix Z, S;
  for (Index first = 0; first < Q.rows(); first += kQueryBlock)
    for (Index begin = 0; begin < K.rows(); begin += kKeyBlock) {
      const auto queries = Q.middleRows(first, std::min(kQueryBlock, Q.rows() - first));
      const auto keys = K.middleRows(begin, std::min(kKeyBlock, K.rows() - begin));
      Z.noalias() = queries * keys.transpose();
      S.noalias() = queries.cwiseAbs2() * keys.cwiseAbs2().transpose();
      for (Index i = 0; i < queries.rows(); ++i) {
        const Index seen = std::clamp<Index>(part.visible_keys(first + i) - begin, 0, keys.rows());
        if (seen == 0) continue;
        look_at_row(first_query + first + i, first_key + begin, Z.row(i).head(seen),
                    query_norms(first + i) * key_norms.segment(begin, seen).transpose(),
                    fourth * S.row(i).head(seen));
      }
    }
}

void PairExtremes::look_at_row(Index query, Index first_key, const Row& z, const Row& norms2,
                               const Row& fourth) {
  m_ = norms2.array() + 2.0 * z.array().square() - fourth.array();
  Index j = 0;
  if (m_.maxCoeff() > base.value) {
    base.value = m_.maxCoeff(&j);
    base.query = query;
    base.key = first_key + j;
    norms = std::sqrt(norms2(j));
  }
  const double low = z.minCoeff(), high = z.maxCoeff();
  least = std::min(least, low);
  most = std::max(most, high);
  if (std::max(-low, high) <= std::abs(dot.value)) return;
  z.cwiseAbs().maxCoeff(&j);
  dot = {query, first_key + j, z(j)};
}

void require_moments(const RandomMaclaurin& law, const PairExtremes& found, std::string_view name,
                     bool force) {
  const MaclaurinKernel& kernel = law.kernel();
  if (std::isinf(kernel.radius)) return;
  const bool is_defined = std::isfinite(kernel.value(found.most)) && std::isfinite(kernel.value(found.least));
  const double widest = std::abs(found.dot.value);
  require(
      (is_defined && widest <= kernel.radius) || (force && is_defined),
      "{}: query {} and key {} have |q·k| = {} after scaling, but the series of the kernel {} = {} converges "
      "up to {} only, so that {}; shrink the inputs (scale=, or ppsbn=code){}",
      name, found.dot.query, found.dot.key, widest, kernel.name, kernel.formula, kernel.radius,
      is_defined ? "its estimate is of something else" : "the target itself does not exist",
      is_defined ? ", or set force=on" : "");
  require(
      force || law.has_variance(found.base.value),
      "{}: the kernel estimate of query {} and key {} has infinite variance{}: m = E(w·q)²(w·k)² = {} after "
      "scaling, and {}; shrink the inputs (scale=, or ppsbn=code), set max-degree, or set force=on",
      name, found.base.query, found.base.key,
      found.norms < 1.0 ? "" : fmt::format(", and no mean unless E|w·q||w·k| < 1 (|q||k| = {})", found.norms),
      found.base.value, variance_rule(law.degrees()));
}

}  // namespace attngap
