// Somebody else's program: how far positive features are from softmax attention on numbers of their own.
#include "analysis/moments.hpp"
#include "estimators/estimator_table.hpp"

#include <cstdio>

using namespace attngap;

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

  // The first of those draws as a sum of control variates, a term a key.
  const Decomposition parts = performer->decompose(problem, 0, 64, {7, 0, 0});
  const Vector missing = parts.estimate - parts.exact - parts.error.colwise().sum().transpose();
  std::printf("error %.5f, of which key 0 adds %.5f\n", parts.estimate(0) - parts.exact(0),
              parts.error(0, 0));
  return error.count() == 1000 && error.variance() > 0 && missing.norm() < 1e-12 ? 0 : 1;
}
