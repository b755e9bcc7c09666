#pragma once

#include "analysis/moments.hpp"
#include "analysis/prediction.hpp"
#include "tests/house_problem.hpp"
#include "tests/statistical_assertions.hpp"

#include <cmath>
#include <vector>

namespace attngap::testing_tools {

inline const RatioEstimator& as_ratio(const std::unique_ptr<AttentionEstimator>& estimator) {
  return dynamic_cast<const RatioEstimator&>(*estimator);
}

struct Expected {
  Vector bias, variance;
  double ew2;
};

// The definition, from any matrix C = E[h hᵀ] of one direction.
inline Expected from_covariance(const Matrix& C, const Vector& pi, const Matrix& V) {
  const Matrix Y = V.rowwise() - (pi.transpose() * V).eval().row(0);
  return {-(Y.transpose() * C.rowwise().sum()), (Y.transpose() * C * Y).diagonal(), C.sum()};
}

// The moments of the ratio over draws, channel by channel.
inline std::vector<Moments> simulate(const AttentionEstimator& estimator, const AttentionProblem& problem,
                                     Index query, Index draws, std::uint32_t replicates) {
  std::vector<Moments> moments(static_cast<std::size_t>(problem.value_dim()));
  for (std::uint32_t r = 0; r < replicates; ++r) {
    const Matrix output = ratio(draw_once(estimator, problem, {draws}, {3, 0, r}).back());
    for (std::size_t c = 0; c < moments.size(); ++c) moments[c].add(output(query, static_cast<Index>(c)));
  }
  return moments;
}

// What first-order theory leaves out is a few (E[W²])²/m of what it says; the tests allow five.
inline double left_out(double ew2, Index draws) {
  return 5.0 * ew2 * ew2 / static_cast<double>(draws);
}

inline bool variance_agrees(const Moments& moments, double predicted, double relative_margin) {
  const double allowed = sigma_limit() * moments.standard_error_of_variance() + relative_margin * predicted;
  return std::abs(moments.variance() - predicted) <= allowed;
}

}  // namespace attngap::testing_tools
