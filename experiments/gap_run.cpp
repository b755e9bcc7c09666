#include "experiments/gap_run.hpp"

#include <utility>

namespace attngap {

AttentionProblem load_problem(const RunSpec& spec, std::int64_t cell, std::string& name) {
  Dataset dataset = load_dataset(spec.data[static_cast<std::size_t>(cell)]);
  name = std::move(dataset.name);
  return spec.queries == 0 ? std::move(dataset.problem) : sample_queries(dataset.problem, spec.queries);
}

RunOutcome run_gap_vs_features(const RunSpec& spec, RunStore& store, const RunControl& control) {
  const Estimators estimators = make_estimators(spec.estimators);
  const auto make = [&](std::int64_t index) {
    std::string name;
    AttentionProblem problem = load_problem(spec, index, name);
    return stored_gap_cell(spec, estimators, std::move(name), std::move(problem));
  };
  return run_cells(spec, static_cast<std::int64_t>(spec.data.size()), make, store, control);
}

}  // namespace attngap
