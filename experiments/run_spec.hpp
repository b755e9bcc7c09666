#pragma once

#include "estimators/attention_estimator.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace attngap {

/// The pairs of `kernel-variance`: every norm |x| = |y| with every cosine in every dimension.
struct PairGrid {
  std::vector<double> norms;    ///< of the scaled vectors x = q/d^¼
  std::vector<double> cosines;  ///< of their angle
  std::vector<Index> dims;
  Index map = 0;  ///< points a side of the map of closed forms; 0: no map
  /// The map is of the middles of equal cells of angles [0, π] and norms [0, the largest], instead of cosines
  /// from −1 to 1 and norms from the smallest to the largest.
  bool map_over_angles = false;

  /// How many pairs a dimension has.
  std::int64_t pairs() const;
};

/// The truncations of `taylor-truncation`.
struct TruncationGrid {
  std::vector<double> radii;   ///< R of the ranges |x| ≤ R
  std::vector<Index> degrees;  ///< increasing
};

/// The lengths of `gap-vs-length`, `speed-vs-length` and `decoding-speed`: every head is cut down to each of
/// them.
struct LengthGrid {
  std::vector<Index> lengths;  ///< increasing
  std::vector<std::string>
      features;  ///< counts m, and the rules of the length `sqrt` (⌈√l⌉) and `log` (⌈log₂ l⌉)
  bool strided = false;  ///< evenly spaced tokens of a stored head rather than its first ones

  /// Of runs that measure time: the counts of estimators of a name, instead of `features`.
  std::map<std::string, std::vector<Index>> own_features = {};

  /// Of decoding-speed: sequences decoded side by side, increasing; empty: as many as `RunSpec::queries`.
  std::vector<Index> batches = {};

  /// The counts at a length, increasing, each once.
  std::vector<Index> features_at(Index length) const;
};

/// A precision instead of a number of replicates: see replicate_plan.hpp.
struct PrecisionGoal {
  double rse = 0.0;             ///< relative standard error of `metric`
  std::int64_t most = 4096;     ///< replicates a cell
  double budget_seconds = 0.0;  ///< of the whole run; 0: none
  std::string metric = "median_relative_error";
};

/// What a run measures: everything that decides its numbers, and nothing that does not (threads, formats,
/// output).
struct RunSpec {
  std::string experiment;
  std::vector<std::string> data;        ///< arguments of --data, one cell each
  std::vector<std::string> estimators;  ///< canonical specifications, in the order of the table
  std::vector<Index> features;          ///< counts m, increasing
  std::int64_t replicates = 64;
  Index queries = 256;  ///< measured queries a head; 0 for all
  std::uint64_t seed = 1;
  Precision precision = Precision::float64;
  bool against_softmax =
      false;  ///< errors against softmax of the given inputs, not the estimator's own target

  bool predictions =
      true;  ///< gap runs: also the rows of first-order theory, which cost a pass over pairs of keys

  std::optional<PrecisionGoal> goal;  ///< then `replicates` is the most a cell may take

  std::optional<PairGrid> pairs;             ///< of kernel-variance, which has no heads
  std::optional<TruncationGrid> truncation;  ///< of taylor-truncation, which draws nothing
  std::optional<LengthGrid> lengths;         ///< of gap-vs-length and speed-vs-length

  /// How many cells the run has.
  std::int64_t cells() const;

  /// Of kernel-variance: how many pairs of a dimension are drawn and stored as one cell, as many as keep a
  /// series at half a million numbers; one where each has a number of replicates of its own (`goal`). And the
  /// cells of a dimension, with that of its map.
  std::int64_t pairs_a_cell() const;
  std::int64_t cells_of_dimension() const;

  /// Throws BadInput naming the option, its value and the rule.
  void validate() const;

  /// The specification of cell `cell` of a grid of lengths as one of gap-vs-features: one head, and the
  /// counts of its length.
  RunSpec at_length(std::int64_t cell) const;
  Index length_of(std::int64_t cell) const;

  /// How many cells a head has in a grid of lengths.
  std::int64_t cells_of_head() const;

  /// The specification as JSON text; `heads` are the identities (`head_identity`) of `data`.
  std::string text(const std::vector<std::string>& heads) const;
};

/// What keeps two specifications (RunSpec::text) from being of the same run: the first option that differs,
/// with both values; empty when none does. Where a head was read from makes no difference.
std::string specification_difference(const std::string& stored, const std::string& asked);

/// Throws BadInput unless these are counts m: at least one, each at least 1, increasing, of a size that is
/// ever drawn.
void require_increasing(const std::vector<Index>& features);

/// Makes the estimators of `names`, the baselines `zero` and `mean-value` among them, each once, in the order
/// of the table; so that the order on the command line decides nothing. Throws BadInput on a name that cannot
/// be made.
std::vector<std::unique_ptr<AttentionEstimator>> make_estimators(const std::vector<std::string>& names);

/// How replicates are cut into blocks that are drawn, stored and merged as one: at most 16, as equal as
/// possible.
struct ReplicateBlocks {
  static constexpr std::int64_t kMost = 16;
  explicit ReplicateBlocks(std::int64_t replicates);
  std::int64_t count() const { return count_; }
  std::int64_t first(std::int64_t block) const { return block * replicates_ / count_; }

 private:
  std::int64_t replicates_;
  std::int64_t count_;
};

}  // namespace attngap
