#include "experiments/progress.hpp"

#include <cstdio>

#include <fmt/format.h>
#include <unistd.h>

namespace attngap {

std::string clock_text(double seconds) {
  const auto whole = static_cast<std::int64_t>(seconds + 0.5);
  if (whole >= 3600) return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

Progress::Progress(std::string unit, std::int64_t total, bool quiet)
    : unit_(std::move(unit)), total_(total), silent_(quiet || ::isatty(STDERR_FILENO) == 0) {}

Progress::~Progress() {
  if (!silent_ && written_ != Clock::time_point{}) std::fputs("\r\x1b[K", stderr);
}

void Progress::label(const std::string& text) {
  const std::lock_guard lock(mutex_);
  label_ = text;
}

void Progress::count_cells(std::int64_t cells) {
  const std::lock_guard lock(mutex_);
  cells_ = cells;
}

void Progress::cell_done() {
  const std::lock_guard lock(mutex_);
  ++cells_done_;
}

void Progress::expect(std::int64_t units) {
  const std::lock_guard lock(mutex_);
  total_ += units;
}

void Progress::advance(std::int64_t units, bool earlier) {
  const std::lock_guard lock(mutex_);
  done_ += units;
  if (earlier) earlier_ += units;
  const auto now = Clock::now();
  if (silent_ || now - written_ < std::chrono::milliseconds(100)) return;
  written_ = now;
  write_line();
}

void Progress::write_line() {
  const double seconds = std::chrono::duration<double>(written_ - started_).count();
  const double rate = seconds > 0 ? static_cast<double>(done_ - earlier_) / seconds : 0.0;
  std::string line = fmt::format("{}  {}/{} {} ({:.0f} %)", label_, done_, total_, unit_,
                                 100.0 * static_cast<double>(done_) / static_cast<double>(total_));
  if (cells_ > 1) line += fmt::format(", {}/{} cells", cells_done_, cells_);
  if (rate > 0)
    line += fmt::format(", {:.3g}/s, {} left", rate, clock_text(static_cast<double>(total_ - done_) / rate));
  std::fputs(("\r" + line + "\x1b[K").c_str(), stderr);
  std::fflush(stderr);
}

}  // namespace attngap
