// attngap run gram-error: kernel estimates of all pairs of points against their Gram matrix.

#include "analysis/gram_statistics.hpp"
#include "estimators/estimator_table.hpp"
#include "experiments/data_source.hpp"
#include "gap_run_support.hpp"
#include "plots/gram_figures.hpp"
#include "tests/house_problem.hpp"
#include "tests/naive_pass.hpp"
#include "tests/statistical_assertions.hpp"

#include <cmath>
#include <limits>
#include <map>

namespace attngap::testing {
namespace {

using ::testing::HasSubstr;
using testing_tools::draw_once;
using testing_tools::kernel_estimate;
using testing_tools::one_pair;

constexpr const char* kBall = "synthetic:ball,length=9,dim=5,norm=0.6,value-dim=2,name=ball";

const RatioEstimator& as_ratio(const AttentionEstimator& estimator) {
  return dynamic_cast<const RatioEstimator&>(estimator);
}

Matrix points(const char* data) {
  return load_dataset(data).problem.scaled_keys();
}

Matrix gram_of(const AttentionEstimate& estimate) {
  return estimate.log_scale.array().exp().matrix().asDiagonal() * estimate.numerator;
}

class GramRun : public GapRunTest {
 protected:
  Words words(const std::string& name, const Words& more) const {
    Words all = command(name, more);
    all[1] = "gram-error";
    return all;
  }
  std::string measured(const std::string& name, const Words& more) const {
    const Finished finished = run_program(words(name, more), no_gnuplot());
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    return read_text(place(name) / "results.csv");
  }
  void refused(const Words& more, const std::string& said) const {
    const Finished finished = run_program(words("refused", more), no_gnuplot());
    EXPECT_EQ(finished.exit_code, 2);
    EXPECT_THAT(finished.err, HasSubstr(said));
  }

  // (estimator, m, metric) → row.
  using Key = std::tuple<std::string, std::int64_t, std::string>;
  std::map<Key, ResultRow> by_key(const std::string& name) const {
    std::map<Key, ResultRow> found;
    for (const ResultRow& row : rows(name)) found[{row.estimator, row.draws, row.metric}] = row;
    return found;
  }
};

// ---- the estimate of a Gram matrix ----

TEST(GramEstimate, IsTheOneOfEachPairAloneAndOfTheFeaturesByTheirFormula) {
  const Matrix X = points(kBall);
  const AttentionProblem problem = gram_problem(X);
  for (const char* name : {"performer", "rfa", "rmfa", "rmfa:known=linear", "rmfa:known=constant",
                           "rmfa:kernel=polynomial10,known=linear", "rmfa:kernel=power10"}) {
    const Matrix gram = gram_of(draw_once(name, problem, {11}, {5, 0, 3}).back());
    for (Index i = 0; i < 9; ++i)
      for (Index j = 0; j < 9; ++j) {
        const double alone =
            kernel_estimate(draw_once(name, one_pair(X.row(i), X.row(j)), {11}, {5, 0, 3}).back());
        EXPECT_NEAR(gram(i, j), alone, 1e-13 * std::max(1.0, std::abs(alone))) << name;
      }
  }
  const Matrix gram = gram_of(draw_once("performer", problem, {11}, {5, 0, 3}).back());
  const auto naive = testing_tools::naive_answer({}, problem, 11, {5, 0, 3});
  const Matrix from_features = naive.log_denominator.array().exp().matrix().asDiagonal() * naive.ratio;
  EXPECT_TRUE(gram.isApprox(from_features, 1e-13));
  EXPECT_FALSE(gram.isApprox(gram_target(as_ratio(*make_estimator("performer")), X), 1e-3));
}

TEST(GramEstimate, EveryEntryHasTheMomentsOfItsKernelEstimate) {
  constexpr std::uint32_t kReplicates = 4000;
  const Matrix X = 0.6 * points(kBall).topRows(3);
  for (const char* name : {"performer", "rfa:projection=orthogonal", "rmfa:known=linear", "rmfa"}) {
    const auto estimator = make_estimator(name);
    const AttentionEstimator* group[] = {estimator.get()};
    const AttentionProblem problem = gram_problem(X);
    const auto plan = estimator->plan(problem, group, {11}, Precision::float64);
    const auto sampler = plan->sampler();
    std::array<Moments, 2> entries;  // of two points, and of a point with itself
    for (std::uint32_t r = 0; r < kReplicates; ++r)
      sampler->draw({23, 0, r}, [&](auto, auto, const AttentionEstimate& estimate) {
        const Matrix gram = gram_of(estimate);
        entries[0].add(gram(2, 0));
        entries[1].add(gram(1, 1));
      });
    for (const Index place : {0, 1}) {
      const Index i = place == 0 ? 2 : 1, j = place == 0 ? 0 : 1;
      const KernelMoments law = as_ratio(*estimator).kernel_moments(one_pair(X.row(i), X.row(j)), 11);
      if (law.variance == 0.0) continue;  // sin² + cos² of a point with itself
      const Moments& entry = entries[static_cast<std::size_t>(place)];
      EXPECT_TRUE(testing_tools::mean_is(entry, law.mean, law.variance)) << name << " " << place;
      EXPECT_TRUE(testing_tools::variance_is(entry, law.variance)) << name << " " << place;
      const double half = std::sqrt(law.variance) / 2;
      EXPECT_FALSE(testing_tools::mean_is(entry, law.mean + half, law.variance)) << name;
      EXPECT_FALSE(testing_tools::variance_is(entry, 3.0 * law.variance)) << name;
    }
  }
}

TEST(GramTarget, IsTheKernelOfTheTarget) {
  const Matrix X = points(kBall);
  const Matrix Z = X * X.transpose();
  const auto target = [&](const char* name) { return gram_target(as_ratio(*make_estimator(name)), X); };
  EXPECT_TRUE(target("performer").isApprox(Matrix(Z.array().exp()), 1e-14));
  EXPECT_TRUE(target("rmfa:kernel=power10").isApprox(Matrix(Z.array().pow(10)), 1e-13));
  EXPECT_TRUE(target("rmfa:kernel=polynomial10").isApprox(Matrix((1 + Z.array()).pow(10)), 1e-13));
  const Matrix U = X.rowwise().normalized();
  EXPECT_TRUE(
      target("rfa:normalize=unit,sigma=2").isApprox(Matrix((U * U.transpose() / 4).array().exp()), 1e-14));
}

TEST(GramMetrics, SayWhatThereIsNoNumberOf) {
  const std::vector<GramError> errors{{1.0, 0.5}, {2.0, 0.25}, {6.0, 0.75}};
  const auto metrics = gram_metrics(errors, true);
  EXPECT_DOUBLE_EQ(metrics[0].estimated.value, 3.0);
  EXPECT_DOUBLE_EQ(metrics[0].estimated.std_error, std::sqrt(7.0 / 3.0));
  EXPECT_DOUBLE_EQ(metrics[1].estimated.value, 0.5);
  EXPECT_EQ(metrics[0].status, "ok");
  for (const Metric& metric : gram_metrics(errors, false)) {
    EXPECT_EQ(metric.status, "no-moment");
    EXPECT_TRUE(std::isnan(metric.estimated.value));
  }
  const std::vector<GramError> broken{{1.0, 0.5}, {std::numeric_limits<double>::quiet_NaN(), 0.5}};
  for (const Metric& metric : gram_metrics(broken, true)) EXPECT_EQ(metric.status, "nonfinite");
}

// ---- the run ----

TEST_F(GramRun, ErrorsAreThoseOfTheDrawsByTheirDefinition) {
  measured("out", {"--data", kBall, "--estimators", "performer", "rmfa:known=linear", "rfa", "--features",
                   "4,11", "--replicates", "5", "--seed", "31"});
  const auto found = by_key("out");
  EXPECT_EQ(found.size(), 12U) << "no baselines among them";
  const Matrix X = points(kBall);
  for (const char* name : {"performer", "rmfa:known=linear", "rfa"})
    for (const Index m : {4, 11}) {
      double absolute = 0.0, relative = 0.0;
      for (std::uint32_t r = 0; r < 5; ++r) {
        double sum = 0.0, squares = 0.0, norm = 0.0;
        for (Index i = 0; i < 9; ++i)
          for (Index j = 0; j < 9; ++j) {
            const double exact = std::exp(X.row(i).dot(X.row(j)));
            const double error =
                kernel_estimate(draw_once(name, one_pair(X.row(i), X.row(j)), {m}, {31, 0, r}).back()) -
                exact;
            sum += std::abs(error);
            squares += error * error;
            norm += exact * exact;
          }
        absolute += sum / 81 / 5;
        relative += std::sqrt(squares / norm) / 5;
      }
      const ResultRow& row = found.at({name, m, "gram_error"});
      EXPECT_NEAR(row.value, absolute, 1e-13) << name;
      EXPECT_NEAR(found.at({name, m, "relative_gram_error"}).value, relative, 1e-13) << name;
      EXPECT_EQ(row.length, 9);
      EXPECT_EQ(row.target, "softmax");
      EXPECT_EQ(row.replicates, 5);
      EXPECT_GT(row.std_error, 0.0);
    }
}

TEST_F(GramRun, KnownDegreesLowerTheErrorOnTheBall) {
  measured("out",
           {"--data", "synthetic:ball,length=20,dim=5,norm=0.8", "--estimators", "rmfa", "rmfa:known=linear",
            "rmfa:known=constant", "--features", "64,256", "--replicates", "100"});
  const auto found = by_key("out");
  const auto below = [&](const char* a, const char* b, std::int64_t m) {
    const ResultRow &x = found.at({a, m, "gram_error"}), &y = found.at({b, m, "gram_error"});
    return (y.value - x.value) / std::hypot(x.std_error, y.std_error) > testing_tools::sigma_limit();
  };
  for (const std::int64_t m : {64, 256}) {
    EXPECT_TRUE(below("rmfa:known=constant", "rmfa", m)) << m;
    EXPECT_TRUE(below("rmfa:known=linear", "rmfa:known=constant", m)) << m;
    EXPECT_FALSE(below("rmfa", "rmfa:known=linear", m)) << m;
  }
}

// Features of cosines are bounded, so that from m = 64 the mean of |K̂ − K| is that of a Gaussian but for
// κ₄/24m < 0.003 of it.
TEST_F(GramRun, ErrorFallsLikeTheRootOfTheNumberOfFeatures) {
  measured("out", {"--data", kBall, "--estimators", "rfa", "--features", "64,1024", "--replicates", "400"});
  const auto found = by_key("out");
  for (const char* metric : {"gram_error", "relative_gram_error"}) {
    const ResultRow &few = found.at({"rfa", 64, metric}), &many = found.at({"rfa", 1024, metric});
    const double ratio = few.value / many.value;
    const double error = ratio * std::hypot(few.std_error / few.value, many.std_error / many.value);
    EXPECT_NEAR(ratio, 4.0, testing_tools::sigma_limit() * error + 4.0 * 0.003) << metric;
    EXPECT_LT(testing_tools::sigma_limit() * error, 1.0) << "a slope of 0.4 would pass";
  }
}

TEST_F(GramRun, GivesTheSameBytesForAnyNumberOfThreadsAndQueriesCutThePoints) {
  const Words run{"--data",     kBall,  "--estimators", "performer", "rmfa",
                  "--features", "4,11", "--replicates", "19"};
  const auto with = [&](Words more) {
    more.insert(more.begin(), run.begin(), run.end());
    return more;
  };
  const std::string one = measured("one", with({"--threads", "1"}));
  EXPECT_EQ(measured("three", with({"--threads", "3"})), one);
  EXPECT_EQ(measured("one", run), one);
  EXPECT_NE(measured("seed", with({"--seed", "2"})), one);
  EXPECT_TRUE(std::filesystem::exists(place("one") / "figures" / "gram_ball.csv"));
  measured("cut", with({"--queries", "4"}));
  for (const ResultRow& row : rows("cut")) EXPECT_EQ(row.length, 4);
}

TEST_F(GramRun, AgainstSoftmaxTheKernelIsTheExponential) {
  measured("out", {"--data", "synthetic:ball,length=9,dim=5,norm=0.3", "--estimators", "rmfa:kernel=log",
                   "--features", "4096", "--replicates", "4", "--against", "softmax"});
  for (const ResultRow& row : rows("out")) {
    EXPECT_EQ(row.target, "softmax");
    EXPECT_GT(row.value, 1e-3);
  }
}

TEST_F(GramRun, RefusesWhatItCannotMeasure) {
  const auto with = [](const char* estimator, const Words& more = {}) {
    Words all{"--data", kBall, "--estimators", estimator};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  refused(with("eva"), "gram-error: eva is no ratio of random features; use performer, rfa or rmfa");
  refused(with("mean-value"), "gram-error: mean-value is no ratio of random features");
  refused(with("performer:center=keys"), "leave center= out");
  refused(with("rmfa:ppsbn=paper"), "leave ppsbn= out");
  refused(with("rfa:gate=constant:0.9"), "leave gate= out");
  refused(with("rfa", {"--lengths", "9"}), "--lengths means nothing to gram-error");
  refused(with("rfa", {"--data", kBall}), "two heads are called ball");
  refused({"--estimators", "rfa"}, "--data is missing");
  refused({"--data", "synthetic:ball,length=5000,dim=2", "--estimators", "rfa", "--queries", "all"},
          "5000 points; a Gram matrix of at most 4096 is made");
  refused({"--data", "synthetic:ball,dim=2,norm=1.2", "--estimators", "rmfa:kernel=inverse"},
          "converges up to 1 only");
}

// ---- the figure ----

TEST(GramFigures, HaveAPanelAMetricAndSayWhatIsAbsent) {
  std::vector<ResultRow> all;
  for (const char* estimator : {"rmfa", "rmfa:known=linear"})
    for (const std::int64_t m : {16, 64})
      for (const char* metric : {"gram_error", "relative_gram_error"}) {
        const bool ok = estimator == std::string("rmfa");
        all.push_back({"gram-error", "ball", estimator, "iid", "softmax", m, m, 9, 5, 9, 7, metric,
                       ok ? 8.0 / static_cast<double>(m) : std::nan(""), 0.1, 0.2, 0.9,
                       ok ? "ok" : "no-moment"});
      }
  const auto figures = gram_figures(all);
  ASSERT_EQ(figures.size(), 1U);
  EXPECT_EQ(figures[0].name, "gram_ball");
  EXPECT_THAT(figures[0].figure.title, HasSubstr("Gram matrix of 9 points, d = 5, 7 replicates"));
  ASSERT_EQ(figures[0].figure.panels.size(), 2U);
  for (const Panel& panel : figures[0].figure.panels) {
    ASSERT_EQ(panel.series.size(), 1U);
    EXPECT_EQ(panel.series[0].label, "rmfa");
    EXPECT_EQ(panel.series[0].y, (std::vector<double>{0.5, 0.125}));
    EXPECT_EQ(panel.series[0].low, (std::vector<double>{0.2, 0.2}));
    EXPECT_THAT(panel.note, HasSubstr("no finite error: rmfa:known=linear"));
    ASSERT_EQ(panel.guides.size(), 1U);
    EXPECT_EQ(panel.guides[0].slope, -0.5);
  }
}

TEST(GramFigures, NameTheKernelAndNoAttention) {
  std::vector<ResultRow> rows;
  const auto add = [&](const std::string& estimator, const std::string& target) {
    rows.push_back({"gram-error", "ball", estimator, "iid", target, 16, 16, 9, 5, 9, 7, "gram_error", 0.5,
                    0.1, 0.2, 0.9, "ok"});
  };
  add("rmfa:kernel=polynomial10", "kernelised attention (polynomial10)");
  const Figure one = gram_figures(rows)[0].figure;
  EXPECT_THAT(one.subtitle, HasSubstr("K(x, y) = (1 + x·y)¹⁰"));
  EXPECT_EQ(one.subtitle.find("attention"), std::string::npos);
  EXPECT_EQ(one.panels[0].series[0].label, "rmfa:kernel=polynomial10");

  add("rfa:normalize=unit", "softmax of unit-normalised inputs at temperature 1");
  add("rfa:kernel=arccos", "kernelised attention (arccos)");
  const Figure several = gram_figures(rows)[0].figure;
  EXPECT_EQ(several.panels[0].series[1].label,
            "rfa:normalize=unit (K = exp(x·y) of unit-normalised inputs at temperature 1)");
  EXPECT_EQ(several.panels[0].series[2].label, "rfa:kernel=arccos (K = arccos)");
}

}  // namespace
}  // namespace attngap::testing
