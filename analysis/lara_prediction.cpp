#include "analysis/prediction.hpp"
#include "estimators/lara.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace attngap {
namespace {

constexpr Index kKeys = 128;  // rows of a block of pairs

// Sums over pairs of keys of one query, C being the mean over the proposals.
struct PairSums {
  Eigen::RowVectorXd bias;      // −Σ C_mm' (v_m − A)
  Eigen::RowVectorXd variance;  // Σ C_mm' (v_m − A)(v_m' − A)
  double ew2 = 0.0;             // Σ C_mm'
};

// C_mm' = mean_c x_mc x_m'c exp(−|k_m − sign k_m'|²/2), from ln x, l×C, and the rows v_m − A of Y.
PairSums sum_pairs(const Matrix& log_x, const Matrix& K, double sign, const Matrix& Y) {
  const Index l = K.rows(), p = Y.cols();
  const double shift = log_x.maxCoeff();
  const Matrix X = (log_x.array() - shift).exp();
  const Vector half_norms = 0.5 * K.rowwise().squaredNorm();
  Matrix columns(l, p + 1);
  columns << Y, Vector::Ones(l);
  PairSums sums{Eigen::RowVectorXd::Zero(p), Eigen::RowVectorXd::Zero(p)};
  for (Index first = 0; first < l; first += kKeys) {
    const Index rows = std::min(kKeys, l - first);
    Matrix G = sign * K.middleRows(first, rows) * K.transpose();
    G.colwise() -= half_norms.segment(first, rows);
    G.rowwise() -= half_norms.transpose();
    const Matrix C = G.array().min(0.0).exp() * (X.middleRows(first, rows) * X.transpose()).array();
    const Matrix products = C * columns;
    sums.bias -= products.leftCols(p).colwise().sum();
    sums.variance += Y.middleRows(first, rows).cwiseProduct(products.leftCols(p)).colwise().sum();
    sums.ew2 += products.col(p).sum();
  }
  const auto scaled = [&](double sum) {
    return sum == 0.0 ? 0.0 : sum * std::exp(2.0 * shift) / static_cast<double>(log_x.cols());
  };
  return {sums.bias.unaryExpr(scaled), sums.variance.unaryExpr(scaled), scaled(sums.ew2)};
}

// One query, with C = π_m π_m' exp(±a_mc·a_m'c), a_mc = q + k_m − μ_c: plus of one direction, minus of it and
// its mirror image.
class LaraQuery {
 public:
  LaraQuery(const PreparedRows<double>& rows, Index query, Index visible, const Matrix& means)
      : K_(rows.K.topRows(visible)) {
    const Vector q = rows.Q.row(query);
    const Vector logits = K_ * q;
    const double largest = logits.maxCoeff();
    log_pi_ = logits.array() - largest - std::log((logits.array() - largest).exp().sum());
    const auto V = rows.V.topRows(visible);
    A_ = log_pi_.array().exp().matrix().transpose() * V;
    Y_ = V.rowwise() - A_;
    // Far keys are brought home, which changes no a.
    const Eigen::RowVectorXd home = K_.colwise().mean();
    K_.rowwise() -= home;
    offsets_ = (-means).rowwise() + (q.transpose() + home);
  }

  const Eigen::RowVectorXd& exact() const { return A_; }

  PairSums sums(double sign) const {
    Matrix log_x = sign * K_ * offsets_.transpose();
    log_x.rowwise() += sign * 0.5 * offsets_.rowwise().squaredNorm().transpose();
    log_x.colwise() += log_pi_ + 0.5 * K_.rowwise().squaredNorm();
    return sum_pairs(log_x, K_, sign, Y_);
  }

 private:
  Matrix K_, Y_;
  Vector log_pi_;
  Eigen::RowVectorXd A_;
  Matrix offsets_;  // q − μ_c, C×d
};

// Divided by Z and not by its own sum, the estimate's error is Σ (h_m − π_m) v_m, with v_m = (v_m − A) + A:
// no bias, and the variance gains −2A bias + A²(Σ C − 1).
void leave_unnormalised(const Eigen::RowVectorXd& A, double excess, Eigen::RowVectorXd& bias,
                        Eigen::RowVectorXd& variance) {
  variance.array() += A.array() * (A.array() * excess - 2.0 * bias.array());
  bias.setZero();
}

}  // namespace

RatioPrediction predict_lara(const AttentionEstimator& estimator, const AttentionProblem& problem,
                             Index count) {
  const LaraOptions options = lara_options(estimator.spec());
  const Matrix zero = Matrix::Zero(problem.queries(), problem.value_dim());
  RatioPrediction prediction{estimator.target(problem),
                             zero,
                             zero,
                             zero,
                             Vector::Ones(problem.queries()),
                             estimator.has_moments(),
                             options.antithetic ? 2 : 1,
                             zero,
                             zero,
                             Vector::Zero(problem.queries()),
                             static_cast<double>(options.directions()),
                             !options.self_normalized};
  const PreparedRows<double> rows(problem);
  const Matrix means = lara_means(rows, count, options.proposal);
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  prediction.settled.resize(problem.queries());
  for (Index i = 0; i < problem.queries(); ++i) {
    prediction.settled(i) = options.self_normalized && problem.visible_keys(i) == 1;
    if (prediction.settled(i)) continue;
    const LaraQuery query(rows, i, problem.visible_keys(i), means);
    PairSums own = query.sums(1.0);
    PairSums mirrored{0.0 * own.bias, 0.0 * own.variance, 1.0};
    if (options.antithetic) mirrored = query.sums(-1.0);
    if (!options.self_normalized) {
      leave_unnormalised(query.exact(), own.ew2 - 1.0, own.bias, own.variance);
      leave_unnormalised(query.exact(), mirrored.ew2 - 1.0, mirrored.bias, mirrored.variance);
    }
    prediction.bias.row(i) = own.bias;
    prediction.variance.row(i) = own.variance;
    prediction.ew2(i) = own.ew2;
    prediction.coupled_bias.row(i) = mirrored.bias;
    prediction.coupled_variance.row(i) = mirrored.variance;
    prediction.coupled_ew2(i) = mirrored.ew2 - 1.0;
    const bool finite = std::isfinite(own.ew2) && own.variance.allFinite() && own.bias.allFinite() &&
                        std::isfinite(mirrored.ew2) && mirrored.variance.allFinite();
    if (finite) continue;
    prediction.bias.row(i).setConstant(kInfinity);
    prediction.variance.row(i).setConstant(kInfinity);
    prediction.ew2(i) = kInfinity;
    prediction.coupled_bias.row(i).setZero();
    prediction.coupled_variance.row(i).setZero();
    prediction.coupled_ew2(i) = 0.0;
  }
  return prediction;
}

}  // namespace attngap
