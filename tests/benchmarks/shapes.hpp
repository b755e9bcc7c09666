#pragma once

#include "estimators/matrix.hpp"

namespace attngap {

// The shapes of the blocks in a pass over one head of a language model, and of that head.
inline constexpr Index kRows = 128;
inline constexpr Index kPanel = 64;
inline constexpr Index kHeadDim = 64;
inline constexpr Index kValueDim = 64;
inline constexpr Index kTokens = 1024;
inline constexpr Index kDraws = 1024;
/// Of the head a pass is measured on, as long as a page of text.
inline constexpr Index kLongHead = 1500;

}  // namespace attngap
