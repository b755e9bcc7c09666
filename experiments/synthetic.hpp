#pragma once

#include "estimators/attention_problem.hpp"
#include "estimators/names.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace attngap {

/// What a synthetic problem is made of. The theory depends on the scaled vectors x̃ = x / d^¼, so `norm` is
/// the root mean square of |q̃| and of |k̃|: E|q̃|² = E|k̃|² = norm², whatever the kind and the head dimension.
struct SyntheticSpec {
  std::string kind = "gaussian";
  Index length = 1024;        ///< tokens, as many queries as keys
  bool length_given = false;  ///< whether `length=` was written
  Index dim = 64;             ///< d
  Index value_dim = 64;
  double norm = 1.0;
  std::uint64_t seed = 1;
  bool linear_values = false;  ///< values linear in the keys rather than independent of them
  Mask mask = Mask::none;
  double rho = 0.95;    ///< ar1: correlation of neighbouring tokens
  Index clusters = 16;  ///< clustered: number of centres
  double spread = 0.3;  ///< clustered: the share of the norm that is noise about the centre
  std::string name;     ///< short name in results
};

/// A kind of synthetic problem: one row of the table that feeds the parser, its messages and `attngap list`.
struct SyntheticKind {
  std::string_view name;
  std::string_view meaning;
  std::span<const KeyHelp> keys;  ///< keys of this kind alone
  double default_norm = 1.0;
};

/// Every kind, in the order they are listed.
std::span<const SyntheticKind> synthetic_kinds();

/// The keys every kind understands.
std::span<const KeyHelp> synthetic_keys();

/// Reads `KIND,key=value,…` (what follows `synthetic:`). The name is `name=`, or the kind and what was set,
/// e.g. `gaussian_length256_norm2`.
///
/// Throws BadInput on an unknown kind or key (with the nearest names) and on a value out of its range.
SyntheticSpec parse_synthetic(std::string_view text);

}  // namespace attngap
