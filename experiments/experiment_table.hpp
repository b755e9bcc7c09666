#pragma once

#include "experiments/cell_runner.hpp"

#include <span>
#include <string_view>

namespace attngap {

/// A row of the table of experiments of `attngap run`.
struct NamedExperiment {
  std::string_view name;
  std::string_view meaning;
  std::string_view default_queries;  ///< of --queries
  RunOutcome (*run)(const RunSpec& spec, RunStore& store, const RunControl& control);
};

/// Every experiment the toolkit runs.
std::span<const NamedExperiment> experiment_table();

/// The experiment of that name; throws BadInput with the nearest names otherwise.
const NamedExperiment& experiment_named(std::string_view name);

}  // namespace attngap
