#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace attngap {

/// One measured number and where it came from: one line of results.csv, one row of the store.
///
/// NaN in `std_error`, `ci_low` or `ci_high` means "has none" (an empty field in CSV, NULL in SQL, null in
/// JSON).
struct ResultRow {
  std::string experiment;      ///< e.g. gap-vs-features
  std::string data;            ///< the head's short name, e.g. lm_kjv_l0_h3
  std::string estimator;       ///< e.g. performer:features=hyperbolic (keys other than the projection)
  std::string projection;      ///< iid, orthogonal, or empty where there are no Gaussian directions
  std::string target;          ///< what the error is measured against, e.g. softmax
  std::int64_t draws = 0;      ///< m, the number of random directions; 0 for a baseline
  std::int64_t dimension = 0;  ///< real features that costs
  std::int64_t length = 0;     ///< l, keys
  std::int64_t head_dim = 0;   ///< d
  std::int64_t queries = 0;    ///< n, queries measured
  std::int64_t replicates = 0;
  std::string metric;  ///< e.g. median_relative_error
  double value = 0;
  double std_error = 0;
  double ci_low = 0;  ///< 95 % interval
  double ci_high = 0;
  std::string status;  ///< ok, no-moment, nonfinite, few-replicates
};

}  // namespace attngap
