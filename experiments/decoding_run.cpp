#include "experiments/decoding_run.hpp"

#include "analysis/inference.hpp"
#include "estimators/elementwise.hpp"
#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/key_value_cache.hpp"
#include "estimators/ratio_estimator.hpp"
#include "experiments/cost_cell.hpp"
#include "experiments/length_source.hpp"
#include "experiments/memory_need.hpp"

#include <algorithm>
#include <utility>

namespace attngap {
namespace {

// Long enough for the clock, short enough that the length hardly changes.
constexpr Index kDecodedTokens = 16;

// Sequences that are decoded by one method.
class Decoder {
 public:
  virtual ~Decoder() = default;

  /// All sequences as they were before the first decoded token.
  virtual void rewind() = 0;

  /// Decodes this token of every sequence; the sum of the outputs, so that none of them is in vain.
  virtual double decode(Index token) = 0;
  virtual double bytes() const = 0;
};

class CachedAttention final : public Decoder {
 public:
  CachedAttention(const AttentionProblem& problem, Index before, Index sequences)
      : Q_(problem.scaled_queries()), K_(problem.scaled_keys()), V_(problem.V), before_(before) {
    KeyValueCache cache(K_.rows(), K_.cols(), V_.cols());
    for (Index t = 0; t < before; ++t) cache.push(K_.row(t), V_.row(t));
    caches_.assign(static_cast<std::size_t>(sequences), cache);
  }

  void rewind() override {
    for (KeyValueCache& cache : caches_) cache.shorten(before_);
  }
  double decode(Index token) override {
    double sum = 0.0;
    for (KeyValueCache& cache : caches_) {
      cache.push(K_.row(token), V_.row(token));
      sum += cache.read(Q_.row(token)).sum();
    }
    return sum;
  }
  double bytes() const override {
    return static_cast<double>(caches_.size()) * sizeof(double) * static_cast<double>(K_.size() + V_.size());
  }

 private:
  Matrix Q_, K_, V_;
  Index before_;
  std::vector<KeyValueCache> caches_;
};

class RandomFeatures final : public Decoder {
 public:
  RandomFeatures(const RatioEstimator& estimator, const AttentionProblem& problem, Index draws, Index before,
                 Index sequences)
      : state_(estimator.decoding_state(problem, {draws}, {})) {
    const AttentionProblem prepared = estimator.prepared(problem);
    Q_ = prepared.scaled_queries();
    K_ = prepared.scaled_keys();
    V_ = problem.V;
    for (Index t = 0; t < before; ++t) state_.push(K_.row(t), V_.row(t));
    states_.assign(static_cast<std::size_t>(sequences), state_);
  }

  void rewind() override { std::fill(states_.begin(), states_.end(), state_); }
  double decode(Index token) override {
    double sum = 0.0;
    for (DecodingState& state : states_) {
      state.push(K_.row(token), V_.row(token));
      const AttentionEstimate estimate = state.read(Q_.row(token));
      sum += estimate.numerator.sum() / estimate.denominator(0);
    }
    return sum;
  }
  double bytes() const override {
    return static_cast<double>(states_.size() * sizeof(double) * state_.save().size());
  }

 private:
  DecodingState state_;
  std::vector<DecodingState> states_;
  Matrix Q_, K_, V_;
};

class ElementwiseSums final : public Decoder {
 public:
  ElementwiseSums(ElementwiseState empty, const AttentionProblem& problem, Index before, Index sequences)
      : problem_(problem), state_(std::move(empty)) {
    for (Index t = 0; t < before; ++t) state_.push(problem.K.row(t), problem.V.row(t));
    states_.assign(static_cast<std::size_t>(sequences), state_);
  }

  void rewind() override { std::fill(states_.begin(), states_.end(), state_); }
  double decode(Index token) override {
    double sum = 0.0;
    for (ElementwiseState& state : states_) {
      state.push(problem_.K.row(token), problem_.V.row(token));
      sum += state.read(problem_.Q.row(token)).sum();
    }
    return sum;
  }
  double bytes() const override { return static_cast<double>(states_.size() * state_.bytes()); }

 private:
  const AttentionProblem& problem_;
  ElementwiseState state_;
  std::vector<ElementwiseState> states_;
};

class DecodingCell final : public CostCell {
 public:
  DecodingCell(const RunSpec& spec, const Estimators& estimators, const LengthSource& source, Index length)
      : CostCell(spec, estimators, source.name(), source.whole(length), spec.queries, "state_bytes") {}

  std::unique_ptr<CellWorker> worker() const override;

  Index before() const { return std::max<Index>(0, problem().keys() - kDecodedTokens); }
  Index length() const { return problem().keys(); }

  std::vector<std::unique_ptr<Decoder>> decoders() const {
    std::vector<std::unique_ptr<Decoder>> made;
    for (const Contestant& contestant : contestants()) made.push_back(decoder(contestant));
    return made;
  }

 private:
  std::unique_ptr<Decoder> decoder(const Contestant& contestant) const {
    const Index sequences = spec().queries;
    if (is_exact(contestant)) return std::make_unique<CachedAttention>(problem(), before(), sequences);
    if (const auto* ratio = dynamic_cast<const RatioEstimator*>(contestant.estimator))
      return std::make_unique<RandomFeatures>(*ratio, problem(), contestant.draws, before(), sequences);
    return std::make_unique<ElementwiseSums>(
        *elementwise_state(contestant.estimator->spec(), problem().head_dim()), problem(), before(),
        sequences);
  }
};

class DecodingWorker final : public ReplicateWorker {
 public:
  // The first touch of code and memory is no part of any time.
  explicit DecodingWorker(const DecodingCell& cell)
      : first_(cell.before()),
        end_(cell.length()),
        decoders_(cell.decoders()),
        series_(2 * decoders_.size()) {
    for (const auto& decoder : decoders_) seconds_a_token(*decoder);
  }

 private:
  void start_block() override {
    for (auto& series : series_) series.clear();
  }
  void draw(const StreamAddress&) override {
    for (std::size_t i = 0; i < decoders_.size(); ++i) {
      series_[2 * i].push_back(seconds_a_token(*decoders_[i]));
      series_[2 * i + 1].push_back(decoders_[i]->bytes());
    }
  }
  std::vector<std::vector<double>> block() const override { return series_; }

  // The median of the tokens: of one that was interrupted it says nothing.
  double seconds_a_token(Decoder& decoder) {
    decoder.rewind();
    std::vector<double> seconds;
    for (Index token = first_; token < end_; ++token)
      seconds.push_back(seconds_of([&] { sum_ += decoder.decode(token); }));
    std::sort(seconds.begin(), seconds.end());
    return sorted_quantile(seconds, 0.5);
  }

  Index first_, end_;
  std::vector<std::unique_ptr<Decoder>> decoders_;
  std::vector<std::vector<double>> series_;
  double sum_ = 0.0;
};

std::unique_ptr<CellWorker> DecodingCell::worker() const {
  return std::make_unique<DecodingWorker>(*this);
}

}  // namespace

CellMaker decoding_speed_cells(const RunSpec& spec) {
  return [&spec,
          estimators = std::make_shared<Estimators>(make_estimators(spec.estimators))](std::int64_t cell) {
    const RunSpec own = spec.at_length(cell);
    return std::make_unique<DecodingCell>(own, *estimators, LengthSource(spec, own.data.front()),
                                          spec.length_of(cell));
  };
}

void require_decodable(const RunSpec& spec, const AttentionProblem& head, Index longest) {
  require(spec.queries > 0,
          "decoding-speed: --queries all: here it is the number of sequences that are decoded side by side");
  for (const std::string& name : spec.estimators) {
    const auto estimator = make_estimator(name);
    const bool elementwise = estimator->spec().name == "elementwise";
    if (!estimator->random() && !elementwise) continue;
    const bool has_state = elementwise ? elementwise_state(estimator->spec(), 1).has_value()
                                       : dynamic_cast<const RatioEstimator*>(estimator.get()) != nullptr;
    require(has_state,
            "decoding-speed: {} has no recurrent state of constant size; use performer, rfa, rmfa, or "
            "elementwise "
            "with degree=",
            name);
    for (const char* key : {"gate", "center", "ppsbn", "denominator"})
      require(
          !estimator->spec().options.contains(key),
          "decoding-speed: {}: {}= looks at all tokens, or costs nothing that could be seen; leave it out",
          name, key);
    estimator->check(head);
  }
  const double numbers = static_cast<double>(longest) *
                         static_cast<double>(head.head_dim() + head.value_dim()) *
                         static_cast<double>(spec.queries);
  require_memory(sizeof(double) * numbers,
                 fmt::format("the keys and values of {} sequences of {} tokens", spec.queries, longest),
                 "use fewer sequences (--queries) or a shorter length");
}

}  // namespace attngap
