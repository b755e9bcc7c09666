// --target-rse: how many replicates a pilot asks for, that intervals after it cover, and that the rule
// everybody tries first does not.

#include "experiments/replicate_plan.hpp"

#include "analysis/inference.hpp"
#include "analysis/moments.hpp"
#include "analysis/two_stage.hpp"
#include "command_line_support.hpp"
#include "experiments/run_store.hpp"
#include "statistical_assertions.hpp"
#include "stream_words.hpp"

#include <cmath>
#include <limits>
#include <random>

#include <SQLiteCpp/SQLiteCpp.h>

namespace attngap {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using namespace testing;
using testing_tools::frequency_is;
using testing_tools::StreamWords;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

TEST(ReplicatesNeeded, IsTheFormulaWithTheTabulatedQuantile) {
  // The 10 % quantile of chi-square is 21.434 on 31 degrees of freedom, 4.168 on 9 (Pearson and Hartley).
  EXPECT_NEAR(replicates_needed(1.0, 0.1, 32, 0.02), 32 * 25 * 31 / 21.434, 0.03);
  EXPECT_NEAR(replicates_needed(-2.0, 0.1, 10, 0.05), 10 * 9 / 4.168, 1e-2);
  EXPECT_EQ(replicates_needed(1.0, 0.0, 32, 0.02), 0.0);
  EXPECT_EQ(replicates_needed(0.0, 0.1, 32, 0.02), kInfinity);
  EXPECT_EQ(replicates_needed(1.0, kNaN, 32, 0.02), kInfinity);
  EXPECT_EQ(replicates_needed(kInfinity, kInfinity, 32, 0.02), kInfinity);
  EXPECT_EQ(replicates_needed(1.0, 0.1, 1, 0.02), kInfinity);
}

TEST(ReplicatesNeeded, NineOfTenPilotsOfNormalNumbersAskForEnough) {
  constexpr int kTrials = 4000;
  const double enough = std::pow(0.5 / 0.05, 2);  // σ = ½, mean 1, relative standard error 0.05
  std::size_t hits = 0, naive = 0;
  StreamWords words(8101);
  std::normal_distribution<double> law(1.0, 0.5);
  for (int trial = 0; trial < kTrials; ++trial) {
    Moments pilot;
    for (int i = 0; i < kPilotReplicates; ++i) pilot.add(law(words));
    const double error = pilot.standard_error_of_mean();
    hits += replicates_needed(1.0, error, kPilotReplicates, 0.05) >= enough ? 1 : 0;
    naive += kPilotReplicates * std::pow(error / 0.05, 2) >= enough ? 1 : 0;  // without the upper bound
  }
  EXPECT_TRUE(frequency_is(hits, kTrials, 0.9));
  EXPECT_FALSE(frequency_is(naive, kTrials, 0.9)) << "the assertion sees nothing";
}

TEST(ReplicatesNeededOfVariance, NineOfTenPilotsOfNormalNumbersAskForEnough) {
  constexpr int kTrials = 4000;
  const double enough = 2.0 / (0.05 * 0.05);  // Var s² = 2σ⁴/R
  std::size_t hits = 0, as_of_a_mean = 0;
  StreamWords words(8103);
  std::normal_distribution<double> law(3.0, 0.5);
  for (int trial = 0; trial < kTrials; ++trial) {
    Moments pilot;
    for (int i = 0; i < kPilotReplicates; ++i) pilot.add(law(words));
    const auto asks = [&](const auto& rule) {
      return rule(pilot.variance(), pilot.standard_error_of_variance(), kPilotReplicates, 0.05) >= enough;
    };
    hits += asks(replicates_needed_of_variance) ? 1 : 0;
    as_of_a_mean += asks(replicates_needed) ? 1 : 0;
  }
  EXPECT_TRUE(frequency_is(hits, kTrials, 0.9));
  EXPECT_FALSE(frequency_is(as_of_a_mean, kTrials, 0.9)) << "the assertion sees nothing";
}

TEST(ReplicatesNeededOfVariance, OfAVeryLongPilotItIsThePlainNumber) {
  // Of many normal numbers std_error/value = √(2/n).
  constexpr std::int64_t kMany = 1'000'000'000;
  EXPECT_NEAR(replicates_needed_of_variance(1.0, std::sqrt(2.0 / kMany), kMany, 0.05), 800.0, 0.2);
  EXPECT_EQ(replicates_needed_of_variance(1.0, 0.0, 32, 0.02), 0.0);
  EXPECT_EQ(replicates_needed_of_variance(0.0, 0.1, 32, 0.02), kInfinity);
  EXPECT_EQ(replicates_needed_of_variance(1.0, kNaN, 32, 0.02), kInfinity);
  EXPECT_EQ(replicates_needed_of_variance(1.0, 0.1, 19, 0.02), kInfinity);
}

ResultRow planned_row(double value, double std_error, std::string status = "ok") {
  ResultRow row;
  row.metric = kPlannedMetric;
  row.draws = 16;
  row.replicates = kPilotReplicates;
  row.value = value;
  row.std_error = std_error;
  row.status = std::move(status);
  return row;
}

// Coverage of the 95 % interval of the median of numbers in clusters of three that share a factor. Its truth
// is 1: the logarithm is symmetric about 0.
class Clusters {
 public:
  explicit Clusters(std::uint64_t seed) : words_(seed) {}
  void add(std::vector<double>& numbers, std::int64_t clusters) {
    for (std::int64_t i = 0; i < clusters; ++i) {
      const double shared = normal_(words_);
      for (int query = 0; query < 3; ++query) numbers.push_back(std::exp(0.5 * (shared + normal_(words_))));
    }
  }

 private:
  StreamWords words_;
  std::normal_distribution<double> normal_;
};

bool covers(const Estimated& estimated, double truth) {
  return estimated.low <= truth && truth <= estimated.high;
}

TEST(ReplicatePlan, ItsIntervalsCoverAndThoseOfStoppingWhenItLooksGoodDoNot) {
  constexpr int kTrials = 2000;
  const PrecisionGoal goal{0.08, 400, 0.0};
  Clusters clusters(8102);
  std::size_t two_stage = 0, sequential = 0;
  double planned = 0.0;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::vector<double> pilot, fresh;
    clusters.add(pilot, kPilotReplicates);
    const Estimated first = clustered_quantile(pilot, 3, 0.5);
    const std::int64_t count = planned_replicates(goal, {planned_row(first.value, first.std_error)}, nullptr);
    planned += static_cast<double>(count) / kTrials;
    clusters.add(fresh, count);
    two_stage += covers(clustered_quantile(fresh, 3, 0.5), 1.0) ? 1 : 0;

    // Everybody's first idea: look after every few replicates, and stop when the error looks small.
    std::vector<double> seen;
    Estimated estimated{1.0, kInfinity, 0.0, 0.0};
    clusters.add(seen, 2);
    while (estimated.std_error > goal.rse * estimated.value && std::cmp_less(seen.size(), 3 * goal.most)) {
      clusters.add(seen, 2);
      estimated = clustered_quantile(seen, 3, 0.5);
    }
    sequential += covers(estimated, 1.0) ? 1 : 0;
  }
  const auto share = [](std::size_t hits) { return static_cast<double>(hits) / kTrials; };
  EXPECT_GE(share(two_stage), 0.93);
  EXPECT_LE(share(two_stage), 0.97);
  EXPECT_TRUE(frequency_is(two_stage, kTrials, 0.95));
  EXPECT_FALSE(frequency_is(sequential, kTrials, 0.95)) << "nothing is gained by two stages";
  EXPECT_LT(share(sequential), 0.93);
  EXPECT_GT(planned, 2.0 * kPilotReplicates) << "the plan decided nothing";
  RecordProperty("two_stage", std::to_string(share(two_stage)));
  RecordProperty("sequential", std::to_string(share(sequential)));
}

TEST(ReplicatePlan, TakesTheMostThatASeriesNeedsAndCanReach) {
  const PrecisionGoal goal{0.05, 1000, 0.0};
  const auto needed = [&](double error) {
    return static_cast<std::int64_t>(std::ceil(replicates_needed(1.0, error, kPilotReplicates, goal.rse)));
  };
  ResultRow other = planned_row(1.0, 10.0);
  other.metric = "mse";
  ResultRow baseline = planned_row(1.0, 10.0);
  baseline.draws = 0;
  const std::vector<ResultRow> rows{planned_row(1.0, 0.1),
                                    planned_row(1.0, 0.15),
                                    planned_row(1.0, 10.0),
                                    planned_row(1.0, 0.2, "nonfinite"),
                                    planned_row(1.0, kNaN),
                                    other,
                                    baseline};
  EXPECT_EQ(planned_replicates(goal, rows, nullptr), needed(0.15));
  EXPECT_LT(needed(0.15), goal.most);
  EXPECT_EQ(planned_replicates(goal, {planned_row(1.0, 0.001)}, nullptr), kPilotReplicates);
  // None can be had: then all that was allowed.
  EXPECT_EQ(planned_replicates(goal, {planned_row(1.0, 10.0)}, nullptr), goal.most);
  EXPECT_EQ(planned_replicates(goal, {planned_row(1.0, kNaN)}, nullptr), goal.most);
  EXPECT_EQ(planned_replicates(goal, {planned_row(1.0, 0.1, "heavy-tail")}, nullptr), goal.most);
  EXPECT_EQ(planned_replicates(goal, {planned_row(1.0, 0.1, "nonfinite")}, nullptr), kPilotReplicates);
  EXPECT_EQ(planned_replicates(goal, {}, nullptr), kPilotReplicates);
  EXPECT_EQ(planned_replicates({0.05, 20, 0.0}, rows, nullptr), 20);
  // Time for 300 replicates in each of two cells: the one that needs more is not chased.
  const TimeShare time{600.0, 2, 1.0};
  EXPECT_LT(needed(0.1), 300);
  EXPECT_GT(needed(0.15), 300);
  EXPECT_EQ(planned_replicates(goal, rows, &time), needed(0.1));
  EXPECT_EQ(planned_replicates(goal, {planned_row(1.0, 10.0)}, &time), 300);
  const TimeShare none{-5.0, 0, 1.0};
  EXPECT_EQ(planned_replicates(goal, rows, &none), kPilotReplicates);
}

class PlannedRun : public CommandLineTest {
 protected:
  static Words command(const Words& more) {
    return with({"run", "gap-vs-features", "--data", "synthetic:gaussian,length=37,dim=5", "--data",
                 "synthetic:gaussian,length=29,dim=3", "--estimators", "performer", "rmfa", "--features",
                 "3,16", "--queries", "11", "--formats", "none"},
                more);
  }
  std::vector<ResultRow> rows(const std::string& place) const {
    return RunStore::open_existing(path(place)).rows();
  }
};

TEST_F(PlannedRun, ItsNumbersAreThoseOfARunOfThatManyReplicates) {
  ASSERT_EQ(attngap(command({"--out", "planned", "--target-rse", "0.1", "--quiet"})).exit_code, 0);
  const auto plans = RunStore::open_existing(path("planned")).plans();
  ASSERT_EQ(plans.size(), 2U);
  ASSERT_NE(plans.at(0), plans.at(1));
  for (const std::int64_t cell : {0, 1}) {
    const std::string place = "fixed" + std::to_string(cell);
    const std::string count = std::to_string(plans.at(cell));
    ASSERT_EQ(attngap(command({"--out", place, "--replicates", count, "--quiet"})).exit_code, 0);
    const auto fixed = rows(place);
    std::size_t compared = 0;
    for (const ResultRow& row : rows("planned"))
      for (const ResultRow& same : fixed) {
        if (row.data != fixed[cell == 0 ? 0 : fixed.size() - 1].data || row.data != same.data ||
            row.estimator != same.estimator || row.draws != same.draws || row.metric != same.metric)
          continue;
        ++compared;
        EXPECT_EQ(row.value, same.value);
        EXPECT_EQ(row.replicates, same.replicates);
        if (!std::isnan(row.std_error)) {
          EXPECT_EQ(row.std_error, same.std_error);
        }
      }
    EXPECT_EQ(compared, fixed.size() / 2);
  }
}

TEST_F(PlannedRun, SaysWhatDidNotReachThePrecision) {
  const Finished finished =
      attngap(command({"--out", "out", "--target-rse", "0.01", "--max-replicates", "40"}));
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(finished.out, HasSubstr("--target-rse 0.01 was not reached"));
  EXPECT_THAT(finished.out, HasSubstr("rmfa, m = 16: 0.0"));
  for (const ResultRow& row : rows("out")) {
    const bool planned = row.metric == kPlannedMetric && row.draws > 0;
    EXPECT_EQ(row.status == kNotReached, planned) << row.metric;
    if (row.draws > 0) {
      EXPECT_EQ(row.replicates, 40);  // no series can get there: all that was allowed
    }
  }
}

TEST_F(PlannedRun, OfAPairIsAboutTheVariance) {
  const Words words{
      "run",  "kernel-variance", "--estimators", "performer", "--features", "16,64", "--norms",
      "0.5",  "--cosines=0,0.5", "--dims",       "8",         "--map",      "3",     "--formats",
      "none", "--target-rse",    "0.1",          "--out"};
  ASSERT_EQ(attngap(with(words, {"out", "--quiet"})).exit_code, 0);
  int ok = 0, missed = 0, near = 0;
  for (const ResultRow& row : rows("out")) {
    if (row.metric != kPlannedVariance) {
      EXPECT_NE(row.status, kNotReached) << row.metric;
      continue;
    }
    const double reached = row.std_error / row.value;
    EXPECT_EQ(row.status == kNotReached, reached > 0.1) << row.status;
    ++(row.status == kNotReached ? missed : ok);
    EXPECT_GE(row.replicates, 200);  // Var s² = 2σ⁴/R at the least
    EXPECT_LT(row.replicates, 4096);
    near += reached > 0.03 ? 1 : 0;  // the neediest of a pair, not merely drawn on
  }
  EXPECT_EQ(ok + missed, 4);
  EXPECT_GE(ok, 3);
  EXPECT_GE(near, 2);
  const Finished far = attngap(with(words, {"far", "--max-replicates", "50"}));
  ASSERT_EQ(far.exit_code, 0) << far.err;
  EXPECT_THAT(far.out, HasSubstr("was not reached"));
  int far_off = 0;
  for (const ResultRow& row : rows("far"))
    if (row.metric == kPlannedVariance) {
      EXPECT_EQ(row.replicates, 50);
      if (row.status == "heavy-tail") continue;  // so few of positive features may look like that
      EXPECT_EQ(row.status, kNotReached);
      EXPECT_GT(row.std_error, 0.1 * row.value);
      ++far_off;
    }
  EXPECT_GE(far_off, 1);
}

TEST_F(PlannedRun, AResumedRunKeepsTheDecision) {
  const Words words = command({"--out", "out", "--target-rse", "0.1", "--budget", "90s", "--quiet"});
  ASSERT_EQ(attngap(words).exit_code, 0);
  {
    SQLite::Database database(path("out/run.sqlite"), SQLite::OPEN_READWRITE);
    database.exec("DELETE FROM result; DELETE FROM cell; UPDATE plan SET replicates = 41 WHERE cell = 1");
  }
  ASSERT_EQ(attngap(words).exit_code, 0);
  std::int64_t seen = 0;
  for (const ResultRow& row : rows("out"))
    if (row.length == 29 && row.draws > 0) {
      EXPECT_EQ(row.replicates, 41);
      ++seen;
    }
  EXPECT_GT(seen, 0);
}

TEST_F(PlannedRun, ABudgetThatIsSpentLeavesThePilotsNumber) {
  ASSERT_EQ(
      attngap(command({"--out", "out", "--target-rse", "0.05", "--budget", "0.00001s", "--quiet"})).exit_code,
      0);
  for (const auto& [cell, replicates] : RunStore::open_existing(path("out")).plans())
    EXPECT_EQ(replicates, kPilotReplicates) << cell;
}

TEST_F(PlannedRun, GoalsThatMeanNothingAreRefused) {
  const auto refuse = [&](const Words& more, const std::string& said) {
    expect_refused(with(command({"--out", "out"}), more), {said});
  };
  refuse({"--target-rse", "0"}, "--target-rse = 0");
  refuse({"--target-rse", "1"}, "--target-rse = 1");
  refuse({"--target-rse", "0.1", "--replicates", "64"}, "exclude each other");
  refuse({"--target-rse", "0.1", "--budget", "10"}, "--budget 10: give a time with its unit");
  refuse({"--target-rse", "0.1", "--budget", "0m"}, "--budget 0m");
  refuse({"--target-rse", "0.1", "--max-replicates", "1"}, "--max-replicates");
  refuse({"--target-rse", "0.1", "--max-replicates", "4294967295"}, "the pilot comes after");
  refuse({"--max-replicates", "10"}, "means nothing without --target-rse");
  refuse({"--budget", "10m"}, "means nothing without --target-rse");
  expect_refused({"run", "kernel-variance", "--estimators", "performer", "--out", "out", "--target-rse",
                  "0.1", "--max-replicates", "24"},
                 {"--max-replicates = 24, must be at least 25"});
  const auto means_nothing = [&](const Words& run, const std::string& why) {
    expect_refused(with(run, {"--out", "out", "--target-rse", "0.1"}),
                   {"--target-rse means nothing to", why});
  };
  means_nothing({"run", "taylor-truncation"}, "it draws nothing");
  means_nothing({"run", "speed-vs-length", "--data", "synthetic:gaussian", "--estimators", "rfa"},
                "it measures times");
  means_nothing({"run", "distributions", "--data", "synthetic:gaussian", "--estimators", "rfa"},
                "it estimates shapes");
}

}  // namespace
}  // namespace attngap
