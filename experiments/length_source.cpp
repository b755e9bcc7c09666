#include "experiments/length_source.hpp"

#include "estimators/error.hpp"
#include "experiments/data_source.hpp"

#include <algorithm>

namespace attngap {

LengthSource::LengthSource(const RunSpec& spec, const std::string& argument)
    : queries_(spec.queries), strided_(spec.lengths->strided), argument_(argument) {
  const Index longest = spec.lengths->lengths.back();
  synthetic_ = synthetic_argument(argument);
  if (synthetic_) {
    require(!synthetic_->length_given, "--data {}: length= is what --lengths says; leave it out", argument);
    require(!strided_, "--subsample stride is for stored heads; leave it out, or leave out {}", argument);
    name_ = synthetic_->name;
    return;
  }
  const Dataset dataset = load_dataset(argument);
  require(longest <= dataset.problem.keys(), "--lengths: {} is beyond the {} keys of {}", longest,
          dataset.problem.keys(), dataset.name);
  name_ = dataset.name;
}

std::string LengthSource::identity() const {
  if (!synthetic_) return head_identity(load_dataset(argument_));
  const SyntheticSpec& s = *synthetic_;
  return fmt::format("{} (mask {}, {} d={} p={} norm={} seed={} values={} rho={} clusters={} spread={})",
                     name_, s.mask == Mask::causal ? "causal" : "none", s.kind, s.dim, s.value_dim, s.norm,
                     s.seed, s.linear_values ? "linear" : "independent", s.rho, s.clusters, s.spread);
}

bool LengthSource::streams(Index length, const Estimators& estimators) const {
  return synthetic_ && length > kPredictedKeys &&
         std::all_of(estimators.begin(), estimators.end(),
                     [](const auto& estimator) { return estimator->streams(); });
}

AttentionProblem LengthSource::whole(Index length) const {
  if (synthetic_)
    return make_synthetic(synthetic(length),
                          length > kPredictedKeys
                              ? "make it shorter (estimators are timed at all queries of a problem that is "
                                "held; gap-vs-length streams it)"
                              : "make it shorter");
  const AttentionProblem head = load_dataset(argument_).problem;
  return at_tokens(head, strided_ ? strided_tokens(head.keys(), length) : first_tokens(length));
}

AttentionProblem LengthSource::stored(Index length) const {
  return queries_ == 0 ? whole(length) : sample_queries(whole(length), queries_);
}

SyntheticSpec LengthSource::synthetic(Index length) const {
  SyntheticSpec spec = *synthetic_;
  spec.length = length;
  return spec;
}

}  // namespace attngap
