#pragma once

#include "experiments/data_source.hpp"

#include <string>

#include <nlohmann/json_fwd.hpp>

namespace attngap {

/// What `attngap data` prints of one head: its shapes and hash, and how hard it is (summarize_head), as text.
std::string describe(const Dataset& dataset);

/// The same as JSON: `name`, `source`, `hash`, `queries`, `keys`, `head_dim`, `value_dim`, `mask`, `scale`,
/// and objects `query_norm`, `key_norm`, `logit`, `entropy`, `pair_norm2`. A number that does not exist is
/// null.
nlohmann::json describe_json(const Dataset& dataset);

}  // namespace attngap
