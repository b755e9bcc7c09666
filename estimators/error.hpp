#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace attngap {

/// What the user gave cannot be used: one sentence with what, where, the value and the mend. Exit code 2.
class BadInput : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Throws BadInput with the formatted sentence unless `condition` holds.
template <typename... Args>
void require(bool condition, fmt::format_string<Args...> sentence, Args&&... args) {
  if (!condition) throw BadInput(fmt::format(sentence, std::forward<Args>(args)...));
}

}  // namespace attngap
