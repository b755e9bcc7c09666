#include "estimators/key_stream.hpp"

namespace attngap {

SegmentProblem read_segment(const AttentionProblem& queries, Segment tokens) {
  SegmentProblem segment;
  segment.tokens = tokens;
  if (queries.mask == Mask::causal)
    segment.first = std::lower_bound(queries.positions.begin(), queries.positions.end(), tokens.begin) -
                    queries.positions.begin();
  AttentionProblem& problem = segment.problem;
  problem.Q = queries.Q.bottomRows(queries.queries() - segment.first);
  problem.scale = queries.scale;
  problem.mask = queries.mask;
  for (Index i = segment.first; i < queries.queries(); ++i) {
    const Index position = queries.positions[static_cast<std::size_t>(i)];
    problem.positions.push_back(
        queries.mask == Mask::causal ? std::min(position, tokens.end - 1) - tokens.begin : position);
  }
  queries.stream->read(tokens, problem.K, problem.V);
  return segment;
}

AttentionProblem at_keys(const AttentionProblem& problem, const std::vector<Index>& tokens) {
  const auto count = static_cast<Index>(tokens.size());
  AttentionProblem few;
  few.Q = problem.Q;
  few.K.resize(count, problem.head_dim());
  few.V.resize(count, problem.value_dim());
  few.scale = problem.scale;
  few.mask = problem.mask;
  Matrix K, V;
  for (Index i = 0; i < count; ++i) {
    const Index token = tokens[static_cast<std::size_t>(i)];
    if (problem.stream == nullptr) {
      few.K.row(i) = problem.K.row(token);
      few.V.row(i) = problem.V.row(token);
      continue;
    }
    problem.stream->read({token, token + 1}, K, V);
    few.K.row(i) = K.row(0);
    few.V.row(i) = V.row(0);
  }
  for (Index i = 0; i < problem.queries(); ++i)
    few.positions.push_back(std::upper_bound(tokens.begin(), tokens.end(), problem.visible_keys(i) - 1) -
                            tokens.begin() - 1);
  return few;
}

}  // namespace attngap
