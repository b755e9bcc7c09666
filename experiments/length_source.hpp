#pragma once

#include "experiments/gap_cell.hpp"

#include <memory>
#include <optional>
#include <string>

namespace attngap {

/// What an argument of --data gives at the lengths of a grid: a stored head cut down, or a synthetic problem
/// made as long as asked, whose first tokens are the same at every length.
class LengthSource {
 public:
  /// Throws BadInput on an argument that cannot be used, a synthetic problem with a `length=` of its own,
  /// and a stored head shorter than the longest length.
  LengthSource(const RunSpec& spec, const std::string& argument);

  /// Short name of the data, and what makes them what they are.
  const std::string& name() const { return name_; }
  std::string identity() const;

  /// Whether keys and values of this length are made segment by segment: of a synthetic problem beyond the
  /// lengths whose pairs of keys are looked at, if every estimator streams.
  bool streams(Index length, const Estimators& estimators) const;

  /// The problem of that length at all its queries, and at the measured ones. Throws BadInput when it does
  /// not fit the memory.
  AttentionProblem whole(Index length) const;
  AttentionProblem stored(Index length) const;

  /// The synthetic problem of that length.
  SyntheticSpec synthetic(Index length) const;

 private:
  Index queries_;
  bool strided_;
  std::string name_;
  std::string argument_;
  std::optional<SyntheticSpec> synthetic_;
};

}  // namespace attngap
