#include "analysis/gram_statistics.hpp"

#include <array>
#include <cmath>
#include <limits>

namespace attngap {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr Estimated kNothing{kNone, kNone, kNone, kNone};

constexpr std::array kNames{
    NamedMetric{"gram_error", "mean over replicates of the mean of |K̂ − K| over all pairs of points"},
    NamedMetric{"relative_gram_error", "mean over replicates of ‖K̂ − K‖/‖K‖ of the points' Gram matrices"},
};

}  // namespace

std::span<const NamedMetric> gram_metric_names() {
  return kNames;
}

AttentionProblem gram_problem(const Matrix& points) {
  return make_problem(points, points, Matrix::Identity(points.rows(), points.rows()), Mask::none, 1.0);
}

Matrix gram_target(const RatioEstimator& estimator, const Matrix& points) {
  const Index n = points.rows();
  const Matrix X = estimator.prepared(gram_problem(points)).scaled_queries();
  Matrix K(n, n);
  for (Index i = 0; i < n; ++i) {
    const Vector x = X.row(i);
    for (Index j = 0; j <= i; ++j) K(i, j) = K(j, i) = estimator.target_kernel(x, X.row(j));
  }
  return K;
}

GramError gram_error(const AttentionEstimate& estimate, const Matrix& exact) {
  const Matrix difference =
      estimate.log_scale.array().exp().matrix().asDiagonal() * estimate.numerator - exact;
  return {difference.cwiseAbs().mean(), difference.norm() / exact.norm()};
}

std::vector<Metric> gram_metrics(std::span<const GramError> errors, bool has_variance) {
  std::vector<std::vector<double>> numbers(2);
  bool finite = true;
  for (const GramError& error : errors) {
    numbers[0].push_back(error.mean_absolute);
    numbers[1].push_back(error.relative);
    finite = finite && std::isfinite(error.mean_absolute) && std::isfinite(error.relative);
  }
  std::vector<Metric> metrics;
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (!has_variance) {
      metrics.push_back({kNames[i].name, kNothing, "no-moment"});
    } else if (!finite) {
      metrics.push_back({kNames[i].name, kNothing, "nonfinite"});
    } else {
      metrics.push_back({kNames[i].name, mean_with_interval(numbers[i]), "ok"});
    }
  }
  return metrics;
}

}  // namespace attngap
