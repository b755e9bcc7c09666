#include "analysis/ratio_inference.hpp"
#include "estimators/decomposition.hpp"
#include "estimators/ensemble.hpp"
#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/ratio_estimator.hpp"
#include "experiments/data_source.hpp"
#include "experiments/memory_need.hpp"
#include "experiments/npz.hpp"
#include "experiments/verb.hpp"
#include "experiments/verb_options.hpp"
#include "plots/decomposition_figure.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string>

#include <fmt/format.h>

namespace attngap {
namespace {

// What rounding may leave of an identity, relative to the largest term.
constexpr double kIdentity = 1e-9;

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
  ensemble.sampler()->draw(question.address, [&](std::size_t, std::size_t,
                                                 const AttentionEstimate& estimate) {
    answer = attention_output(estimate, question.estimator.denominator(), question.estimator.post_scaling())
                 .row(question.query);
  });
  return answer;
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

// The attention of one channel: q, k and v of a single column, with the scale of the whole head.
AttentionProblem one_channel(const Dataset& dataset, const std::string& text) {
  AttentionProblem problem = dataset.problem;
  const auto channel = static_cast<Index>(parse_count("--channel", text, 0));
  require(channel < std::min(problem.head_dim(), problem.value_dim()),
          "--channel = {}, must be below {}, what q and v of {} both have", channel,
          std::min(problem.head_dim(), problem.value_dim()), dataset.name);
  problem.Q = dataset.problem.Q.col(channel);
  problem.K = dataset.problem.K.col(channel);
  problem.V = dataset.problem.V.col(channel);
  return problem;
}

Vector groups_as_numbers(const std::vector<Index>& groups) {
  Vector numbers(static_cast<Index>(groups.size()));
  for (std::size_t m = 0; m < groups.size(); ++m)
    numbers(static_cast<Index>(m)) = static_cast<double>(groups[m]);
  return numbers;
}

std::vector<double> numbers_of(const Vector& vector) {
  return {vector.data(), vector.data() + vector.size()};
}

std::vector<std::vector<double>> rows_of(const Matrix& matrix) {
  std::vector<std::vector<double>> rows;
  for (const auto& row : matrix.rowwise()) rows.emplace_back(row.begin(), row.end());
  return rows;
}

// The pictures of one query's terms, and what to say of them.
std::vector<std::string> draw_terms(const Decomposition& parts, const std::string& name_of_files,
                                    const std::string& title, const std::filesystem::path& directory,
                                    const std::vector<std::string>& formats) {
  const Vector total = parts.estimate - parts.exact;
  const double square = total.squaredNorm();
  const Vector share =
      square > 0 ? Vector(parts.error * total / square) : Vector(Vector::Zero(parts.h.size()));
  const double norm = parts.exact.norm();
  const auto [name, figure] = decomposition_figure(
      {name_of_files, title,
       norm > 0 ? fmt::format("‖estimate − exact‖ / ‖exact‖ = {:.3g}", std::sqrt(square) / norm) : "",
       numbers_of(parts.pi), numbers_of(parts.h), numbers_of(share), rows_of(parts.term),
       rows_of(parts.error)});
  const auto written = write_figure(figure, directory, name, formats);
  std::vector<std::string> said;
  for (const auto& path : written.paths) said.push_back(path.string());
  if (!written.message.empty()) said.push_back(written.message);
  return said;
}

NumberArray array_of(const Matrix& matrix) {
  return {{static_cast<std::size_t>(matrix.rows()), static_cast<std::size_t>(matrix.cols())},
          {matrix.data(), matrix.data() + matrix.size()}};
}
NumberArray array_of(const Vector& vector) {
  return {{static_cast<std::size_t>(vector.size())}, {vector.data(), vector.data() + vector.size()}};
}

// What a ratio's own directions say of its bias and error, a column each; empty where they are not
// independent or there is one only.
Matrix jackknife_of(const Question& question) {
  const bool ratio = dynamic_cast<const RatioEstimator*>(&question.estimator) != nullptr;
  if (!ratio || !question.estimator.independent_directions() || question.draws < 2) return {};
  const KeyWeights weights =
      question.estimator.key_weights(question.problem, question.query, question.draws, question.address);
  const auto outputs = output_jackknife(weights.direction_sums);
  Matrix columns(static_cast<Index>(outputs.size()), 2);
  for (std::size_t c = 0; c < outputs.size(); ++c)
    columns.row(static_cast<Index>(c)) << outputs[c].value, outputs[c].std_error;
  return columns;
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
                  "along the whole error;\nall channels with --out as arrays pi, h, group (l), g, beta, "
                  "term, error (l×p), estimate, exact (p), and of a ratio of independent "
                  "directions\njackknife (p; the estimate without its bias of order 1/m) and jackknife_error "
                  "(p; its standard error).\nThe residual of the identity goes to standard "
                  "error; exit 1 if it is beyond rounding.\n\n"
                  "coefficients beta:\n  own          the estimator's own: ratio; group for eva; zero for "
                  "lara:normalized=none\n{}",
                  fmt::join(policies, "\n")));
  options.add("estimator", "", "an estimator as name:key=value,…");
  options.add("query", "0", "which query, from 0");
  options.add("channel", "", "one channel of q, k and v on its own: what elementwise is a sum over keys of");
  options.add("coefficient", "own", "how the coefficients are chosen");
  options.add("groups", "8", "contiguous groups of coefficient group");
  options.add("replicate", "0", "which independent draw");
  options.add("out", "", "a .npz to write");
  options.add("figures", "", "a directory to draw the terms in, with their data");
  options.add_shared({"data", "force", "features", "seed", "formats", "quiet"});
  if (!options.parse(arguments)) return kDone;
  require(options.list("data").size() == 1, "--data: give one head, not {}", options.list("data").size());
  require(options.given("estimator"), "--estimator is missing; `attngap list estimators` shows them");

  Dataset dataset = load_dataset(options.list("data").front());
  if (options.given("out")) require_other_file(options.text("out"), dataset.file);
  if (options.given("channel")) dataset.problem = one_channel(dataset, options.text("channel"));
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
  CoefficientChoice choice{std::nullopt, static_cast<Index>(parse_count("--groups", options.text("groups")))};
  if (policy != "own") choice.coefficient = coefficient_named(policy);
  const Decomposition parts = estimator->decompose(dataset.problem, query, draws, question.address, choice);

  const Matrix jackknife = jackknife_of(question);
  if (options.given("out")) {
    std::map<std::string, NumberArray> arrays{{"pi", array_of(parts.pi)},
                                              {"h", array_of(parts.h)},
                                              {"g", array_of(parts.g)},
                                              {"beta", array_of(parts.beta)},
                                              {"term", array_of(parts.term)},
                                              {"error", array_of(parts.error)},
                                              {"group", array_of(groups_as_numbers(parts.group))},
                                              {"estimate", array_of(parts.estimate)},
                                              {"exact", array_of(parts.exact)}};
    if (jackknife.size() > 0) {
      arrays["jackknife"] = array_of(Vector(jackknife.col(0)));
      arrays["jackknife_error"] = array_of(Vector(jackknife.col(1)));
    }
    write_npz(options.text("out"), arrays);
  }
  if (options.given("figures")) {
    const auto said = draw_terms(
        parts, fmt::format("{}_query{}", dataset.name, query),
        fmt::format("{}: query {}, {}{}, coefficient {}", dataset.name, query, estimator->spec().text(),
                    estimator->random() ? fmt::format(", m = {}", draws) : "", policy),
        options.text("figures"), options.formats());
    if (!options.flag("quiet")) fmt::print(stderr, "{}\n", fmt::join(said, "\n"));
  }
  if (!options.flag("quiet")) print_csv(parts);  // after the file: one that fails leaves no half of an answer
  const Vector direct = policy == "own" ? own_estimate(question)
                                        : Vector(parts.exact + parts.error.colwise().sum().transpose());
  const double residual = (parts.estimate - direct).cwiseAbs().maxCoeff();
  fmt::print(stderr, "identity: largest |sum of terms - {}| = {:.3g}\n",
             policy == "own" ? "estimate of the same draw" : "exact - errors", residual);
  if (jackknife.size() > 0 && policy == "own")
    fmt::print(stderr, "jackknife over the {} directions: bias {:.3g}, standard error {:.3g} (norms)\n",
               draws, (parts.estimate - jackknife.col(0)).norm(), jackknife.col(1).norm());
  // Terms may be far larger than what they sum to: rounding is that of the largest.
  const double size = std::max(1.0, parts.term.cwiseAbs().maxCoeff() + parts.g.cwiseAbs().maxCoeff());
  return residual <= kIdentity * size ? kDone : kCheckFailed;
}

}  // namespace attngap
