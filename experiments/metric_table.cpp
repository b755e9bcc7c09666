#include "experiments/metric_table.hpp"

#include "analysis/distribution_statistics.hpp"
#include "analysis/gram_statistics.hpp"
#include "analysis/kernel_statistics.hpp"
#include "analysis/truncation_effect.hpp"
#include "experiments/cost_cell.hpp"

namespace attngap {

std::vector<NamedMetric> metric_table() {
  std::vector<NamedMetric> metrics;
  for (const auto& table : {gap_metric_names(), kernel_metric_names(), truncation_metric_names(),
                            distribution_metric_names(), gram_metric_names(), cost_metric_names()})
    metrics.insert(metrics.end(), table.begin(), table.end());
  return metrics;
}

}  // namespace attngap
