// What ResidentPeak counts: all that is touched while it watches, whoever had that memory before.

#include "experiments/resident_memory.hpp"

#include <cstddef>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace attngap {
namespace {

constexpr std::size_t kBlock = 100 << 10;  // below what is mapped anew
constexpr std::size_t kBlocks = 80;
constexpr auto kAll = static_cast<double>(kBlock * kBlocks);

// Takes this much memory in blocks, touches it and gives it back.
void touch(std::size_t blocks, std::size_t size) {
  std::vector<std::vector<char>> held;
  for (std::size_t i = 0; i < blocks; ++i) held.emplace_back(size, static_cast<char>(i));
}

// The peak a thread of its own sees while it touches all blocks.
double peak_of_a_thread() {
  double bytes = 0.0;
  std::thread([&] {
    const ResidentPeak peak;
    touch(kBlocks, kBlock);
    bytes = static_cast<double>(peak.bytes());
  }).join();
  return bytes;
}

TEST(ResidentPeak, CountsMemoryThatAnEarlierThreadHasLeftBehind) {
  touch(1, 16 << 20);  // from here on the allocator keeps what threads give back
  std::thread([] { touch(2 * kBlocks, kBlock); }).join();
  EXPECT_GT(peak_of_a_thread(), 0.9 * kAll);
  EXPECT_GT(peak_of_a_thread(), 0.9 * kAll) << "and after a first measurement";
}

TEST(ResidentPeak, CountsNothingWhereNothingIsTouched) {
  touch(kBlocks, kBlock);
  const ResidentPeak peak;
  EXPECT_LT(static_cast<double>(peak.bytes()), 0.1 * kAll);
}

}  // namespace
}  // namespace attngap
