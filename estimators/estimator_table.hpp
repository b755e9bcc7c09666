#pragma once

#include "estimators/attention_estimator.hpp"
#include "estimators/names.hpp"

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace attngap {

/// A row of the table of estimators, which feeds the command line, `--help`, `attngap list` and the contract
/// tests.
struct NamedEstimator {
  std::string_view name;
  std::string_view meaning;
  std::string_view target;
  std::string_view source;
  std::vector<KeyHelp> keys;
  std::unique_ptr<AttentionEstimator> (*make)(const Spec& spec);
};

/// Every estimator the toolkit knows.
std::span<const NamedEstimator> estimator_table();

/// The estimator written `name:key=value,…`; throws BadInput on an unknown name, key or value, with the
/// nearest ones.
std::unique_ptr<AttentionEstimator> make_estimator(std::string_view text);

/// The value of a key, given or default. The key must be one of the estimator's.
std::string_view option(const Spec& spec, std::string_view key);

}  // namespace attngap
