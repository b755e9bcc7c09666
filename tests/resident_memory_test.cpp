// The most memory held, in a thread whose allocator has kept what it had before.

#include "experiments/resident_memory.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <malloc.h>

namespace attngap {
namespace {

#if defined(__has_feature)
#define ATTNGAP_HAS_FEATURE(name) __has_feature(name)
#else
#define ATTNGAP_HAS_FEATURE(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || ATTNGAP_HAS_FEATURE(address_sanitizer)
constexpr bool kSanitized = true;  // its allocator keeps what is freed, and knows no mallopt
#else
constexpr bool kSanitized = false;
#endif

constexpr std::size_t kBlock = 96 << 10;  // below what is mapped on its own
constexpr std::size_t kMebibyte = 1 << 20;

// Blocks of so many bytes in all, every page of them used.
std::vector<std::vector<std::byte>> blocks_of(std::size_t bytes) {
  std::vector<std::vector<std::byte>> blocks;
  for (std::size_t held = 0; held < bytes; held += kBlock) blocks.emplace_back(kBlock, std::byte{1});
  return blocks;
}

std::int64_t peak_of(std::size_t bytes) {
  const ResidentPeak memory;
  blocks_of(bytes);
  return memory.bytes();
}

// The kernel counts pages in batches, of every processor: off by less than this.
constexpr std::int64_t kOff = 1 << 20;

void expect_peak(std::int64_t peak, std::size_t bytes) {
  EXPECT_GE(peak, static_cast<std::int64_t>(bytes) - kOff);
  EXPECT_LE(peak, static_cast<std::int64_t>(bytes) + kOff);
}

TEST(ResidentPeak, IsWhatIsHeldAndNotWhatTheAllocatorKept) {
  if (kSanitized) GTEST_SKIP() << "the sanitizer's allocator is another";
  std::thread([] {
    mallopt(M_TRIM_THRESHOLD, 64 << 20);  // as a run of other things may leave it
    blocks_of(16 * kMebibyte);            // is kept, now that it is freed
    expect_peak(peak_of(8 * kMebibyte), 8 * kMebibyte);
    expect_peak(peak_of(4 * kMebibyte), 4 * kMebibyte);
    expect_peak(peak_of(16 * kMebibyte), 16 * kMebibyte);
  }).join();
}

TEST(ResidentPeak, CountsMemoryThatAnEarlierThreadHasLeftBehind) {
  if (kSanitized) GTEST_SKIP() << "the sanitizer's allocator is another";
  { const std::vector<std::byte> large(16 * kMebibyte, std::byte{1}); }  // from here on freed memory is kept
  std::thread([] { blocks_of(16 * kMebibyte); }).join();
  for (int time = 0; time < 2; ++time)
    std::thread([] { expect_peak(peak_of(8 * kMebibyte), 8 * kMebibyte); }).join();
}

TEST(ResidentPeak, OfNothingIsNothing) {
  if (kSanitized) GTEST_SKIP() << "the sanitizer's allocator is another";
  expect_peak(peak_of(0), 0);
}

}  // namespace
}  // namespace attngap
