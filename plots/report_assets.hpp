#pragma once

#include <string_view>

namespace attngap {

// The files that are part of the program, so that a report needs none of them.

/// plots/report.css.
std::string_view report_style();

/// plots/report.js, which needs report_map_script() before it.
std::string_view report_script();

/// plots/report_map.js, the maps of the charts.
std::string_view report_map_script();

/// The charting library, where it was there when this was compiled; empty otherwise.
std::string_view charting_library();

/// The licences of the charting library and of what it is made of.
std::string_view charting_licences();

}  // namespace attngap
