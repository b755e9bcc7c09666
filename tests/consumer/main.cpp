// Somebody else's program: how far positive features are from softmax attention on numbers of their own.
#include "analysis/decisions.hpp"
#include "analysis/moments.hpp"
#include "analysis/ratio_inference.hpp"
#include "estimators/estimator_table.hpp"

#include <cstdio>
#include <memory>
#include <vector>

using namespace attngap;

namespace {

// |error|² of the output of a thousand draws of 64 directions; the same directions for every estimator.
std::vector<double> squared_errors(const AttentionEstimator& estimator, const AttentionProblem& problem) {
  const Matrix exact = estimator.target(problem);
  const AttentionEstimator* group[] = {&estimator};
  const auto sampler_plan = estimator.plan(problem, group, {64}, Precision::float64);
  const auto sampler = sampler_plan->sampler();
  std::vector<double> squares;
  for (std::uint32_t draw = 0; draw < 1000; ++draw)
    sampler->draw({7, 0, draw}, [&](std::size_t, std::size_t, const AttentionEstimate& estimate) {
      const Matrix output = estimate.numerator.array().colwise() / estimate.denominator.array();
      squares.push_back((output - exact).squaredNorm());
    });
  return squares;
}

}  // namespace

int main() {
  Matrix numbers(3 * 9, 4);  // three arrays of nine tokens, d = p = 4
  RandomStream({7}, Purpose::data).normals(0, {numbers.data(), static_cast<std::size_t>(numbers.size())});
  numbers /= 2;
  const AttentionProblem problem =
      make_problem(numbers.topRows(9), numbers.middleRows(9, 9), numbers.bottomRows(9));
  const auto performer = make_estimator("performer:projection=orthogonal");
  const Matrix exact = performer->target(problem);

  // The error of one output number over a thousand draws of 64 directions.
  Moments error;
  const AttentionEstimator* group[] = {performer.get()};
  const auto plan = performer->plan(problem, group, {64}, Precision::float64);
  const auto sampler = plan->sampler();
  for (std::uint32_t draw = 0; draw < 1000; ++draw)
    sampler->draw({7, 0, draw}, [&](std::size_t, std::size_t, const AttentionEstimate& estimate) {
      error.add(estimate.numerator(0, 0) / estimate.denominator(0) - exact(0, 0));
    });
  std::printf("bias %.5f ± %.5f, variance %.6f\n", error.mean(), error.standard_error_of_mean(),
              error.variance());

  // Whether that bias is within 0.01: may be asked after every draw, so often that one answer would be wrong
  // by chance, and an interval of confidence_sequence is not.
  const Estimated now = confidence_sequence(error, 0.05, 1000);
  std::printf("bias within [%.4f, %.4f], at this draw and at every other\n", now.low, now.high);

  // How many times smaller the error of hyperbolic features is. Both errors come from the same directions, so
  // that they go up and down together: the ratio is known better than either.
  const auto positive = squared_errors(*make_estimator("performer"), problem);
  const auto hyperbolic = squared_errors(*make_estimator("performer:features=hyperbolic"), problem);
  const Estimated ratio = ratio_delta(hyperbolic, positive);
  const FiellerInterval safe = ratio_fieller(hyperbolic, positive);  // also where `positive` is near zero
  std::printf("hyperbolic over positive: %.3f [%.3f, %.3f], Fieller [%.3f, %.3f]\n", ratio.value, ratio.low,
              ratio.high, safe.ratio.low, safe.ratio.high);

  // The first of those draws as a sum of control variates, a term a key.
  const Decomposition parts = performer->decompose(problem, 0, 64, {7, 0, 0});
  const Vector missing = parts.estimate - parts.exact - parts.error.colwise().sum().transpose();
  std::printf("error %.5f, of which key 0 adds %.5f\n", parts.estimate(0) - parts.exact(0),
              parts.error(0, 0));
  return error.count() == 1000 && error.variance() > 0 && missing.norm() < 1e-12 && now.low < error.mean() &&
                 safe.bounded && ratio.low < ratio.value
             ? 0
             : 1;
}
