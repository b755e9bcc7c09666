#include "estimators/scaling_batch_norm.hpp"

#include "estimators/names.hpp"

#include <array>
#include <cmath>

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

void normalise_batch(Matrix& rows) {
  for (Index c = 0; c < rows.cols(); ++c) {
    const double mean = rows.col(c).mean();
    rows.col(c).array() -= mean;
    const double spread = std::sqrt(rows.col(c).squaredNorm() / static_cast<double>(rows.rows()));
    if (spread > 0.0) rows.col(c) /= spread;
  }
  const double largest = rows.rowwise().norm().maxCoeff();
  if (largest > 0.0) rows /= largest;
}

}  // namespace

PreScaling pre_scaling_named(std::string_view name) {
  constexpr std::array<std::string_view, 3> kNames{"none", "paper", "code"};
  require_known("ppsbn", name, kNames);
  return name == "none" ? PreScaling::none : name == "paper" ? PreScaling::paper : PreScaling::code;
}

AttentionProblem pre_scaled(const AttentionProblem& problem, PreScaling scaling) {
  AttentionProblem scaled = problem;
  if (scaling == PreScaling::none) return scaled;
  const auto normalise = scaling == PreScaling::code ? &normalise_tokens : &normalise_batch;
  normalise(scaled.Q);
  normalise(scaled.K);
  return scaled;
}

}  // namespace attngap
