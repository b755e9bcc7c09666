#include "analysis/gap_statistics.hpp"

#include "estimators/random_stream.hpp"
#include "tests/house_problem.hpp"
#include "tests/statistical_assertions.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace attngap {
namespace {

using testing_tools::mean_is;
using testing_tools::normal_matrix;

constexpr Index kQueries = 3, kValues = 2;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// A model whose truth is known: outputs exact + bias + spread · N(0, I), written as a ratio with a
// denominator that is not one.
struct Model {
  Matrix exact = normal_matrix(51, 0, kQueries, kValues);
  Matrix bias = Matrix::Zero(kQueries, kValues);
  double spread = 0.5;

  AttentionEstimate draw(std::uint32_t study, std::uint32_t replicate) const {
    Matrix noise(kQueries, kValues);
    RandomStream({52, study, replicate}, Purpose::data).normals(0, {noise.data(), 6});
    AttentionEstimate estimate(kQueries, kValues);
    estimate.denominator << 2.0, 0.25, 8.0;
    estimate.numerator = estimate.denominator.asDiagonal() * (exact + bias + spread * noise);
    return estimate;
  }
  double bias2() const { return bias.squaredNorm() / static_cast<double>(bias.size()); }
  double variance() const { return spread * spread; }
};

std::vector<std::vector<double>> blocks_of(const Matrix& exact, const std::vector<AttentionEstimate>& draws,
                                           std::size_t width) {
  std::vector<std::vector<double>> blocks;
  GapAccumulator accumulator(exact);
  for (std::size_t first = 0; first < draws.size(); first += width) {
    accumulator.start_block();
    for (std::size_t r = first; r < std::min(draws.size(), first + width); ++r) accumulator.add(draws[r]);
    blocks.push_back(accumulator.block());
  }
  return blocks;
}

std::vector<AttentionEstimate> draws_of(const Model& model, std::uint32_t study, std::uint32_t replicates) {
  std::vector<AttentionEstimate> draws;
  for (std::uint32_t r = 0; r < replicates; ++r) draws.push_back(model.draw(study, r));
  return draws;
}

Metric metric(const std::vector<Metric>& metrics, std::string_view name) {
  const auto found =
      std::find_if(metrics.begin(), metrics.end(), [&](const auto& m) { return m.name == name; });
  if (found == metrics.end()) throw std::logic_error("no metric " + std::string(name));
  return *found;
}

double value(const std::vector<Metric>& metrics, std::string_view name) {
  return metric(metrics, name).estimated.value;
}

Model biased_model() {
  Model model;
  model.bias << 0.3, -0.1, 0.0, 0.2, -0.4, 0.1;
  return model;
}

TEST(GapMetrics, ComeInTheOrderOfTheirTable) {
  const auto metrics = gap_metrics(Model().exact, blocks_of(Model().exact, draws_of({}, 0, 4), 2), true);
  ASSERT_EQ(metrics.size() + 3, gap_metric_names().size());  // the predicted ones are at the end
  for (std::size_t i = 0; i < metrics.size(); ++i) EXPECT_EQ(metrics[i].name, gap_metric_names()[i].name);
}

TEST(GapMetrics, EqualTwoNaivePasses) {
  const Model model = biased_model();
  const auto draws = draws_of(model, 1, 23);
  const auto metrics = gap_metrics(model.exact, blocks_of(model.exact, draws, 5), true);

  std::vector<Matrix> errors;
  Matrix mean = Matrix::Zero(kQueries, kValues);
  for (const auto& draw : draws) errors.push_back(testing_tools::ratio(draw) - model.exact);
  for (const Matrix& error : errors) mean += error / 23.0;
  double squares = 0.0, deviations = 0.0, largest = 0.0;
  std::vector<double> relative;
  for (const Matrix& error : errors) {
    squares += error.squaredNorm();
    deviations += (error - mean).squaredNorm();
    largest += error.cwiseAbs().maxCoeff() / 23.0;
    for (Index i = 0; i < kQueries; ++i) relative.push_back(error.row(i).norm() / model.exact.row(i).norm());
  }
  std::sort(relative.begin(), relative.end());
  const double variance = deviations / 22.0 / 6.0;
  EXPECT_NEAR(value(metrics, "mse"), squares / 23.0 / 6.0, 1e-14);
  EXPECT_NEAR(value(metrics, "variance"), variance, 1e-14);
  EXPECT_NEAR(value(metrics, "bias2"), mean.squaredNorm() / 6.0 - variance / 23.0, 1e-14);
  EXPECT_NEAR(value(metrics, "relative_mse"), squares / 23.0 / model.exact.squaredNorm(), 1e-14);
  EXPECT_NEAR(value(metrics, "median_relative_error"), relative[34], 1e-14);
  EXPECT_NEAR(value(metrics, "q25_relative_error"), relative[17], 1e-14);
  EXPECT_NEAR(value(metrics, "q75_relative_error"), relative[51], 1e-14);
  EXPECT_NEAR(value(metrics, "max_error"), largest, 1e-14);
  EXPECT_EQ(value(metrics, "negative_denominators"), 0.0);
  EXPECT_EQ(value(metrics, "nonfinite"), 0.0);
  EXPECT_EQ(value(metrics, "mse"), value(metrics, "bias2") + value(metrics, "variance"));
  for (const Metric& m : metrics) EXPECT_EQ(m.status, "ok") << m.name;
}

TEST(GapMetrics, AreTheSameForAnySplitIntoBlocks) {
  const Model model = biased_model();
  const auto draws = draws_of(model, 2, 24);
  const auto whole = gap_metrics(model.exact, blocks_of(model.exact, draws, 24), true);
  for (const std::size_t width : {1U, 2U, 5U, 7U, 12U, 23U}) {
    const auto split = gap_metrics(model.exact, blocks_of(model.exact, draws, width), true);
    for (std::size_t i = 0; i < whole.size(); ++i)
      EXPECT_NEAR(split[i].estimated.value, whole[i].estimated.value, 1e-12)
          << whole[i].name << ", " << width;
    EXPECT_EQ(value(split, "mse"), value(split, "bias2") + value(split, "variance"));
  }
}

// An error of 1e9 in every draw: the spread of 1/2 must survive it.
TEST(GapMetrics, KeepTheVarianceUnderAHugeBias) {
  Model model = biased_model();
  const double expected =
      value(gap_metrics(model.exact, blocks_of(model.exact, draws_of(model, 3, 64), 8), true), "variance");
  model.bias.array() += 1e9;
  const auto metrics = gap_metrics(model.exact, blocks_of(model.exact, draws_of(model, 3, 64), 8), true);
  EXPECT_NEAR(value(metrics, "variance"), expected, 1e-6);  // 1e9 · 2⁻⁵³ in each of two factors
}

TEST(GapMetrics, JackknifeOverSingleReplicatesIsTheStandardErrorOfAMean) {
  // One element, one replicate a block: variance is a mean of squares about the mean, mse a plain mean.
  const Model model = biased_model();
  const auto draws = draws_of(model, 4, 40);
  const auto metrics = gap_metrics(model.exact, blocks_of(model.exact, draws, 1), true);
  Moments squares;
  for (const auto& draw : draws) squares.add((testing_tools::ratio(draw) - model.exact).squaredNorm() / 6.0);
  EXPECT_NEAR(metric(metrics, "mse").estimated.std_error, squares.standard_error_of_mean(), 1e-14);
  EXPECT_GT(metric(metrics, "variance").estimated.std_error, 0.0);
}

TEST(GapMetrics, OfADeterministicEstimatorAreCertain) {
  for (const Index queries : {Index{1}, kQueries}) {
    Matrix exact = normal_matrix(53, 0, queries, kValues);
    AttentionEstimate zero(queries, kValues);
    zero.denominator.setOnes();
    const auto metrics = gap_metrics(exact, blocks_of(exact, {zero}, 1), true);
    EXPECT_NEAR(value(metrics, "mse"), exact.squaredNorm() / static_cast<double>(exact.size()), 1e-15);
    EXPECT_EQ(value(metrics, "bias2"), value(metrics, "mse"));
    EXPECT_EQ(value(metrics, "variance"), 0.0);
    EXPECT_DOUBLE_EQ(value(metrics, "relative_mse"), 1.0);
    EXPECT_DOUBLE_EQ(value(metrics, "median_relative_error"), 1.0);
    for (const Metric& m : metrics) {
      EXPECT_EQ(m.status, "ok") << m.name;
      EXPECT_EQ(m.estimated.std_error, 0.0) << m.name;
      EXPECT_DOUBLE_EQ(m.estimated.low, m.estimated.value) << m.name;
      EXPECT_DOUBLE_EQ(m.estimated.high, m.estimated.value) << m.name;
    }
  }
}

TEST(GapMetrics, OfTheExactAnswerAreZero) {
  const Matrix exact = Model().exact;
  AttentionEstimate perfect(kQueries, kValues);
  perfect.numerator = exact;
  perfect.denominator.setOnes();
  for (const Metric& m : gap_metrics(exact, blocks_of(exact, {perfect}, 1), true))
    EXPECT_EQ(m.estimated.value, 0.0) << m.name;
}

TEST(GapMetrics, SayWhereMomentsDoNotExist) {
  const Model model;
  const auto metrics = gap_metrics(model.exact, blocks_of(model.exact, draws_of(model, 5, 8), 2), false);
  for (const std::string_view name : {"mse", "bias2", "variance", "relative_mse", "max_error"})
    EXPECT_EQ(metric(metrics, name).status, "no-moment") << name;
  for (const std::string_view name : {"median_relative_error", "q25_relative_error", "q75_relative_error",
                                      "negative_denominators", "nonfinite"})
    EXPECT_EQ(metric(metrics, name).status, "ok") << name;
}

TEST(GapMetrics, WithoutAStandardErrorAreNotOk) {
  const Model model;
  for (const std::uint32_t replicates : {2U, 3U}) {
    const auto metrics =
        gap_metrics(model.exact, blocks_of(model.exact, draws_of(model, 7, replicates), 1), true);
    for (const Metric& m : metrics) {
      const bool has_error = !std::isnan(m.estimated.std_error);
      EXPECT_EQ(m.status, has_error ? "ok" : "few-replicates") << m.name << ", " << replicates;
      EXPECT_TRUE(has_error || replicates == 2) << m.name;
    }
    for (const std::string_view name : {"bias2", "variance", "median_relative_error", "q25_relative_error"})
      EXPECT_EQ(metric(metrics, name).status == "few-replicates", replicates == 2) << name;
    EXPECT_EQ(metric(metrics, "mse").status, "ok");
  }
}

TEST(GapMetrics, CountWhatIsNegativeAndWhatIsNotFinite) {
  const Model model;
  auto draws = draws_of(model, 6, 12);
  draws[2].denominator(0) = -1.0;
  draws[3].denominator(1) = 0.0;  // ±infinity
  draws[7].denominator(1) = 0.0;
  draws[7].numerator.row(1).setZero();  // 0/0
  draws[7].denominator(2) = -0.5;
  const auto metrics = gap_metrics(model.exact, blocks_of(model.exact, draws, 5), true);
  EXPECT_EQ(value(metrics, "negative_denominators"), 2.0);
  EXPECT_EQ(value(metrics, "nonfinite"), 2.0);
  EXPECT_EQ(metric(metrics, "mse").status, "nonfinite");
  EXPECT_EQ(metric(metrics, "max_error").status, "nonfinite");
  EXPECT_EQ(metric(metrics, "median_relative_error").status, "ok");
  EXPECT_TRUE(std::isfinite(value(metrics, "median_relative_error")));
}

TEST(GapMetrics, TakeAMissedExactZeroForAnInfiniteRelativeError) {
  const Matrix exact = Matrix::Zero(1, 2);
  AttentionEstimate hit(1, 2), missed(1, 2);
  hit.denominator.setOnes();
  missed.denominator.setOnes();
  missed.numerator(0, 1) = 1e-3;
  const auto metrics = gap_metrics(exact, blocks_of(exact, {hit, missed, missed}, 1), true);
  EXPECT_EQ(value(metrics, "q75_relative_error"), kInfinity);
  EXPECT_EQ(value(gap_metrics(exact, blocks_of(exact, {hit, hit, missed}, 1), true), "median_relative_error"),
            0.0);
}

// Means over many small studies of an unbiased and of a biased model.
struct ManyStudies {
  Moments bias2, plain_bias2, variance;
  explicit ManyStudies(const Model& model) {
    for (std::uint32_t study = 0; study < 4000; ++study) {
      const auto metrics =
          gap_metrics(model.exact, blocks_of(model.exact, draws_of(model, study, 6), 2), true);
      bias2.add(value(metrics, "bias2"));
      variance.add(value(metrics, "variance"));
      plain_bias2.add(value(metrics, "bias2") + value(metrics, "variance") / 6.0);
    }
  }
};

// With R replicates of E elements, variance = σ² χ²(E(R−1))/(E(R−1)); bias2 has variance
// 2σ⁴/(R²E)(1 + 1/(R−1)) + 4σ² bias2/(RE).
TEST(GapMetrics, FindBiasAndVarianceWithoutBias) {
  for (const Model& model : {Model(), biased_model()}) {
    const ManyStudies studies(model);
    const double s2 = model.variance(), R = 6.0, E = 6.0;
    EXPECT_TRUE(mean_is(studies.variance, s2, 2.0 * s2 * s2 / (E * (R - 1.0))));
    EXPECT_TRUE(
        mean_is(studies.bias2, model.bias2(),
                2.0 * s2 * s2 / (R * R * E) * (1.0 + 1.0 / (R - 1.0)) + 4.0 * s2 * model.bias2() / (R * E)));
  }
}

TEST(GapMetricsControl, RejectsTheSquaredMeanErrorAsTheSquaredBias) {
  EXPECT_FALSE(mean_is(ManyStudies(Model()).plain_bias2, 0.0));  // off by variance/6
}

// Nominal 95 %; 2000 studies have a standard error of half a percent, so the band is four of them wide.
TEST(GapMetrics, CoverBiasVarianceAndMseNinetyFivePercentOfTheTime) {
  const Model model = biased_model();
  int variance = 0, mse = 0, bias2 = 0;
  constexpr int kStudies = 2000;
  for (std::uint32_t study = 0; study < kStudies; ++study) {
    const auto metrics =
        gap_metrics(model.exact, blocks_of(model.exact, draws_of(model, study, 64), 2), true);
    const auto covers = [&](std::string_view name, double truth) {
      const Estimated e = metric(metrics, name).estimated;
      return e.low <= truth && truth <= e.high ? 1 : 0;
    };
    variance += covers("variance", model.variance());
    mse += covers("mse", model.bias2() + model.variance());
    bias2 += covers("bias2", model.bias2());
  }
  for (const double covered :
       {variance / double{kStudies}, mse / double{kStudies}, bias2 / double{kStudies}}) {
    EXPECT_GT(covered, 0.93);
    EXPECT_LT(covered, 0.97);
  }
}

}  // namespace
}  // namespace attngap
