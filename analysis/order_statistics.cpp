#include "analysis/order_statistics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace attngap {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::size_t kSample = 8192;

// How far from its expected place in the sample a rank may be (four standard deviations of a random sample
// are 2√s at most), and how far from it those lie that are asked for next.
std::size_t margin_of(std::size_t sample) {
  return static_cast<std::size_t>(2.0 * std::sqrt(static_cast<double>(sample))) + sample / 64;
}

}  // namespace

OrderStatistics::OrderStatistics(std::span<const double> numbers) : numbers_(numbers) {
  // Odd, so that clusters of even size do not show the same member every time.
  const std::size_t stride = (numbers.size() / kSample) | 1U;
  sample_.reserve(numbers.size() / stride + 1);
  for (std::size_t i = 0; i < numbers.size(); i += stride) sample_.push_back(numbers[i]);
  std::sort(sample_.begin(), sample_.end());
}

double OrderStatistics::operator[](std::size_t rank) {
  if (sample_.size() == numbers_.size()) return sample_[rank];
  for (Window& window : windows_)
    if (window.holds(rank)) return window.at(rank - window.first);
  Window& window = open(rank);
  return window.at(rank - window.first);
}

OrderStatistics::Window& OrderStatistics::open(std::size_t rank) {
  const std::size_t sampled = sample_.size();
  const std::size_t place = rank * sampled / numbers_.size();
  for (std::size_t margin = margin_of(sampled); margin < sampled; margin *= 4) {
    const double low = place < margin ? -kInfinity : sample_[place - margin];
    const double high = place + margin < sampled ? sample_[place + margin] : kInfinity;
    Window window = between(low, high);
    if (window.holds(rank)) return windows_.emplace_back(std::move(window));
  }
  windows_.clear();
  return windows_.emplace_back(Window{0, {numbers_.begin(), numbers_.end()}, {}});
}

// Without branches that depend on the numbers, whose order nobody foresees.
OrderStatistics::Window OrderStatistics::between(double low, double high) const {
  std::size_t below = 0, inside = 0;
  for (const double x : numbers_) {
    below += x < low ? 1U : 0U;
    inside += static_cast<std::size_t>(x >= low) & static_cast<std::size_t>(x <= high);
  }
  Window window{below, std::vector<double>(inside + 1), {}};
  double* next = window.numbers.data();
  for (const double x : numbers_) {
    *next = x;
    next += static_cast<std::size_t>(x >= low) & static_cast<std::size_t>(x <= high);
  }
  window.numbers.pop_back();
  return window;
}

double OrderStatistics::Window::at(std::size_t place) {
  const auto above = std::lower_bound(known.begin(), known.end(), place);
  if (above != known.end() && *above == place) return numbers[place];
  const auto iterator = [&](std::size_t i) { return numbers.begin() + static_cast<std::ptrdiff_t>(i); };
  const std::size_t from = above == known.begin() ? 0 : *(above - 1) + 1;
  std::nth_element(iterator(from), iterator(place), iterator(above == known.end() ? numbers.size() : *above));
  known.insert(above, place);
  return numbers[place];
}

}  // namespace attngap
