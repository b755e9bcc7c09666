#pragma once

#include <array>

namespace attngap {

// Okabe and Ito's colours without the yellow, which is lost on white. In black and white the dash and the
// shape tell series apart; the lists have lengths without a common divisor, so combinations repeat late.

/// The colour of a series, by its style modulo their number.
inline constexpr std::array kColours{"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                     "#E69F00", "#56B4E9", "#000000"};

/// The colours of the next as many styles: the same, darker, as a curve that only shares its colour with
/// another is told apart by eye much later than one that does not.
inline constexpr std::array kDarkColours{"#003F63", "#7A3600", "#005940", "#7D3F62",
                                         "#7F5800", "#1F6C96", "#8C8C8C"};
static_assert(kDarkColours.size() == kColours.size());

/// The dash of a series as gnuplot takes it.
inline constexpr std::array kDashes{"1", "'-'", "'.'", "'-.'", "'_'"};

/// The same dashes as lengths in pixels; none: solid.
inline constexpr std::array kDashLengths{"", "8,4", "2,3", "8,3,2,3", "12,5"};
static_assert(kDashes.size() == kDashLengths.size());

/// The point of a series as gnuplot counts them.
inline constexpr std::array kShapes{7, 4, 9, 12, 5, 8, 6, 13, 10, 2, 1};

/// The dash of a baseline, all of which are grey.
inline constexpr std::array kBaselineDashes{"(6,3)", "(2,3)", "(9,3,2,3)", "(12,6)"};

}  // namespace attngap
