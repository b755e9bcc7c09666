#include "experiments/gap_run.hpp"

#include <utility>

namespace attngap {

AttentionProblem load_problem(const RunSpec& spec, std::int64_t cell, std::string& name) {
  Dataset dataset = load_dataset(spec.data[static_cast<std::size_t>(cell)]);
  name = std::move(dataset.name);
  return spec.queries == 0 ? std::move(dataset.problem) : sample_queries(dataset.problem, spec.queries);
}

CellMaker gap_vs_features_cells(const RunSpec& spec) {
  return [&spec,
          estimators = std::make_shared<Estimators>(make_estimators(spec.estimators))](std::int64_t index) {
    std::string name;
    AttentionProblem problem = load_problem(spec, index, name);
    return stored_gap_cell(spec, *estimators, std::move(name), std::move(problem));
  };
}

}  // namespace attngap
