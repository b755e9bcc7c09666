#include "estimators/key_stream.hpp"

namespace attngap {

SegmentProblem read_segment(const AttentionProblem& queries, Segment tokens) {
  SegmentProblem segment;
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

}  // namespace attngap
