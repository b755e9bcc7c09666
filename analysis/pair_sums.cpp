#include "analysis/pair_sums.hpp"

#include <cmath>

namespace attngap {

PairSums::PairSums(Index channels)
    : bias(Eigen::RowVectorXd::Zero(channels)), variance(Eigen::RowVectorXd::Zero(channels)) {}

void PairSums::add(const PairSums& other, double log_factor, double factor) {
  const auto scaled = [&](double sum) { return sum == 0.0 ? 0.0 : sum * std::exp(log_factor) * factor; };
  bias += other.bias.unaryExpr(scaled);
  variance += other.variance.unaryExpr(scaled);
  ew2 += scaled(other.ew2);
  if (covariance.size() > 0) covariance += other.covariance.unaryExpr(scaled);
}

void QueryTerms::add_block(const Eigen::Ref<const Matrix>& G, const Matrix& V, PairSums& sums) const {
  const Index rows = G.rows(), end = G.cols(), first = end - rows, p = V.cols();
  Matrix Y(end, p + 1);  // x_m [v_m − A, 1]
  Y.leftCols(p) = x.head(end).asDiagonal() * (V.topRows(end).rowwise() - A);
  Y.col(p) = x.head(end);
  Matrix T(rows, p + 1);
  T.noalias() = G.rightCols(rows) * Y.bottomRows(rows);
  T.noalias() += 2.0 * G.leftCols(first) * Y.topRows(first);
  const auto own = Y.bottomRows(rows);
  sums.variance += own.leftCols(p).cwiseProduct(T.leftCols(p)).colwise().sum();
  sums.bias -= 0.5 * (T.col(p).transpose() * own.leftCols(p) + own.col(p).transpose() * T.leftCols(p));
  sums.ew2 += own.col(p).dot(T.col(p));
  if (sums.covariance.size() == 0) return;
  const Matrix twice = own.leftCols(p).transpose() * T.leftCols(p);
  sums.covariance += 0.5 * (twice + twice.transpose());
}

}  // namespace attngap
