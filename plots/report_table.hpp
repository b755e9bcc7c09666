#pragma once

#include "plots/report_chart.hpp"

#include <string>

namespace attngap {

/// "0.512 ± 0.013"; without a standard error the value alone, – where there is no value.
std::string value_with_error(double value, double std_error);

/// The results of a chart as an HTML table: a line an estimator and place, a column each of the metrics a
/// reader looks for first, with the status of numbers that are not to be trusted like the others. A long
/// table is cut to the largest m, and then to `most` lines, and says so.
std::string results_table(const ReportChart& chart, std::size_t most = 200);

}  // namespace attngap
