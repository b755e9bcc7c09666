#include "estimators/ensemble.hpp"
#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/exact_attention.hpp"
#include "experiments/data_source.hpp"
#include "experiments/memory_need.hpp"
#include "experiments/npz.hpp"
#include "experiments/verb.hpp"
#include "experiments/verb_options.hpp"

#include <cmath>

namespace attngap {
namespace {

NumberArray as_array(const Matrix& matrix) {
  return {{static_cast<std::size_t>(matrix.rows()), static_cast<std::size_t>(matrix.cols())},
          {matrix.data(), matrix.data() + matrix.size()}};
}
NumberArray as_array(const Vector& vector) {
  return {{static_cast<std::size_t>(vector.size())}, {vector.data(), vector.data() + vector.size()}};
}

// One draw at the largest count, in units of the kernel: numerator Σ K̂ v, denominator Σ K̂. Beyond the range
// of a double they stay divided by exp(log_scale), and log_scale is an array beside them.
void add_draw(std::map<std::string, NumberArray>& arrays, const AttentionProblem& problem,
              const VerbOptions& options) {
  const auto estimator = make_estimator(options.estimator(options.text("estimator")));
  estimator->check(problem);
  const auto features = options.features();
  require_memory(direction_bytes(features.back(), problem.head_dim(), 1),
                 fmt::format("--features: {} directions", features.back()), "use a smaller m");
  const Ensemble ensemble(problem, {estimator.get()}, features, options.precision());
  AttentionEstimate last;
  const auto keep_last = [&](std::size_t, std::size_t, const AttentionEstimate& estimate) {
    last = estimate;
  };
  ensemble.sampler()->draw({options.seed(), 0, options.replicate()}, keep_last);

  arrays["estimate"] = as_array(attention_output(last, estimator->denominator(), estimator->post_scaling()));
  const Vector factor = last.log_scale.array().exp();
  const Matrix numerator = factor.asDiagonal() * last.numerator;
  const Vector denominator = factor.cwiseProduct(last.denominator);
  const bool in_range = numerator.allFinite() && denominator.allFinite() && factor.minCoeff() > 0x1p-1000;
  arrays["numerator"] = as_array(in_range ? numerator : last.numerator);
  arrays["denominator"] = as_array(in_range ? denominator : last.denominator);
  if (in_range) return;
  arrays["log_scale"] = as_array(last.log_scale);
  if (!options.flag("quiet"))
    fmt::print("numerator and denominator are beyond the range of a double; multiply by exp(log_scale)\n");
}

}  // namespace

int verb_attention(const std::vector<std::string>& arguments) {
  VerbOptions options(
      "attention --data F --out O.npz [--estimator E]",
      "Writes exact softmax attention as the array `o` (n×p). With --estimator, one draw at the largest of "
      "--features\nas well: `numerator` (n×p) and `denominator` (n) in units of the kernel, and their "
      "ratio `estimate`.");
  options.add("out", "", "the .npz to write");
  options.add("estimator", "", "an estimator as name:key=value,…");
  options.add("replicate", "0", "which independent draw");
  options.add_shared({"data", "force", "features", "seed", "precision", "quiet"});
  if (!options.parse(arguments)) return kDone;
  require(options.list("data").size() == 1, "--data: give one head, not {}", options.list("data").size());
  require(options.given("out"), "--out is missing; give a .npz to write");

  for (const char* option : {"replicate", "features", "seed", "precision"})
    require(options.given("estimator") || !options.given(option),
            "--{} = {} is of a draw, and nothing is drawn; give an --estimator or leave it out", option,
            options.text(option));

  const Dataset dataset = load_dataset(options.list("data").front());
  require_other_file(options.text("out"), dataset.file);
  std::map<std::string, NumberArray> arrays;
  arrays["o"] = as_array(exact_attention(dataset.problem).output);
  if (options.given("estimator")) add_draw(arrays, dataset.problem, options);
  write_npz(options.text("out"), arrays);
  return kDone;
}

}  // namespace attngap
