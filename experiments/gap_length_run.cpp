#include "experiments/gap_length_run.hpp"

#include "estimators/error.hpp"
#include "experiments/decoding_run.hpp"
#include "experiments/length_source.hpp"
#include "experiments/memory_need.hpp"

#include <algorithm>

namespace attngap {

CellMaker gap_vs_length_cells(const RunSpec& spec) {
  return [&spec,
          estimators = std::make_shared<Estimators>(make_estimators(spec.estimators))](std::int64_t cell) {
    const RunSpec own = spec.at_length(cell);
    const LengthSource source(spec, own.data.front());
    const Index length = spec.length_of(cell);
    if (source.streams(length, *estimators))
      return streamed_gap_cell(own, *estimators, source.synthetic(length));
    return stored_gap_cell(own, *estimators, source.name(), source.stored(length));
  };
}

std::vector<std::string> check_lengths(const RunSpec& spec, int threads) {
  const Estimators estimators = make_estimators(spec.estimators);
  std::vector<std::string> identities;
  std::vector<std::string> names;
  const std::int64_t cells = spec.cells_of_head();
  for (std::int64_t cell = cells - 1; cell < spec.cells(); cell += cells) {
    RunSpec longest = spec.at_length(cell);
    for (const auto& [name, counts] : spec.lengths->own_features)
      longest.features.push_back(std::max(longest.features.back(), counts.back()));
    const LengthSource source(spec, longest.data.front());
    for (const std::string& other : names)
      require(other != source.name(), "--data: two heads are called {}; give one a name with name=…", other);
    names.push_back(source.name());
    identities.push_back(source.identity());
    const Index length = spec.length_of(cell);
    if (spec.experiment == "decoding-speed") {
      require_decodable(longest, source.stored(1), length);
      continue;
    }
    if (source.streams(length, estimators)) {
      const SyntheticStream stream(source.synthetic(length));
      AttentionProblem problem = stream.queries(spec.queries);
      problem.stream = &stream;
      require_run_fits(longest, problem, threads);
      for (const auto& estimator : estimators) estimator->check(problem);
      continue;
    }
    const AttentionProblem problem = source.stored(length);
    require_run_fits(longest, problem, threads);
    for (const auto& estimator : estimators) estimator->check(problem);
  }
  return identities;
}

}  // namespace attngap
