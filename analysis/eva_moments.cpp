#include "analysis/eva_moments.hpp"

#include "estimators/error.hpp"
#include "estimators/eva_groups.hpp"

namespace attngap {

OutputMoments eva_moments(const AttentionProblem& problem, const Spec& spec, Index groups,
                          std::int64_t replicates, std::uint64_t seed) {
  require(replicates >= 2, "replicates = {}, must be at least 2 (a variance needs two)", replicates);
  const EvaOptions options = eva_options(spec);
  require(options.draws_at(groups) == 1, "{}: only with one draw a group is eva linear in its coefficients",
          spec.text());
  check_windows(problem, options.shape.window);
  const PreparedRows<double> rows(problem);
  const Index chunks = options.chunks_at(groups);
  const EvaLayout layout(problem, rows, options.shape, chunks);

  EvaGroupDraws drawn(rows, options.noise_scale(problem.scale));
  Matrix mean = Matrix::Zero(static_cast<Index>(layout.groups.size()), problem.value_dim());
  Matrix squares = mean;
  for (std::int64_t r = 0; r < replicates; ++r) {
    drawn.draw(layout, 1, chunks, {seed, 0, static_cast<std::uint32_t>(r)});
    const Matrix deviation = drawn.values() - mean;
    mean += deviation / static_cast<double>(r + 1);
    squares.array() += deviation.array() * (drawn.values() - mean).array();
  }
  const Matrix variance = squares / static_cast<double>(replicates - 1);

  OutputMoments output{Matrix(problem.queries(), problem.value_dim()), {}, {}};
  output.variance = output.mean;
  for (const EvaWindow& part : layout.windows) {
    Matrix group_mean(part.mass.cols(), mean.cols()), group_variance = group_mean;
    for (Index c = 0; c < part.mass.cols(); ++c) {
      const Index group = part.groups[static_cast<std::size_t>(c)];
      group_mean.row(c) = mean.row(group);
      group_variance.row(c) = variance.row(group);
    }
    const Matrix expected = part.exact + part.mass * group_mean;
    const Matrix spread = part.mass.cwiseAbs2() * group_variance;
    for (std::size_t i = 0; i < part.window.queries.size(); ++i) {
      output.mean.row(part.window.queries[i]) = expected.row(static_cast<Index>(i));
      output.variance.row(part.window.queries[i]) = spread.row(static_cast<Index>(i));
    }
  }
  output.standard_error_of_mean = (output.variance / static_cast<double>(replicates)).cwiseSqrt();
  return output;
}

}  // namespace attngap
