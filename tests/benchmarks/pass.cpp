// One replicate of the gap at m = 16 … 1024, all queries of a head of 1500 tokens, d = 64; and the bound of
// its arithmetic: the matrix products and the non-linearity alone, on blocks that are in cache.

#include "estimators/ensemble.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/vector_math.hpp"
#include "tests/benchmarks/shapes.hpp"

#include <algorithm>
#include <span>

#include <benchmark/benchmark.h>

namespace attngap {
namespace {

AttentionProblem head() {
  const RandomStream stream({7, 0, 0}, Purpose::data);
  Matrix rows(3 * kLongHead, kHeadDim);
  stream.normals(0, {rows.data(), static_cast<std::size_t>(rows.size())});
  return make_problem(0.7 * rows.topRows(kLongHead), 0.7 * rows.middleRows(kLongHead, kLongHead),
                      rows.bottomRows(kLongHead));
}

void pass(benchmark::State& state, const char* name, Precision precision) {
  const AttentionProblem problem = head();
  const auto estimator = make_estimator(name);
  const Ensemble ensemble(problem, {estimator.get()}, {16, 32, 64, 128, 256, 512, kDraws}, precision);
  const auto sampler = ensemble.sampler();
  std::uint32_t replicate = 0;
  for (auto _ : state)
    sampler->draw({1, 0, replicate++}, [](std::size_t, std::size_t, const AttentionEstimate& estimate) {
      benchmark::DoNotOptimize(estimate.denominator.data());
    });
}

// Per block of rows and panel of directions one projection, one non-linearity, one product with the values;
// queries and keys cost the same.
template <typename Scalar>
void bound(benchmark::State& state, bool trigonometric) {
  const Index per_direction = trigonometric ? 2 : 1;
  const RowMatrix<Scalar> rows = RowMatrix<Scalar>::Random(kRows, kHeadDim);
  const RowMatrix<Scalar> Omega = RowMatrix<Scalar>::Random(kPanel, kHeadDim);
  const RowMatrix<Scalar> values = RowMatrix<Scalar>::Random(kRows, kValueDim);
  RowMatrix<Scalar> projections(kRows, kPanel), phi(kRows, per_direction * kPanel),
      sums = RowMatrix<Scalar>::Zero(per_direction * kPanel, kValueDim);
  const auto panel = [&](Index count) {
    const auto size = static_cast<std::size_t>(count * kPanel);
    projections.topRows(count).noalias() = rows.topRows(count) * Omega.transpose();
    if (trigonometric) {
      vector_sincos(std::span<const Scalar>(projections.data(), size), {phi.data(), size},
                    {phi.data() + size, size});
      sums.noalias() += phi.topRows(count).transpose() * values.topRows(count);
    } else {
      vector_exp(std::span<Scalar>(projections.data(), size));
      sums.noalias() += projections.topRows(count).transpose() * values.topRows(count);
    }
    benchmark::DoNotOptimize(sums.data());
  };
  for (auto _ : state)
    for (Index side = 0; side < 2 * (kDraws / kPanel); ++side)
      for (Index first = 0; first < kLongHead; first += kRows) panel(std::min(kRows, kLongHead - first));
}

void bound_double(benchmark::State& state, bool trigonometric) {
  bound<double>(state, trigonometric);
}
void bound_float(benchmark::State& state, bool trigonometric) {
  bound<float>(state, trigonometric);
}

BENCHMARK_CAPTURE(pass, performer_double, "performer", Precision::float64)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(pass, performer_float, "performer", Precision::float32)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(pass, rfa_double, "rfa", Precision::float64)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(pass, rfa_float, "rfa", Precision::float32)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(pass, rmfa_double, "rmfa", Precision::float64)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(pass, rmfa_float, "rmfa", Precision::float32)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(bound_double, performer_double, false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(bound_float, performer_float, false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(bound_double, rfa_double, true)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(bound_float, rfa_float, true)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace attngap
