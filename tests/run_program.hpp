#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <sys/types.h>

namespace attngap::testing {

/// How a program ended.
struct Finished {
  int exit_code = -1;           ///< -1 when a signal ended it
  int signal = 0;               ///< the signal that ended it, or 0
  bool timed_out = false;       ///< it was killed because its time was up
  std::int64_t peak_bytes = 0;  ///< the most memory it held, if it ended by itself
  std::string out;              ///< everything it wrote to standard output
  std::string err;              ///< everything it wrote to standard error
};

/// Everything about a start that is not an argument.
struct ProgramSetup {
  std::filesystem::path program;                       ///< the attngap under test when empty
  std::filesystem::path directory;                     ///< where it starts; this process's own when empty
  std::map<std::string, std::string> environment;      ///< on top of this process's own
  std::string standard_output;                         ///< a file or device to write to instead of `out`
  std::uintmax_t file_size_limit = 0;                  ///< RLIMIT_FSIZE in bytes; 0: no limit
  std::chrono::milliseconds time_limit{120 * 1000LL};  ///< then it is killed, and `timed_out`
};

/// A program started with exactly these arguments, without a shell. It is killed when this object goes.
class RunningProgram {
 public:
  explicit RunningProgram(const std::vector<std::string>& arguments, const ProgramSetup& setup = {});
  RunningProgram(const RunningProgram&) = delete;
  RunningProgram& operator=(const RunningProgram&) = delete;
  ~RunningProgram();

  void send(int signal) const;

  /// Whether it has not ended yet.
  bool running();

  /// Waits for its end, for at most the time limit.
  Finished wait();

 private:
  void collect(int status);

  pid_t child_ = -1;
  int out_ = -1;
  int err_ = -1;
  std::chrono::steady_clock::time_point deadline_;
  bool ended_ = false;
  Finished finished_;
};

/// Runs a program to its end.
Finished run_program(const std::vector<std::string>& arguments, const ProgramSetup& setup = {});

/// Runs a Python script with `numpy as np`, `csv`, `json` and `sys` imported; `arguments` are sys.argv[1:].
Finished run_python(const std::string& script, const std::vector<std::string>& arguments);

/// The whole of a file.
std::string read_text(const std::filesystem::path& path);

/// Every file below a directory with its bytes, to compare a before with an after.
std::map<std::string, std::string> files_below(const std::filesystem::path& directory);

/// The names that came, went or changed between two listings, one a line; empty when nothing did.
std::string changed_files(const std::map<std::string, std::string>& before,
                          const std::map<std::string, std::string>& after);

}  // namespace attngap::testing
