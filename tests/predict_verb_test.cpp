#include "command_line_support.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/truncation_certificate.hpp"
#include "experiments/data_source.hpp"
#include "experiments/run_store.hpp"

#include <cmath>
#include <tuple>

#include <nlohmann/json.hpp>

namespace attngap::testing {
namespace {

using ::testing::HasSubstr;

class PredictVerb : public CommandLineTest {
 protected:
  std::string output(const Words& words) const {
    const Finished finished = attngap(words);
    EXPECT_EQ(finished.exit_code, 0) << ::testing::PrintToString(words) << finished.err;
    EXPECT_EQ(finished.err, "");
    return finished.out;
  }

  static Words predict_head(const Words& more) {
    return with({"predict", "--data", "head.npz", "--features", "8,512"}, more);
  }

  void write_head() const { write_npz(path("head.npz"), head()); }
};

// The textbook formulas with numpy, at three queries of seven keys: positive and trigonometric pair moments,
// and geometric degrees by their series.
constexpr const char* kFormulas = R"(
import math
path, csv_path, out, name, draws = sys.argv[1:]
m = int(draws)
data = np.load(path)
q, k, v = (data[x].astype(float) for x in 'qkv')
scale = 1 / math.sqrt(q.shape[1])
q, k = q * math.sqrt(scale), k * math.sqrt(scale)
saved = np.load(out)
rows = [r for r in csv.DictReader(open(csv_path, newline='')) if r['estimator'] == name and r['draws'] == draws]
assert len(rows) == len(q), rows
close = lambda a, b: np.allclose(a, b, rtol=1e-9, atol=1e-13)

def moment(q, a, b):
    if name == 'performer':
        return math.exp(q @ a + q @ b + (q + a) @ (q + b))
    if name == 'rfa':
        n = math.exp(q @ q + (a @ a + b @ b) / 2)
        return n * (math.exp(-(a - b) @ (a - b) / 2) + math.exp(-(2 * q - a - b) @ (2 * q - a - b) / 2)) / 2
    c = (q @ q) * (a @ b) + 2 * (q @ a) * (q @ b) - 2 * (q * q * a * b).sum()
    return sum(2.0 ** (j + 1) * c ** j / math.factorial(j) ** 2 for j in range(60))

for i, row in enumerate(rows):
    kernel = np.exp(k @ q[i])
    A = kernel @ v / kernel.sum()
    C = np.array([[moment(q[i], a, b) for a in k] for b in k]) / kernel.sum() ** 2
    Y = v - A
    bias = -(C.sum(1) @ Y) / m
    variance = np.einsum('ac,ab,bc->c', Y, C, Y) / m
    assert close(saved['exact'][i], A) and close(saved['bias'][i], bias), (i, saved['bias'][i], bias)
    assert close(saved['variance'][i], variance) and close(saved['ew2'][i], C.sum()), (i, C.sum())
    numbers = {'bias_norm': np.linalg.norm(bias), 'variance': variance.sum(), 'ew2': C.sum(), 'ess': m / C.sum(),
               'relative_mse': (bias @ bias + variance.sum()) / (A @ A), 'query': i}
    for key, value in numbers.items():
        assert close(float(row[key]), value), (key, row, value)
    enough = m >= 10 * C.sum() ** 2
    condition = 'no-moment' if name != 'performer' else 'ok' if enough else 'not-valid'
    assert row['condition'] == condition and row['valid'] == str(condition == 'ok').lower(), row
print('agree')
)";

TEST_F(PredictVerb, GivesTheFormulasPerQueryAsNumpyDoes) {
  write_head();
  for (const std::string name : {"performer", "rfa", "rmfa"}) {
    write_text(path("said.csv"), output(predict_head({"--estimators", name, "--out", "o.npz"})));
    const Finished compared =
        run_python(kFormulas, {path("head.npz"), path("said.csv"), path("o.npz"), name, "512"});
    EXPECT_EQ(compared.out, "agree\n") << compared.err;
  }
}

TEST_F(PredictVerb, SaysWhatHasNoClosedFormAndPredictsNothingForIt) {
  write_head();
  const auto rows = nlohmann::json::parse(
      output(predict_head({"--json", "--queries", "2", "--estimators", "performer:denominator=abs", "lara",
                           "ra", "performer:denominator=clamp:1"})));
  ASSERT_EQ(rows.size(), 4 * 2 * 2U);
  for (const auto& row : rows) {
    EXPECT_EQ(row.at("condition"), "no-closed-form");
    EXPECT_GT(row.at("reason").get<std::string>().size(), 40U);
    EXPECT_EQ(row.at("valid"), false);
    EXPECT_TRUE(row.at("variance").is_null() && row.at("ew2").is_null());
    if (row.at("estimator") == "ra") {
      EXPECT_EQ(row.at("bias_norm"), 0.0);  // its mean is the target
    }
    if (row.at("estimator") != "ra") {
      EXPECT_TRUE(row.at("bias_norm").is_null());
    }
  }
}

// The last point of a curve is the average of the queries; it falls with the length where values do not
// depend on the keys.
TEST_F(PredictVerb, GivesTheGapAgainstLengthWithoutADraw) {
  const Words head{"predict",    "--data", "synthetic:gaussian,dim=4,length=64,norm=0.3,value-dim=3",
                   "--features", "8,512",  "--estimators",
                   "performer",  "--json", "--queries",
                   "all"};
  const auto per_query = nlohmann::json::parse(output(head));
  const auto curve = nlohmann::json::parse(output(testing::with(head, {"--lengths", "8,64"})));
  ASSERT_EQ(curve.size(), 4U);
  double variance = 0.0;
  for (const auto& row : per_query)
    if (row.at("draws") == 512) variance += row.at("variance").get<double>() / (64.0 * 3.0);
  const auto& last = curve.back();
  EXPECT_EQ(last.at("length"), 64);
  EXPECT_EQ(last.at("draws"), 512);
  EXPECT_NEAR(last.at("predicted_variance").get<double>(), variance, 1e-12 * variance);
  EXPECT_LT(last.at("predicted_variance").get<double>(),
            0.5 * curve[1].at("predicted_variance").get<double>());
  EXPECT_EQ(last.at("condition"), "ok");
  const auto refused = attngap(testing::with(head, {"--lengths", "65"}));
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr("65 is beyond the 64 keys"));
}

TEST_F(PredictVerb, GivesTheCertificatesOfEveryChannelOfElementwiseAttention) {
  const std::string head = "synthetic:gaussian,dim=3,length=20,norm=0.9,value-dim=3";
  const Words asked{
      "predict", "--data", head, "--json", "--estimators", "elementwise:degree=2", "elementwise:degree=3"};
  const auto rows = nlohmann::json::parse(output(asked));
  ASSERT_EQ(rows.size(), 6U);
  const auto certificates = channel_certificates(load_dataset(head).problem, 2);
  for (std::size_t c = 0; c < 3; ++c) {
    EXPECT_EQ(rows[c].at("channel"), c);
    EXPECT_EQ(rows[c].at("lowest").get<double>(), certificates[c].lowest);
    EXPECT_EQ(rows[c].at("total_variation_bound").get<double>(), certificates[c].total_variation);
    EXPECT_EQ(rows[c].at("max_error_bound").get<double>(), certificates[c].output);
    EXPECT_EQ(rows[c].at("positive"), true);
  }
  EXPECT_EQ(attngap({"predict", "--data", head, "--estimators", "elementwise"}).exit_code, 2);
  EXPECT_EQ(attngap({"predict", "--data", head, "--estimators", "elementwise:degree=2", "rfa"}).exit_code, 2);
}

TEST_F(PredictVerb, GivesTheLawOfTheKernelEstimateOfPairs) {
  write_npz(path("pairs.npz"), {{"x", {{3, 2}, {0.3, 0.1, -0.4, 0.2, 0.8, 0.0}}},
                                {"y", {{3, 2}, {0.2, -0.5, 0.1, 0.6, 0.9, 0.0}}}});
  write_text(path("said.csv"), output({"predict", "--pairs", "pairs.npz", "--features", "1,5", "--estimators",
                                       "performer", "performer:features=hyperbolic", "rfa",
                                       "performer:projection=orthogonal", "rmfa:kernel=inverse"}));
  const Finished compared = run_python(R"(
import math
rows = list(csv.DictReader(open(sys.argv[1], newline='')))
data = np.load(sys.argv[2])
assert list(rows[0]) == 'pair,estimator,draws,kernel,mean,variance,condition'.split(',')
assert len(rows) == 3 * 2 * 5
for row in rows:
    x, y = data['x'][int(row['pair'])], data['y'][int(row['pair'])]
    m, K, S, D = int(row['draws']), math.exp(x @ y), (x + y) @ (x + y), (x - y) @ (x - y)
    name, condition = row['estimator'], 'ok'
    if name == 'performer:projection=orthogonal':   # d = 2, m = 5: two blocks of two; 1F1(2; 1; z) = (1 + z) e^z
        P = K * K * math.exp(-S) * (1 + S / 2) * math.exp(S / 2)
        variance = (m * K * K * (math.exp(S) - 1) + (4 if m == 5 else 0) * (P - K * K)) / m ** 2
    elif name == 'rmfa:kernel=inverse':
        K = 1 / (1 - x @ y)
        base = (x @ x) * (y @ y) + 2 * ((x @ y) ** 2 - (x * x * y * y).sum())
        variance = (2 / (1 - 2 * base) - K * K) / m if 2 * base < 1 else math.inf
        condition = 'ok' if 2 * base < 1 else 'infinite-variance'
    else:
        relative = {'performer': math.exp(S) - 1, 'rfa': math.cosh(D) - 1}.get(name, math.cosh(S) - 1)
        variance = K * K * relative / m
    for key, value in {'kernel': K, 'mean': K, 'variance': variance}.items():
        assert math.isclose(float(row[key]), value, rel_tol=1e-10, abs_tol=1e-14), (key, row, value)
    assert row['condition'] == condition, row
print(sum(row['condition'] != 'ok' for row in rows), 'infinite')
)",
                                       {path("said.csv"), path("pairs.npz")});
  EXPECT_EQ(compared.out, "2 infinite\n") << compared.err;
}

TEST_F(PredictVerb, RefusesWhatItCannotUse) {
  write_head();
  auto pairs = head();
  pairs["x"] = {{3, 2}, std::vector<double>(6, 0.1)};
  pairs["y"] = {{2, 2}, std::vector<double>(4, 0.1)};
  pairs["z"] = {{3}, std::vector<double>(3, 0.1)};
  write_npz(path("uneven.npz"), pairs);
  pairs["y"] = {{3}, std::vector<double>(3, 0.1)};
  write_npz(path("flat.npz"), pairs);
  pairs["y"] = {{3, 2}, {0.1, 0.2, std::nan(""), 0.1, 0.1, 0.1}};
  write_npz(path("nan.npz"), pairs);
  const auto pairs_of = [](const std::string& file, const Words& estimators) {
    return with({"predict", "--pairs", file, "--estimators"}, estimators);
  };
  expect_refused({"predict", "--estimators", "rfa"}, {"--data", "--pairs"});
  expect_refused(predict_head({"--estimators", "rfa", "--pairs", "uneven.npz"}), {"either"});
  expect_refused(predict_head({}), {"--estimators is missing"});
  expect_refused(predict_head({"--estimators", "preformer"}), {"did you mean \"performer\""});
  expect_refused(predict_head({"--estimators", "zero"}), {"zero draws nothing"});
  expect_refused(predict_head({"--estimators", "rfa", "performer", "--out", "o.npz"}), {"--out", "2"});
  expect_refused(predict_head({"--estimators", "rfa:denominator=abs", "--out", "o.npz"}), {"denominator"});
  expect_refused(predict_head({"--estimators", "rfa:gate=constant:0.5"}), {"mask=causal"});
  expect_refused(pairs_of("uneven.npz", {"rfa"}), {"3×2", "2×2"});
  expect_refused(pairs_of("flat.npz", {"rfa"}), {"\"y\"", "(3,)"});
  expect_refused(pairs_of("head.npz", {"rfa"}), {"no array \"x\""});
  expect_refused(pairs_of("nan.npz", {"rfa"}), {"nan"});
  expect_refused(pairs_of("absent.npz", {"rfa"}), {"absent.npz"});
  expect_refused(with(pairs_of("uneven.npz", {"rfa"}), {"--out", "o.npz"}), {"--out"});
  write_npz(path("good.npz"), {{"x", pairs["x"]}, {"y", pairs["x"]}});
  expect_refused(pairs_of("good.npz", {"performer", "eva"}), {"eva", "kernel"});
  expect_refused(pairs_of("good.npz", {"performer:center=keys"}), {"center=keys"});
  for (const char* name :
       {"performer:denominator=abs", "rfa:denominator=clamp:0.1", "rmfa:denominator=floor:1"})
    expect_refused(pairs_of("good.npz", {name}), {name, "denominator has no meaning for single pairs"});
  expect_refused(with(pairs_of("good.npz", {"rmfa:degrees=fixed,max-degree=3"}), {"--features", "1"}),
                 {"fixed"});
}

TEST_F(PredictVerb, IsQuietWhenAskedAndWritesAllTheSame) {
  write_head();
  EXPECT_EQ(output(predict_head({"--quiet", "--estimators", "rfa", "--out", "o.npz"})), "");
  EXPECT_EQ(open_npz(path("o.npz"))->read("bias").shape, (std::vector<std::size_t>{3, 2}));
  EXPECT_ANY_THROW(open_npz(path("o.npz"))->read("covariance"));
  output(predict_head({"--quiet", "--estimators", "performer", "--out", "o.npz", "--covariance"}));
  const auto file = open_npz(path("o.npz"));
  const NumberArray covariance = file->read("covariance"), variance = file->read("variance");
  EXPECT_EQ(covariance.shape, (std::vector<std::size_t>{3, 2, 2}));
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_NEAR(covariance.values[4 * i + 3], variance.values[2 * i + 1], 1e-12 * variance.values[2 * i + 1]);
  expect_refused(predict_head({"--estimators", "rfa", "--covariance"}), {"--out"});
}

// Rows of a run: there for predictable estimators, the same as the verb's, and gone against another target.
TEST_F(PredictVerb, AgreesWithThePredictedRowsOfARun) {
  write_head();
  output(with(run("head.npz"), {"--estimators", "performer", "rmfa:kernel=trigh", "rfa:kernel=arccos",
                                "performer:projection=orthogonal", "--formats", "none"}));
  std::map<std::tuple<std::string, std::string, std::string>, double> values;
  for (const ResultRow& row : RunStore::open_existing(path("out")).rows())
    if (row.metric.starts_with("predicted_")) {
      values[{row.estimator, row.projection, row.metric}] = row.value;
      EXPECT_TRUE(std::isnan(row.std_error));
      EXPECT_EQ(row.status, row.estimator == "performer" ? "not-valid" : "no-moment") << row.estimator;
    }
  EXPECT_EQ(values.size(), 5 * 3U);  // rfa, which run() names, and four more
  output({"predict", "--data", "head.npz", "--features", "4", "--estimators", "performer", "--out", "o.npz"});
  const auto file = open_npz(path("o.npz"));
  double bias2 = 0.0, variance = 0.0;
  for (const double b : file->read("bias").values) bias2 += b * b / 6;
  for (const double s : file->read("variance").values) variance += s / 6;
  EXPECT_NEAR((values.at({"performer", "iid", "predicted_bias2"})), bias2, 1e-12 * bias2);
  EXPECT_NEAR((values.at({"performer", "iid", "predicted_variance"})), variance, 1e-12 * variance);

  output({"run", "gap-vs-features", "--data", "head.npz", "--estimators", "performer", "rfa:kernel=arccos",
          "--against", "softmax", "--out", "softmax", "--features", "4", "--replicates", "2", "--formats",
          "none"});
  for (const ResultRow& row : RunStore::open_existing(path("softmax")).rows())
    EXPECT_TRUE(!row.metric.starts_with("predicted_") || row.estimator == "performer") << row.estimator;
}

// Whatever the features, up to 4096 keys. RA and lara over the exact normalizer have a known mean alone, and
// no closed form for their variance.
TEST_F(PredictVerb, IsInTheRowsOfARunOfManyKeys) {
  const Words predicted{"performer:features=regularized",  "rfa:kernel=arccos",
                        "rmfa:degrees=fixed,max-degree=4", "rmfa:kernel=inverse,max-degree=20",
                        "lara:weights=constant",           "eva"};
  const Words unbiased{"ra", "lara:normalized=none"}, unknown{"lara", "ra:proposal=mean"};
  const auto rows_at = [&](const std::string& length, const std::string& to) {
    Words words{"run", "gap-vs-features", "--data", "synthetic:gaussian,dim=4,norm=0.5,length=" + length};
    words = with(
        words, {"--queries", "2", "--features", "5", "--replicates", "2", "--formats", "none", "--out", to});
    words = with(with(words, {"--estimators"}), with(with(predicted, unbiased), unknown));
    output(words);
    std::map<std::string, std::vector<ResultRow>> rows;
    for (const ResultRow& row : RunStore::open_existing(path(to)).rows())
      if (row.metric.starts_with("predicted_")) rows[row.metric].push_back(row);
    return rows;
  };
  const auto below = rows_at("600", "below");
  EXPECT_EQ(below.at("predicted_variance").size(), predicted.size());
  EXPECT_EQ(below.at("predicted_bias2").size(), predicted.size() + unbiased.size());
  int zero = 0;
  for (const ResultRow& row : below.at("predicted_bias2")) {
    EXPECT_TRUE(std::isnan(row.std_error));
    const bool is_zero = row.value == 0.0 && row.status == "ok";
    zero += is_zero ? 1 : 0;
    EXPECT_EQ(is_zero, row.estimator == "ra" || row.estimator.find("normalized=none") != std::string::npos)
        << row.estimator;
  }
  EXPECT_EQ(zero, 2);
  const auto beyond = rows_at("4097", "beyond");
  EXPECT_EQ(beyond.size(), 1U);
  EXPECT_EQ(beyond.at("predicted_bias2").size(), unbiased.size());
}

}  // namespace
}  // namespace attngap::testing
