// What the rows of taylor-truncation say of the polynomial and of heads, against definitions.

#include "analysis/truncation_effect.hpp"
#include "command_line_support.hpp"
#include "estimators/elementwise.hpp"
#include "estimators/taylor.hpp"
#include "experiments/data_source.hpp"
#include "experiments/run_spec.hpp"
#include "experiments/run_store.hpp"
#include "tests/house_problem.hpp"

#include <cmath>
#include <map>
#include <set>

namespace attngap {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;
using testing::Words;
using testing_tools::house_problem;

// Weights, and from them distances and outputs, by the formula; no shift, no prefix.
struct Direct {
  double mean = 0.0, largest = 0.0;
  Matrix output;
};
Direct direct(const AttentionProblem& problem, Index degree) {
  Direct found{0.0, 0.0, Matrix(problem.queries(), problem.head_dim())};
  for (Index i = 0; i < problem.queries(); ++i)
    for (Index c = 0; c < problem.head_dim(); ++c) {
      const Index keys = problem.visible_keys(i);
      Vector full(keys), cut(keys);
      for (Index j = 0; j < keys; ++j) {
        const double q = problem.Q(i, c), k = problem.K(j, c);
        full(j) = std::exp(-(q - k) * (q - k));
        double term = 1.0, sum = 1.0;
        for (Index n = 1; n <= degree; ++n) sum += term *= 2.0 * q * k / static_cast<double>(n);
        cut(j) = std::exp(-k * k) * sum;
      }
      full /= full.sum();
      cut /= cut.sum();
      const double distance = 0.5 * (full - cut).cwiseAbs().sum();
      found.mean += distance / static_cast<double>(problem.queries() * problem.head_dim());
      found.largest = std::max(found.largest, distance);
      found.output(i, c) = cut.dot(problem.V.col(c).head(keys));
    }
  return found;
}

TEST(WeightShifts, AreTheTotalVariationOfTheWeightsAtEveryDegree) {
  for (const Mask mask : {Mask::none, Mask::causal}) {
    const AttentionProblem problem = house_problem(5, {.value_dim = 5}, mask);
    const auto shifts = weight_shifts(problem, 9);
    ASSERT_THAT(shifts, SizeIs(10));
    for (Index degree = 0; degree <= 9; ++degree) {
      const Direct exact = direct(problem, degree);
      const WeightShift& shift = shifts[static_cast<std::size_t>(degree)];
      EXPECT_NEAR(shift.mean, exact.mean, 1e-12 * exact.largest) << degree;
      EXPECT_NEAR(shift.largest, exact.largest, 1e-11 * exact.largest) << degree;
    }
    EXPECT_GT(shifts[0].mean, 0.1) << "the comparison sees nothing";
  }
}

TEST(WeightShifts, OfDistantKeysAreNumbers) {
  AttentionProblem problem = house_problem(5, {.value_dim = 5});
  problem.K.array() += 40.0;  // exp(−40²) is no double
  for (const WeightShift& shift : weight_shifts(problem, 2)) EXPECT_TRUE(std::isfinite(shift.largest));
}

TEST(WeightShifts, NeedAValueAChannelAndADegree) {
  const std::string sentence = testing_tools::sentence_of([] { weight_shifts(house_problem(5), 2); });
  EXPECT_THAT(sentence, HasSubstr("5 channels and v has 2"));
  EXPECT_THAT(testing_tools::sentence_of([] { weight_shifts(house_problem(5, {.value_dim = 5}), -1); }),
              HasSubstr("must be at least 0"));
}

// Against a fine grid: the suprema are at the ends.
TEST(TruncationMetrics, AreTheSupremaOnTheRange) {
  for (const int degree : {0, 1, 3, 6})
    for (const double radius : {0.5, 1.5, 3.0}) {
      double largest = 0.0, relative = 0.0, lowest_ratio = 1e300, highest_ratio = 0.0;
      for (int i = -1000; i <= 1000; ++i) {
        const double x = radius * i / 1000.0;
        const double error = std::abs(std::exp(x) - taylor_exp(degree, x));
        largest = std::max(largest, error);
        relative = std::max(relative, error / std::exp(x));
        lowest_ratio = std::min(lowest_ratio, taylor_exp(degree, x) / std::exp(x));
        highest_ratio = std::max(highest_ratio, taylor_exp(degree, x) / std::exp(x));
      }
      const auto metrics = truncation_metrics(degree, radius);
      EXPECT_NEAR(metrics[0].estimated.value, largest, 1e-9 * largest);
      EXPECT_NEAR(metrics[1].estimated.value, relative, 1e-9 * relative);
      if (lowest_ratio <= 0.0) {
        EXPECT_EQ(metrics[2].status, "no-bound");
        EXPECT_TRUE(std::isnan(metrics[2].estimated.value));
      } else {
        const double root = std::sqrt(highest_ratio / lowest_ratio);
        EXPECT_NEAR(metrics[2].estimated.value, (root - 1) / (root + 1), 1e-8);
      }
    }
}

// A directory of an earlier version resumes only if its specification still has the same text.
TEST(RunSpecification, OfHeadsHasNoWordOfTheGrids) {
  RunSpec spec;
  spec.experiment = "gap-vs-features";
  spec.features = {3};
  EXPECT_EQ(
      spec.text({"h"}),
      "{\n  \"experiment\": \"gap-vs-features\",\n  \"data\": [],\n  \"heads\": [\n    \"h\"\n  ],\n"
      "  \"estimators\": [],\n  \"features\": [\n    3\n  ],\n  \"replicates\": 64,\n  \"queries\": 256,\n"
      "  \"seed\": 1,\n  \"precision\": \"double\",\n  \"against\": \"target\"\n}");
  spec.truncation = TruncationGrid{{2.0}, {4}};
  EXPECT_THAT(spec.text({}), HasSubstr("\"truncation\": {"));
}

class TaylorRun : public testing::CommandLineTest {
 protected:
  std::vector<ResultRow> run(const std::string& out, const Words& more) const {
    const auto finished = attngap(
        testing::with({"run", "taylor-truncation", "--out", out, "--formats", "none", "--quiet"}, more));
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    EXPECT_EQ(finished.err, "");
    return RunStore::open_existing(path(out)).rows();
  }
  std::string results(const std::string& out) const { return testing::read_text(path(out) + "/results.csv"); }
};

const std::string kHead = "synthetic:gaussian,length=23,dim=5,value-dim=5,norm=1.5";
const Words kGrid{"--radii", "0.5,2", "--degrees", "0,1,2,3,6,24"};

TEST_F(TaylorRun, WithoutDataItIsTheClosedFormsOnEveryRange) {
  const auto rows = run("out", kGrid);
  const auto is_value = [](const ResultRow& row) { return row.metric == "taylor_value"; };
  EXPECT_EQ(std::count_if(rows.begin(), rows.end(), is_value), 33 * (5 + 1)) << "degree 24 is exp to the eye";
  EXPECT_THAT(rows, SizeIs(2 * 6 * 3 + 33 * (5 + 1)));
  for (const ResultRow& row : rows) {
    if (is_value(row)) {
      const double x = std::stod(row.data.substr(row.data.find('=') + 1));
      EXPECT_EQ(row.value,
                row.dimension == 0 ? std::exp(x) : taylor_exp(static_cast<int>(row.dimension) - 1, x));
      continue;
    }
    const double radius = row.data == "exp:radius=2" ? 2.0 : 0.5;
    const int degree = static_cast<int>(row.dimension) - 1;
    EXPECT_EQ(row.estimator, fmt::format("elementwise:degree={}", degree));
    if (row.metric == "taylor_error") {
      EXPECT_EQ(row.value, taylor_remainder(degree, radius));
    }
    if (row.metric == "total_variation_bound" && row.status == "ok") {
      EXPECT_EQ(row.value, truncation_certificate(degree, -radius, radius).total_variation);
    }
  }
}

TEST_F(TaylorRun, OutputsAndWeightsOfAHeadAreThoseOfTheFormulaAndWithinTheirCertificates) {
  for (const std::string mask : {"none", "causal"}) {
    const std::string head = kHead + ",mask=" + mask;
    std::map<std::int64_t, std::map<std::string, ResultRow>> degrees;
    for (const ResultRow& row : run(mask, testing::with(kGrid, {"--data", head, "--queries", "7"})))
      if (row.target != "exp") degrees[row.dimension - 1][row.metric] = row;
    ASSERT_THAT(degrees, SizeIs(6));
    const AttentionProblem problem = sample_queries(load_dataset(head).problem, 7);
    const Matrix full = elementwise_attention(problem);
    for (auto& [degree, metric] : degrees) {
      const Direct exact = direct(problem, degree);
      const double largest = (exact.output - full).cwiseAbs().maxCoeff();
      const double relative = (exact.output - full).squaredNorm() / full.squaredNorm();
      EXPECT_EQ(metric["relative_mse"].queries, 7);
      EXPECT_NEAR(metric["max_error"].value, largest, 1e-10 * (1 + largest)) << degree;
      EXPECT_NEAR(metric["relative_mse"].value, relative, 1e-10 * (1 + relative)) << degree;
      EXPECT_NEAR(metric["max_total_variation"].value, exact.largest, 1e-10 * (1 + exact.largest)) << degree;
      if (degree % 2 == 0) {
        EXPECT_EQ(metric["total_variation_bound"].status, "ok");
        EXPECT_EQ(metric["negative_denominators"].value, 0);
      }
      if (metric["total_variation_bound"].status != "ok") continue;
      EXPECT_LE(metric["max_total_variation"].value, metric["total_variation_bound"].value) << degree;
      EXPECT_LE(metric["max_error"].value, metric["max_error_bound"].value) << degree;
    }
    EXPECT_LT(degrees[24]["relative_mse"].value, 1e-3 * degrees[2]["relative_mse"].value);
    EXPECT_EQ(degrees[1]["total_variation_bound"].status, "no-bound") << "no odd degree fails here";
  }
}

TEST_F(TaylorRun, ResultsAreTheSameBytesForAnyNumberOfThreadsAndAgain) {
  const Words words = testing::with(kGrid, {"--data", kHead});
  run("one", testing::with(words, {"--threads", "1"}));
  run("three", testing::with(words, {"--threads", "3"}));
  EXPECT_EQ(results("three"), results("one"));
  const auto before = testing::files_below(path("one"));
  run("one", words);
  EXPECT_EQ(testing::changed_files(before, testing::files_below(path("one"))), "");
  run("other", testing::with(words, {"--queries", "5"}));
  EXPECT_NE(results("other"), results("one")) << "the comparison sees nothing";
}

TEST_F(TaylorRun, RefusesWhatItCannotMeasure) {
  const auto refused = [&](const Words& more, const std::string& said) {
    expect_refused(testing::with({"run", "taylor-truncation", "--out", "out"}, more), {said});
  };
  refused({"--data", testing::kEasy}, "5 channels and v has 2; choose a head with as many");
  refused({"--degrees", "2,1"}, "1 follows 2; values must increase");
  refused({"--degrees", "-1"}, "degrees");
  refused({"--degrees", "10001"}, "--degrees: 10001 must be from 0 to 10000");
  refused({"--radii", "0"}, "--radii: 0 must be above 0");
  refused({"--radii", "1,,2"}, "--radii = \"\", must be a finite number");
  refused({"--estimators", "rfa"}, "--estimators means nothing to taylor-truncation; leave it out");
  refused({"--features", "8"}, "--features means nothing");
  refused({"--norms", "1"}, "--norms means nothing");
  expect_refused(CommandLineTest::run(testing::kEasy, {"--degrees", "1"}),
                 {"--degrees means nothing to gap-vs"});
}

}  // namespace
}  // namespace attngap
