#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace attngap {

/// `name:key=value,key=value`, as estimators, data and synthetic families are written on the command line.
struct Spec {
  std::string name;
  std::map<std::string, std::string> options;

  /// `name:key=value,…` with keys in alphabetical order; parse(text()) gives the same Spec.
  std::string text() const;
};

/// One key an entry understands, for the parser, `--help` and `attngap list`.
struct KeyHelp {
  std::string_view key;
  std::string_view values;  ///< alternatives separated by '|', or a description such as "a positive number"
  std::string_view default_value;
  std::string_view meaning;
};

/// Splits `name:key=value,key=value`; throws BadInput naming the piece that is not key=value, or a repeated
/// key.
Spec parse_spec(std::string_view text);

/// The up to three known names nearest to `name` by edit distance, quoted and joined with "or".
std::string nearest_names(std::string_view name, std::span<const std::string_view> known);

/// Throws BadInput "unknown KIND NAME; did you mean …" unless `name` is among `known`.
void require_known(std::string_view kind, std::string_view name, std::span<const std::string_view> known);

/// A whole text as a number; throws BadInput "WHAT = TEXT, must be a number" otherwise.
double parse_number(std::string_view what, std::string_view text);

/// A whole text as an integer of at least `minimum`; throws BadInput otherwise.
long long parse_count(std::string_view what, std::string_view text, long long minimum = 1);

/// A whole text as a seed: any of 0 … 2^64 - 1. Throws BadInput otherwise.
std::uint64_t parse_seed(std::string_view what, std::string_view text);

}  // namespace attngap
