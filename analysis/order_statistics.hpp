#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace attngap {

/// The numbers of a sample by their rank, without sorting it.
///
/// A sorted sample of the sample tells between which two numbers a rank lies, and only what lies there, a few
/// hundredths of all, is taken out and partly sorted; ranks close by are then at hand. Where the guess
/// misses, more is taken: the answers are exact whatever the order of the numbers. Floyd and Rivest,
/// "Expected time bounds for selection", CACM 18 (1975). Infinite numbers are allowed, NaN is not.
class OrderStatistics {
 public:
  /// `numbers` must outlive this.
  explicit OrderStatistics(std::span<const double> numbers);

  std::size_t size() const { return numbers_.size(); }

  /// The number of rank 0 … size() − 1.
  double operator[](std::size_t rank);

 private:
  // Neighbours in rank; those whose places are known divide the others.
  struct Window {
    std::size_t first = 0;
    std::vector<double> numbers;
    std::vector<std::size_t> known;

    bool holds(std::size_t rank) const { return rank >= first && rank - first < numbers.size(); }
    double at(std::size_t place);
  };

  Window& open(std::size_t rank);
  Window between(double low, double high) const;

  std::span<const double> numbers_;
  std::vector<double> sample_;
  std::vector<Window> windows_;
};

}  // namespace attngap
