#include "estimators/key_stream.hpp"

#include "estimators/ensemble.hpp"
#include "estimators/error.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace attngap {
namespace {

// A segment as a problem of its own, at the queries that see some of it: rows `first` … of Q.
struct SegmentProblem {
  Index first = 0;
  AttentionProblem problem;
};

// A query beyond the segment sees all of it, as if it stood at the segment's last token.
SegmentProblem read_segment(const StreamedProblem& whole, Segment tokens) {
  const AttentionProblem& queries = whole.queries;
  SegmentProblem segment;
  if (queries.mask == Mask::causal)
    segment.first = std::lower_bound(queries.positions.begin(), queries.positions.end(), tokens.begin) -
                    queries.positions.begin();
  AttentionProblem& problem = segment.problem;
  problem.Q = queries.Q.bottomRows(queries.queries() - segment.first);
  problem.scale = queries.scale;
  problem.mask = queries.mask;
  for (Index i = segment.first; i < queries.queries(); ++i) {
    const Index position = queries.positions[static_cast<std::size_t>(i)];
    problem.positions.push_back(
        queries.mask == Mask::causal ? std::min(position, tokens.end - 1) - tokens.begin : position);
  }
  whole.keys->read(tokens, problem.K, problem.V);
  return segment;
}

// Calls `use` with every segment that some query sees.
template <typename Use>
void for_each_segment(const StreamedProblem& whole, const Use& use) {
  const AttentionProblem& queries = whole.queries;
  const Index seen = queries.mask == Mask::causal ? queries.positions.back() + 1 : whole.keys->keys();
  for (Index begin = 0; begin < seen; begin += kStreamedTokens)
    if (!use(read_segment(whole, {begin, std::min(begin + kStreamedTokens, whole.keys->keys())}))) return;
}

// Sums over keys, added up in units of the kernel: each query's sum keeps the largest scale so far.
class KernelSum {
 public:
  KernelSum(Index queries, Index value_dim) : sum_(queries, value_dim) {
    sum_.log_scale.setConstant(-std::numeric_limits<double>::infinity());
  }

  // Adds a segment's estimate to queries `first` ….
  void add(const AttentionEstimate& part, Index first) {
    for (Index row = 0; row < part.denominator.size(); ++row) {
      const Index i = first + row;
      const double scale = std::max(sum_.log_scale(i), part.log_scale(row));
      const double kept = std::exp(sum_.log_scale(i) - scale), added = std::exp(part.log_scale(row) - scale);
      sum_.numerator.row(i) = kept * sum_.numerator.row(i) + added * part.numerator.row(row);
      sum_.denominator(i) = kept * sum_.denominator(i) + added * part.denominator(row);
      sum_.log_scale(i) = scale;
    }
  }

  const AttentionEstimate& estimate() const { return sum_; }

 private:
  AttentionEstimate sum_;
};

}  // namespace

ExactAttention exact_attention(const StreamedProblem& whole) {
  KernelSum sum(whole.queries.queries(), whole.queries.value_dim());
  for_each_segment(whole, [&](const SegmentProblem& segment) {
    ExactAttention exact = exact_attention(segment.problem);
    AttentionEstimate part;
    part.numerator = std::move(exact.output);
    part.denominator.setOnes(part.numerator.rows());
    part.log_scale = std::move(exact.log_normalizer);
    sum.add(part, segment.first);
    return true;
  });
  const AttentionEstimate& all = sum.estimate();
  return {all.denominator.cwiseInverse().asDiagonal() * all.numerator,
          all.log_scale.array() + all.denominator.array().log()};
}

StreamedEnsemble::StreamedEnsemble(const StreamedProblem& problem,
                                   std::vector<const AttentionEstimator*> estimators,
                                   std::vector<Index> counts, Precision precision)
    : problem_(problem),
      estimators_(std::move(estimators)),
      counts_(std::move(counts)),
      precision_(precision) {
  for (const AttentionEstimator* estimator : estimators_)
    require(estimator->sums_over_keys(),
            "{}: is no sum over keys, so it needs them all at once; leave it out, or use stored data",
            estimator->spec().text());
}

void StreamedEnsemble::draw(std::span<const StreamAddress> addresses, const Visitor& visit,
                            const std::function<bool()>& stopped) const {
  const std::size_t counts = std::max<std::size_t>(counts_.size(), 1), series = estimators_.size() * counts;
  const AttentionProblem& queries = problem_.queries;
  std::vector<KernelSum> sums(addresses.size() * series, KernelSum(queries.queries(), queries.value_dim()));
  const auto place = [&](std::size_t replicate, std::size_t estimator, std::size_t count) {
    return replicate * series + estimator * counts + count;
  };
  bool whole = true;
  for_each_segment(problem_, [&](const SegmentProblem& segment) {
    whole = !stopped();
    if (!whole) return false;
    const Ensemble ensemble(segment.problem, estimators_, counts_, precision_);
    const auto sampler = ensemble.sampler();
    for (std::size_t r = 0; r < addresses.size(); ++r)
      sampler->draw(addresses[r], [&](std::size_t estimator, std::size_t count, const AttentionEstimate& e) {
        sums[place(r, estimator, count)].add(e, segment.first);
      });
    return true;
  });
  if (!whole) return;
  for (std::size_t r = 0; r < addresses.size(); ++r)
    for (std::size_t i = 0; i < estimators_.size(); ++i)
      for (std::size_t count = 0; count < (estimators_[i]->random() ? counts : 1); ++count)
        visit(r, i, count, sums[place(r, i, count)].estimate());
}

AttentionEstimate streamed_estimate(const StreamedProblem& problem, const AttentionEstimator& estimator) {
  const StreamedEnsemble ensemble(problem, {&estimator}, {}, Precision::float64);
  const StreamAddress anywhere;
  AttentionEstimate estimate;
  ensemble.draw(
      {&anywhere, 1},
      [&](std::size_t, std::size_t, std::size_t, const AttentionEstimate& e) { estimate = e; },
      [] { return false; });
  return estimate;
}

}  // namespace attngap
