// What this machine can do at the shapes of a pass: the bound a pass is held against.

#include "estimators/random_stream.hpp"
#include "estimators/vector_math.hpp"
#include "tests/benchmarks/shapes.hpp"

#include <benchmark/benchmark.h>

namespace attngap {
namespace {

template <typename Scalar>
void gemm_project(benchmark::State& state) {
  const RowMatrix<Scalar> rows = RowMatrix<Scalar>::Random(kRows, kHeadDim);
  const RowMatrix<Scalar> Omega = RowMatrix<Scalar>::Random(kPanel, kHeadDim);
  RowMatrix<Scalar> projections(kRows, kPanel);
  for (auto _ : state) {
    projections.noalias() = rows * Omega.transpose();
    benchmark::DoNotOptimize(projections.data());
  }
  state.counters["GF/s"] =
      benchmark::Counter(2e-9 * kRows * kPanel * kHeadDim, benchmark::Counter::kIsIterationInvariantRate);
}

template <typename Scalar>
void gemm_accumulate(benchmark::State& state) {
  const RowMatrix<Scalar> features = RowMatrix<Scalar>::Random(kRows, kPanel);
  const RowMatrix<Scalar> values = RowMatrix<Scalar>::Random(kRows, kValueDim);
  RowMatrix<Scalar> sums = RowMatrix<Scalar>::Zero(kPanel, kValueDim);
  for (auto _ : state) {
    sums.noalias() += features.transpose() * values;
    benchmark::DoNotOptimize(sums.data());
  }
  state.counters["GF/s"] =
      benchmark::Counter(2e-9 * kRows * kPanel * kValueDim, benchmark::Counter::kIsIterationInvariantRate);
}

template <typename Scalar>
void vector_exp(benchmark::State& state) {
  const RowMatrix<Scalar> x = RowMatrix<Scalar>::Random(kRows, kPanel);
  RowMatrix<Scalar> y(kRows, kPanel);
  for (auto _ : state) {
    y = x.array().exp();
    benchmark::DoNotOptimize(y.data());
  }
  state.counters["per ns"] =
      benchmark::Counter(1e-9 * kRows * kPanel, benchmark::Counter::kIsIterationInvariantRate);
}

template <typename Scalar>
void vector_sincos_pairs(benchmark::State& state) {
  const RowMatrix<Scalar> x = RowMatrix<Scalar>::Random(kRows, kPanel) * Scalar{8};
  RowMatrix<Scalar> sine(kRows, kPanel), cosine(kRows, kPanel);
  const auto size = static_cast<std::size_t>(x.size());
  for (auto _ : state) {
    vector_sincos(std::span<const Scalar>(x.data(), size), {sine.data(), size}, {cosine.data(), size});
    benchmark::DoNotOptimize(cosine.data());
  }
  state.counters["per ns"] =
      benchmark::Counter(1e-9 * kRows * kPanel, benchmark::Counter::kIsIterationInvariantRate);
}

void normals(benchmark::State& state) {
  const RandomStream stream({1, 2, 3}, Purpose::directions);
  std::vector<double> numbers(1 << 14);
  for (auto _ : state) {
    stream.normals(0, numbers);
    benchmark::DoNotOptimize(numbers.data());
  }
  state.counters["per ns"] = benchmark::Counter(1e-9 * static_cast<double>(numbers.size()),
                                                benchmark::Counter::kIsIterationInvariantRate);
}

BENCHMARK(gemm_project<double>);
BENCHMARK(gemm_project<float>);
BENCHMARK(gemm_accumulate<double>);
BENCHMARK(gemm_accumulate<float>);
BENCHMARK(vector_exp<double>);
BENCHMARK(vector_exp<float>);
BENCHMARK(vector_sincos_pairs<double>);
BENCHMARK(vector_sincos_pairs<float>);
BENCHMARK(normals);

}  // namespace
}  // namespace attngap
