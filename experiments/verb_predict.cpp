#include "analysis/kernel_prediction.hpp"
#include "analysis/prediction.hpp"
#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/truncation_certificate.hpp"
#include "experiments/data_source.hpp"
#include "experiments/npz.hpp"
#include "experiments/verb.hpp"
#include "experiments/verb_options.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace attngap {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

// One line of the answer, under the names of its columns. Texts are quoted where a comma asks for it.
class Table {
 public:
  Table(std::vector<std::string> columns, bool json) : columns_(std::move(columns)), json_(json) {
    if (!json_) text_ = fmt::format("{}\n", fmt::join(columns_, ","));
  }

  void add(const std::vector<nlohmann::ordered_json>& fields) {
    if (json_) {
      nlohmann::ordered_json row;
      for (std::size_t i = 0; i < columns_.size(); ++i) row[columns_[i]] = fields[i];
      rows_.push_back(std::move(row));
      return;
    }
    for (std::size_t i = 0; i < fields.size(); ++i)
      text_ += fmt::format("{}{}", i > 0 ? "," : "", csv_text(fields[i]));
    text_ += '\n';
  }

  void print() const { fmt::print("{}", json_ ? rows_.dump(1) + "\n" : text_); }

 private:
  // As in results.csv: a number that there is none of is an empty field.
  static std::string csv_text(const nlohmann::ordered_json& field) {
    if (field.is_number_float())
      return std::isnan(field.get<double>()) ? "" : fmt::format("{}", field.get<double>());
    if (!field.is_string()) return field.dump();
    const auto text = field.get<std::string>();
    return text.find(',') == std::string::npos ? text : '"' + text + '"';
  }

  std::vector<std::string> columns_;
  bool json_;
  std::string text_;
  nlohmann::ordered_json rows_ = nlohmann::ordered_json::array();
};

using Estimators = std::vector<std::unique_ptr<AttentionEstimator>>;

Estimators read_estimators(const VerbOptions& options) {
  Estimators estimators;
  for (const std::string& written : options.list("estimators")) {
    estimators.push_back(make_estimator(options.estimator(written)));
    require(estimators.back()->random(), "--estimators: {} draws nothing, so there is nothing to predict",
            estimators.back()->spec().text());
  }
  require(!estimators.empty(), "--estimators is missing; `attngap list estimators` shows them");
  return estimators;
}

Matrix read_rows(const ArrayFile& file, const std::string& path, const std::string& name) {
  const NumberArray array = file.read(name);
  require(array.shape.size() == 2, "{}: array \"{}\" has shape {}; vectors are the rows of a matrix (N, d)",
          path, name, shape_text(array.shape));
  return Eigen::Map<const Matrix>(array.values.data(), static_cast<Index>(array.shape[0]),
                                  static_cast<Index>(array.shape[1]));
}

void predict_pairs(const VerbOptions& options, const Estimators& estimators) {
  const std::string path = options.text("pairs");
  const auto file = open_npz(path);
  const Matrix x = read_rows(*file, path, "x"), y = read_rows(*file, path, "y");
  require(x.rows() == y.rows() && x.cols() == y.cols(), "{}: x is {}×{} and y is {}×{}; they must agree",
          path, x.rows(), x.cols(), y.rows(), y.cols());
  Table table({"pair", "estimator", "draws", "kernel", "mean", "variance", "condition"},
              options.flag("json"));
  for (const auto& estimator : estimators) {
    const auto* ratio = dynamic_cast<const RatioEstimator*>(estimator.get());
    require(ratio != nullptr, "--pairs: {} makes no estimate of a kernel; choose rfa, performer or rmfa",
            estimator->spec().text());
    const KernelLaw law(*ratio, x, y);
    for (Index pair = 0; pair < law.pairs(); ++pair)
      for (const Index draws : options.features()) {
        const KernelPrediction said = law.predict(pair, draws);
        table.add({pair, ratio->spec().text(), draws, said.kernel, said.mean, said.variance, said.condition});
      }
  }
  if (!options.flag("quiet")) table.print();
}

// Lines for an estimator without closed forms. The mean of some is known all the same: it is the target.
void add_unknown(Table& table, const AttentionEstimator& estimator, Index queries,
                 const std::vector<Index>& features, const std::string& reason) {
  const bool unbiased = is_unbiased(estimator);
  for (Index i = 0; i < queries; ++i)
    for (const Index draws : features)
      table.add({i, estimator.spec().text(), draws, unbiased ? 0.0 : kNone, kNone, kNone, kNone, kNone, false,
                 "no-closed-form", reason});
}

void add_head(Table& table, const AttentionEstimator& estimator, Index queries, const PredictionsAt& all,
              const std::vector<Index>& features) {
  for (Index i = 0; i < queries; ++i)
    for (std::size_t count = 0; count < features.size(); ++count) {
      const RatioPrediction& said = all.at(count);
      const Index draws = features[count];
      const double bias = said.bias_at(draws).row(i).norm();
      const double variance = said.variance_at(draws).row(i).sum();
      const auto condition = said.condition(i, draws);
      table.add({i, estimator.spec().text(), draws, bias, variance,
                 (bias * bias + variance) / said.exact.row(i).squaredNorm(), said.ew2(i),
                 said.directions(draws) / said.ew2_at(draws)(i), condition == "ok", condition, ""});
    }
}

NumberArray as_array(const Matrix& matrix) {
  return {{static_cast<std::size_t>(matrix.rows()), static_cast<std::size_t>(matrix.cols())},
          {matrix.data(), matrix.data() + matrix.size()}};
}

// n×p×p
NumberArray stacked(const std::vector<Matrix>& matrices) {
  const auto p = static_cast<std::size_t>(matrices.front().rows());
  NumberArray array{{matrices.size(), p, p}, {}};
  for (const Matrix& matrix : matrices)
    array.values.insert(array.values.end(), matrix.data(), matrix.data() + matrix.size());
  return array;
}

void write_head(const std::string& path, const RatioPrediction& said, Index draws,
                const std::vector<Matrix>& covariances) {
  std::map<std::string, NumberArray> arrays{
      {"exact", as_array(said.exact)},
      {"bias", as_array(said.bias_at(draws))},
      {"variance", as_array(said.variance_at(draws))},
      {"ew2",
       {{static_cast<std::size_t>(said.ew2.size())}, {said.ew2.data(), said.ew2.data() + said.ew2.size()}}}};
  if (!covariances.empty()) arrays["covariance"] = stacked(covariances);
  write_npz(path, arrays);
}

// Lines of the gap against m and length: averages over queries, as a run measures them.
void predict_curves(const VerbOptions& options, const Estimators& estimators) {
  require(!options.given("out"), "--out holds the arrays of one length; leave --lengths or --out away");
  const Dataset dataset = load_dataset(options.list("data").front());
  Table table({"estimator", "length", "draws", "predicted_bias2", "predicted_variance",
               "predicted_relative_mse", "condition"},
              options.flag("json"));
  for (const std::string& piece : split_at_commas(options.text("lengths"))) {
    const auto length = static_cast<Index>(parse_count("--lengths", piece));
    require(length <= dataset.problem.keys(), "--lengths: {} is beyond the {} keys of {}", length,
            dataset.problem.keys(), dataset.name);
    const AttentionProblem whole = at_tokens(dataset.problem, first_tokens(length));
    const Index queries = options.queries("256");
    const AttentionProblem problem = queries == 0 ? whole : sample_queries(whole, queries);
    for (const auto& estimator : estimators) {
      estimator->check(problem);
      const std::string reason = why_unpredictable(*estimator);
      require(reason.empty(), "--lengths: {}: {}", estimator->spec().text(), reason);
      const auto features = options.features();
      const PredictionsAt all(*estimator, problem, features);
      for (std::size_t count = 0; count < features.size(); ++count) {
        const Index draws = features[count];
        const auto metrics = predicted_metrics(all.at(count), draws);
        table.add({estimator->spec().text(), length, draws, metrics[0].estimated.value,
                   metrics[1].estimated.value, metrics[2].estimated.value, metrics[0].status});
      }
    }
  }
  if (!options.flag("quiet")) table.print();
}

void predict_head(const VerbOptions& options, const Estimators& estimators) {
  require(options.list("data").size() == 1, "--data: give one head, not {}", options.list("data").size());
  if (options.given("lengths")) return predict_curves(options, estimators);
  require(!options.given("out") || estimators.size() == 1,
          "--out holds the arrays of one estimator, not of {}; give one, or leave --out away",
          estimators.size());
  const Dataset dataset = load_dataset(options.list("data").front());
  const Index queries = options.queries("256");
  const AttentionProblem problem = queries == 0 ? dataset.problem : sample_queries(dataset.problem, queries);
  const auto features = options.features();
  Table table({"query", "estimator", "draws", "bias_norm", "variance", "relative_mse", "ew2", "ess", "valid",
               "condition", "reason"},
              options.flag("json"));
  for (const auto& estimator : estimators) {
    estimator->check(problem);
    const std::string reason = why_unpredictable(*estimator);
    require(reason.empty() || !options.given("out"), "--out: {}: {}", estimator->spec().text(), reason);
    if (!reason.empty()) {
      add_unknown(table, *estimator, problem.queries(), features, reason);
      continue;
    }
    const PredictionsAt all(*estimator, problem, features);
    add_head(table, *estimator, problem.queries(), all, features);
    if (!options.given("out")) continue;
    std::vector<Matrix> covariances;
    const auto* ratio = dynamic_cast<const RatioEstimator*>(estimator.get());
    require(ratio != nullptr || !options.flag("covariance"), "--covariance: {} is no single ratio",
            estimator->spec().text());
    if (options.flag("covariance")) covariances = predicted_covariances(*ratio, problem, features.back());
    write_head(options.text("out"), all.at(features.size() - 1), features.back(), covariances);
  }
  if (!options.flag("quiet")) table.print();  // after the file: one that fails leaves no half of an answer
}

bool is_elementwise(const std::string& written) {
  return parse_spec(written).name == "elementwise";
}

// What truncation can do to each channel, a line a channel and degree.
void predict_channels(const VerbOptions& options) {
  require(options.list("data").size() == 1 && !options.given("out") && !options.given("lengths"),
          "elementwise: give one head with --data; its certificates are printed, a line a channel");
  const AttentionProblem problem = load_dataset(options.list("data").front()).problem;
  Table table(
      {"estimator", "channel", "lowest", "highest", "positive", "total_variation_bound", "max_error_bound"},
      options.flag("json"));
  for (const std::string& written : options.list("estimators")) {
    require(is_elementwise(written),
            "{}: element-wise attention has predictions of its own; ask for the others apart", written);
    const Spec spec = make_estimator(written)->spec();
    require(option(spec, "degree") != "none", "{}: the full form is not truncated; give degree=", written);
    const auto degree = static_cast<int>(parse_count("degree", option(spec, "degree"), 0));
    const auto certificates = channel_certificates(problem, degree);
    for (std::size_t c = 0; c < certificates.size(); ++c) {
      const ChannelCertificate& of = certificates[c];
      table.add({spec.text(), c, of.lowest, of.highest, of.positive, of.total_variation, of.output});
    }
  }
  if (!options.flag("quiet")) table.print();
}

}  // namespace

int verb_predict(const std::vector<std::string>& arguments) {
  VerbOptions options(
      "predict --data F|--pairs F.npz --estimators E…",
      "Closed forms, without a draw.\n\n"
      "--pairs: a line a pair of rows of the arrays x and y (N×d, used unscaled): mean and variance of the "
      "kernel\nestimate at each m of --features, exact for independent and orthogonal directions. condition: "
      "ok,\ninfinite-variance, no-mean or beyond-double.\n\n"
      "--data: a line a query: norm of the leading-order bias of the attention output, its variance (sum "
      "over the\nchannels), (bias² + variance)/|exact|², E[W²] and the effective sample size m/E[W²]\n(of "
      "orthogonal directions: of as many independent ones of that variance). "
      "condition:\n"
      "  ok                 valid: m is at least 10 E[W²]², or the query sees one key and has no error\n"
      "  not-valid          m is below that, too few for first-order theory\n"
      "  no-moment          signed features: the ratio has no mean or variance; typical draws at best\n"
      "  infinite-variance  the kernel estimate's variance is infinite or beyond a double\n"
      "  beyond-table       orthogonal directions: finite, but some |q+k|² is above 64 (rfa: |q-k|² above "
      "48;\n"
      "                     arccos: in a few dimensions with all keys opposite to the query)\n"
      "  no-closed-form     changed denominators, ra, lara but with weights=constant, and released "
      "departures:\n"
      "                     the column reason says why\n"
      "With --out and one estimator, arrays exact, bias, variance (n×p) and ew2 (n) at the largest m, and "
      "with "
      "--covariance covariance (n×p×p).\n"
      "With --lengths, the gap against m and length instead: a line a prefix of the head and an m, with "
      "bias² and "
      "variance\nper output element and their sum over the mean square of the exact outputs, averaged over "
      "queries.\n"
      "Of elementwise:degree=T, a line a channel: the range of 2qk in the data, whether every truncated "
      "weight is "
      "positive,\nand what the total variation of the weights and the error of the output cannot exceed "
      "(inf: no bound).");
  options.add("pairs", "", "a .npz with x and y");
  options.add("lengths", "", "L1,L2,…: curves over the first tokens of the head instead of single queries");
  options.add("out", "", "a .npz to write");
  options.add_switch("covariance", "with --out: also the array covariance (n×p×p) between the channels");
  options.add_shared({"data", "force", "estimators", "features", "queries", "quiet", "json"});
  if (!options.parse(arguments)) return kDone;
  const bool pairs = options.given("pairs");
  require(pairs != !options.list("data").empty(),
          "give either --data with a head or --pairs with a .npz of x and y");
  require(!pairs || !options.given("lengths"), "--lengths belongs to --data; a pair has no length");
  require(!options.flag("covariance") || options.given("out"),
          "--covariance is an array of --out; give a file");
  require(!pairs || !options.given("out"), "--out belongs to --data; the pairs are printed");
  const auto written = options.list("estimators");
  if (!pairs && std::any_of(written.begin(), written.end(), &is_elementwise)) {
    predict_channels(options);
    return kDone;
  }
  const Estimators estimators = read_estimators(options);
  if (pairs)
    predict_pairs(options, estimators);
  else
    predict_head(options, estimators);
  return kDone;
}

}  // namespace attngap
