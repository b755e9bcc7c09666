#include "experiments/resident_memory.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <string>

#include <malloc.h>

namespace attngap {
namespace {

// A line "NAME:   123 kB" of /proc/self/status in bytes; −1 without it.
std::int64_t status_bytes(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word != name + ":") continue;
    std::int64_t kilobytes = -1;
    status >> kilobytes;
    return kilobytes < 0 ? -1 : 1024 * kilobytes;
  }
  return -1;
}

// What glibc starts with, and the most it would go to by itself.
constexpr int kMapped = 128 << 10;
constexpr int kKept = 32 << 20;
constexpr int kPadded = 128 << 10;

// The free end of the arena of this thread, which malloc_trim gives back of the main thread's alone. Freeing
// a block of this size makes malloc look at it.
void trim_own_arena() {
  constexpr std::size_t kLooksAtTheEnd = 96 << 10;
  void* volatile block = std::malloc(kLooksAtTheEnd);  // or the compiler would leave both out
  std::free(block);
}

// What may lie free at the end of the heap before it is given back.
constexpr int kFreeEnd = 512 << 20;

}  // namespace

void keep_freed_memory() {
  mallopt(M_MMAP_THRESHOLD, kKept);
  mallopt(M_TRIM_THRESHOLD, kFreeEnd);
}

ResidentPeak::ResidentPeak() {
  mallopt(M_MMAP_THRESHOLD, kMapped);
  mallopt(M_TRIM_THRESHOLD, 0);
  mallopt(M_TOP_PAD, 0);
  trim_own_arena();
  malloc_trim(0);
  std::ofstream("/proc/self/clear_refs") << "5";
  start_ = status_bytes("VmRSS");
}

ResidentPeak::~ResidentPeak() {
  keep_freed_memory();
  mallopt(M_TOP_PAD, kPadded);
}

std::int64_t ResidentPeak::bytes() const {
  const std::int64_t peak = status_bytes("VmHWM");
  return start_ < 0 || peak < 0 ? -1 : std::max<std::int64_t>(0, peak - start_);
}

}  // namespace attngap
