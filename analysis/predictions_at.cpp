#include "analysis/prediction.hpp"
#include "estimators/lara.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace attngap {
namespace {

bool is_nested(const AttentionEstimator& estimator) {
  const auto* ratio = dynamic_cast<const RatioEstimator*>(&estimator);
  return ratio != nullptr && ratio->nested();
}

// Of any estimator; the few pairs in groups of eva are free.
double multiplications_of(const AttentionEstimator& estimator, const AttentionProblem& problem, Index count) {
  const auto* ratio = dynamic_cast<const RatioEstimator*>(&estimator);
  if (ratio != nullptr) return multiplications(*ratio, problem, ratio->nested() ? 0 : count);
  if (estimator.spec().name != "lara") return 0.0;
  const double sums = lara_options(estimator.spec()).antithetic ? 2.0 : 1.0;
  return sums * static_cast<double>(count + problem.value_dim());
}

// How many of n queries `most` multiplications reach for.
Index affordable_queries(const AttentionEstimator& estimator, const AttentionProblem& problem,
                         const std::vector<Index>& counts, double most) {
  const auto n = static_cast<double>(problem.queries());
  if (std::isinf(most)) return problem.queries();
  double pairs = 0.0, each = 0.0;
  for (Index i = 0; i < problem.queries(); ++i)
    pairs += 0.5 / n * std::pow(static_cast<double>(problem.visible_keys(i)), 2);
  for (const Index count : counts) {
    each += pairs * multiplications_of(estimator, problem, count);
    if (is_nested(estimator)) break;
  }
  return each > 0.0 ? static_cast<Index>(std::clamp(std::floor(most / each), std::min(2.0, n), n))
                    : problem.queries();
}

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

// The mean of a part of `all` queries, from what each is away from it.
Estimated mean_of_part(double value, const Vector& residuals, Index all) {
  const auto n = static_cast<double>(residuals.size());
  const double left = 1.0 - n / static_cast<double>(all);
  if (left <= 0.0) return {value, kNone, kNone, kNone};
  const double error = std::sqrt(left * residuals.squaredNorm() / (n * (n - 1.0)));
  const double reach = student_t_quantile(0.975, n - 1.0) * error;
  return {value, error, value - reach, value + reach};
}

}  // namespace

PredictionsAt::PredictionsAt(const AttentionEstimator& estimator, const AttentionProblem& problem,
                             const std::vector<Index>& counts, double most) {
  const auto* ratio = dynamic_cast<const RatioEstimator*>(&estimator);
  const bool lara = estimator.spec().name == "lara";
  const Index some = affordable_queries(estimator, problem, counts, most);
  for (const Index count : counts) {
    all_.push_back(ratio != nullptr ? predict(*ratio, problem, ratio->nested() ? 0 : count, some)
                   : lara           ? predict_lara(estimator, problem, count, some)
                                    : predict_eva(estimator, problem, count));
    if (is_nested(estimator)) return;
  }
}

std::vector<Metric> predicted_metrics(const RatioPrediction& prediction, Index draws, Index queries) {
  const Matrix variances = prediction.variance_at(draws);
  const Matrix squares = prediction.bias_at(draws).array().square();
  const Matrix exact = prediction.exact.array().square();
  const double bias2 = squares.mean(), variance = variances.mean();
  const double relative = (bias2 + variance) / exact.mean();
  const Index all = std::max(queries, prediction.exact.rows());
  const auto away = [](const Matrix& each) -> Vector { return each.rowwise().mean().array() - each.mean(); };
  const Vector excess = away(squares) + away(variances) - relative * away(exact);
  const std::string_view status = prediction.condition(draws);
  return {{"predicted_bias2", mean_of_part(bias2, away(squares), all), status},
          {"predicted_variance", mean_of_part(variance, away(variances), all), status},
          {"predicted_relative_mse", mean_of_part(relative, excess / exact.mean(), all), status}};
}

}  // namespace attngap
