#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

namespace attngap {

/// "1:02:03", "2:03".
std::string clock_text(double seconds);

/// A line on standard error that says how far long work has come, over all cells, its rate and the time left.
/// It writes at most ten times a second and only on a terminal. Safe to call from several threads.
class Progress {
 public:
  /// `total` units of work; nothing is written if `quiet` or if standard error is not a terminal.
  Progress(std::string unit, std::int64_t total, bool quiet);

  /// Also says how many of `cells` are done.
  void count_cells(std::int64_t cells);
  void cell_done();

  /// So many units more than thought (or fewer).
  void expect(std::int64_t units);
  ~Progress();

  /// What is being worked on now.
  void label(const std::string& text);

  /// Units that are done. Those done before this process (`earlier`) do not count towards the rate.
  void advance(std::int64_t units, bool earlier = false);

 private:
  void write_line();

  using Clock = std::chrono::steady_clock;
  std::string unit_;
  std::int64_t total_;
  bool silent_;
  std::mutex mutex_;
  std::string label_;
  std::int64_t cells_ = 0;
  std::int64_t cells_done_ = 0;
  std::int64_t done_ = 0;
  std::int64_t earlier_ = 0;
  Clock::time_point started_ = Clock::now();
  Clock::time_point written_{};
};

}  // namespace attngap
