#pragma once

#include <array>

namespace attngap {

// Okabe and Ito's colours without the yellow, which is lost on white. In black and white the dash and the
// shape tell series apart; the three lists have different lengths, so combinations repeat late.

/// The colour of a series, by its style modulo their number.
inline constexpr std::array kColours{"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                     "#E69F00", "#56B4E9", "#000000"};

/// The dash of a series as gnuplot takes it.
inline constexpr std::array kDashes{"1", "'-'", "'.'", "'-.'", "'_'"};

/// The same dashes as lengths in pixels; none: solid.
inline constexpr std::array kDashLengths{"", "8,4", "2,3", "8,3,2,3", "12,5"};
static_assert(kDashes.size() == kDashLengths.size());

/// The point of a series as gnuplot counts them.
inline constexpr std::array kShapes{7, 4, 9, 12, 5, 8, 6, 13, 10, 2, 1};

/// The dash of a baseline, all of which are grey.
inline constexpr std::array kBaselineDashes{"(6,3)", "(2,3)", "(9,3,2,3)"};

}  // namespace attngap
