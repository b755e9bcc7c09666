// A run in parts, drawn anywhere and joined: the bytes of one process, and nothing else.

#include "experiments/shard.hpp"

#include "command_line_support.hpp"
#include "experiments/run_store.hpp"

#include <csignal>

#include <SQLiteCpp/SQLiteCpp.h>

namespace attngap {
namespace {

using ::testing::HasSubstr;
using namespace testing;

namespace fs = std::filesystem;

// Two heads, and replicates that do not divide into equal blocks.
const Words kRun{"run",          "gap-vs-features",
                 "--data",       "synthetic:gaussian,length=37,dim=5,value-dim=2",
                 "--data",       "synthetic:clustered,length=29,dim=7,value-dim=3,mask=causal",
                 "--estimators", "performer",
                 "rmfa",         "--features",
                 "3,16",         "--replicates",
                 "19",           "--queries",
                 "11",           "--formats",
                 "none",         "--quiet"};

class ShardTest : public CommandLineTest {
 protected:
  void draw(const Words& run, const std::string& place, const Words& more = {}) const {
    const Finished finished = attngap(with(with(run, {"--out", place}), more));
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
  }
  std::string results(const std::string& place) const { return read_text(path(place) + "/results.csv"); }

  // Draws all parts of n into NAME1 … NAMEn.
  void draw_parts(const Words& run, const std::string& name, int n) const {
    for (int part = 1; part <= n; ++part)
      draw(run, name + std::to_string(part), {"--shard", fmt::format("{}/{}", part, n)});
  }
  std::string merged(const Words& parts, const std::string& place) const {
    const Finished finished = attngap(with({"merge", "--out", place, "--formats", "none", "--quiet"}, parts));
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    return results(place);
  }
};

TEST_F(ShardTest, PartsMergedInAnyOrderAreTheBytesOfOneProcess) {
  draw(kRun, "whole");
  draw_parts(kRun, "part", 3);
  const auto before = files_below(directory_.path());
  EXPECT_FALSE(fs::exists(path("part1/results.csv")));
  EXPECT_EQ(merged({"part1", "part2", "part3"}, "a"), results("whole"));
  EXPECT_EQ(merged({"part3", "part1", "part2"}, "b"), results("whole"));
  EXPECT_EQ(read_text(path("a/run.json")), read_text(path("whole/run.json")));
  // The run that came of it is a run like any other, and the parts are as they were.
  draw(kRun, "a", {"--threads", "1"});
  EXPECT_EQ(results("a"), results("whole"));
  for (const auto& [name, bytes] : before)
    if (!fs::is_directory(path(name))) {
      EXPECT_TRUE(read_text(path(name)) == bytes) << name;
    }
  draw(kRun, "seed", {"--seed", "2"});
  EXPECT_NE(results("seed"), results("whole")) << "the comparison sees nothing";
}

TEST_F(ShardTest, EveryBlockIsOfExactlyOnePart) {
  draw_parts(kRun, "part", 4);
  std::map<std::pair<std::int64_t, std::int64_t>, int> owners;
  for (const std::string part : {"part1", "part2", "part3", "part4"}) {
    const auto blocks = RunStore::open_existing(path(part)).blocks();
    EXPECT_EQ(blocks.size(), 8U) << part;
    for (const auto& block : blocks) ++owners[block];
  }
  EXPECT_EQ(owners.size(), 32U);  // two cells of sixteen
}

TEST_F(ShardTest, AnExperimentWithoutHeadsAndOneWithoutDrawsHaveParts) {
  const Words pairs{"run",
                    "kernel-variance",
                    "--estimators",
                    "performer",
                    "--norms",
                    "1",
                    "--cosines=0,1",
                    "--dims",
                    "5",
                    "--map",
                    "2",
                    "--features",
                    "1,4",
                    "--quiet",
                    "--formats",
                    "none",
                    "--replicates",
                    "50"};
  const Words truncation{"run",       "taylor-truncation",
                         "--data",    "synthetic:gaussian,length=19,dim=5",
                         "--radii",   "1,2",
                         "--degrees", "1,2",
                         "--quiet",   "--formats",
                         "none"};
  int count = 0;
  for (const Words& run : {pairs, truncation}) {
    const std::string name = "run" + std::to_string(++count);
    draw(run, name);
    draw_parts(run, name + "part", 2);
    EXPECT_EQ(merged({name + "part2", name + "part1"}, name + "merged"), results(name));
  }
}

TEST_F(ShardTest, APartThatIsNotCompleteIsRefusedAndResumes) {
  draw(kRun, "whole");
  draw_parts(kRun, "part", 2);
  {
    SQLite::Database database(path("part2/run.sqlite"), SQLite::OPEN_READWRITE);
    database.exec("PRAGMA foreign_keys = ON");
    database.exec("DELETE FROM block WHERE cell = 1 AND block > 10");
  }
  expect_refused({"merge", "--out", "merged", "part1", "part2"},
                 {"part2", "part 2/2 is not complete", "3 of 16 blocks", "block 11 of cell 1", "resume"});
  draw(kRun, "part2", {"--shard", "2/2"});
  EXPECT_EQ(merged({"part1", "part2"}, "merged"), results("whole"));
}

TEST_F(ShardTest, PartsThatDoNotMakeOneRunAreRefused) {
  draw_parts(kRun, "part", 2);
  draw(kRun, "third", {"--shard", "1/3"});
  draw(kRun, "again", {"--shard", "2/2"});
  draw(kRun, "foreign", {"--shard", "2/2", "--seed", "2"});
  draw(kRun, "whole");
  const auto merge = [](const Words& parts) { return with({"merge", "--out", "merged"}, parts); };
  expect_refused(merge({"part1"}), {"parts are missing: 2/2"});
  expect_refused(merge({"part1", "part2", "again"}), {"part2", "again", "both are part 2/2"});
  expect_refused(merge({"part2", "part2"}), {"both are part 2/2"});
  expect_refused(merge({"part1", "foreign"}), {"foreign", "another run", "--seed is 1 there, 2 here"});
  expect_refused(merge({"part1", "third"}), {"third", "part of 3", "of 2"});
  expect_refused(merge({"part1", "whole"}), {"whole", "no part of one"});
  expect_refused(merge({"part1", "nowhere"}), {"nowhere", "there is no run here"});
  expect_refused(merge({}), {"which parts?"});
  expect_refused({"merge", "part1", "part2"}, {"--out is missing"});
  // Into something else, and the other way round.
  expect_refused({"merge", "--out", "part1", "part1", "part2"},
                 {"part1", "--shard is 1/2 there, not set here"});
  expect_refused(with(kRun, {"--out", "part1"}), {"--shard is 1/2 there, not set here"});
  expect_refused(with(kRun, {"--out", "part1", "--shard", "2/2"}), {"--shard is 1/2 there, 2/2 here"});
  expect_refused(with(kRun, {"--out", "whole", "--shard", "2/2"}), {"--shard is not set there, 2/2 here"});
}

TEST_F(ShardTest, ABlockOfAnotherPartIsDamage) {
  draw_parts(kRun, "part", 2);
  SQLite::Database(path("part1/run.sqlite"), SQLite::OPEN_READWRITE)
      .exec("INSERT INTO block VALUES (0, 1, 0.5)");
  expect_refused({"merge", "--out", "merged", "part1", "part2"}, {"part1", "not of part 1/2", "damaged"});
}

TEST_F(ShardTest, HeadsThatChangedSinceTheyWereDrawnAreRefused) {
  auto arrays = head();
  const Words run = CommandLineTest::run("head.npz", {"--quiet", "--formats", "none"});
  Words without_out;
  for (std::size_t i = 0; i < run.size(); ++i)
    if (run[i] != "--out" && (i == 0 || run[i - 1] != "--out")) without_out.push_back(run[i]);
  write_npz(path("head.npz"), arrays);
  draw(without_out, "whole");
  draw_parts(without_out, "part", 2);
  arrays["v"].values[3] += 1.0;
  write_npz(path("head.npz"), arrays);
  expect_refused({"merge", "--out", "merged", "part1", "part2"}, {"not those of the parts any more", "head"});
  arrays["v"].values[3] = head()["v"].values[3];
  write_npz(path("head.npz"), arrays);
  EXPECT_EQ(merged({"part1", "part2"}, "merged"), results("whole"));
}

TEST_F(ShardTest, WhatIsNoPartIsRefused) {
  for (const std::string text : {"0/2", "3/2", "1", "1/0", "a/b", "1/2/3", "-1/2"})
    expect_refused(with(kRun, {"--out", "out", "--shard=" + text}), {"--shard"});
}

// A merge that fails half way, here for damaged statistics, leaves nothing.
TEST_F(ShardTest, AMergeThatFailsLeavesNothing) {
  draw_parts(kRun, "part", 2);
  SQLite::Database(path("part2/run.sqlite"), SQLite::OPEN_READWRITE)
      .exec("UPDATE series SET numbers = x'0000000000000000' WHERE cell = 1 AND block = 15");
  expect_refused({"merge", "--out", "merged", "part1", "part2"}, {"damaged"});
}

}  // namespace
}  // namespace attngap
