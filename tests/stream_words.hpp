#pragma once

#include "estimators/random_stream.hpp"

#include <array>
#include <limits>

namespace attngap::testing_tools {

/// A generator for <random>'s distributions with numbers that have an address, as everywhere in this project:
/// the words of the stream of a seed, one after another.
class StreamWords {
 public:
  using result_type = std::uint32_t;
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }

  explicit StreamWords(std::uint64_t seed) : stream_({seed, 0, 0}, Purpose::resampling) {}

  result_type operator()() {
    const std::size_t place = next_ % words_.size();
    if (place == 0) stream_.words(next_, words_);
    ++next_;
    return words_[place];
  }

 private:
  RandomStream stream_;
  std::uint64_t next_ = 0;
  std::array<std::uint32_t, 64> words_{};
};

}  // namespace attngap::testing_tools
