#include "estimators/scaling_batch_norm.hpp"

#include "estimators/key_stream.hpp"
#include "estimators/names.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace attngap {
namespace {

void normalise_tokens(Matrix& rows) {
  for (Index i = 0; i < rows.rows(); ++i) {
    const double mean = rows.row(i).mean();
    rows.row(i).array() -= mean;
    const double norm = rows.row(i).norm();
    if (norm > 0.0) rows.row(i) /= norm;
  }
}

// Moments of the channels of rows that come piece by piece.
struct ChannelMoments {
  double rows = 0.0;
  Eigen::RowVectorXd mean, squares;

  void add(const Matrix& piece) {
    ChannelMoments next{static_cast<double>(piece.rows()), Eigen::RowVectorXd(piece.cols()),
                        Eigen::RowVectorXd(piece.cols())};
    for (Index c = 0; c < piece.cols(); ++c) {
      next.mean(c) = piece.col(c).mean();
      next.squares(c) = (piece.col(c).array() - next.mean(c)).matrix().squaredNorm();
    }
    if (rows == 0.0) {
      *this = std::move(next);
      return;
    }
    const double all = rows + next.rows;
    const Eigen::RowVectorXd apart = next.mean - mean;
    squares += next.squares + apart.cwiseAbs2() * (rows * next.rows / all);
    mean += apart * (next.rows / all);
    rows = all;
  }
};

}  // namespace

PreScaling pre_scaling_named(std::string_view name) {
  constexpr std::array<std::string_view, 3> kNames{"none", "paper", "code"};
  require_known("ppsbn", name, kNames);
  return name == "none" ? PreScaling::none : name == "paper" ? PreScaling::paper : PreScaling::code;
}

void PreScaler::Batch::normalise_channels(Matrix& rows) const {
  for (Index c = 0; c < rows.cols(); ++c) {
    rows.col(c).array() -= mean(c);
    if (spread(c) > 0.0) rows.col(c) /= spread(c);
  }
}

void PreScaler::Batch::normalise(Matrix& rows) const {
  if (rows.rows() == 0) return;  // nothing has no address
  normalise_channels(rows);
  if (largest > 0.0) rows /= largest;
}

template <typename ForEachPiece>
PreScaler::Batch PreScaler::batch_of(const ForEachPiece& for_each) {
  ChannelMoments moments;
  for_each([&](const Matrix& rows) { moments.add(rows); });
  Batch batch{moments.mean, (moments.squares / moments.rows).cwiseSqrt(), 0.0};
  for_each([&](Matrix rows) {
    batch.normalise_channels(rows);
    batch.largest = std::max(batch.largest, rows.rowwise().norm().maxCoeff());
  });
  return batch;
}

PreScaler::PreScaler(const AttentionProblem& whole, PreScaling scaling) : scaling_(scaling) {
  if (scaling != PreScaling::paper) return;
  queries_ = batch_of([&](const auto& use) { use(whole.Q); });
  keys_ = batch_of([&](const auto& use) {
    for_each_piece(whole, [&](const Matrix& K, const Matrix&, Index) { use(K); });
  });
}

AttentionProblem PreScaler::operator()(AttentionProblem part) const {
  if (scaling_ == PreScaling::code) {
    normalise_tokens(part.Q);
    normalise_tokens(part.K);
  } else if (scaling_ == PreScaling::paper) {
    queries_.normalise(part.Q);
    keys_.normalise(part.K);
  }
  return part;
}

AttentionProblem pre_scaled(const AttentionProblem& problem, PreScaling scaling) {
  return PreScaler(problem, scaling)(problem);
}

}  // namespace attngap
