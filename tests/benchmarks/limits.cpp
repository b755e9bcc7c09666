// What this machine can do at the shapes of a pass: the bound a pass is held against.

#include "estimators/random_stream.hpp"
#include "estimators/vector_math.hpp"
#include "tests/benchmarks/shapes.hpp"

#include <array>
#include <span>
#include <vector>

#include <benchmark/benchmark.h>

namespace attngap {
namespace {

// Twelve independent chains of multiply-adds in registers: what the units can do with no memory in the way.
template <typename Scalar>
void fma_peak(benchmark::State& state) {
  constexpr Index kLanes = 32 / sizeof(Scalar), kChains = 12, kSteps = 1024;
  using Register = Eigen::Array<Scalar, kLanes, 1>;
  std::array<Register, kChains> sums;
  for (Index i = 0; i < kChains; ++i)
    sums[static_cast<std::size_t>(i)].setConstant(Scalar(1) / Scalar(i + 2));
  const Register factor = Register::Constant(Scalar(0.999)), term = Register::Constant(Scalar(0.001));
  for (auto _ : state) {
    auto chains = sums;
    for (Index step = 0; step < kSteps; ++step)
      for (Register& chain : chains) chain = chain * factor + term;
    benchmark::DoNotOptimize(chains);
  }
  state.counters["GF/s"] =
      benchmark::Counter(2e-9 * kLanes * kChains * kSteps, benchmark::Counter::kIsIterationInvariantRate);
}

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
void exps(benchmark::State& state) {
  const RowMatrix<Scalar> x = RowMatrix<Scalar>::Random(kRows, kPanel);
  RowMatrix<Scalar> y(kRows, kPanel);
  for (auto _ : state) {
    y = x;
    vector_exp(std::span<Scalar>(y.data(), static_cast<std::size_t>(y.size())));
    benchmark::DoNotOptimize(y.data());
  }
  state.counters["per ns"] =
      benchmark::Counter(1e-9 * kRows * kPanel, benchmark::Counter::kIsIterationInvariantRate);
}

template <typename Scalar>
void sincos_pairs(benchmark::State& state) {
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

BENCHMARK(fma_peak<double>);
BENCHMARK(fma_peak<float>);
BENCHMARK(gemm_project<double>);
BENCHMARK(gemm_project<float>);
BENCHMARK(gemm_accumulate<double>);
BENCHMARK(gemm_accumulate<float>);
BENCHMARK(exps<double>);
BENCHMARK(exps<float>);
BENCHMARK(sincos_pairs<double>);
BENCHMARK(sincos_pairs<float>);
BENCHMARK(normals);

}  // namespace
}  // namespace attngap
