#pragma once

#include "data_test_support.hpp"
#include "experiments/run_store.hpp"
#include "run_program.hpp"

#include <gmock/gmock.h>

namespace attngap::testing {

/// Runs of `attngap run gap-vs-features` in a directory of the test's own.
class GapRunTest : public ::testing::Test {
 protected:
  using Words = std::vector<std::string>;

  std::filesystem::path place(const std::string& name) const { return directory_.path() / name; }

  /// The command line of a run into place(name); no image, which is nobody's business here.
  Words command(const std::string& name, const Words& more) const {
    Words words{"run", "gap-vs-features", "--out", place(name).string(), "--formats", "svg", "--quiet"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  /// Runs to the end, without gnuplot, and returns results.csv.
  std::string results(const std::string& name, const Words& more) const {
    const Finished finished = run_program(command(name, more), no_gnuplot());
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    EXPECT_EQ(finished.err, "");
    return read_text(place(name) / "results.csv");
  }

  std::vector<ResultRow> rows(const std::string& name) const {
    return RunStore::open_existing(place(name)).rows();
  }

  /// Waits until `blocks` blocks of cell 0 are committed, read while the program writes. False when it ended
  /// before.
  bool wait_for_blocks(RunningProgram& program, const std::string& name, std::size_t blocks) const {
    while (program.running()) {
      try {
        if (RunStore::open_existing(place(name)).finished_blocks(0).size() >= blocks) return true;
      } catch (const BadInput&) {
        // Not made yet.
      }
    }
    return false;
  }

  static ProgramSetup no_gnuplot() {
    ProgramSetup setup;
    setup.environment["PATH"] = "/nonexistent";
    return setup;
  }

  TemporaryDirectory directory_;
};

}  // namespace attngap::testing
