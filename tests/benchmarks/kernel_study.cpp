// Mean and variance of the kernel estimate at 10⁴ pairs, m = 128, d = 64, over 1000 replicates: beside
// kernel_peer.py.

#include "analysis/kernel_sampling.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/random_stream.hpp"
#include "estimators/ratio_estimator.hpp"
#include "tests/benchmarks/shapes.hpp"

#include <cmath>

#include <benchmark/benchmark.h>

namespace attngap {
namespace {

constexpr Index kPairs = 10000;
constexpr Index kPairDraws = 128;
constexpr std::int64_t kReplicates = 1000;

void kernel_study(benchmark::State& state) {
  Matrix X(kPairs, kHeadDim), Y(kPairs, kHeadDim);
  std::uint64_t first = 0;
  for (Matrix* rows : {&X, &Y}) {
    RandomStream({7, 0, 0}, Purpose::data)
        .normals(first, {rows->data(), static_cast<std::size_t>(rows->size())});
    first += static_cast<std::uint64_t>(rows->size());
    *rows /= std::sqrt(static_cast<double>(kHeadDim));
  }
  const auto estimator = make_estimator("performer");
  const FeatureMap& map = dynamic_cast<const RatioEstimator&>(*estimator).map();
  for (auto _ : state)
    benchmark::DoNotOptimize(sample_pair_moments(map, X, Y, kPairDraws, kReplicates, 1).variance.data());
}

BENCHMARK(kernel_study)->Unit(benchmark::kMillisecond)->Iterations(3);

}  // namespace
}  // namespace attngap
