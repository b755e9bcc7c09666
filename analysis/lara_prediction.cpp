#include "analysis/pair_sums.hpp"
#include "analysis/prediction.hpp"
#include "estimators/lara.hpp"
#include "estimators/vector_math.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

namespace attngap {
namespace {

constexpr Index kNumbers = 1 << 23;  // of the queries that share a pass over the pairs, 64 MiB

// One query, with C = π_m π_m' exp(±a_mc·a_m'c), a_mc = q + k_m − μ_c: plus of one direction, minus of it and
// its mirror image. C is the mean over c of x_mc x_m'c times a Gaussian matrix that queries share.
class LaraQuery {
 public:
  // `K` are the keys less `home`: far keys are brought home, which changes no a.
  LaraQuery(const PreparedRows<double>& rows, const Matrix& K, const Matrix& V,
            const Eigen::RowVectorXd& home, Index query, Index visible, const Matrix& means)
      : K_(K), V_(V), log_pi_(visible), offsets_((-means).rowwise() + (rows.Q.row(query) + home)) {
    const Vector logits = K_.topRows(visible) * rows.Q.row(query).transpose();
    const double largest = logits.maxCoeff();
    log_pi_ = logits.array() - largest - std::log((logits.array() - largest).exp().sum());
    terms_.keys = visible;
    terms_.A = log_pi_.array().exp().matrix().transpose() * V_.topRows(visible);
    terms_.x = Vector::Ones(visible);
  }

  Index keys() const { return terms_.keys; }
  const Eigen::RowVectorXd& exact() const { return terms_.A; }

  void start(double sign) {
    const auto K = K_.topRows(keys());
    X_ = sign * K * offsets_.transpose();
    X_.rowwise() += sign * 0.5 * offsets_.rowwise().squaredNorm().transpose();
    X_.colwise() += log_pi_ + 0.5 * K.rowwise().squaredNorm();
    shift_ = X_.maxCoeff();
    X_.array() -= shift_;
    vector_exp({X_.data(), static_cast<std::size_t>(X_.size())});
    sums_ = PairSums(V_.cols());
  }

  // The pairs of keys `first` … with the keys up to them, of which G holds the Gaussian part.
  void add_block(const Matrix& G, Index first) {
    const Index rows = std::min(G.rows(), keys() - first), end = first + rows;
    if (rows <= 0) return;
    Matrix C = X_.middleRows(first, rows) * X_.topRows(end).transpose();
    C.array() *= G.topLeftCorner(rows, end).array();
    terms_.add_block(C, V_, sums_);
  }

  PairSums sums() const {
    PairSums mean(V_.cols());
    mean.add(sums_, 2.0 * shift_, 1.0 / static_cast<double>(X_.cols()));
    return mean;
  }

 private:
  const Matrix& K_;
  const Matrix& V_;
  Vector log_pi_;
  Matrix offsets_;  // q − μ_c, C×d
  QueryTerms terms_;
  Matrix X_;  // x e^{−shift}, l×C
  double shift_ = 0.0;
  PairSums sums_{0};
};

// The sums of every query, with one pass over exp(−|k_m − sign k_m'|²/2) for all of them.
std::vector<PairSums> sum_pairs(std::vector<LaraQuery>& queries, const Matrix& K, double sign) {
  Index end = 0;
  for (LaraQuery& query : queries) {
    query.start(sign);
    end = std::max(end, query.keys());
  }
  const Vector half_norms = 0.5 * K.rowwise().squaredNorm();
  for (Index first = 0; first < end; first += kPairRows) {
    const Index rows = std::min(kPairRows, end - first);
    Matrix G = sign * K.middleRows(first, rows) * K.topRows(first + rows).transpose();
    G.colwise() -= half_norms.segment(first, rows);
    G.rowwise() -= half_norms.head(first + rows).transpose();
    G = G.cwiseMin(0.0);
    vector_exp({G.data(), static_cast<std::size_t>(G.size())});
    for (LaraQuery& query : queries) query.add_block(G, first);
  }
  std::vector<PairSums> sums;
  for (const LaraQuery& query : queries) sums.push_back(query.sums());
  return sums;
}

// Divided by Z and not by its own sum, the estimate's error is Σ (h_m − π_m) v_m, with v_m = (v_m − A) + A:
// no bias, and the variance gains −2A bias + A²(Σ C − 1).
void leave_unnormalised(const Eigen::RowVectorXd& A, double excess, Eigen::RowVectorXd& bias,
                        Eigen::RowVectorXd& variance) {
  variance.array() += A.array() * (A.array() * excess - 2.0 * bias.array());
  bias.setZero();
}

// The sums of one direction and of one with its mirror image, to row i of the prediction.
void store(Index i, const LaraQuery& query, PairSums own, PairSums mirrored, bool self_normalized,
           RatioPrediction& prediction) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (!self_normalized) {
    leave_unnormalised(query.exact(), own.ew2 - 1.0, own.bias, own.variance);
    leave_unnormalised(query.exact(), mirrored.ew2 - 1.0, mirrored.bias, mirrored.variance);
  }
  const bool finite = std::isfinite(own.ew2) && own.variance.allFinite() && own.bias.allFinite() &&
                      std::isfinite(mirrored.ew2) && mirrored.variance.allFinite();
  if (!finite) {
    prediction.bias.row(i).setConstant(kInfinity);
    prediction.variance.row(i).setConstant(kInfinity);
    prediction.ew2(i) = kInfinity;
    return;
  }
  prediction.bias.row(i) = own.bias;
  prediction.variance.row(i) = own.variance;
  prediction.ew2(i) = own.ew2;
  prediction.coupled_bias.row(i) = mirrored.bias;
  prediction.coupled_variance.row(i) = mirrored.variance;
  prediction.coupled_ew2(i) = mirrored.ew2 - 1.0;
}

Matrix rows_of(const Matrix& matrix, const std::vector<Index>& rows) {
  return matrix(rows, Eigen::all);
}

RatioPrediction without_sums(const AttentionEstimator& estimator, const LaraOptions& options, Matrix exact) {
  const Matrix zero = Matrix::Zero(exact.rows(), exact.cols());
  RatioPrediction prediction{std::move(exact),
                             zero,
                             zero,
                             zero,
                             Vector::Ones(zero.rows()),
                             estimator.has_moments(),
                             options.antithetic ? 2 : 1,
                             zero,
                             zero,
                             Vector::Zero(zero.rows()),
                             static_cast<double>(options.directions()),
                             !options.self_normalized};
  prediction.settled.setConstant(zero.rows(), false);
  return prediction;
}

}  // namespace

RatioPrediction predict_lara(const AttentionEstimator& estimator, const AttentionProblem& problem,
                             Index count, Index queries) {
  const LaraOptions options = lara_options(estimator.spec());
  const std::vector<Index> at = spread_queries(problem.queries(), queries > 0 ? queries : problem.queries());
  const auto n = static_cast<Index>(at.size());
  RatioPrediction prediction = without_sums(estimator, options, rows_of(estimator.target(problem), at));
  const PreparedRows<double> rows(problem);
  const Matrix means = lara_means(rows, count, options.proposal);
  const Eigen::RowVectorXd home = rows.K.colwise().mean();
  const Matrix K = rows.K.rowwise() - home;
  const Index together = std::clamp<Index>(kNumbers / (K.rows() * means.rows()), 1, n);
  for (Index first = 0; first < n; first += together) {
    const Index end = std::min(n, first + together);
    std::vector<LaraQuery> group;
    for (Index i = first; i < end; ++i) {
      const Index query = at[static_cast<std::size_t>(i)];
      group.emplace_back(rows, K, problem.V, home, query, problem.visible_keys(query), means);
    }
    const std::vector<PairSums> own = sum_pairs(group, K, 1.0);
    std::vector<PairSums> mirrored(group.size(), PairSums(problem.value_dim()));
    for (PairSums& none : mirrored) none.ew2 = 1.0;
    if (options.antithetic) mirrored = sum_pairs(group, K, -1.0);
    for (std::size_t i = 0; i < group.size(); ++i) {
      const Index row = first + static_cast<Index>(i);
      store(row, group[i], own[i], mirrored[i], options.self_normalized, prediction);
      if (!options.self_normalized || group[i].keys() > 1) continue;
      prediction.settled(row) = true;  // whatever E[W²] is
      for (Matrix* error :
           {&prediction.bias, &prediction.variance, &prediction.coupled_bias, &prediction.coupled_variance})
        error->row(row).setZero();
    }
  }
  return prediction;
}

}  // namespace attngap
