// A run on several processes: the bytes of one, whoever dies.

#include "command_line_support.hpp"
#include "experiments/run_store.hpp"

#include <csignal>
#include <thread>

namespace attngap {
namespace {

using ::testing::HasSubstr;
using namespace testing;

namespace fs = std::filesystem;

const Words kRun{"run",          "gap-vs-features",
                 "--data",       "synthetic:gaussian,length=37,dim=5,value-dim=2",
                 "--data",       "synthetic:clustered,length=29,dim=7,value-dim=3,mask=causal",
                 "--data",       "synthetic:gaussian,length=41,dim=3",
                 "--estimators", "performer",
                 "rmfa",         "--features",
                 "3,16",         "--replicates",
                 "19",           "--queries",
                 "11",           "--formats",
                 "none",         "--quiet"};

#ifndef ATTNGAP_MPIRUN

using MpiTest = CommandLineTest;

TEST_F(MpiTest, IsRefusedWhereItWasNotBuilt) {
  expect_refused(with(kRun, {"--out", "out", "--mpi"}), {"--mpi", "built without MPI", "--shard"});
}

#else

class MpiTest : public CommandLineTest {
 protected:
  static ProgramSetup mpirun(const fs::path& directory) {
    ProgramSetup setup;
    setup.program = ATTNGAP_MPIRUN;
    setup.directory = directory;
    setup.environment = {
        {"OMPI_ALLOW_RUN_AS_ROOT", "1"},
        {"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"},
        {"OMPI_MCA_btl", "^tcp"},  // all ranks are here, and a network that is none would be complained of
        {"OMPI_MCA_odls_base_sigkill_timeout", "0"}};  // or mpirun waits two seconds for itself
    return setup;
  }

  // mpirun's words for one run, or for ranks with words of their own.
  static Words ranks(int count, const Words& run) {
    return with({"-n", std::to_string(count), "--oversubscribe", ATTNGAP_EXECUTABLE},
                with(run, {"--mpi", "--threads", "1"}));
  }
  Finished on_ranks(const Words& words) const { return run_program(words, mpirun(directory_.path())); }

  std::string results(const std::string& place) const { return read_text(path(place) + "/results.csv"); }

  void draw(const Words& run, const std::string& place) const {
    const Finished finished = attngap(with(run, {"--out", place}));
    ASSERT_EQ(finished.exit_code, 0) << finished.err;
  }

  std::size_t blocks(const std::string& place) const {
    try {
      return RunStore::open_existing(path(place)).blocks().size();
    } catch (const BadInput&) {
      return 0;  // not made yet
    }
  }

  static constexpr std::chrono::milliseconds kNap{2};

  // The process of a rank, by the variable Open MPI gives them.
  static pid_t process_of(int rank, const std::string& out) {
    for (const auto& entry : fs::directory_iterator("/proc")) {
      const std::string name = entry.path().filename().string();
      if (name.find_first_not_of("0123456789") != std::string::npos) continue;
      const std::string command = read_text(entry.path() / "cmdline");
      const std::string environment = read_text(entry.path() / "environ");
      const std::string variable = "OMPI_COMM_WORLD_RANK=" + std::to_string(rank);
      if (command.starts_with(ATTNGAP_EXECUTABLE) && command.find(out) != std::string::npos &&
          environment.find(std::string(1, '\0') + variable + std::string(1, '\0')) != std::string::npos)
        return std::stoi(name);
    }
    return -1;
  }

  static std::ptrdiff_t complaints(const std::string& text) {
    std::ptrdiff_t count = 0;
    for (std::size_t at = text.find("attngap: "); at != std::string::npos;
         at = text.find("attngap: ", at + 1))
      ++count;
    return count;
  }
};

TEST_F(MpiTest, OneTwoAndFourRanksGiveTheBytesOfOneProcess) {
  draw(kRun, "alone");
  for (const int count : {1, 2, 4}) {
    const std::string place = "ranks" + std::to_string(count);
    const Finished finished = on_ranks(ranks(count, with(kRun, {"--out", place, "--log", place + ".log"})));
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    EXPECT_EQ(finished.out + finished.err, "");
    EXPECT_EQ(results(place), results("alone")) << count;
    EXPECT_THAT(read_text(path(place + ".log")), HasSubstr(fmt::format("\"processes\":{}", count)));
  }
}

TEST_F(MpiTest, APlannedRunIsTheSameOnRanks) {
  Words run = kRun;
  std::replace(run.begin(), run.end(), std::string("--replicates"), std::string("--max-replicates"));
  std::replace(run.begin(), run.end(), std::string("19"), std::string("100"));
  run = with(run, {"--target-rse", "0.1"});
  draw(run, "alone");
  EXPECT_EQ(on_ranks(ranks(3, with(run, {"--out", "ranks"}))).exit_code, 0);
  EXPECT_EQ(results("ranks"), results("alone"));
}

// Long enough to be killed in the middle.
TEST_F(MpiTest, ARankThatIsKilledCostsItsBlocksAndTheRunResumes) {
  const Words run{"run",
                  "gap-vs-features",
                  "--data",
                  "synthetic:gaussian,length=400,dim=16",
                  "--data",
                  "synthetic:gaussian,length=300,dim=16",
                  "--estimators",
                  "performer",
                  "rmfa",
                  "--features",
                  "16,512",
                  "--replicates",
                  "64",
                  "--formats",
                  "none",
                  "--quiet",
                  "--no-predictions"};
  draw(run, "whole");
  {
    RunningProgram program(ranks(2, with(run, {"--out", "killed"})), mpirun(directory_.path()));
    pid_t process = -1;
    while (program.running() && process < 0) process = process_of(1, "killed");
    while (program.running() && blocks("killed") < 3) std::this_thread::sleep_for(kNap);
    ASSERT_TRUE(program.running()) << "it ended before it could be killed";
    ASSERT_EQ(::kill(process, SIGKILL), 0);
    EXPECT_NE(program.wait().exit_code, 0);
  }
  EXPECT_GE(blocks("killed"), 3U);
  EXPECT_LT(blocks("killed"), 32U);
  EXPECT_FALSE(fs::exists(path("killed/results.csv")));
  const Finished finished = on_ranks(ranks(2, with(run, {"--out", "killed"})));
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_EQ(results("killed"), results("whole"));
}

TEST_F(MpiTest, BadInputOnAnyRankIsSaidOnceAndEndsAllWithExitCode2) {
  struct Case {
    Words words;
    std::string said;
  };
  const Words run = with(kRun, {"--out", "out"});
  const auto two = [&](const Words& first, const Words& second) {
    return with(ranks(1, first), with({":"}, ranks(1, second)));
  };
  for (const Case& bad :
       {Case{ranks(2, with(run, {"--seed", "x"})), "--seed"},
        Case{two(run, with(run, {"--data", "nowhere.npz"})), "rank 1: data \"nowhere.npz\""},
        Case{two(run, with(run, {"--seed", "2"})), "rank 1 was told to run something else"}}) {
    const Finished finished = on_ranks(bad.words);
    EXPECT_EQ(finished.exit_code, 2) << finished.err;
    EXPECT_THAT(finished.err, HasSubstr("attngap: " + bad.said));
    EXPECT_EQ(complaints(finished.err), 1) << finished.err;
    EXPECT_FALSE(fs::exists(path("out")));
  }
}

#endif

}  // namespace
}  // namespace attngap
