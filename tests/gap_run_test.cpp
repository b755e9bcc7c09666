// What a run promises whatever happens to it: the same bytes for any number of threads, order of estimators
// and interruption.

#include "gap_run_support.hpp"
#include "tests/stream_words.hpp"

#include <cmath>
#include <csignal>
#include <map>
#include <random>
#include <tuple>

#include <nlohmann/json.hpp>

namespace attngap {
namespace {

using ::testing::AllOf;
using testing::changed_files;
using testing::files_below;
using testing::Finished;
using testing::GapRunTest;
using ::testing::HasSubstr;
using testing::read_text;
using testing::run_program;
using testing::RunningProgram;

using GapRun = GapRunTest;
using Words = std::vector<std::string>;

// Every estimator, two heads, replicates that do not divide into equal blocks.
const Words kSmall{"--data",       "synthetic:gaussian,length=37,dim=5,value-dim=2",
                   "--data",       "synthetic:clustered,length=29,dim=7,value-dim=3,mask=causal",
                   "--estimators", "performer",
                   "rfa",          "performer:projection=orthogonal",
                   "rmfa",         "performer:features=hyperbolic,center=keys",
                   "--features",   "3,16,50",
                   "--replicates", "19",
                   "--queries",    "11"};

// Long enough to be killed in the middle: 16 blocks of some ten milliseconds each.
const Words kLong{"--data",
                  "synthetic:gaussian,length=400,dim=16",
                  "--estimators",
                  "performer",
                  "rmfa",
                  "--features",
                  "16,512",
                  "--replicates",
                  "48"};

Words with(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

TEST_F(GapRun, ResultsAreTheSameBytesForAnyNumberOfThreads) {
  const std::string one = results("1", with(kSmall, {"--threads", "1"}));
  EXPECT_THAT(one,
              HasSubstr("\ngap-vs-features,gaussian_dim5_length37_value-dim2,performer,iid,softmax,16,"));
  for (const std::string threads : {"2", "3", "7"})
    EXPECT_EQ(results(threads, with(kSmall, {"--threads", threads})), one) << threads << " threads";
  EXPECT_NE(results("seed", with(kSmall, {"--seed", "2"})), one) << "the comparison sees nothing";
}

// The heap of a process follows the lengths of its arguments; where blocks of features lie must not matter.
TEST_F(GapRun, ResultsDoNotDependOnWhereTheHeapPutsThem) {
  const Words words{"--data",       "synthetic:gaussian,length=37,dim=5",
                    "--features",   "3,16",
                    "--replicates", "5",
                    "--estimators", "performer",
                    "rfa",          "rmfa",
                    "--threads",    "1"};
  const std::string first = results("x", words);
  for (std::size_t length = 2; length < 14; ++length)
    EXPECT_TRUE(results(std::string(length, 'x'), words) == first) << length;
}

TEST_F(GapRun, AKilledRunResumesToTheSameBytes) {
  const std::string whole = results("whole", kLong);
  testing_tools::StreamWords random(20240607);
  std::size_t blocks = 0;
  for (int kill = 0; kill < 3; ++kill) {
    blocks += 1 + random() % 4;  // at most 12 of the 16
    RunningProgram program(command("killed", kLong), no_gnuplot());
    ASSERT_TRUE(wait_for_blocks(program, "killed", blocks)) << "it ended before it could be killed";
    program.send(SIGKILL);
    ASSERT_EQ(program.wait().signal, SIGKILL);
    const RunStore store = RunStore::open_existing(place("killed"));
    EXPECT_FALSE(store.cell_finished(0));
    EXPECT_GE(store.finished_blocks(0).size(), blocks);
    EXPECT_LT(store.finished_blocks(0).size(), 16U);
    EXPECT_FALSE(std::filesystem::exists(place("killed") / "results.csv"));
    blocks = store.finished_blocks(0).size();
  }
  EXPECT_EQ(results("killed", with(kLong, {"--threads", "1"})), whole);
}

TEST_F(GapRun, CtrlCCommitsWhatIsDoneSaysHowToGoOnAndExitsWith3) {
  const std::string whole = results("whole", kLong);
  for (const int signal : {SIGINT, SIGTERM}) {
    RunningProgram program(command("stopped", kLong), no_gnuplot());
    const std::size_t blocks = signal == SIGINT ? 2 : 6;
    ASSERT_TRUE(wait_for_blocks(program, "stopped", blocks));
    program.send(signal);
    const Finished finished = program.wait();
    EXPECT_EQ(finished.exit_code, 3) << finished.err;
    EXPECT_EQ(finished.err,
              "attngap: interrupted; what is finished is kept. Run the same command again to resume.\n");
    EXPECT_GE(RunStore::open_existing(place("stopped")).finished_blocks(0).size(), blocks);
  }
  EXPECT_EQ(results("stopped", kLong), whole);
}

TEST_F(GapRun, TheOrderOfTheEstimatorsDecidesNothing) {
  const Words data{"--data", "synthetic:gaussian,length=37,dim=5", "--features", "3,16", "--replicates", "5"};
  const std::string first = results("run", with(data, {"--estimators", "rfa", "performer", "rmfa:p=3"}));
  EXPECT_EQ(results("other", with(data, {"--estimators", "rmfa:p=3", "performer", "--estimators", "rfa"})),
            first);
  // The same run, not another specification; and naming one twice, or a default, changes nothing.
  const auto before = files_below(place("run"));
  EXPECT_EQ(
      results("run", with(data, {"--estimators", "rmfa:p=3", "rfa", "performer:projection=iid", "rfa"})),
      first);
  EXPECT_EQ(changed_files(before, files_below(place("run"))), "");
}

TEST_F(GapRun, AnotherEstimatorChangesNoRowOfTheOthers) {
  const Words data{"--data", "synthetic:gaussian,length=37,dim=5", "--features", "3,16", "--replicates", "5"};
  results("few", with(data, {"--estimators", "performer", "rmfa"}));
  results("many", with(data, {"--estimators", "performer", "rmfa", "rfa", "performer:features=hyperbolic",
                              "performer:center=keys", "performer:projection=orthogonal", "rmfa:p=3"}));
  std::map<std::tuple<std::string, std::string, std::int64_t, std::string>, double> many;
  for (const ResultRow& row : rows("many"))
    many[{row.estimator, row.projection, row.draws, row.metric}] = row.value;
  const auto few = rows("few");
  // Two baselines, two estimators at two counts: ten metrics, and three predicted ones of the estimators.
  EXPECT_EQ(few.size(), 6 * 10U + 4 * 3U);
  for (const ResultRow& row : few)
    EXPECT_EQ((many[{row.estimator, row.projection, row.draws, row.metric}]), row.value)
        << row.estimator << " " << row.draws << " " << row.metric;
  EXPECT_EQ(many.size(), 16 * 10U + 14 * 3U);
  results("measured", with(data, {"--estimators", "performer", "rmfa", "--no-predictions"}));
  const auto measured = rows("measured");
  EXPECT_EQ(measured.size(), 6 * 10U);
  for (const ResultRow& row : measured)
    EXPECT_EQ((many[{row.estimator, row.projection, row.draws, row.metric}]), row.value) << row.metric;
}

TEST_F(GapRun, ResumingAFinishedRunDoesNoWorkAndChangesNothing) {
  const std::string first = results("run", kSmall);
  const auto before = files_below(place("run"));
  EXPECT_EQ(results("run", kSmall), first);
  EXPECT_EQ(changed_files(before, files_below(place("run"))), "");  // timings and the store among them
}

TEST_F(GapRun, AFinishedRunTakesNoMoreDiskThanItsRows) {
  results("run", kLong);
  EXPECT_LT(std::filesystem::file_size(place("run") / "run.sqlite"), 500'000U);  // its blocks were megabytes
  EXPECT_FALSE(std::filesystem::exists(place("run") / "run.sqlite-wal"));
}

TEST_F(GapRun, TheSumOfBiasAndVarianceIsTheMeanSquareInEveryRow) {
  results("run", kSmall);
  std::map<std::tuple<std::string, std::string, std::string, std::int64_t>, std::map<std::string, ResultRow>>
      series;
  for (const ResultRow& row : rows("run"))
    series[{row.data, row.estimator, row.projection, row.draws}][row.metric] = row;
  EXPECT_EQ(series.size(), 2 * (2 + 5 * 3U));
  for (auto& [name, metric] : series) {
    const double sum = metric["bias2"].value + metric["variance"].value;
    EXPECT_NEAR(metric["mse"].value, sum, 1e-15 * std::abs(metric["variance"].value)) << std::get<1>(name);
    if (metric["mse"].draws > 0) continue;
    // A number without randomness is its own interval.
    for (const auto& [key, row] : metric) {
      EXPECT_EQ(row.ci_low, row.value) << row.estimator << " " << key;
      EXPECT_EQ(row.ci_high, row.value) << row.estimator << " " << key;
      EXPECT_EQ(row.std_error, 0.0) << row.estimator << " " << key;
      EXPECT_EQ(row.replicates, 1) << row.estimator << " " << key;
    }
    EXPECT_EQ(metric["variance"].value, 0.0);
  }
}

TEST_F(GapRun, TheBaselineOfZeroHasRelativeErrorOneEverywhere) {
  results("run", kSmall);
  for (const ResultRow& row : rows("run")) {
    if (row.estimator != "zero") continue;
    if (row.metric.ends_with("relative_error")) {
      EXPECT_EQ(row.value, 1.0) << row.metric;
    }
    if (row.metric == "relative_mse") {
      EXPECT_NEAR(row.value, 1.0, 1e-14);
    }
  }
}

TEST_F(GapRun, TheRunSaysWhereItCameFrom) {
  results("run", with(kSmall, {"--seed", "18446744073709551615", "--precision", "float"}));
  const auto run = nlohmann::json::parse(read_text(place("run") / "run.json"));
  for (const char* key : {"attngap", "git", "compiler", "flags"}) EXPECT_NE(run.at(key), "") << key;
  EXPECT_EQ(run.at("seed"), 18446744073709551615ULL);
  const auto& specification = run.at("specification");
  EXPECT_EQ(specification.at("experiment"), "gap-vs-features");
  EXPECT_EQ(specification.at("features"), (std::vector<int>{3, 16, 50}));
  EXPECT_EQ(specification.at("replicates"), 19);
  EXPECT_EQ(specification.at("queries"), 11);
  EXPECT_EQ(specification.at("precision"), "float");
  EXPECT_EQ(specification.at("against"), "target");
  EXPECT_EQ(specification.at("data").size(), 2U);
  EXPECT_THAT(specification.at("heads").at(1).get<std::string>(),
              ::testing::ContainsRegex("^[^ ]+ [(]mask causal, scale [0-9.]+, fnv1a64:[0-9a-f]{16}[)]$"));
  EXPECT_EQ(specification.at("estimators").size(), 7U);
}

// mse ∝ 1/m and the relative error ∝ m^(-1/2) once m ≫ exp(|q+k|²). At norm 0.5 a feature has relative
// variance about e^0.5 − 1, so that the next order moves the error by under 1 % at m = 64. The points share
// their draws; |Σ wᵢ eᵢ| ≤ Σ |wᵢ||eᵢ| bounds the error of the slope whatever their correlation.
TEST_F(GapRun, TheGapFallsLikeTheRootOfTheNumberOfFeatures) {
  results("run", {"--data", "synthetic:gaussian,length=64,dim=8,norm=0.5", "--estimators", "performer", "rfa",
                  "--features", "64,256,1024", "--replicates", "200"});
  for (const std::string estimator : {"performer", "rfa"}) {
    std::vector<double> x, y, error;
    for (const ResultRow& row : rows("run")) {
      if (row.estimator != estimator || row.metric != "median_relative_error") continue;
      x.push_back(std::log(static_cast<double>(row.draws)));
      y.push_back(std::log(row.value));
      error.push_back(row.std_error / row.value);
    }
    ASSERT_EQ(x.size(), 3U);
    const double span = x[2] - x[0];  // equally spaced: the least-squares slope is that of the ends
    const double slope = (y[2] - y[0]) / span;
    const double allowed = testing::z_limit() * (error[0] + error[2]) / span + 0.01 / span;
    EXPECT_NEAR(slope, -0.5, allowed) << estimator;
    EXPECT_LT(allowed, 0.25) << "a slope of -1/4 or -3/4 would pass";
  }
}

}  // namespace
}  // namespace attngap
