#include "analysis/prediction.hpp"
#include "estimators/eva_groups.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace attngap {
namespace {

std::vector<Index> keys_of(const EvaGroup& group) {
  std::vector<Index> keys;
  for (const Segment& part : group.tokens)
    for (Index m = part.begin; m < part.end; ++m) keys.push_back(m);
  return keys;
}

// Adds one group's part to the sums of one direction: `mass` is Π_c, and C is in units of its square.
void add_group(const EvaGroup& group, const PreparedRows<double>& rows, Index query, double mass,
               RatioPrediction& prediction) {
  const std::vector<Index> keys = keys_of(group);
  if (keys.size() == 1) return;  // its ratio is its value, whatever is drawn
  prediction.settled(query) = false;
  const Matrix K = rows.K(keys, Eigen::all);
  const Vector q = rows.Q.row(query);
  const Vector logits = K * q;
  const double largest = logits.maxCoeff();
  Vector share = (logits.array() - largest).exp();  // of each key in its group
  const double log_mass = largest + std::log(share.sum());
  share /= share.sum();
  const Matrix V = rows.V(keys, Eigen::all);
  const Matrix Y = V.rowwise() - (share.transpose() * V).eval().row(0);
  const Matrix C = (log_pair_moments(q, K, group.mean).array() - 2.0 * log_mass).exp();
  const Matrix products = C * Y;
  prediction.bias.row(query) -= mass * products.colwise().sum();
  prediction.variance.row(query) += mass * mass * Y.cwiseProduct(products).colwise().sum();
  prediction.ew2(query) = std::max(prediction.ew2(query), C.sum());
}

}  // namespace

RatioPrediction predict_eva(const AttentionEstimator& estimator, const AttentionProblem& problem,
                            Index count) {
  const EvaOptions options = eva_options(estimator.spec());
  const Matrix zero = Matrix::Zero(problem.queries(), problem.value_dim());
  RatioPrediction prediction{estimator.target(problem),
                             zero,
                             zero,
                             zero,
                             Vector::Ones(problem.queries()),
                             estimator.has_moments(),
                             1,
                             zero,
                             zero,
                             Vector::Zero(problem.queries()),
                             static_cast<double>(options.draws_at(count)) / static_cast<double>(count)};
  prediction.settled.setConstant(problem.queries(), true);
  const PreparedRows<double> rows(problem);
  const EvaLayout layout(problem, rows, options.shape, options.chunks_at(count));
  for (const EvaWindow& part : layout.windows)
    for (std::size_t i = 0; i < part.window.queries.size(); ++i)
      for (std::size_t c = 0; c < part.groups.size(); ++c)
        add_group(layout.groups[static_cast<std::size_t>(part.groups[c])], rows, part.window.queries[i],
                  part.mass(static_cast<Index>(i), static_cast<Index>(c)), prediction);
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (Index i = 0; i < problem.queries(); ++i) {
    if (std::isfinite(prediction.ew2(i)) && prediction.variance.row(i).allFinite()) continue;
    prediction.bias.row(i).setConstant(kInfinity);
    prediction.variance.row(i).setConstant(kInfinity);
    prediction.ew2(i) = kInfinity;
  }
  return prediction;
}

}  // namespace attngap
