#include "estimators/key_pool.hpp"

#include <algorithm>
#include <limits>

namespace attngap {
namespace {
constexpr Index kKeyBlock = 256;
}

void KeyPool::start(const Eigen::Ref<const Matrix>& W) {
  W_ = W;
  maximum_.setConstant(W.rows(), -std::numeric_limits<double>::infinity());
  mass_.setZero(W.rows());
  sums_.setZero(W.rows(), rows_.V.cols());
}

void KeyPool::absorb(Segment keys) {
  for (Index begin = keys.begin; begin < keys.end; begin += kKeyBlock)
    absorb_block(reader_.read({begin, std::min(begin + kKeyBlock, keys.end)}, keys.end));
}

void KeyPool::absorb_block(const RowReader::Rows& keys) {
  logits_.noalias() = W_ * keys.K.transpose();
  if (bias_ == Bias::features) logits_.rowwise() -= keys.half_norms.transpose();
  for (Index r = 0; r < W_.rows(); ++r) {
    auto row = logits_.row(r);
    const double raised = std::max(maximum_(r), row.maxCoeff());
    const double kept = std::exp(maximum_(r) - raised);
    row = (row.array() - raised).exp();
    mass_(r) = mass_(r) * kept + row.sum();
    sums_.row(r) *= kept;
    maximum_(r) = raised;
  }
  sums_.noalias() += logits_ * keys.V;
}

const Vector& KeyPool::log_mass() {
  log_mass_ = maximum_.array() + mass_.array().log();
  return log_mass_;
}

const Matrix& KeyPool::average() {
  average_ = sums_;
  for (Index r = 0; r < average_.rows(); ++r)
    if (mass_(r) > 0) average_.row(r) /= mass_(r);
  return average_;
}

}  // namespace attngap
