#pragma once

#include "estimators/attention_estimator.hpp"
#include "estimators/exact_attention.hpp"
#include "estimators/segments.hpp"

#include <functional>
#include <span>
#include <vector>

namespace attngap {

/// Keys and values of a problem that is never held as a whole: any segment of tokens can be had again, with
/// the same bits. Safe to read from several threads.
class KeyStream {
 public:
  virtual ~KeyStream() = default;
  virtual Index keys() const = 0;

  /// Writes the keys and values of these tokens: size×d and size×p.
  virtual void read(Segment tokens, Matrix& K, Matrix& V) const = 0;
};

/// A problem whose keys come from a stream: `queries` has everything else, and no keys.
struct StreamedProblem {
  AttentionProblem queries;  ///< Q (n×d), scale, mask and positions; K is 0×d, V 0×p
  const KeyStream* keys = nullptr;
};

/// Tokens that are read at a time: some megabytes a thread, and long against the 256 queries whose features
/// each segment evaluates anew.
inline constexpr Index kStreamedTokens = 8192;

/// softmax attention at every query of a streamed problem. The parts of a sum of exponentials, each with its
/// own log normaliser, are merged as one: memory O(n p + segment), time as `exact_attention`.
ExactAttention exact_attention(const StreamedProblem& problem);

/// Several estimators of one streamed problem, drawn together as an `Ensemble` draws them.
///
/// An estimator that `sums_over_keys` says of a set of keys the sum of what it says of the parts, as long as
/// the directions are the same; and directions have an address. So every segment is an ordinary problem, and
/// the sums are added in units of the kernel. A segment serves all replicates before the next one is read.
/// The estimates are those of an `Ensemble` on the stored problem up to rounding.
class StreamedEnsemble {
 public:
  /// Problem and estimators must outlive the ensemble. Throws BadInput naming an estimator that does not sum
  /// over keys.
  StreamedEnsemble(const StreamedProblem& problem, std::vector<const AttentionEstimator*> estimators,
                   std::vector<Index> counts, Precision precision);

  /// Position of the replicate, of the estimator (an estimator that is not random has only count 0), of the
  /// count, and the estimate.
  using Visitor = std::function<void(std::size_t, std::size_t, std::size_t, const AttentionEstimate&)>;

  /// One draw at every address. `stopped` is asked at every segment; once it is true nothing is visited.
  void draw(std::span<const StreamAddress> addresses, const Visitor& visit,
            const std::function<bool()>& stopped) const;

 private:
  const StreamedProblem& problem_;
  std::vector<const AttentionEstimator*> estimators_;
  std::vector<Index> counts_;
  Precision precision_;
};

/// The estimate of a deterministic estimator that sums over keys.
AttentionEstimate streamed_estimate(const StreamedProblem& problem, const AttentionEstimator& estimator);

}  // namespace attngap
