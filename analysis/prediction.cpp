#include "analysis/prediction.hpp"

#include "analysis/pair_sums.hpp"
#include "estimators/haar_pair.hpp"
#include "estimators/projection.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace attngap {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
constexpr Index kQueries = 64;  // share one pass over the Gaussian matrices
constexpr Index kKeys = kPairRows;

// N/m: what a coupled pair's part weighs beside that of one direction.
double coupling(Index draws, Index block) {
  return coupled_pairs(draws, block) / static_cast<double>(draws);
}

// A head as the features see it.
class PreparedHead {
 public:
  PreparedHead(const RatioEstimator& estimator, const AttentionProblem& problem, Index draws = 0)
      : problem_(problem),
        law_(draws > 0 ? estimator.map_at(problem, draws) : estimator.map_on(problem)),
        log_weights_(estimator.log_key_weights(problem)) {
    const AttentionProblem prepared = estimator.prepared(problem);
    Q_ = prepared.scaled_queries();
    K_ = prepared.scaled_keys();
    half_norms_ = 0.5 * K_.rowwise().squaredNorm();
    if (log_weights_.size() == 0) log_weights_ = Vector::Zero(K_.rows());
    factored_ = law_->pair_factors(Q_.row(0), K_.topRows(1)).has_value();
    if (!estimator.projection().empty())
      block_ = projection_named(estimator.projection()).block(problem.head_dim());
  }

  Index block() const { return block_; }

  // Of these queries, to the rows of `prediction` from `row` on.
  void predict(std::span<const Index> queries, Index row, RatioPrediction& prediction) const {
    std::vector<PairSums> sums(queries.size(), PairSums(problem_.value_dim()));
    std::vector<QueryTerms> terms;
    for (const Index query : queries) terms.push_back(query_terms(query));
    if (factored_) add_products(terms, sums);
    for (std::size_t i = 0; i < terms.size(); ++i) {
      if (!factored_) add_pairs(terms[i], sums[i]);
      PairSums coupled(problem_.value_dim());
      if (block_ > 1) add_coupled(terms[i], coupled);
      store(row + static_cast<Index>(i), terms[i], sums[i], coupled, prediction);
    }
  }

  // The sums take p, blocks of pairs d and the series, orthogonal directions their table or rows: of arccos
  // features the more the fewer dimensions, as measured with Gaussian keys, but in the plane.
  double multiplications() const {
    constexpr double kSeries = 100.0, kTable = 450.0, kPlane = 3e3;
    const auto d = static_cast<double>(problem_.head_dim()), p = static_cast<double>(problem_.value_dim());
    const double own = p + (factored_ ? 0.0 : d + kSeries);
    if (block_ == 1) return own;
    if (law_->orthogonal_pairs()) return own + kTable;
    return own + (d == 2.0 ? kPlane : std::min(2e5, 5e6 / (d * d)));
  }

  // Of the output of one query at m directions: p×p, infinite where anything of it is.
  Matrix covariance(Index query, Index draws) const {
    const Index p = problem_.value_dim();
    std::vector<PairSums> sums(1, PairSums(p));
    sums.front().covariance = Matrix::Zero(p, p);
    PairSums coupled = sums.front();
    const std::vector<QueryTerms> terms{query_terms(query)};
    if (settles(terms.front())) return Matrix::Zero(p, p);
    if (factored_)
      add_products(terms, sums);
    else
      add_pairs(terms.front(), sums.front());
    if (block_ > 1) add_coupled(terms.front(), coupled);
    const Matrix total =
        (sums.front().covariance + coupling(draws, block_) * coupled.covariance) / static_cast<double>(draws);
    if (std::isfinite(sums.front().ew2) && std::isnan(coupled.ew2)) return Matrix::Constant(p, p, kUnknown);
    return total.allFinite() && std::isfinite(sums.front().ew2) ? total : Matrix::Constant(p, p, kInfinity);
  }

  // Makes what orthogonal pairs need: a table of them over the |q ± k|² of all pairs within reach, unless the
  // map has rows of its own.
  void couple() {
    if (block_ == 1) return;
    rows_ = law_->orthogonal_rows(block_);
    if (rows_) return;
    const HaarPair pair(law_->orthogonal_pairs()->factor, block_);
    double lowest = pair.reach(), highest = 0.0;
    for (Index query = 0; query < Q_.rows(); ++query) {
      const Vector norms = sums_with_keys(query, problem_.visible_keys(query)).rowwise().squaredNorm();
      lowest = std::min(lowest, norms.minCoeff());
      highest = std::max(highest, norms.maxCoeff());
    }
    reach_ = pair.reach();
    table_.emplace(pair, lowest, std::min(highest, reach_));
  }

 private:
  bool settles(const QueryTerms& terms) const { return terms.keys == 1 && !law_->can_vanish(); }

  // x_m = u_m/Z, the factors where G holds the pair moments themselves, and A. With products x is ln(u_m/Z).
  QueryTerms query_terms(Index query) const {
    QueryTerms terms;
    terms.query = query;
    terms.keys = problem_.visible_keys(query);
    const Vector q = Q_.row(query);
    const auto keys = K_.topRows(terms.keys);
    Vector log_u = log_weights_.head(terms.keys);
    Vector pi(terms.keys);
    if (factored_) {  // the kernel is exp(q·k)
      pi = keys * q + log_u;
      const double largest = pi.maxCoeff();
      const double log_normalizer = largest + std::log((pi.array() - largest).exp().sum());
      pi = (pi.array() - log_normalizer).exp();
      terms.x = log_u.array() - log_normalizer;
    } else {
      log_u.array() -= log_u.maxCoeff();
      for (Index m = 0; m < terms.keys; ++m) pi(m) = std::exp(log_u(m)) * law_->kernel(q, keys.row(m));
      const double normalizer = pi.sum();
      pi /= normalizer;
      terms.x = log_u.array().exp() / normalizer;
    }
    terms.A = pi.transpose() * problem_.V.topRows(terms.keys);
    terms.pi = std::move(pi);
    return terms;
  }

  // q ± k of the visible keys, whose inner products rule orthogonal pairs.
  Matrix sums_with_keys(Index query, Index keys) const {
    const double sign = law_->orthogonal_pairs()->sign;
    return (sign * K_.topRows(keys)).rowwise() + Q_.row(query);
  }

  void add_coupled(const QueryTerms& terms, PairSums& sums) const {
    if (!rows_) return add_tabulated(terms, sums);
    rows_->start(Q_.row(terms.query), K_.topRows(terms.keys), terms.x);
    for (Index first = 0; first < terms.keys; first += kKeys) {
      const Index rows = std::min(kKeys, terms.keys - first);
      terms.add_block(rows_->covariances(first, rows), problem_.V, sums);
    }
  }

  void add_tabulated(const QueryTerms& terms, PairSums& sums) const {
    const Matrix z = sums_with_keys(terms.query, terms.keys);
    const Vector norms = z.rowwise().squaredNorm();
    if (norms.maxCoeff() > reach_) {  // finite, but beyond what is tabulated
      sums.bias.setConstant(kUnknown);
      sums.variance.setConstant(kUnknown);
      sums.covariance.setConstant(kUnknown);
      sums.ew2 = kUnknown;
      return;
    }
    QueryTerms weighted = terms;
    weighted.x = terms.pi;
    for (Index first = 0; first < terms.keys; first += kKeys) {
      const Index rows = std::min(kKeys, terms.keys - first);
      Matrix cosines = z.middleRows(first, rows) * z.topRows(first + rows).transpose();
      cosines = cosines.array().square();
      for (Index m = 0; m < rows; ++m)
        for (Index other = 0; other < first + rows; ++other) {
          const double product = norms(first + m) * norms(other);
          cosines(m, other) = product > 0.0 ? std::min(1.0, cosines(m, other) / product) : 0.0;
        }
      const Matrix f = table_->excess(norms.segment(first, rows), norms.head(first + rows), cosines);
      weighted.add_block(f, problem_.V, sums);
    }
  }

  void add_pairs(const QueryTerms& terms, PairSums& sums) const {
    const Vector q = Q_.row(terms.query);
    for (Index m = 0; m < terms.keys; ++m)
      if (!law_->has_variance(q, K_.row(m))) {
        sums.ew2 = kInfinity;  // and no pair counts any more
        return;
      }
    for (Index first = 0; first < terms.keys; first += kKeys) {
      const Index rows = std::min(kKeys, terms.keys - first);
      const Matrix G = law_->pair_covariances(q, K_, first, rows);
      terms.add_block(G, problem_.V, sums);
    }
    sums.ew2 += 1.0;  // the products of means: π_m π_m', which Σ π (v − A) = 0 keeps out of the other sums
  }

  // All queries at once, once with exp(−|k − k'|²/2) and once, where the map needs it, with +.
  void add_products(const std::vector<QueryTerms>& terms, std::vector<PairSums>& sums) const {
    for (const double sign : {-1.0, 1.0}) {
      std::vector<QueryTerms> scaled = terms;
      std::vector<double> shifts;
      for (std::size_t i = 0; i < terms.size(); ++i) {
        const auto factors = law_->pair_factors(Q_.row(terms[i].query), K_.topRows(terms[i].keys));
        const Vector& log_factor = sign < 0 ? factors->log_x : factors->log_z;
        if (log_factor.size() == 0) return;
        const Vector log_x = terms[i].x + log_factor;
        shifts.push_back(log_x.maxCoeff());
        scaled[i].x = (log_x.array() - shifts.back()).exp();
      }
      add_gaussian(sign, scaled, shifts, sums);
    }
  }

  void add_gaussian(double sign, const std::vector<QueryTerms>& terms, const std::vector<double>& shifts,
                    std::vector<PairSums>& sums) const {
    Index end = 0;
    for (const QueryTerms& query : terms) end = std::max(end, query.keys);
    PairSums none(problem_.value_dim());
    none.covariance = Matrix::Zero(sums.front().covariance.rows(), sums.front().covariance.cols());
    std::vector<PairSums> parts(terms.size(), none);
    for (Index first = 0; first < end; first += kKeys) {
      const Index rows = std::min(kKeys, end - first);
      const Matrix G = gaussian_block(sign, first, rows);
      for (std::size_t i = 0; i < terms.size(); ++i) {
        const Index seen = std::min(rows, terms[i].keys - first);
        if (seen > 0) terms[i].add_block(G.topLeftCorner(seen, first + seen), problem_.V, parts[i]);
      }
    }
    for (std::size_t i = 0; i < terms.size(); ++i) sums[i].add(parts[i], 2.0 * shifts[i]);
  }

  // exp(−|k_m ± k_m'|²/2) for keys m = first …, m' = 0 … first + rows − 1.
  Matrix gaussian_block(double sign, Index first, Index rows) const {
    Matrix G = K_.middleRows(first, rows) * K_.topRows(first + rows).transpose();
    G *= -sign;
    G.colwise() -= half_norms_.segment(first, rows);
    G.rowwise() -= half_norms_.head(first + rows).transpose();
    return G.array().min(0.0).exp();
  }

  void store(Index row, const QueryTerms& terms, const PairSums& sums, const PairSums& coupled,
             RatioPrediction& prediction) const {
    const double rounding =
        32.0 * std::numeric_limits<double>::epsilon() * problem_.V.topRows(terms.keys).cwiseAbs().maxCoeff();
    const auto kept = [&](double offset) { return std::abs(offset) <= rounding ? 0.0 : offset; };
    prediction.offset.row(row) = (terms.A - prediction.exact.row(row)).unaryExpr(kept);
    prediction.bias.row(row) = sums.bias;
    prediction.variance.row(row) = sums.variance.cwiseMax(0.0);
    prediction.ew2(row) = sums.ew2;
    prediction.settled(row) = settles(terms);
    const bool finite =
        std::isfinite(sums.ew2) && sums.variance.allFinite() && sums.bias.allFinite() && terms.A.allFinite();
    prediction.coupled_bias.row(row) = coupled.bias;
    prediction.coupled_variance.row(row) = coupled.variance;
    prediction.coupled_ew2(row) = coupled.ew2;
    if (prediction.settled(row)) {
      for (Matrix* part : {&prediction.offset, &prediction.bias, &prediction.variance,
                           &prediction.coupled_bias, &prediction.coupled_variance})
        part->row(row).setZero();
      return;
    }
    if (finite) return;
    for (Matrix* part : {&prediction.coupled_bias, &prediction.coupled_variance}) part->row(row).setZero();
    prediction.coupled_ew2(row) = 0.0;
    prediction.offset.row(row).setZero();
    prediction.bias.row(row).setConstant(kInfinity);
    prediction.variance.row(row).setConstant(kInfinity);
    prediction.ew2(row) = kInfinity;
  }

  const AttentionProblem& problem_;
  std::shared_ptr<const FeatureMap> law_;
  Vector log_weights_;
  Matrix Q_, K_;
  Vector half_norms_;
  bool factored_ = false;
  Index block_ = 1;
  double reach_ = 0.0;
  std::optional<HaarTable> table_;
  std::unique_ptr<OrthogonalRows> rows_;
};

}  // namespace

double RatioPrediction::directions(Index draws) const {
  return per_count * static_cast<double>(draws);
}

double RatioPrediction::pairs_each(Index draws) const {
  return block == 1 ? 0.0 : coupling(static_cast<Index>(std::llround(directions(draws))), block);
}

Matrix RatioPrediction::bias_at(Index draws) const {
  return offset + (bias + pairs_each(draws) * coupled_bias) / directions(draws);
}

Matrix RatioPrediction::variance_at(Index draws) const {
  const Matrix sums = variance + pairs_each(draws) * coupled_variance;
  const auto not_below_zero = [](double sum) { return sum < 0.0 ? 0.0 : sum; };  // and NaN stays
  return sums.unaryExpr(not_below_zero) / directions(draws);
}

Vector RatioPrediction::ew2_at(Index draws) const {
  return ew2 + pairs_each(draws) * coupled_ew2;
}

std::string_view RatioPrediction::condition(Index query, Index draws) const {
  if (is_settled(query)) return "ok";
  if (std::isinf(ew2(query))) return "infinite-variance";
  if (std::isnan(coupled_ew2(query))) return "beyond-table";
  if (!has_moments) return "no-moment";
  return linear || directions(draws) >= draws_needed(ew2(query)) ? "ok" : "not-valid";
}

std::string_view RatioPrediction::condition(Index draws) const {
  if (settled.size() > 0 && settled.all()) return "ok";
  double hardest = 0.0;
  bool unknown = false;
  for (Index query = 0; query < ew2.size(); ++query) {
    if (is_settled(query)) continue;
    hardest = std::max(hardest, ew2(query));
    unknown = unknown || std::isnan(coupled_ew2(query));
  }
  if (unknown) return "beyond-table";
  if (!has_moments) return "no-moment";
  if (linear) return std::isfinite(hardest) ? "ok" : "infinite-variance";
  return directions(draws) >= draws_needed(hardest) ? "ok" : "not-valid";
}

double draws_needed(double ew2) {
  return 10.0 * ew2 * ew2;
}

RatioPrediction predict(const RatioEstimator& estimator, const AttentionProblem& problem, Index draws,
                        Index queries) {
  PreparedHead head(estimator, problem, draws);
  head.couple();
  const std::vector<Index> at = spread_queries(problem.queries(), queries > 0 ? queries : problem.queries());
  const Index n = std::ssize(at), p = problem.value_dim();
  RatioPrediction prediction{Matrix(estimator.target(problem)(at, Eigen::all)),
                             Matrix(n, p),
                             Matrix(n, p),
                             Matrix(n, p),
                             Vector(n),
                             estimator.has_moments(),
                             head.block(),
                             Matrix::Zero(n, p),
                             Matrix::Zero(n, p),
                             Vector::Zero(n)};
  prediction.settled.resize(n);
  for (Index first = 0; first < n; first += kQueries)
    head.predict(std::span(at).subspan(static_cast<std::size_t>(first),
                                       static_cast<std::size_t>(std::min(kQueries, n - first))),
                 first, prediction);
  return prediction;
}

std::vector<Matrix> predicted_covariances(const RatioEstimator& estimator, const AttentionProblem& problem,
                                          Index draws) {
  PreparedHead head(estimator, problem, draws);
  head.couple();
  std::vector<Matrix> covariances;
  for (Index query = 0; query < problem.queries(); ++query)
    covariances.push_back(head.covariance(query, draws));
  return covariances;
}

double multiplications(const RatioEstimator& estimator, const AttentionProblem& problem, Index draws) {
  return PreparedHead(estimator, problem, draws).multiplications();
}

}  // namespace attngap
