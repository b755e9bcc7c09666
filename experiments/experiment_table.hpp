#pragma once

#include "experiments/cell_runner.hpp"

#include <span>
#include <string_view>

namespace attngap {

/// What an experiment measures on.
enum class Workload {
  heads,      ///< --data
  lengths,    ///< --data at --lengths
  pairs,      ///< --norms, --cosines, --dims
  truncation  ///< --radii, --degrees, and --data if any
};

/// A row of the table of experiments of `attngap run`.
struct NamedExperiment {
  std::string_view name;
  std::string_view meaning;
  std::string_view default_queries;  ///< of --queries
  /// Makes its cells; the specification must outlive the maker.
  CellMaker (*cells)(const RunSpec& spec);
  Workload workload = Workload::heads;
  std::string_view planned = {};    ///< the metric that --target-rse is about, if there is one
  std::string_view unplanned = {};  ///< or why there is none: "NAME …"
  bool alone = false;               ///< it measures time, and runs on one thread of one process
};

/// Every experiment the toolkit runs.
std::span<const NamedExperiment> experiment_table();

/// The experiment of that name; throws BadInput with the nearest names otherwise.
const NamedExperiment& experiment_named(std::string_view name);

}  // namespace attngap
