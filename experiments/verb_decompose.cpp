#include "estimators/decomposition.hpp"
#include "estimators/ensemble.hpp"
#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"
#include "experiments/data_source.hpp"
#include "experiments/memory_need.hpp"
#include "experiments/npz.hpp"
#include "experiments/verb.hpp"
#include "experiments/verb_options.hpp"

#include <fmt/format.h>

namespace attngap {
namespace {

struct Question {
  const AttentionEstimator& estimator;
  const AttentionProblem& problem;
  Index query;
  Index draws;
  StreamAddress address;
};

// The estimator's own answer at the query, by the way a run computes it.
Vector own_estimate(const Question& question) {
  const Ensemble ensemble(question.problem, {&question.estimator}, {question.draws}, Precision::float64);
  Vector answer;
  ensemble.sampler()->draw(
      question.address, [&](std::size_t, std::size_t, const AttentionEstimate& estimate) {
        answer = attention_output(estimate, question.estimator.denominator()).row(question.query);
      });
  return answer;
}

Decomposition decompose_question(const Question& question, const std::string& policy, Index groups) {
  const KeyWeights weights =
      question.estimator.key_weights(question.problem, question.query, question.draws, question.address);
  const auto values = question.problem.V.topRows(weights.drawn.size());
  // An estimator with groups of its own (EVA) is the sum of its groups; any other is a ratio.
  const Coefficient native = weights.group.empty() ? Coefficient::ratio : Coefficient::group;
  CoefficientInputs inputs{policy == "own" ? native : coefficient_named(policy), groups, nullptr};
  Vector regression;
  if (inputs.coefficient == Coefficient::regression) {
    regression = regression_coefficient(question.estimator.key_covariance(question.problem, question.query),
                                        weights.expected, values);
    inputs.regression = &regression;
  }
  return decompose(weights, values, inputs);
}

void print_csv(const Decomposition& parts) {
  const Vector total = parts.estimate - parts.exact;
  fmt::print("key,group,pi,h,g_norm,beta_norm,term_norm,error_norm,error_share\n");
  for (Index m = 0; m < parts.h.size(); ++m)
    fmt::print("{},{},{},{},{},{},{},{},{}\n", m, parts.group[static_cast<std::size_t>(m)], parts.pi(m),
               parts.h(m), parts.g.row(m).norm(), parts.beta.row(m).norm(), parts.term.row(m).norm(),
               parts.error.row(m).norm(),
               total.squaredNorm() > 0 ? parts.error.row(m).dot(total) / total.squaredNorm() : 0.0);
}

NumberArray array_of(const Matrix& matrix) {
  return {{static_cast<std::size_t>(matrix.rows()), static_cast<std::size_t>(matrix.cols())},
          {matrix.data(), matrix.data() + matrix.size()}};
}
NumberArray array_of(const Vector& vector) {
  return {{static_cast<std::size_t>(vector.size())}, {vector.data(), vector.data() + vector.size()}};
}

}  // namespace

int verb_decompose(const std::vector<std::string>& arguments) {
  std::vector<std::string> policies;
  for (const NamedCoefficient& row : coefficients())
    policies.push_back(fmt::format("  {:<12} {}", row.name, row.meaning));
  VerbOptions options(
      "decompose --data F --estimator E --query N",
      fmt::format("One draw's estimate at a query as a sum of control variates, a line a key:\n"
                  "  estimate = sum_m g_m - beta_m h_m + beta_m pi_m,  g_m = h_m v_m,  E[h_m] = pi_m\n"
                  "CSV on standard output: norms over the channels, and each key's share of the error "
                  "along the whole error;\nall channels with --out as arrays pi, h (l), g, beta, term "
                  "(l×p), estimate, exact (p).\nThe residual of the identity goes to standard error.\n\n"
                  "coefficients beta:\n  own          the estimator's own: ratio, or group for eva\n{}",
                  fmt::join(policies, "\n")));
  options.add("estimator", "", "an estimator as name:key=value,…");
  options.add("query", "0", "which query, from 0");
  options.add("coefficient", "own", "how the coefficients are chosen");
  options.add("groups", "8", "contiguous groups of coefficient group");
  options.add("replicate", "0", "which independent draw");
  options.add("out", "", "a .npz to write");
  options.add_shared({"data", "force", "features", "seed", "quiet"});
  if (!options.parse(arguments)) return kDone;
  require(options.list("data").size() == 1, "--data: give one head, not {}", options.list("data").size());
  require(options.given("estimator"), "--estimator is missing; `attngap list estimators` shows them");

  const Dataset dataset = load_dataset(options.list("data").front());
  const auto estimator = make_estimator(options.estimator(options.text("estimator")));
  estimator->check(dataset.problem);
  const Index draws = options.features().back();
  require_memory(direction_bytes(draws, dataset.problem.head_dim(), 1),
                 fmt::format("--features: {} directions", draws), "use a smaller m");
  const auto query = static_cast<Index>(parse_count("--query", options.text("query"), 0));
  require(query < dataset.problem.queries(), "--query = {}, must be below {}, the number of queries of {}",
          query, dataset.problem.queries(), dataset.name);
  const Question question{
      *estimator, dataset.problem, query, draws, {options.seed(), 0, options.replicate()}};
  const std::string policy = options.text("coefficient");
  const Decomposition parts = decompose_question(
      question, policy, static_cast<Index>(parse_count("--groups", options.text("groups"))));

  if (options.given("out"))
    write_npz(options.text("out"), {{"pi", array_of(parts.pi)},
                                    {"h", array_of(parts.h)},
                                    {"g", array_of(parts.g)},
                                    {"beta", array_of(parts.beta)},
                                    {"term", array_of(parts.term)},
                                    {"estimate", array_of(parts.estimate)},
                                    {"exact", array_of(parts.exact)}});
  if (!options.flag("quiet")) print_csv(parts);  // after the file: one that fails leaves no half of an answer
  const Vector direct = policy == "own" ? own_estimate(question)
                                        : Vector(parts.exact + parts.error.colwise().sum().transpose());
  fmt::print(stderr, "identity: largest |sum of terms - {}| = {:.3g}\n",
             policy == "own" ? "estimate of the same draw" : "exact - errors",
             (parts.estimate - direct).cwiseAbs().maxCoeff());
  return kDone;
}

}  // namespace attngap
