#include "estimators/prepared_rows.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>

namespace attngap {
namespace {

constexpr Index kBlock = 128;

// The values themselves where they have the wanted precision, else a copy in it.
template <typename Scalar>
std::unique_ptr<const RowMatrix<Scalar>> converted(const Matrix& values) {
  if constexpr (std::is_same_v<Scalar, double>) return nullptr;
  return std::make_unique<const RowMatrix<Scalar>>(values.cast<Scalar>());
}

template <typename Scalar>
const Scalar* address_of(const Matrix& values, const std::unique_ptr<const RowMatrix<Scalar>>& copy) {
  if constexpr (std::is_same_v<Scalar, double>)
    return values.data();
  else
    return copy->data();
}

}  // namespace

template <typename Scalar>
PreparedRows<Scalar>::PreparedRows(const AttentionProblem& problem, const Matrix& values,
                                   const Eigen::RowVectorXd& center)
    : converted_values(converted<Scalar>(values)),
      V(address_of<Scalar>(values, converted_values), values.rows(), values.cols()),
      mask(problem.mask),
      positions(problem.positions),
      keys(problem.keys()),
      stream(problem.stream),
      root_scale(std::sqrt(problem.scale)) {
  const double root = root_scale;
  Q = (problem.Q * root).template cast<Scalar>();
  query_half_norms = (0.5 * (problem.Q * root).rowwise().squaredNorm()).template cast<Scalar>();
  if (stream != nullptr) {
    K.resize(0, problem.head_dim());
    return;
  }
  Eigen::RowVectorXd shift = Eigen::RowVectorXd::Zero(problem.head_dim());
  if (center.size() > 0) shift = root * center;
  K.resize(problem.keys(), problem.head_dim());
  key_half_norms.resize(problem.keys());
  Matrix sums = Matrix::Zero(1 + problem.head_dim(), values.cols() + 1);
  // In blocks, so that no second copy of all keys stands beside K.
  for (Index first = 0; first < problem.keys(); first += kBlock) {
    const Index count = std::min(kBlock, problem.keys() - first);
    const Matrix scaled = (problem.K.middleRows(first, count) * root).rowwise() - shift;
    K.middleRows(first, count) = scaled.template cast<Scalar>();
    key_half_norms.segment(first, count) = (0.5 * scaled.rowwise().squaredNorm()).template cast<Scalar>();
    sums.topLeftCorner(1, values.cols()) += values.middleRows(first, count).colwise().sum();
    sums.bottomLeftCorner(scaled.cols(), values.cols()).noalias() +=
        scaled.transpose() * values.middleRows(first, count);
    sums.bottomRightCorner(scaled.cols(), 1) += scaled.colwise().sum().transpose();
  }
  sums(0, values.cols()) = static_cast<double>(problem.keys());
  affine_sums = sums.cast<Scalar>();
}

RowReader::Rows RowReader::read(Segment tokens, Index until) {
  const auto show = [&](const auto& K, const auto& V, const auto& half_norms, Index first) -> Rows {
    return {{K.data() + first * K.cols(), tokens.size(), K.cols()},
            {V.data() + first * V.cols(), tokens.size(), V.cols()},
            {half_norms.data() + first, tokens.size()}};
  };
  if (rows_.stream == nullptr) return show(rows_.K, rows_.V, rows_.key_half_norms, tokens.begin);
  if (tokens.begin < made_.begin || tokens.end > made_.end) {
    made_ = {tokens.begin, std::max(tokens.end, std::min(tokens.begin + kStreamedTokens, until))};
    rows_.stream->read(made_, K_, V_);
    K_ *= rows_.root_scale;
    half_norms_ = 0.5 * K_.rowwise().squaredNorm();
  }
  return show(K_, V_, half_norms_, tokens.begin - made_.begin);
}

template <typename Scalar>
WeightedValues<Scalar>::WeightedValues(const PreparedRows<Scalar>& rows, const FeatureMap& map) {
  mass.setOnes(rows.K.rows());
  if (map.in_log_domain() || map.norm_exponent() == 0.0) return;
  const Vector exponent = map.norm_exponent() * rows.key_half_norms.template cast<double>();
  log_shift = exponent.maxCoeff();
  mass = (exponent.array() - log_shift).exp().matrix().template cast<Scalar>();
  V = mass.asDiagonal() * rows.V;
}

template struct PreparedRows<double>;
template struct PreparedRows<float>;
template struct WeightedValues<double>;
template struct WeightedValues<float>;

}  // namespace attngap
