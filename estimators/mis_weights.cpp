#include "estimators/mis_weights.hpp"

#include "estimators/key_pool.hpp"

#include <cmath>
#include <cstdint>
#include <limits>

namespace attngap {
namespace {

constexpr Index kPilotDraws = 32;

// No study uses this address, so the pilot is independent of every draw it helps.
constexpr StreamAddress kPilotAddress{std::numeric_limits<std::uint64_t>::max(),
                                      std::numeric_limits<std::uint32_t>::max(),
                                      std::numeric_limits<std::uint32_t>::max()};

// G is doubly stochastic, its eigenvalues lie in [0, 1]; below this the proposals are not told apart.
constexpr double kSmallestEigenvalue = 1e-9;

// Each row to weights that sum to one.
void softmax_rows(Matrix& logits) {
  for (Index i = 0; i < logits.rows(); ++i) {
    auto row = logits.row(i);
    row = (row.array() - row.maxCoeff()).exp();
    row /= row.sum();
  }
}

}  // namespace

Vector log_mixture(const Matrix& log_ratios) {
  const Vector maximum = log_ratios.rowwise().maxCoeff();
  return maximum.array() + (log_ratios.colwise() - maximum).array().exp().rowwise().sum().log();
}

Matrix balance_heuristic(const Matrix& log_ratios) {
  return (log_ratios.colwise() - log_mixture(log_ratios)).array().exp();
}

Matrix query_tilt(const PreparedRows<double>& rows, const Matrix& mean_queries, double coefficient) {
  const double tokens_per_row =
      static_cast<double>(rows.positions.back() + 1) / static_cast<double>(rows.Q.rows());
  Matrix affinity = mean_queries * rows.Q.transpose();  // C×n, normalised over the queries
  softmax_rows(affinity);
  Matrix tilt = affinity.transpose() * (coefficient / tokens_per_row);
  tilt.colwise() -= tilt.rowwise().mean().eval();
  return tilt;
}

OptimalMisWeights::OptimalMisWeights(const PreparedRows<double>& rows, const Matrix& means)
    : pilot_(kPilotDraws * means.rows(), means.cols()) {
  const Index proposals = means.rows();
  const Matrix noise = proposal_noise(kPilotAddress, {0, pilot_.rows()}, means.cols());
  for (Index r = 0; r < pilot_.rows(); ++r) pilot_.row(r) = means.row(r % proposals) + noise.row(r);

  const Matrix log_ratios = log_proposal_ratios(pilot_, means);
  balance_ = balance_heuristic(log_ratios);
  gram_.setThreshold(kSmallestEigenvalue);
  gram_.compute(balance_.transpose() * balance_ / static_cast<double>(kPilotDraws));

  KeyPool pool(rows, KeyPool::Bias::features);
  pool.start(pilot_);
  pool.absorb({0, rows.keys});
  average_ = pool.average();
  // p_n/Q up to a factor of n alone
  weights_ = rows.Q * pilot_.transpose();
  weights_.rowwise() += (pool.log_mass() - log_mixture(log_ratios)).transpose();
  softmax_rows(weights_);
}

Matrix OptimalMisWeights::pilot_coefficients(const Vector& excess, Segment queries) const {
  const Vector solved = gram_.solve(excess);
  return weights_.middleRows(queries.begin, queries.size()) * (balance_ * solved).asDiagonal();
}

}  // namespace attngap
