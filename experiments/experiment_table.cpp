#include "experiments/experiment_table.hpp"

#include "estimators/names.hpp"
#include "experiments/control_variates_run.hpp"
#include "experiments/decoding_run.hpp"
#include "experiments/distributions_run.hpp"
#include "experiments/gap_length_run.hpp"
#include "experiments/gap_run.hpp"
#include "experiments/gram_run.hpp"
#include "experiments/kernel_variance_run.hpp"
#include "experiments/replicate_plan.hpp"
#include "experiments/speed_run.hpp"
#include "experiments/taylor_truncation_run.hpp"

#include <array>
#include <vector>

namespace attngap {
namespace {

constexpr std::string_view kTimes =
    "measures times, whose spread is that of a machine and not of independent draws";

constexpr std::array kExperiments{
    NamedExperiment{"gap-vs-features", "distance from exact attention against the number of directions m",
                    "256", &gap_vs_features_cells, Workload::heads, kPlannedMetric},
    NamedExperiment{"gap-vs-length",
                    "distance from exact attention against the number of keys, at fixed m or a rule of l",
                    "256", &gap_vs_length_cells, Workload::lengths, kPlannedMetric},
    NamedExperiment{"speed-vs-length",
                    "seconds and memory of exact attention and of each estimator against the length",
                    "256",
                    &speed_vs_length_cells,
                    Workload::lengths,
                    {},
                    kTimes,
                    true},
    NamedExperiment{
        "decoding-speed",
        "seconds and memory of one more token: exact attention with a cache against recurrent states",
        "1",
        &decoding_speed_cells,
        Workload::lengths,
        {},
        kTimes,
        true},
    NamedExperiment{"control-variates",
                    "bias, variance and MSE of every coefficient policy: from RFA over EVA to softmax", "16",
                    &control_variates_cells, Workload::heads, kPlannedMetric},
    NamedExperiment{
        "distributions",
        "how errors and denominators are distributed over draws: tails, and the negative part",
        "64",
        &distributions_cells,
        Workload::heads,
        {},
        "estimates shapes, a row a level: at the rarest levels, seen by few draws or none, no number "
        "of draws makes a relative standard error small"},
    NamedExperiment{"kernel-variance",
                    "bias and variance of kernel estimates against norm, angle, d and m, over closed forms",
                    "1", &kernel_variance_cells, Workload::pairs, kPlannedVariance},
    NamedExperiment{"gram-error",
                    "error of the Gram matrix of a head's scaled keys, K(x, y) of all pairs, against m",
                    "128", &gram_error_cells, Workload::heads, "gram_error"},
    NamedExperiment{"taylor-truncation",
                    "error of the Taylor polynomial of exp, of element-wise weights and outputs, by degree",
                    "256",
                    &taylor_truncation_cells,
                    Workload::truncation,
                    {},
                    "draws nothing: its rows are computed exactly and have no standard error"},
};

}  // namespace

std::span<const NamedExperiment> experiment_table() {
  return kExperiments;
}

const NamedExperiment& experiment_named(std::string_view name) {
  std::vector<std::string_view> names;
  for (const NamedExperiment& row : kExperiments) {
    if (row.name == name) return row;
    names.push_back(row.name);
  }
  require_known("experiment", name, names);
  return kExperiments.front();
}

}  // namespace attngap
