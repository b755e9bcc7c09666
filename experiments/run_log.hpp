#pragma once

#include <cstdint>
#include <fstream>
#include <mutex>
#include <string>
#include <string_view>

namespace attngap {

/// The log of `--log FILE`: appends one JSON object a line, `{"time":…,"event":…,…}`, and flushes each, so
/// that it can be followed and survives a kill. Times are UTC. Safe to call from several threads; a line that
/// cannot be written (a full disk) is lost and the run goes on.
///
/// Events: run-started, cell-started, block-committed, cell-planned, cell-finished, interrupted, finished,
/// error.
class RunLog {
 public:
  /// Throws BadInput when the file cannot be written.
  explicit RunLog(const std::string& path);

  void run_started(std::string_view version, std::string_view specification, int processes, int threads);
  void cell_started(std::int64_t cell, std::int64_t replicates, bool pilot);
  void block_committed(std::int64_t cell, std::int64_t block, std::int64_t replicates, double seconds);
  void cell_planned(std::int64_t cell, std::int64_t replicates);
  void cell_finished(std::int64_t cell, std::string_view name, std::int64_t replicates, double draw_seconds);
  void interrupted();
  void finished();
  void error(std::string_view sentence);

 private:
  void write(const std::string& line);

  std::mutex mutex_;
  std::ofstream file_;
};

}  // namespace attngap
