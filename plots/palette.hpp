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

/// The same, paler, which stand for the darker ones on a dark page, where these would be lost.
inline constexpr std::array kPaleColours{"#9CCBEF", "#FFB68A", "#8FE3C7", "#F3CFE2",
                                         "#FFDB94", "#C9ECFF", "#8C8C8C"};
static_assert(kPaleColours.size() == kColours.size());

/// The dash of a series as gnuplot takes it.
inline constexpr std::array kDashes{"1", "'-'", "'.'", "'-.'", "'_'"};

/// The same dashes as lengths in pixels; none: solid.
inline constexpr std::array kDashLengths{"", "8,4", "2,3", "8,3,2,3", "12,5"};
static_assert(kDashes.size() == kDashLengths.size());

/// The point of a series as gnuplot counts them.
inline constexpr std::array kShapes{7, 4, 9, 12, 5, 8, 6, 13, 10, 2, 1};

/// The point of a series as a path in the square from -1 to 1, of the charts that draw paths. Where a colour
/// comes again after both lists of colours, the dash and the point are others.
inline constexpr std::array kShapePaths{"M1,0A1,1,0,1,1,-1,0A1,1,0,1,1,1,0Z",
                                        "M-.9,-.9H.9V.9H-.9Z",
                                        "M0,-1.25L1.1,0L0,1.25L-1.1,0Z",
                                        "M0,-1.15L1.15,.9H-1.15Z",
                                        "M0,1.15L1.15,-.9H-1.15Z",
                                        "M-.4,-1.2H.4V-.4H1.2V.4H.4V1.2H-.4V.4H-1.2V-.4H-.4Z"};

/// The dash of a baseline, all of which are grey.
inline constexpr std::array kBaselineDashes{"(6,3)", "(2,3)", "(9,3,2,3)", "(12,6)"};

}  // namespace attngap
