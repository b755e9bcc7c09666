#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace attngap {

/// The number after `key=` in the data name of a pair, as `pair:norm=1,cosine=0.5`; NaN where there is none.
double number_in_pair(std::string_view data, std::string_view key);

/// The angle in [0, π] that has this cosine.
double angle_of(double cosine);

/// Whether the angles of these cosines are one distance apart, as those of a map over angles. Of three or
/// fewer, which may be evenly spaced in both, never.
bool evenly_spaced_angles(std::vector<double> cosines);

}  // namespace attngap
