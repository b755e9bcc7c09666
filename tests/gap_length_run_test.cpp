// gap-vs-length and speed-vs-length, as a user runs them.

#include "experiments/run_spec.hpp"
#include "gap_run_support.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

namespace attngap {
namespace {

using namespace testing;

using ::testing::ElementsAre;
using ::testing::HasSubstr;

#if defined(__has_feature)
#define ATTNGAP_HAS_FEATURE(name) __has_feature(name)
#else
#define ATTNGAP_HAS_FEATURE(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || ATTNGAP_HAS_FEATURE(address_sanitizer)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

TEST(LengthGrid, RulesOfTheLengthGiveIncreasingCountsEachOnce) {
  const LengthGrid grid{{}, {"64", "sqrt", "log"}, false};
  EXPECT_THAT(grid.features_at(1 << 20), ElementsAre(20, 64, 1024));
  EXPECT_THAT(grid.features_at(4096), ElementsAre(12, 64));  // √4096 is 64 itself
  EXPECT_THAT(grid.features_at(1000), ElementsAre(10, 32, 64));
  EXPECT_THAT((LengthGrid{{}, {"log"}, false}.features_at(1)), ElementsAre(1));
}

class LengthRunTest : public GapRunTest {
 protected:
  Finished run(const std::string& name, const std::string& experiment, const Words& more) const {
    Words words{"run", experiment, "--out", place(name).string(), "--formats", "svg", "--quiet"};
    words.insert(words.end(), more.begin(), more.end());
    return run_program(words, no_gnuplot());
  }

  std::string results(const std::string& name, const Words& more) const {
    const Finished finished = run(name, "gap-vs-length", more);
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    return read_text(place(name) / "results.csv");
  }

  // The value of a metric of an estimator at a length.
  std::optional<double> value(const std::string& name, const std::string& estimator, std::int64_t length,
                              const std::string& metric) const {
    for (const ResultRow& row : rows(name))
      if (row.estimator == estimator && row.length == length && row.metric == metric) return row.value;
    return std::nullopt;
  }
};

const std::vector<std::string> kFew{"--estimators", "performer", "rfa", "--replicates", "6",
                                    "--queries",    "5"};

std::vector<std::string> with(std::vector<std::string> words, const std::vector<std::string>& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

const std::vector<std::string> kSmall = with(kFew, {"--features", "8"});

TEST_F(LengthRunTest, AtTheFirstLengthItIsTheGapOfTheFirstTokens) {
  const std::string by_length =
      results("a", with(kSmall, {"--data", "synthetic:ar1,dim=5,name=x", "--lengths", "40,70"}));
  GapRunTest::results("b", with(kSmall, {"--data", "synthetic:ar1,dim=5,length=40,name=x"}));
  const auto lengths = rows("a"), features = rows("b");
  ASSERT_GT(features.size(), 10U);
  ASSERT_EQ(lengths.size(), 2 * features.size());
  for (std::size_t i = 0; i < features.size(); ++i) {
    EXPECT_EQ(lengths[i].metric, features[i].metric);
    EXPECT_EQ(lengths[i].value, features[i].value) << features[i].metric;
    EXPECT_EQ(lengths[i].length, 40);
    EXPECT_EQ(lengths[i + features.size()].length, 70);
  }
}

// A stream is forced by the length; a run over features holds the same problem.
TEST_F(LengthRunTest, AStreamedProblemGivesTheNumbersOfTheStoredOne) {
  std::vector<std::string> words = kSmall;
  for (const char* name : {"performer:center=keys", "rfa:kernel=arccos", "rfa:gate=linear:3,normalize=unit",
                           "rmfa:kernel=inverse,ppsbn=code,p=1.5", "rmfa:ppsbn=paper,degrees=optimal"})
    words.insert(words.begin() + 1, name);
  results("streamed",
          with(words, {"--data", "synthetic:gaussian,dim=4,mask=causal,name=x", "--lengths", "9000"}));
  GapRunTest::results("stored",
                      with(words, {"--data", "synthetic:gaussian,dim=4,mask=causal,length=9000,name=x"}));
  int compared = 0;
  for (const ResultRow& row : rows("streamed")) {
    const auto stored = value("stored", row.estimator, 9000, row.metric);
    ASSERT_TRUE(stored) << row.metric;
    if (row.status != "ok" || !std::isfinite(row.value)) continue;
    EXPECT_NEAR(row.value, *stored, 1e-9 * std::abs(*stored) + 1e-15) << row.estimator << " " << row.metric;
    ++compared;
  }
  EXPECT_GT(compared, 60);
}

TEST_F(LengthRunTest, ThreadsAndInterruptionsDoNotChangeAByte) {
  const std::vector<std::string> words =
      with(kFew, {"--data", "synthetic:gaussian,dim=4", "--lengths", "9000,20000", "--features", "64,sqrt"});
  const std::string one = results("one", with(words, {"--threads", "1"}));
  EXPECT_EQ(results("three", with(words, {"--threads", "3"})), one);
  Words command{"run", "gap-vs-length", "--out", place("killed").string(), "--formats", "svg", "--quiet"};
  command = with(command, words);
  {
    RunningProgram program(command, no_gnuplot());
    EXPECT_TRUE(wait_for_blocks(program, "killed", 2));
  }  // killed
  EXPECT_EQ(results("killed", words), one);
}

TEST_F(LengthRunTest, StoredHeadsAreCutToTheirFirstOrToEvenlySpacedTokens) {
  const std::string head = std::string(ATTNGAP_DATA_DIR) + "/lm_kjv_l0_h3.npz";
  const std::vector<std::string> words =
      with(kSmall, {"--data", head + ":mask=causal", "--lengths", "64,256", "--no-predictions"});
  results("prefix", words);
  results("stride", with(words, {"--subsample", "stride"}));
  EXPECT_EQ(rows("prefix").size(), rows("stride").size());
  EXPECT_NE(value("prefix", "performer", 64, "mse"), value("stride", "performer", 64, "mse"));
  EXPECT_NE(value("prefix", "zero", 256, "mse"), value("stride", "zero", 256, "mse"));
}

TEST_F(LengthRunTest, BeyondTheReachOfPairsThePredictionIsTheLawOfTheLength) {
  results("law", {"--data", "synthetic:gaussian,dim=8,norm=0.4", "--estimators", "performer", "--features",
                  "64", "--lengths", "8192,65536", "--replicates", "32", "--queries", "64"});
  const double shorter = *value("law", "performer", 8192, "predicted_variance");
  const double longer = *value("law", "performer", 65536, "predicted_variance");
  EXPECT_NEAR(shorter / longer, 8.0, 0.4);  // 1/l; the queries differ
  for (const std::int64_t length : {8192, 65536})
    for (const ResultRow& row : rows("law"))
      if (row.length == length && row.metric == "variance" && row.draws > 0) {
        // The law leaves out terms of order 1/m², E[W²]²/m = 2 % here, and 1/l.
        const double predicted = *value("law", "performer", length, "predicted_variance");
        EXPECT_NEAR(row.value, predicted, 5.0 * row.std_error + 0.03 * predicted);
        EXPECT_GT(std::abs(row.value - 2.0 * predicted), 5.0 * row.std_error);
      }
}

TEST_F(LengthRunTest, MemoryDoesNotGrowWithTheLengthOfAStream) {
  if (kSanitized) GTEST_SKIP() << "the address sanitizer keeps freed memory";
  const auto peak = [&](const Words& what, const std::string& length) {
    const Finished finished = run("m" + what[1] + length, "gap-vs-length",
                                  with(what, {"--features", "4", "--replicates", "2", "--queries", "8",
                                              "--threads", "1", "--lengths", length}));
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    return finished.peak_bytes;
  };
  for (const Words& what :
       {Words{"--data", "synthetic:gaussian,dim=32", "--estimators", "performer"},
        Words{"--data", "synthetic:gaussian,dim=32,name=y", "--estimators", "performer:center=keys",
              "rfa:kernel=arccos,normalize=unit", "rmfa:kernel=inverse,ppsbn=paper"},
        Words{"--data", "synthetic:gaussian,dim=32,mask=causal", "--estimators", "rfa:gate=linear:1"}}) {
    const std::int64_t shorter = peak(what, "16384"), longer = peak(what, "65536");
    // One array of the longer problem would be 17 MB.
    EXPECT_LT(longer, shorter + (4 << 20)) << what.back();
    EXPECT_LT(longer, 64 << 20) << what.back();
  }
}

TEST_F(LengthRunTest, WhatCannotBeCutIsRefusedWithItsReason) {
  const auto refusal = [&](const std::vector<std::string>& more) {
    const Finished finished = run("bad", "gap-vs-length", with(kFew, more));
    EXPECT_EQ(finished.exit_code, 2);
    EXPECT_FALSE(std::filesystem::exists(place("bad")));
    return finished.err;
  };
  const std::string head = std::string(ATTNGAP_DATA_DIR) + "/lm_kjv_l0_h3.npz";
  EXPECT_THAT(refusal({"--data", "synthetic:gaussian,length=64"}), HasSubstr("--lengths says"));
  EXPECT_THAT(refusal({"--data", head, "--lengths", "512,99999"}), HasSubstr("beyond the 1024 keys"));
  EXPECT_THAT(refusal({"--data", head, "--lengths", "64,32"}), HasSubstr("must increase"));
  EXPECT_THAT(refusal({"--data", head, "--lengths", "64", "--features", "cbrt"}), HasSubstr("cbrt"));
  EXPECT_THAT(refusal({"--data", "synthetic:gaussian", "--subsample", "stride"}), HasSubstr("stored heads"));
  EXPECT_THAT(refusal({"--data", head, "--lengths", "64", "--norms", "1"}), HasSubstr("--norms"));
}

TEST_F(LengthRunTest, SpeedIsMeasuredAgainstExactAttentionOfTheSameRun) {
  const Finished finished =
      run("speed", "speed-vs-length",
          {"--data", "synthetic:gaussian,dim=8", "--estimators", "performer", "elementwise:degree=2",
           "--features", "4,8", "--lengths", "64,512", "--replicates", "3", "--queries", "16"});
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  int speedups = 0;
  for (const ResultRow& row : rows("speed")) {
    EXPECT_EQ(row.queries, row.length);
    EXPECT_GE(row.value, 0.0) << row.metric;
    if (row.metric == "seconds") {
      EXPECT_GT(row.value, 0.0);
    }
    EXPECT_EQ(row.status, row.estimator == "exact" ? "scaled" : "ok");
    speedups += row.metric == "speedup" ? 1 : 0;
  }
  EXPECT_EQ(speedups, 2 * 3);  // performer at two m, and elementwise, at two lengths
}

}  // namespace
}  // namespace attngap
