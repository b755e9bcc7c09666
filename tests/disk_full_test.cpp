// No room and no right to write: one sentence, exit code 2, nothing half-written, and a run that goes on once
// there is room.

#include "command_line_support.hpp"
#include "experiments/run_store.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

namespace attngap {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using namespace testing;

namespace fs = std::filesystem;

const Words kRun{"run",          "gap-vs-features", "--data", "synthetic:gaussian,length=200,dim=16",
                 "--estimators", "performer",       "rfa",    "--features",
                 "16,64",        "--replicates",    "48",     "--formats",
                 "svg",          "--quiet"};

// A file system of one megabyte, seen by this process and its children alone, so that it goes with them. Root
// may mount one; anybody else may in a user namespace, where the kernel allows those.
bool mount_small_disk(const std::string& place) {
  const bool root = geteuid() == 0;
  const auto user = fmt::format("{0} {0} 1", geteuid());
  const auto group = fmt::format("{0} {0} 1", getegid());
  if (unshare(CLONE_NEWNS | (root ? 0 : CLONE_NEWUSER)) != 0) return false;
  if (!root) {
    write_text("/proc/self/setgroups", "deny");
    write_text("/proc/self/uid_map", user);
    write_text("/proc/self/gid_map", group);
  }
  // Without this a mount of ours would spread to everybody's tree.
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
  return mount("tmpfs", place.c_str(), "tmpfs", 0, "size=1m") == 0;
}

class DiskFull : public CommandLineTest {
 protected:
  std::string expect_no_room(const Words& words, const ProgramSetup& setup = {}) const {
    const Finished finished = attngap(words, setup);
    EXPECT_EQ(finished.exit_code, 2) << finished.signal << finished.err;
    EXPECT_EQ(std::count(finished.err.begin(), finished.err.end(), '\n'), 1) << finished.err;
    EXPECT_THAT(finished.err, HasSubstr("free space"));
    return finished.err;
  }

  std::string whole_run(const std::string& name) const {
    const Finished finished = attngap(with(kRun, {"--out", name}));
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    return read_text(path(name + "/results.csv"));
  }

  // A file size limit is a full disk to whoever writes past it: a short write, then EFBIG.
  static ProgramSetup limited(std::uintmax_t bytes) {
    ProgramSetup setup;
    setup.file_size_limit = bytes;
    return setup;
  }
};

TEST_F(DiskFull, ARunWithoutRoomToBeginLeavesNothing) {
  for (const std::uintmax_t bytes : {500U, 5000U, 20000U}) {
    expect_no_room(with(kRun, {"--out", "a/b/c"}), limited(bytes));
    EXPECT_FALSE(fs::exists(path("a"))) << bytes;
  }
  fs::create_directories(path("a/b"));
  write_text(path("a/b/notes"), "mine");
  expect_no_room(with(kRun, {"--out", "a/b"}), limited(5000));
  EXPECT_EQ(files_below(path("a")).size(), 2U);
}

TEST_F(DiskFull, ARunThatLosesItsRoomGoesOnOnceThereIsSome) {
  const std::string whole = whole_run("whole");
  std::size_t stopped_midway = 0;
  for (const std::uintmax_t bytes : {150'000U, 500'000U, 900'000U, 1'500'000U, 2'500'000U}) {
    const std::string name = std::to_string(bytes);
    const std::string said = expect_no_room(with(kRun, {"--out", name}), limited(bytes));
    EXPECT_FALSE(fs::exists(path(name + "/results.csv")));
    if (!fs::exists(path(name))) continue;
    const std::size_t blocks = RunStore::open_existing(path(name)).finished_blocks(0).size();
    stopped_midway += blocks > 0 && blocks < 16 ? 1 : 0;
    // 16 blocks of four series, a page of 32 KiB each, and four megabytes of log.
    if (blocks > 0 && blocks < 16) {
      EXPECT_THAT(said, HasSubstr("a head takes about 7 MB there")) << bytes;
    }
    EXPECT_TRUE(whole_run(name) == whole) << bytes;
  }
  EXPECT_GE(stopped_midway, 1U) << "no limit struck in the middle";
}

TEST_F(DiskFull, AFullFileSystemIsSaidAndTheRunGoesOn) {
  const std::string whole = whole_run("whole");
  fs::create_directory(path("disk"));
  if (!mount_small_disk(path("disk"))) {
    // The tests above fill a disk by another means; here is only what they cannot show.
    std::printf("no right to mount a file system (%s): a device that is always full instead\n",
                std::strerror(errno));
    ProgramSetup setup;
    setup.standard_output = "/dev/full";
    expect_no_room({"export", "whole"}, setup);
    return;
  }
  // Room for some blocks.
  const std::string ballast(400'000, 'x');
  write_text(path("disk/ballast"), ballast);
  expect_no_room(with(kRun, {"--out", "disk/run"}));
  EXPECT_FALSE(fs::exists(path("disk/run/results.csv")));
  expect_no_room(with(kRun, {"--out", "disk/run"}));  // once more, with no more room than before
  fs::remove(path("disk/ballast"));
  const Finished still = attngap(with(kRun, {"--out", "disk/run", "--threads", "1"}));
  if (still.exit_code != 0) {
    EXPECT_THAT(still.err, HasSubstr("free space"));
    ASSERT_EQ(mount("tmpfs", path("disk").c_str(), "tmpfs", MS_REMOUNT, "size=8m"), 0)
        << std::strerror(errno);
  }
  EXPECT_TRUE(whole_run("disk/run") == whole);

  // No room at all: what there is stays as it is.
  for (std::size_t size = 1 << 20; size > 0; size /= 2) {
    const int file = ::open(path("disk/ballast").c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    while (::write(file, ballast.data(), std::min(size, ballast.size())) > 0) {
    }
    ::close(file);
  }
  const auto before = files_below(path("disk"));
  expect_no_room({"export", "disk/run", "--out", "disk/copy.csv"});
  expect_no_room({"plot", "disk/run"});
  EXPECT_EQ(attngap({"attention", "--data", kEasy, "--out", "disk/o.npz"}).exit_code, 2);
  EXPECT_EQ(attngap(with(kRun, {"--out", "disk/more"})).exit_code, 2);
  EXPECT_EQ(changed_files(before, files_below(path("disk"))), "");
  EXPECT_EQ(umount2(path("disk").c_str(), MNT_DETACH), 0);
}

TEST_F(DiskFull, FilesThatCannotBeWrittenWholeAreNotWritten) {
  whole_run("run");
  const auto before = files_below(directory_.path());
  expect_no_room({"export", "run", "--out", "copy.csv"}, limited(2000));
  const Finished attention = attngap({"attention", "--data", kEasy, "--out", "o.npz"}, limited(300));
  EXPECT_EQ(attention.exit_code, 2) << attention.err;
  EXPECT_THAT(attention.err, AllOf(HasSubstr("o.npz"), HasSubstr("choose another place")));
  expect_no_room({"plot", "run"}, limited(300));
  EXPECT_EQ(changed_files(before, files_below(directory_.path())), "");
}

TEST_F(DiskFull, StandardOutputThatIsFullIsNotSuccess) {
  whole_run("run");
  ProgramSetup full;
  full.standard_output = "/dev/full";
  for (const Words& words :
       {Words{"export", "run"}, {"--version"}, {"list"}, {"data", kEasy}, {"run", "--help"}})
    expect_no_room(words, full);
}

TEST_F(DiskFull, APlaceThatCannotBeWrittenIsRefused) {
  write_text(path("file"), "mine");
  for (const std::string place : {"file", "file/run", "/proc/attngap-run", "/dev/null/run"})
    expect_refused(with(kRun, {"--out", place}), {place, "choose a directory you may write to"});
  expect_refused({"attention", "--data", kEasy, "--out", "no/such/o.npz"},
                 {"no/such/o.npz", "choose another place"});
  expect_refused({"attention", "--data", kEasy, "--out", "."}, {"is not a file"});
  expect_refused({"attention", "--data", kEasy, "--out", "/dev/full"}, {"/dev/full", "is not a file"});
  whole_run("run");
  expect_refused({"export", "run", "--out", "no/such/rows.csv"}, {"no/such/rows.csv", "another place"});
  expect_refused({"export", "run", "--out", "file/rows.csv"}, {"file/rows.csv", "another place"});
}

TEST_F(DiskFull, ADirectoryOfSomethingElseIsRefusedAndUntouched) {
  whole_run("run");
  struct Change {
    Words words;
    std::string said;
  };
  for (const Change& change :
       {Change{{"--seed", "2"}, "--seed is 1 there, 2 here"},
        {{"--precision", "float"}, "--precision is double there, float here"},
        {{"--against", "softmax"}, "--against is target there, softmax here"},
        {{"--queries", "all"}, "--queries is 256 there, all here"},
        {{"--estimators", "rmfa"}, "--estimators is zero mean-value performer rfa there, zero"},
        {{"--data", kEasy}, "--data is gaussian_dim16_length200 (mask none"}})
    expect_refused(with(kRun, with({"--out", "run"}, change.words)),
                   {"run", "another specification", "another --out", change.said});
  fs::create_directory(path("text"));
  write_text(path("text/run.sqlite"), "These are notes, and not a database of any kind or any size at all.");
  expect_refused(with(kRun, {"--out", "text"}), {"text/run.sqlite", "not a run of attngap", "move it away"});
  for (const std::string verb : {"plot", "export"}) {
    expect_refused({verb, "text"}, {"text/run.sqlite", "not a run of attngap"});
    expect_refused({verb, "nowhere"}, {"nowhere", "there is no run here"});
  }
}

}  // namespace
}  // namespace attngap
