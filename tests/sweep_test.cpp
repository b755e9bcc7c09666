// A sweep in a file: its lists, the order of its cells, and what it would cost.

#include "command_line_support.hpp"
#include "experiments/calibration.hpp"

#include <nlohmann/json.hpp>

namespace attngap {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace testing;

class Sweep : public CommandLineTest {
 protected:
  void write_sweep(const std::string& features) const {
    write_text(path("sweep.ini"),
               "data = synthetic:gaussian,length=23,dim=5\n"
               "data = synthetic:gaussian,length=19,dim=7\n"
               "data = synthetic:clustered,length=21,dim=5\n"
               "estimators = rfa performer:projection=orthogonal\n"
               "estimators = rmfa\n"
               "features = " +
                   features +
                   "\n"
                   "replicates = 5\n"
                   "formats = none\n"
                   "quiet = true\n");
  }
};

TEST_F(Sweep, ListsInAFileAreThoseOfTheCommandLineInTheirOrder) {
  ASSERT_EQ(attngap({"run",
                     "gap-vs-features",
                     "--data",
                     "synthetic:gaussian,length=23,dim=5",
                     "--data",
                     "synthetic:gaussian,length=19,dim=7",
                     "--data",
                     "synthetic:clustered,length=21,dim=5",
                     "--estimators",
                     "rfa",
                     "performer:projection=orthogonal",
                     "rmfa",
                     "--features",
                     "3,8,12",
                     "--replicates",
                     "5",
                     "--formats",
                     "none",
                     "--quiet",
                     "--out",
                     "words"})
                .exit_code,
            0);
  const std::string expected = read_text(path("words/results.csv"));
  EXPECT_LT(expected.find(",gaussian_dim5_length23,"), expected.find(",gaussian_dim7_length19,"));
  EXPECT_LT(expected.find(",gaussian_dim7_length19,"), expected.find(",clustered_"));
  int count = 0;
  for (const std::string features : {"3,8,12", "3 8 12", "3, 8 12"}) {
    write_sweep(features);
    const std::string out = "file" + std::to_string(++count);
    const Finished finished = attngap({"run", "gap-vs-features", "--config", "sweep.ini", "--out", out});
    ASSERT_EQ(finished.exit_code, 0) << finished.err;
    EXPECT_EQ(read_text(path(out + "/results.csv")), expected) << features;
  }
  write_sweep("3,,8");
  expect_refused({"run", "gap-vs-features", "--config", "sweep.ini", "--out", "out"}, {"--features"});
}

TEST_F(Sweep, ADryRunSaysWhatWouldBeDoneAndWritesNothing) {
  write_sweep("3 8");
  const auto before = files_below(directory_.path());
  const Finished words =
      attngap({"run", "gap-vs-features", "--config", "sweep.ini", "--dry-run", "--threads", "2"});
  ASSERT_EQ(words.exit_code, 0) << words.err;
  EXPECT_LT(words.out.find("     0  gaussian_dim5_length23 "),
            words.out.find("     1  gaussian_dim7_length19 "));
  EXPECT_THAT(words.out, HasSubstr("     2  clustered_"));
  EXPECT_THAT(words.out, HasSubstr("3 cells of 5 replicates on 2 threads: about "));
  EXPECT_THAT(words.out, HasSubstr("by trying 3 of them\n"));
  const Finished json =
      attngap({"run", "gap-vs-features", "--config", "sweep.ini", "--dry-run", "--json", "--out", "out",
               "--target-rse", "0.1", "--max-replicates", "64", "--replicates=5"});
  EXPECT_EQ(json.exit_code, 2);  // the goal and the file's replicates exclude each other
  for (const Words& run :
       {Words{"gap-vs-features", "--data", kEasy, "--estimators", "rfa", "--features", "3", "--target-rse",
              "0.1"},
        {"control-variates", "--data", kEasy, "--estimators", "performer", "--features", "4", "--queries",
         "2"},
        {"kernel-variance", "--estimators", "performer", "--dims", "5", "--map", "2", "--features", "1,4"},
        {"taylor-truncation"}}) {
    const Finished finished = attngap(with(with({"run"}, run), {"--dry-run", "--json", "--out", "out"}));
    ASSERT_EQ(finished.exit_code, 0) << finished.err;
    const auto read = nlohmann::json::parse(finished.out, nullptr, false);
    EXPECT_GE(read.at("cells").size(), 1U);
    EXPECT_GT(read.at("seconds"), 0.0);
    EXPECT_GT(read.at("bytes"), 1e6);
  }
  EXPECT_EQ(changed_files(before, files_below(directory_.path())), "");
  // What a run would refuse, a dry run does.
  expect_refused({"run", "gap-vs-features", "--config", "sweep.ini", "--dry-run", "--data", "nowhere.npz"},
                 {"nowhere.npz"});
}

TEST(RunCost, AddsUpBlocksByRoundsOfThreads) {
  RunSpec spec;
  spec.data = {"a", "b"};
  spec.replicates = 32;  // 16 blocks of 2
  CellCost cell;
  cell.prepare_seconds = 100.0;
  cell.block_seconds = 1.0;
  cell.replicate_seconds = 10.0;
  cell.rows_seconds = 1000.0;
  cell.cell_bytes = 5.0;
  cell.thread_bytes = 2.0;
  RunCost run{{cell, cell}, 1.0};
  run.cells[1].cell = 1;
  EXPECT_EQ(run.seconds(spec, {}, 1), 2 * (1100.0 + 16 * 21.0));
  EXPECT_EQ(run.seconds(spec, {}, 16), 2 * (1100.0 + 21.0));
  EXPECT_EQ(run.seconds(spec, {}, 3), 2 * (1100.0 + 6 * 21.0));     // five rounds and one of a single block
  EXPECT_EQ(run.seconds(spec, {2, 2}, 1), 2 * (100.0 + 8 * 21.0));  // rows are the merge's
  EXPECT_EQ(run.bytes(3), 1.0 + 5.0 + 3 * 2.0);
  EXPECT_EQ(run.bytes(64), 1.0 + 5.0 + 16 * 2.0);
}

}  // namespace
}  // namespace attngap
