#include "experiments/speed_run.hpp"

#include "experiments/cost_cell.hpp"
#include "experiments/length_source.hpp"
#include "experiments/resident_memory.hpp"

#include <utility>

namespace attngap {
namespace {

double queries_of(const AttentionProblem& problem) {
  return static_cast<double>(problem.queries());
}

// One head at one length, with all its queries, and at those exact attention is timed at.
class SpeedCell final : public CostCell {
 public:
  SpeedCell(const RunSpec& spec, const Estimators& estimators, const LengthSource& source, Index length)
      : CostCell(spec, estimators, source.name(), source.whole(length), length, "peak_bytes"),
        sampled_(spec.queries == 0 ? problem() : sample_queries(problem(), spec.queries)) {}

  std::unique_ptr<CellWorker> worker() const override;

 private:
  friend class SpeedWorker;

  bool scaled() const override { return sampled_.queries() < problem().queries(); }

  AttentionProblem sampled_;
};

class SpeedWorker final : public ReplicateWorker {
 public:
  // The first call finds the memory, which chance has no part in. Time is of later ones, whose code and
  // memory have been touched.
  explicit SpeedWorker(const SpeedCell& cell) : cell_(cell), series_(2 * cell.contestants().size()) {
    for (const Contestant& contestant : cell_.contestants()) {
      const ResidentPeak memory;
      answer(contestant, {});
      bytes_.push_back(static_cast<double>(memory.bytes()));
      if (cell_.is_exact(contestant))  // it goes query by query: the rest is what it writes
        bytes_.back() += sizeof(double) * (queries_of(cell_.problem()) - queries_of(cell_.sampled_)) *
                         static_cast<double>(cell_.problem().value_dim() + 1);
    }
  }

 private:
  void start_block() override {
    for (auto& series : series_) series.clear();
  }

  void draw(const StreamAddress& address) override {
    for (std::size_t i = 0; i < bytes_.size(); ++i) {
      const Contestant& contestant = cell_.contestants()[i];
      double seconds = seconds_of([&] { answer(contestant, address); });
      if (cell_.is_exact(contestant)) seconds *= queries_of(cell_.problem()) / queries_of(cell_.sampled_);
      series_[2 * i].push_back(seconds);
      series_[2 * i + 1].push_back(bytes_[i]);
    }
  }

  std::vector<std::vector<double>> block() const override { return series_; }

  // As its user runs it: prepared, and drawn once.
  void answer(const Contestant& contestant, const StreamAddress& address) const {
    const AttentionProblem& problem = cell_.is_exact(contestant) ? cell_.sampled_ : cell_.problem();
    const AttentionEstimator* group[] = {contestant.estimator};
    std::vector<Index> counts;
    if (contestant.draws > 0) counts.push_back(contestant.draws);
    const auto plan = contestant.estimator->plan(problem, group, counts, cell_.spec().precision);
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
