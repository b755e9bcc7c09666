// Long work seen from outside: attngap status while a run writes, and the log.

#include "experiments/writer_lock.hpp"
#include "gap_run_support.hpp"

#include <csignal>
#include <sstream>

#include <nlohmann/json.hpp>

namespace attngap {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::Finished;
using testing::GapRunTest;
using ::testing::HasSubstr;
using testing::read_text;
using testing::run_program;
using testing::RunningProgram;

using Words = std::vector<std::string>;
using Json = nlohmann::json;

// Sixteen blocks a head, some tens of milliseconds each.
const Words kLong{"--data",       "synthetic:gaussian,length=400,dim=16",
                  "--data",       "synthetic:gaussian,length=200,dim=16",
                  "--estimators", "performer",
                  "rmfa",         "--features",
                  "16,2048",      "--replicates",
                  "48",           "--no-predictions"};
const Words kShort{
    "--data", "synthetic:gaussian,length=37,dim=5", "--estimators", "rfa", "--features", "3", "--replicates",
    "3"};

Words with(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

class WatchRun : public GapRunTest {
 protected:
  Json status(const std::string& name) const {
    const Finished finished = run_program({"status", place(name).string(), "--json"});
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    return Json::parse(finished.out, nullptr, false);
  }

  // The lines of a log, each whole.
  std::vector<Json> log(const std::string& name) const {
    std::istringstream text(read_text(place(name)));
    std::vector<Json> lines;
    for (std::string line; std::getline(text, line);) {
      lines.push_back(Json::parse(line, nullptr, false));
      EXPECT_TRUE(lines.back().is_object()) << line;
    }
    return lines;
  }
  static std::vector<std::string> events(const std::vector<Json>& lines) {
    std::vector<std::string> names;
    for (const Json& line : lines) names.push_back(line.at("event").get<std::string>());
    return names;
  }
};

TEST_F(WatchRun, StatusFollowsALiveRunAKilledOneAndAFinishedOne) {
  {
    RunningProgram program(command("run", kLong), no_gnuplot());
    ASSERT_TRUE(wait_for_blocks(program, "run", 2));
    const Json live = status("run");
    EXPECT_EQ(live.at("state"), "running");
    EXPECT_EQ(live.at("experiment"), "gap-vs-features");
    EXPECT_EQ(live.at("cells"), 2);
    EXPECT_EQ(live.at("replicates"), 96);
    EXPECT_GE(live.at("replicates_done"), 6);
    EXPECT_LT(live.at("replicates_done"), 96);
    EXPECT_GT(live.at("replicates_per_second"), 0.0);
    EXPECT_GT(live.at("seconds_left"), 0.0);
    EXPECT_TRUE(WriterLock::held(place("run")));
    program.send(SIGKILL);
    ASSERT_EQ(program.wait().signal, SIGKILL);
  }
  const Json killed = status("run");
  EXPECT_EQ(killed.at("state"), "stopped");
  EXPECT_LT(killed.at("replicates_done"), 96);
  EXPECT_FALSE(WriterLock::held(place("run")));
  results("run", kLong);
  const Json finished = status("run");
  EXPECT_EQ(finished.at("state"), "finished");
  EXPECT_EQ(finished.at("cells_done"), 2);
  EXPECT_EQ(finished.at("replicates_done"), 96);
  EXPECT_EQ(finished.at("seconds_left"), 0.0);
  EXPECT_GT(finished.at("elapsed_seconds"), killed.at("elapsed_seconds"));
  const Finished words = run_program({"status", place("run").string()});
  EXPECT_THAT(words.out, AllOf(HasSubstr("state        finished\n"), HasSubstr("cells        2 of 2\n"),
                               HasSubstr("replicates   96 of 96 (100 %)\n")));
}

TEST_F(WatchRun, StatusKnowsAPartAndAPlan) {
  results("plan", {"--data", "synthetic:gaussian,length=37,dim=5", "--estimators", "rfa", "--features", "3",
                   "--target-rse", "0.2"});
  const Json plan = status("plan");
  EXPECT_EQ(plan.at("replicates"), plan.at("replicates_done"));
  EXPECT_EQ(plan.at("state"), "finished");
  ASSERT_EQ(run_program(command("part", with(kLong, {"--shard", "2/5"})), no_gnuplot()).exit_code, 0);
  const Json part = status("part");
  EXPECT_EQ(part.at("shard"), "2/5");
  EXPECT_EQ(part.at("state"), "finished");
  EXPECT_EQ(part.at("replicates_done"), 7 * 3);  // of 32 blocks the 2nd, 7th, …, 32nd
  EXPECT_EQ(run_program({"status", place("nowhere").string()}).exit_code, 2);
}

TEST_F(WatchRun, TheLogTellsEverythingOnceAndChangesNothing) {
  const std::string bare = results("bare", kShort);
  const std::string file = place("log").string();
  EXPECT_EQ(results("run", with(kShort, {"--log", file, "--threads", "1"})), bare);
  const auto lines = log("log");
  EXPECT_THAT(events(lines), ElementsAre("run-started", "cell-started", "block-committed", "block-committed",
                                         "block-committed", "cell-finished", "finished"));
  EXPECT_EQ(lines[0].at("specification").at("experiment"), "gap-vs-features");
  EXPECT_TRUE(lines[0].at("version").is_string());
  EXPECT_EQ(lines[2].at("replicates"), 1);
  EXPECT_GE(lines[2].at("seconds"), 0.0);
  EXPECT_EQ(lines[5].at("name"), "gaussian_dim5_length37");
  for (const Json& line : lines)
    EXPECT_THAT(line.at("time").get<std::string>(), ::testing::ContainsRegex("^20..-..-..T..:..:..\\....Z$"));
  // Appended: nothing was left to draw.
  EXPECT_EQ(results("run", with(kShort, {"--log", file})), bare);
  const auto more = log("log");
  ASSERT_EQ(more.size(), lines.size() + 2);
  EXPECT_EQ(more[lines.size()].at("event"), "run-started");
  EXPECT_EQ(more.back().at("event"), "finished");
}

TEST_F(WatchRun, TheLogSaysHowItEnded) {
  const std::string file = place("log").string();
  RunningProgram program(command("run", with(kLong, {"--log", file})), no_gnuplot());
  ASSERT_TRUE(wait_for_blocks(program, "run", 1));
  program.send(SIGINT);
  EXPECT_EQ(program.wait().exit_code, 3);
  EXPECT_EQ(events(log("log")).back(), "interrupted");
  const Finished refused =
      run_program(command("run", with(kLong, {"--log", file, "--seed", "2"})), no_gnuplot());
  EXPECT_EQ(refused.exit_code, 2);
  const Json last = log("log").back();
  EXPECT_EQ(last.at("event"), "error");
  EXPECT_THAT(last.at("message").get<std::string>(), HasSubstr("another specification"));
  const Finished unwritable = run_program(command("new", with(kShort, {"--log", "/proc/log"})), no_gnuplot());
  EXPECT_EQ(unwritable.exit_code, 2);
  EXPECT_THAT(unwritable.err, HasSubstr("--log /proc/log: cannot be written"));
  EXPECT_FALSE(std::filesystem::exists(place("new")));
}

}  // namespace
}  // namespace attngap
