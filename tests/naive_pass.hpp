#pragma once

#include "estimators/attention_problem.hpp"
#include "estimators/random_stream.hpp"

#include <string_view>

namespace attngap::testing_tools {

/// Which random-feature ratio: a feature map, a projection, whether the mean key is taken out.
struct NaiveRatio {
  std::string_view features = "positive";
  std::string_view projection = "iid";
  bool center_keys = false;
};

struct NaiveAnswer {
  Matrix ratio;            ///< Σ_j K̂(q_i, k_j) v_j / Σ_j K̂(q_i, k_j)
  Vector log_denominator;  ///< ln |Σ_j K̂(q_i, k_j)| with the 1/m of the papers
};

/// K̂ = Σ_s φ_s(q)·φ_s(k) over the first `draws` directions at the address: φ from its formula, loops over
/// queries, keys and directions, no blocks and no shift but the largest exponent of a row. In long double,
/// whose exponents and digits leave room for hostile norms.
NaiveAnswer naive_answer(const NaiveRatio& what, const AttentionProblem& problem, Index draws,
                         const StreamAddress& address);

}  // namespace attngap::testing_tools
