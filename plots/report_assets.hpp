#pragma once

#include <string_view>

namespace attngap {

/// The files that are part of the program so that a report needs none of them: plots/report.css and
/// plots/report.js, and the charting library with its licences where it was there when this was compiled
/// (empty otherwise).
std::string_view report_style();
std::string_view report_script();
std::string_view charting_library();
std::string_view charting_licences();

}  // namespace attngap
