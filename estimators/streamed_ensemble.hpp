#pragma once

#include "estimators/ensemble.hpp"
#include "estimators/key_stream.hpp"

#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace attngap {

/// Several estimators of one streamed problem, drawn together as an `Ensemble` draws them; the estimates are
/// those on the stored problem up to rounding.
///
/// An estimator that `sums_over_keys` says of a set of keys the sum of what it says of the parts, as long as
/// the directions are the same and what it takes from all keys is taken before (`fitted`, here once, unless
/// it is); and directions have an address. So every segment is an ordinary problem, and the sums are added in
/// units of the kernel. A segment serves all replicates before the next one is read. An estimator that
/// `reads_streams` goes through the keys itself, once a draw and count.
class StreamedEnsemble {
 public:
  /// Problem and estimators must outlive the ensemble. Throws BadInput naming an estimator that needs all
  /// keys at once.
  StreamedEnsemble(const AttentionProblem& problem, const std::vector<const AttentionEstimator*>& estimators,
                   std::vector<Index> counts, Precision precision);

  /// Position of the replicate, of the estimator (an estimator that is not random has only count 0), of the
  /// count, and the estimate.
  using Visitor = std::function<void(std::size_t, std::size_t, std::size_t, const AttentionEstimate&)>;

  /// One draw at every address. `stopped` is asked at every segment or draw; once it is true the rest is not
  /// visited.
  void draw(std::span<const StreamAddress> addresses, const Visitor& visit,
            const std::function<bool()>& stopped) const;

 private:
  void draw_sums(std::span<const StreamAddress> addresses, const Visitor& visit,
                 const std::function<bool()>& stopped) const;

  const AttentionProblem& problem_;
  std::vector<std::unique_ptr<AttentionEstimator>> fitted_;
  std::vector<const AttentionEstimator*> summing_, reading_;
  std::vector<std::size_t> places_of_summing_, places_of_reading_;
  std::vector<Index> counts_;
  Precision precision_;
  std::unique_ptr<Ensemble> readers_;
};

/// The estimate of a deterministic estimator of a streamed problem. Of one that sums over keys, segments may
/// be worked on at once, with the same bits.
AttentionEstimate streamed_estimate(const AttentionProblem& problem, const AttentionEstimator& estimator,
                                    const Together& together);

}  // namespace attngap
