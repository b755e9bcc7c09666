#pragma once

#include "analysis/gap_statistics.hpp"

#include <vector>

namespace attngap {

/// Every metric of results.csv, experiment by experiment.
std::vector<NamedMetric> metric_table();

}  // namespace attngap
