// Exact attention at sampled queries of a very long head, which has to come from main memory.

#include "estimators/exact_attention.hpp"
#include "estimators/random_stream.hpp"
#include "tests/benchmarks/shapes.hpp"

#include <benchmark/benchmark.h>

namespace attngap {
namespace {

constexpr Index kQueries = 256;
constexpr Index kKeys = Index{1} << 20;

void exact(benchmark::State& state) {
  const RandomStream stream({7, 0, 0}, Purpose::data);
  Matrix Q(kQueries, kHeadDim), K(kKeys, kHeadDim), V(kKeys, kValueDim);
  std::uint64_t first = 0;
  for (Matrix* rows : {&Q, &K, &V}) {
    stream.normals(first, {rows->data(), static_cast<std::size_t>(rows->size())});
    first += static_cast<std::uint64_t>(rows->size());
  }
  const AttentionProblem problem = make_problem(std::move(Q), std::move(K), std::move(V));
  for (auto _ : state) benchmark::DoNotOptimize(exact_attention(problem).output.data());
  state.counters["GF/s"] = benchmark::Counter(2e-9 * kQueries * kKeys * (kHeadDim + kValueDim),
                                              benchmark::Counter::kIsIterationInvariantRate);
}

BENCHMARK(exact)->Unit(benchmark::kMillisecond)->Iterations(1);

}  // namespace
}  // namespace attngap
