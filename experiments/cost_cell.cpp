#include "experiments/cost_cell.hpp"

#include "analysis/inference.hpp"
#include "analysis/ratio_inference.hpp"
#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"

#include <array>
#include <chrono>
#include <utility>

namespace attngap {

std::string CostCell::name() const {
  const std::string at_once = spec_.lengths->batches.empty() ? "" : fmt::format(",sequences={}", queries_);
  return fmt::format("{},length={}{}", data_, problem_.keys(), at_once);
}

CostCell::CostCell(RunSpec spec, const Estimators& estimators, std::string data, AttentionProblem problem,
                   Index queries, std::string memory)
    : spec_(std::move(spec)),
      exact_(make_estimator("exact")),
      data_(std::move(data)),
      problem_(std::move(problem)),
      queries_(queries),
      memory_(std::move(memory)) {
  contestants_.push_back({exact_.get(), 0});
  const std::vector<Index> once{0};
  for (const auto& estimator : estimators) {
    if (!estimator->random() && estimator->spec().name != "elementwise") continue;
    estimator->check(problem_);
    const auto own = spec_.lengths->own_features.find(estimator->spec().name);
    const auto& counts = own == spec_.lengths->own_features.end() ? spec_.features : own->second;
    for (const Index draws : estimator->random() ? counts : once)
      contestants_.push_back({estimator.get(), draws});
  }
}

std::vector<ResultRow> CostCell::rows(const BlocksOfSeries& blocks_of) const {
  const std::vector<double> exact = joined(blocks_of, 0);
  std::vector<ResultRow> rows;
  for (std::size_t i = 0; i < contestants_.size(); ++i) {
    ResultRow row = row_of(contestants_[i]);
    row.replicates = blocks_of.replicates;
    const std::vector<double> seconds = joined(blocks_of, 2 * i);
    const std::string_view status = i == 0 && scaled() ? "scaled" : "ok";
    std::vector<Metric> metrics{{"seconds", mean_with_interval(seconds), status},
                                {memory_, mean_with_interval(joined(blocks_of, 2 * i + 1)), status}};
    // The mean of the replicates' ratios would be another number than the ratio of the two rows of seconds,
    // and too large by about the square of the seconds' relative deviation.
    if (i > 0) metrics.push_back({"speedup", ratio_delta(exact, seconds), "ok"});
    append_metrics(rows, row, metrics);
  }
  return rows;
}

ResultRow CostCell::row_of(const Contestant& contestant) const {
  Spec shown = contestant.estimator->spec();
  shown.options.erase("projection");
  ResultRow row;
  row.experiment = spec_.experiment;
  row.data = data_;
  row.estimator = shown.text();
  row.projection = contestant.estimator->projection();
  row.target = contestant.estimator->target_name();
  row.draws = contestant.draws;
  row.dimension = contestant.draws == 0 ? 0 : contestant.estimator->dimension(contestant.draws);
  row.length = problem_.keys();
  row.head_dim = problem_.head_dim();
  row.queries = queries_;
  return row;
}

std::vector<double> CostCell::joined(const BlocksOfSeries& blocks_of, std::size_t series) const {
  std::vector<double> numbers;
  for (const auto& block : blocks_of(static_cast<std::int64_t>(series)))
    numbers.insert(numbers.end(), block.begin(), block.end());
  require(std::cmp_equal(numbers.size(), blocks_of.replicates),
          "run.sqlite: the stored times of {} are damaged; delete the directory and run again", data_);
  return numbers;
}

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::span<const NamedMetric> cost_metric_names() {
  static constexpr std::array kNames{
      NamedMetric{"seconds", "of one head of l queries, or to decode one token of every sequence"},
      NamedMetric{"speedup",
                  "the seconds of exact attention over these; its error is of pairs, a replicate each"},
      NamedMetric{"peak_bytes", "the most memory a head takes beyond what was held before"},
      NamedMetric{"state_bytes", "the cache of exact attention, or the states, of all sequences"}};
  return kNames;
}

}  // namespace attngap
