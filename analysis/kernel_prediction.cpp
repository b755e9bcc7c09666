#include "analysis/kernel_prediction.hpp"

#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/maclaurin_kernel.hpp"
#include "estimators/projection.hpp"

#include <cmath>
#include <utility>

namespace attngap {
namespace {

bool is_maclaurin(const RatioEstimator& estimator) {
  return estimator.map().name() == "maclaurin";
}

const MaclaurinKernel& maclaurin_kernel(const RatioEstimator& estimator) {
  return maclaurin_kernel_named(option(estimator.spec(), "kernel"));
}

}  // namespace

KernelLaw::KernelLaw(const RatioEstimator& estimator, Matrix x, Matrix y) : estimator_(estimator) {
  require(x.rows() == y.rows(), "pairs: x has {} rows and y has {}; a pair is a row of each", x.rows(),
          y.rows());
  require(!estimator.center_keys(), "{}: center=keys has no meaning for single pairs; leave it out",
          estimator.spec().text());
  const std::string text = estimator.spec().text();
  require(!is_maclaurin(estimator) || option(estimator.spec(), "ppsbn") == "none",
          "{}: ppsbn scales a pair by the other rows; leave it out and give scaled vectors", text);
  require(
      estimator.denominator().is_none(),
      "{}: denominator has no meaning for single pairs, whose estimates are divided by nothing; leave it out",
      text);
  const Matrix values = Matrix::Ones(y.rows(), 1);
  const AttentionProblem rows = make_problem(std::move(x), std::move(y), values, Mask::none, 1.0, "pairs");
  require(estimator.log_key_weights(rows).size() == 0, "{}: a gate has no meaning for single pairs", text);
  law_ = estimator.map_on(rows);
  const AttentionProblem seen = estimator.transformed(rows);
  block_ =
      estimator.projection().empty() ? 1 : projection_named(estimator.projection()).block(rows.head_dim());
  X_ = seen.scaled_queries();
  Y_ = seen.scaled_keys();
}

double KernelLaw::target(const Vector& x, const Vector& y) const {
  if (is_maclaurin(estimator_)) return maclaurin_kernel(estimator_).value(x.dot(y));
  return law_->name() == "arccos" ? law_->kernel(x, y) : std::exp(x.dot(y));
}

KernelPrediction KernelLaw::predict(Index pair, Index draws) const {
  const Vector x = X_.row(pair), y = Y_.row(pair);
  KernelPrediction prediction{target(x, y), law_->kernel(x, y), kernel_variance(*law_, x, y, draws, block_),
                              "ok"};
  if (std::isfinite(prediction.mean) && std::isfinite(prediction.variance)) return prediction;
  // An entire kernel has every moment; what is infinite then is only too large.
  const bool series = is_maclaurin(estimator_) && std::isfinite(maclaurin_kernel(estimator_).radius);
  prediction.condition = !series                                                     ? "beyond-double"
                         : std::abs(x.dot(y)) >= maclaurin_kernel(estimator_).radius ? "no-mean"
                                                                                     : "infinite-variance";
  return prediction;
}

}  // namespace attngap
