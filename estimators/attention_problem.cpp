#include "estimators/attention_problem.hpp"

#include "estimators/error.hpp"
#include "estimators/key_stream.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace attngap {
namespace {

void require_finite(const Matrix& matrix, const char* name, const std::string& source) {
  if (matrix.allFinite()) return;
  for (Index i = 0; i < matrix.rows(); ++i)
    for (Index j = 0; j < matrix.cols(); ++j)
      require(std::isfinite(matrix(i, j)),
              "{}: {}[{}, {}] = {}, must be finite: clean the data before measuring", source, name, i, j,
              matrix(i, j));
}

}  // namespace

Index AttentionProblem::keys() const {
  return stream != nullptr ? stream->keys() : K.rows();
}

Index AttentionProblem::visible_keys(Index i) const {
  return mask == Mask::causal ? positions[static_cast<std::size_t>(i)] + 1 : keys();
}

Matrix AttentionProblem::scaled_queries() const {
  return Q * std::sqrt(scale);
}
Matrix AttentionProblem::scaled_keys() const {
  return K * std::sqrt(scale);
}

AttentionProblem make_problem(Matrix Q, Matrix K, Matrix V, Mask mask, std::optional<double> scale,
                              const std::string& source) {
  require(Q.rows() > 0 && K.rows() > 0, "{}: q has {} rows and k has {}; both must have at least one", source,
          Q.rows(), K.rows());
  require(Q.cols() > 0 && V.cols() > 0, "{}: q has {} columns and v has {}; both must have at least one",
          source, Q.cols(), V.cols());
  require(Q.cols() == K.cols(), "{}: q has head dimension {} and k has {}; they must agree", source, Q.cols(),
          K.cols());
  require(K.rows() == V.rows(), "{}: k has {} rows and v has {}; every key needs its value", source, K.rows(),
          V.rows());
  require(mask == Mask::none || Q.rows() == K.rows(),
          "{}: mask=causal needs as many queries as keys, but q has {} rows and k has {}", source, Q.rows(),
          K.rows());
  const double checked_scale = scale.value_or(1.0 / std::sqrt(static_cast<double>(Q.cols())));
  require(std::isfinite(checked_scale) && checked_scale > 0, "{}: scale={}, must be positive and finite",
          source, checked_scale);
  require_finite(Q, "q", source);
  require_finite(K, "k", source);
  require_finite(V, "v", source);

  AttentionProblem problem{std::move(Q), std::move(K), std::move(V), checked_scale, mask, {}, {}};
  problem.positions = first_tokens(problem.queries());
  return problem;
}

std::vector<Index> spread_queries(Index n, Index count) {
  require(count >= 1, "queries = {}, must be at least 1 (or \"all\")", count);
  std::vector<Index> places(static_cast<std::size_t>(std::min(n, count)));
  for (std::size_t i = 0; i < places.size(); ++i) {
    const double place =
        count == 1 ? 0.0
                   : static_cast<double>(i) * static_cast<double>(n - 1) / static_cast<double>(count - 1);
    places[i] = count >= n ? static_cast<Index>(i) : static_cast<Index>(std::nearbyint(place));
  }
  return places;
}

AttentionProblem sample_queries(const AttentionProblem& problem, Index count) {
  const std::vector<Index> rows = spread_queries(problem.queries(), count);
  if (std::cmp_equal(rows.size(), problem.queries())) return problem;
  AttentionProblem sample{Matrix(count, problem.head_dim()),
                          problem.K,
                          problem.V,
                          problem.scale,
                          problem.mask,
                          {},
                          problem.gates};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    sample.Q.row(static_cast<Index>(i)) = problem.Q.row(rows[i]);
    sample.positions.push_back(problem.positions[static_cast<std::size_t>(rows[i])]);
  }
  return sample;
}

AttentionProblem at_tokens(const AttentionProblem& problem, const std::vector<Index>& tokens) {
  require(!tokens.empty(), "a problem needs at least one token");
  AttentionProblem part{problem.Q,
                        problem.K(tokens, Eigen::all),
                        problem.V(tokens, Eigen::all),
                        problem.scale,
                        problem.mask,
                        problem.positions,
                        {}};
  if (problem.gates.size() > 0) part.gates = problem.gates(tokens);
  if (problem.queries() != problem.keys()) return part;
  part.Q = problem.Q(tokens, Eigen::all);
  part.positions = first_tokens(part.keys());
  return part;
}

std::vector<Index> first_tokens(Index count) {
  std::vector<Index> tokens(static_cast<std::size_t>(count));
  std::iota(tokens.begin(), tokens.end(), Index{0});
  return tokens;
}

std::vector<Index> strided_tokens(Index keys, Index count) {
  std::vector<Index> tokens;
  for (Index i = 0; i < count; ++i) tokens.push_back(i * keys / count);
  return tokens;
}

}  // namespace attngap
