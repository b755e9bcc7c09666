#pragma once

#include "data_test_support.hpp"
#include "experiments/npy.hpp"
#include "experiments/npz.hpp"
#include "run_program.hpp"

#include <algorithm>

#include <gmock/gmock.h>

namespace attngap::testing {

using Words = std::vector<std::string>;

inline Words with(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

/// The program in a directory of the test's own, where it starts, so that relative paths end there.
class CommandLineTest : public ::testing::Test {
 protected:
  Finished attngap(const Words& words, ProgramSetup setup = {}) const {
    setup.directory = directory_.path();
    if (!setup.environment.contains("PATH")) setup.environment["PATH"] = "/nonexistent";  // no gnuplot
    return run_program(words, setup);
  }

  std::string path(const std::string& name) const { return directory_ / name; }

  /// Exit code 2, one line on standard error with all of `said` in it, nothing on standard output, and the
  /// directory as it was.
  void expect_refused(const Words& words, const std::vector<std::string>& said,
                      const ProgramSetup& setup = {}) const {
    const auto before = files_below(directory_.path());
    const Finished finished = attngap(words, setup);
    const std::string what = ::testing::PrintToString(words) + "\n" + finished.err;
    EXPECT_EQ(finished.exit_code, 2) << what;
    EXPECT_EQ(finished.signal, 0) << what;
    EXPECT_EQ(finished.out, "") << what;
    EXPECT_EQ(std::count(finished.err.begin(), finished.err.end(), '\n'), 1) << what;
    EXPECT_TRUE(finished.err.starts_with("attngap: ") && finished.err.ends_with('\n')) << what;
    for (const std::string& part : said) EXPECT_THAT(finished.err, ::testing::HasSubstr(part)) << what;
    EXPECT_EQ(changed_files(before, files_below(directory_.path())), "") << what;
  }

  /// A small head as arrays, to be spoilt by a test.
  static std::map<std::string, NumberArray> head(std::size_t queries = 3, std::size_t keys = 7,
                                                 std::size_t dim = 5, std::size_t value_dim = 2) {
    const auto array = [](std::size_t rows, std::size_t cols) {
      NumberArray result{{rows, cols}, std::vector<double>(rows * cols)};
      for (std::size_t i = 0; i < rows * cols; ++i)
        result.values[i] = static_cast<double>(i * 7 % 23) / 11.0 - 1.0;
      return result;
    };
    return {{"q", array(queries, dim)}, {"k", array(keys, dim)}, {"v", array(keys, value_dim)}};
  }

  /// A run on `data` with one thing wrong about it.
  static Words run(const std::string& data, const Words& more = {}) {
    return with({"run", "gap-vs-features", "--data", data, "--estimators", "rfa", "--out", "out",
                 "--features", "4", "--replicates", "2"},
                more);
  }

  TemporaryDirectory directory_;
};

constexpr const char* kEasy = "synthetic:gaussian,length=19,dim=5,value-dim=2";

}  // namespace attngap::testing
