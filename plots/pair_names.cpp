#include "plots/pair_names.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

namespace attngap {

double number_in_pair(std::string_view data, std::string_view key) {
  const std::string entry = std::string(key) + "=";
  const std::string text(data);
  const std::size_t at = text.find(entry);
  return at == std::string::npos ? std::numeric_limits<double>::quiet_NaN()
                                 : std::strtod(text.c_str() + at + entry.size(), nullptr);
}

double angle_of(double cosine) {
  return std::acos(std::clamp(cosine, -1.0, 1.0));
}

bool evenly_spaced_angles(std::vector<double> cosines) {
  if (cosines.size() < 4) return false;
  std::sort(cosines.begin(), cosines.end());
  const double each =
      (angle_of(cosines.front()) - angle_of(cosines.back())) / static_cast<double>(cosines.size() - 1);
  for (std::size_t i = 1; i < cosines.size(); ++i)
    // Near 0 and π an angle is known to half the digits of its cosine.
    if (std::abs(angle_of(cosines[i - 1]) - angle_of(cosines[i]) - each) > 1e-6) return false;
  return true;
}

}  // namespace attngap
