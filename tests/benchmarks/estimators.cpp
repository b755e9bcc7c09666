// Each estimator's own way of drawing beside the straightforward evaluation of the same estimator, in one
// run: `fast/NAME` and `plain/NAME`. compare.sh prints the ratios.

#include "analysis/eva_moments.hpp"
#include "estimators/ensemble.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/ratio_estimator.hpp"
#include "tests/benchmarks/shapes.hpp"

#include <cmath>

#include <benchmark/benchmark.h>

namespace attngap {
namespace {

constexpr Index kGroups = 16;
constexpr Index kDegree = 6;

AttentionProblem head(Mask mask, double spread = 0.7) {
  const RandomStream stream({7, 0, 0}, Purpose::data);
  Matrix rows(3 * kTokens, kHeadDim);
  stream.normals(0, {rows.data(), static_cast<std::size_t>(rows.size())});
  return make_problem(spread * rows.topRows(kTokens), spread * rows.middleRows(kTokens, kTokens),
                      rows.bottomRows(kTokens), mask);
}

void keep(std::size_t, std::size_t, const AttentionEstimate& estimate) {
  benchmark::DoNotOptimize(estimate.numerator.data());
}

// Draws of one prepared sampler: what a run does for every replicate.
void draws(benchmark::State& state, const char* name, Mask mask, Index count) {
  const AttentionProblem problem = head(mask);
  const auto estimator = make_estimator(name);
  const Ensemble ensemble(problem, {estimator.get()}, {count}, Precision::float64);
  const auto sampler = ensemble.sampler();
  std::uint32_t replicate = 0;
  for (auto _ : state) sampler->draw({1, 0, replicate++}, keep);
}

// The attention evaluated anew for every replicate, as a module in a model is.
void modules(benchmark::State& state, const char* name, Mask mask, Index count) {
  const AttentionProblem problem = head(mask);
  const auto estimator = make_estimator(name);
  std::uint32_t replicate = 0;
  for (auto _ : state) {
    const Ensemble ensemble(problem, {estimator.get()}, {count}, Precision::float64);
    ensemble.sampler()->draw({1, 0, replicate++}, keep);
  }
}

// Σ_s φ_s(q) Σ_j φ_s(k_j)[v_j 1] with all features of all rows in memory, the features of each degree in one
// product per factor, and nothing known of degrees zero and one.
void plain_rmfa(benchmark::State& state) {
  const AttentionProblem problem = head(Mask::none);
  const Matrix Q = problem.scaled_queries(), K = problem.scaled_keys();
  Matrix values(kTokens, kValueDim + 1);
  values << problem.V, Vector::Ones(kTokens);
  std::uint32_t replicate = 0;
  for (auto _ : state) {
    const RandomStream degrees({1, 0, replicate}, Purpose::degrees),
        signs({1, 0, replicate++}, Purpose::signs);
    std::vector<double> uniforms(kDraws);
    degrees.uniforms(0, uniforms);
    std::vector<Index> drawn(20, 0);  // features of each degree: P(n) = 2^-(n+1)
    for (const double u : uniforms)
      ++drawn[std::min<std::size_t>(19, static_cast<std::size_t>(-std::log2(u)))];
    Matrix phi_q(kTokens, kDraws), phi_k(kTokens, kDraws);
    Index first = 0;
    std::uint64_t word = 0;
    for (std::size_t n = 0; n < drawn.size(); ++n) {
      auto q = phi_q.middleCols(first, drawn[n]), k = phi_k.middleCols(first, drawn[n]);
      const double weight =
          std::sqrt(std::exp2(static_cast<double>(n) + 1.0) / std::tgamma(static_cast<double>(n) + 1.0));
      q.setConstant(weight);
      k.setConstant(weight);
      for (std::size_t factor = 0; factor < n; ++factor) {
        Matrix Omega(drawn[n], kHeadDim);
        std::vector<std::uint32_t> bits(static_cast<std::size_t>(Omega.size()));
        signs.words(word, bits);
        word += bits.size() + (4 - bits.size() % 4) % 4;
        for (Index i = 0; i < Omega.size(); ++i)
          Omega.data()[i] = (bits[static_cast<std::size_t>(i)] & 1U) != 0 ? 1.0 : -1.0;
        q.array() *= (Q * Omega.transpose()).array();
        k.array() *= (K * Omega.transpose()).array();
      }
      first += drawn[n];
    }
    const Matrix sums = phi_k.transpose() * values;
    const Matrix answer = phi_q * sums;
    benchmark::DoNotOptimize(answer.data());
  }
}

// A causal ratio token by token: what decoding does, and what a recurrent implementation does for a whole
// sequence.
void plain_causal_performer(benchmark::State& state) {
  const AttentionProblem problem = head(Mask::causal);
  const auto estimator = make_estimator("performer");
  const auto& of_features = dynamic_cast<const RatioEstimator&>(*estimator);
  const Matrix Q = problem.scaled_queries(), K = problem.scaled_keys();
  std::uint32_t replicate = 0;
  for (auto _ : state) {
    DecodingState decoder = of_features.decoding_state(problem, {kDraws}, {1, 0, replicate++});
    for (Index t = 0; t < kTokens; ++t) {
      decoder.push(K.row(t), problem.V.row(t));
      benchmark::DoNotOptimize(decoder.read(Q.row(t)).denominator.data());
    }
  }
}

// Every pair of tokens its weight, a polynomial of 2qk per channel.
void plain_elementwise(benchmark::State& state) {
  const AttentionProblem problem = head(Mask::none, 0.4);
  Matrix output(kTokens, kHeadDim);
  const Matrix folded = (-problem.K.array().square()).exp();
  for (auto _ : state) {
    for (Index i = 0; i < kTokens; ++i) {
      Eigen::Array<double, 1, Eigen::Dynamic> sum = Eigen::Array<double, 1, Eigen::Dynamic>::Zero(kHeadDim);
      auto mass = sum, weight = sum, x = sum;
      for (Index j = 0; j < kTokens; ++j) {
        x = 2.0 * problem.Q.row(i).array() * problem.K.row(j).array();
        weight.setOnes();
        for (Index n = kDegree; n > 0; --n) weight = 1.0 + weight * x * (1.0 / static_cast<double>(n));
        weight *= folded.row(j).array();
        mass += weight;
        sum += weight * problem.V.row(j).array();
      }
      output.row(i) = sum / mass;
    }
    benchmark::DoNotOptimize(output.data());
  }
}

void fast_elementwise(benchmark::State& state) {
  const AttentionProblem problem = head(Mask::none, 0.4);
  const auto estimator = make_estimator("elementwise:degree=" + std::to_string(kDegree));
  for (auto _ : state) {
    const Ensemble ensemble(problem, {estimator.get()}, {}, Precision::float64);
    ensemble.sampler()->draw({}, keep);
  }
}

void fast_eva(benchmark::State& state, Mask mask) {
  draws(state, "eva:window=32", mask, kGroups);
}
void plain_eva(benchmark::State& state, Mask mask) {
  modules(state, "eva:window=32", mask, kGroups);
}

// Mean and variance of the output from per-group moments, and by evaluating the attention every time.
constexpr std::int64_t kMomentReplicates = 500;
void fast_eva_moments(benchmark::State& state) {
  const AttentionProblem problem = head(Mask::none);
  const Spec spec = parse_spec("eva:window=32");
  for (auto _ : state)
    benchmark::DoNotOptimize(eva_moments(problem, spec, kGroups, kMomentReplicates, 1).variance.data());
}
void plain_eva_moments(benchmark::State& state) {
  const AttentionProblem problem = head(Mask::none);
  const auto estimator = make_estimator("eva:window=32");
  for (auto _ : state) {
    Matrix mean = Matrix::Zero(kTokens, kValueDim), squares = mean;
    for (std::uint32_t r = 0; r < kMomentReplicates; ++r) {
      const Ensemble ensemble(problem, {estimator.get()}, {kGroups}, Precision::float64);
      ensemble.sampler()->draw({1, 0, r}, [&](std::size_t, std::size_t, const AttentionEstimate& estimate) {
        const Matrix deviation = estimate.numerator - mean;
        mean += deviation / static_cast<double>(r + 1);
        squares.array() += deviation.array() * (estimate.numerator - mean).array();
      });
    }
    benchmark::DoNotOptimize(squares.data());
  }
}
void fast_rmfa(benchmark::State& state) {
  draws(state, "rmfa", Mask::none, kDraws);
}
void fast_causal_performer(benchmark::State& state) {
  draws(state, "performer", Mask::causal, kDraws);
}

BENCHMARK_CAPTURE(fast_eva, none, Mask::none)->Name("fast/eva")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(plain_eva, none, Mask::none)->Name("plain/eva")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(fast_eva, causal, Mask::causal)->Name("fast/eva causal")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(plain_eva, causal, Mask::causal)->Name("plain/eva causal")->Unit(benchmark::kMillisecond);
BENCHMARK(fast_eva_moments)->Name("fast/eva, mean and variance")->Unit(benchmark::kMillisecond);
BENCHMARK(plain_eva_moments)->Name("plain/eva, mean and variance")->Unit(benchmark::kMillisecond);
BENCHMARK(fast_rmfa)->Name("fast/rmfa")->Unit(benchmark::kMillisecond);
BENCHMARK(plain_rmfa)->Name("plain/rmfa")->Unit(benchmark::kMillisecond);
BENCHMARK(fast_causal_performer)->Name("fast/performer causal")->Unit(benchmark::kMillisecond);
BENCHMARK(plain_causal_performer)->Name("plain/performer causal")->Unit(benchmark::kMillisecond);
BENCHMARK(fast_elementwise)->Name("fast/elementwise")->Unit(benchmark::kMillisecond);
BENCHMARK(plain_elementwise)->Name("plain/elementwise")->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace attngap
