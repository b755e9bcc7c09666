#include "experiments/speed_run.hpp"

#include "analysis/inference.hpp"
#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"
#include "experiments/length_source.hpp"
#include "experiments/resident_memory.hpp"

#include <chrono>
#include <functional>
#include <utility>

namespace attngap {
namespace {

// What is timed: an estimator at a count, or exact attention.
struct Contestant {
  const AttentionEstimator* estimator;
  Index draws;
};

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// One head at one length, with all its queries, and at those exact attention is timed at.
class SpeedCell final : public Cell {
 public:
  SpeedCell(RunSpec spec, const Estimators& estimators, const LengthSource& source, Index length)
      : spec_(std::move(spec)), exact_(make_estimator("exact")), name_(source.name()) {
    RunSpec all = spec_;
    all.queries = 0;
    problem_ = LengthSource(all, all.data.front()).stored(length);
    sampled_ = spec_.queries == 0 ? problem_ : sample_queries(problem_, spec_.queries);
    contestants_.push_back({exact_.get(), 0});
    for (const auto& estimator : estimators) {
      if (!estimator->random() && estimator->spec().name != "elementwise") continue;
      estimator->check(problem_);
      const std::vector<Index> once{0};
      for (const Index draws : estimator->random() ? spec_.features : once)
        contestants_.push_back({estimator.get(), draws});
    }
  }

  std::string name() const override { return fmt::format("{},length={}", name_, problem_.keys()); }
  double exact_seconds() const override { return 0.0; }
  std::unique_ptr<CellWorker> worker() const override;

  std::vector<ResultRow> rows(const BlocksOfSeries& blocks_of) const override {
    std::vector<std::vector<double>> seconds, bytes;
    for (std::size_t i = 0; i < contestants_.size(); ++i) {
      seconds.push_back(joined(blocks_of, 2 * i));
      bytes.push_back(joined(blocks_of, 2 * i + 1));
    }
    std::vector<ResultRow> rows;
    for (std::size_t i = 0; i < contestants_.size(); ++i) {
      ResultRow row = row_of(contestants_[i]);
      row.replicates = blocks_of.replicates;
      const bool scaled = i == 0 && sampled_.queries() < problem_.queries();
      const std::string_view status = scaled ? "scaled" : "ok";
      std::vector<Metric> metrics{{"seconds", mean_with_interval(seconds[i]), status},
                                  {"peak_bytes", mean_with_interval(bytes[i]), status}};
      if (i > 0) {
        std::vector<double> speedups;
        for (std::size_t r = 0; r < seconds[i].size(); ++r)
          speedups.push_back(seconds.front()[r] / seconds[i][r]);
        metrics.push_back({"speedup", mean_with_interval(speedups), "ok"});
      }
      append_metrics(rows, row, metrics);
    }
    return rows;
  }

 private:
  friend class SpeedWorker;

  ResultRow row_of(const Contestant& contestant) const {
    Spec shown = contestant.estimator->spec();
    shown.options.erase("projection");
    ResultRow row;
    row.experiment = spec_.experiment;
    row.data = name_;
    row.estimator = shown.text();
    row.projection = contestant.estimator->projection();
    row.target = contestant.estimator->target_name();
    row.draws = contestant.draws;
    row.dimension = contestant.draws == 0 ? 0 : contestant.estimator->dimension(contestant.draws);
    row.length = problem_.keys();
    row.head_dim = problem_.head_dim();
    row.queries = problem_.queries();
    return row;
  }

  std::vector<double> joined(const BlocksOfSeries& blocks_of, std::size_t series) const {
    std::vector<double> numbers;
    for (const auto& block : blocks_of(static_cast<std::int64_t>(series)))
      numbers.insert(numbers.end(), block.begin(), block.end());
    require(std::cmp_equal(numbers.size(), blocks_of.replicates),
            "run.sqlite: the stored times of {} are damaged; delete the directory and run again", name_);
    return numbers;
  }

  RunSpec spec_;
  std::unique_ptr<AttentionEstimator> exact_;
  std::string name_;
  AttentionProblem problem_, sampled_;
  std::vector<Contestant> contestants_;
};

class SpeedWorker final : public ReplicateWorker {
 public:
  // The first call finds the memory, which chance has no part in. Time is of later ones, whose code and
  // memory have been touched.
  explicit SpeedWorker(const SpeedCell& cell) : cell_(cell), series_(2 * cell.contestants_.size()) {
    for (const Contestant& contestant : cell_.contestants_) {
      const ResidentPeak memory;
      answer(contestant, {});
      bytes_.push_back(static_cast<double>(memory.bytes()));
      if (is_exact(contestant))  // it goes query by query: the rest is what it writes
        bytes_.back() += sizeof(double) * (queries_of(cell_.problem_) - queries_of(cell_.sampled_)) *
                         static_cast<double>(cell_.problem_.value_dim() + 1);
    }
  }

 private:
  void start_block() override {
    for (auto& series : series_) series.clear();
  }

  void draw(const StreamAddress& address) override {
    for (std::size_t i = 0; i < cell_.contestants_.size(); ++i) {
      const Contestant& contestant = cell_.contestants_[i];
      double seconds = seconds_of([&] { answer(contestant, address); });
      if (is_exact(contestant)) seconds *= queries_of(cell_.problem_) / queries_of(cell_.sampled_);
      series_[2 * i].push_back(seconds);
      series_[2 * i + 1].push_back(bytes_[i]);
    }
  }

  std::vector<std::vector<double>> block() const override { return series_; }

  bool is_exact(const Contestant& contestant) const { return contestant.estimator == cell_.exact_.get(); }
  static double queries_of(const AttentionProblem& problem) { return static_cast<double>(problem.queries()); }

  // As its user runs it: prepared, and drawn once.
  void answer(const Contestant& contestant, const StreamAddress& address) const {
    const AttentionProblem& problem = is_exact(contestant) ? cell_.sampled_ : cell_.problem_;
    const AttentionEstimator* group[] = {contestant.estimator};
    std::vector<Index> counts;
    if (contestant.draws > 0) counts.push_back(contestant.draws);
    const auto plan = contestant.estimator->plan(problem, group, counts, cell_.spec_.precision);
    plan->sampler()->draw(address, [](std::size_t, std::size_t, const AttentionEstimate&) {});
  }

  const SpeedCell& cell_;
  std::vector<double> bytes_;
  std::vector<std::vector<double>> series_;
};

std::unique_ptr<CellWorker> SpeedCell::worker() const {
  return std::make_unique<SpeedWorker>(*this);
}

}  // namespace

CellMaker speed_vs_length_cells(const RunSpec& spec) {
  return [&spec,
          estimators = std::make_shared<Estimators>(make_estimators(spec.estimators))](std::int64_t cell) {
    const RunSpec own = spec.at_length(cell);
    return std::make_unique<SpeedCell>(own, *estimators, LengthSource(spec, own.data.front()),
                                       spec.length_of(cell));
  };
}

}  // namespace attngap
