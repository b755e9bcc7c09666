#pragma once

#include "plots/report_chart.hpp"

#include <optional>
#include <string>

namespace attngap {

/// The chart of one query's control variates over keys and channels, from the data file that `decompose
/// --figures` leaves (`figure_csv` of `decomposition_figure`): maps of the terms and of the errors, curves of
/// the weights h and π and of the shares of the error. Nothing where the text is no such file. Of one draw:
/// no number has a standard error.
std::optional<ReportChart> decomposition_chart(const std::string& name, const std::string& csv);

}  // namespace attngap
