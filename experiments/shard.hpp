#pragma once

#include <cstdint>
#include <string>

namespace attngap {

/// A part of a run that another process, at another time or on another machine, may draw: `--shard 2/5`.
struct Shard {
  std::int64_t part = 1;  ///< from 1
  std::int64_t of = 1;

  /// Whether the part has a task: tasks, numbered through the run, are dealt out like cards.
  bool owns(std::int64_t task) const { return task % of == part - 1; }

  std::string text() const;
};

/// Reads "k/n", 1 ≤ k ≤ n; throws BadInput otherwise.
Shard parse_shard(const std::string& text);

/// The specification of a shard: the whole run's (RunSpec::text) with the key `shard`.
std::string shard_specification(const std::string& whole, const Shard& shard);

/// Takes it apart again. A specification without the key is of a whole run: 1/1.
struct ShardSpecification {
  std::string whole;
  bool is_shard = false;
  Shard shard{};
};
/// The parts of a stored specification.
ShardSpecification split_specification(const std::string& specification);

}  // namespace attngap
