#pragma once

#include <cstdint>

namespace attngap {

/// Lets the allocator keep freed blocks up to 32 MiB for the next call. By itself it gives large ones back
/// and asks for them anew, and the system clears every page again: a fiftieth of a run in float.
void keep_freed_memory();

/// Watches how much memory this process holds at most (Linux: VmHWM of /proc/self/status, which writing 5 to
/// /proc/self/clear_refs sets back). Other threads' memory counts too. While it watches, every block of 128
/// KiB and more is mapped anew and given back when it is freed; an allocator that keeps blocks for the next
/// call would hide them from it.
class ResidentPeak {
 public:
  /// Gives back what the allocator keeps, and starts watching.
  ResidentPeak();
  ~ResidentPeak();
  ResidentPeak(const ResidentPeak&) = delete;
  ResidentPeak& operator=(const ResidentPeak&) = delete;

  /// The most held since then less what was held at the start, in bytes; −1 where the system does not say.
  std::int64_t bytes() const;

 private:
  std::int64_t start_;
};

}  // namespace attngap
