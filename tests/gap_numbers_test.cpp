// Every number of results.csv against an independent computation in numpy, from the single draws that
// `attngap attention` writes.

#include "experiments/data_source.hpp"
#include "experiments/npy.hpp"
#include "gap_run_support.hpp"

namespace attngap {
namespace {

using testing::Finished;
using testing::GapRunTest;
using ::testing::HasSubstr;
using testing::run_program;
using testing::run_python;

using GapNumbers = GapRunTest;
using Words = std::vector<std::string>;

// Arguments: results.csv, the directory of draws, which queries are measured ("all" or how many), how far
// numbers may lie apart. Files of draws are named ESTIMATOR-PROJECTION-m-replicate.npz, and exact.npz.
constexpr const char* kRecompute = R"(
results, draws, queries, tolerance = sys.argv[1:]
rows = [row for row in csv.DictReader(open(results, newline='')) if not row['metric'].startswith('predicted_')]
exact = np.load(draws + '/exact.npz')['o']
n = len(exact)
if queries != 'all':
    measured = np.rint(np.arange(int(queries)) * (n - 1) / (int(queries) - 1)).astype(int)
else:
    measured = np.arange(n)
exact = exact[measured]
V = np.load(draws + '/v.npy')
causal = sys.argv[1].endswith('causal/results.csv')

def errors(row):
    """Replicates x queries x columns, and the denominators."""
    if row['estimator'] == 'zero':
        return -exact[None], np.ones((1, len(exact)))
    if row['estimator'] == 'mean-value':
        mean = np.cumsum(V, 0) / np.arange(1, n + 1)[:, None] if causal else np.repeat(V.mean(0)[None], n, 0)
        return (mean[measured] - exact)[None], np.ones((1, len(exact)))
    name = f"{row['estimator'].replace(':', '_').replace('=', '_')}-{row['projection']}-{row['draws']}"
    drawn = [np.load(f'{draws}/{name}-{r}.npz') for r in range(int(row['replicates']))]
    return (np.array([d['numerator'] / d['denominator'][:, None] for d in drawn])[:, measured] - exact,
            np.array([d['denominator'] for d in drawn])[:, measured])

def metrics(row):
    e, denominators = errors(row)
    R, n, p = e.shape
    variance = e.var(axis=0, ddof=1).mean() if R > 1 else 0.0
    bias2 = (e.mean(axis=0) ** 2).mean() - variance / R
    mse = (e ** 2).mean()
    relative = np.sqrt((e ** 2).sum(2)) / np.sqrt((exact ** 2).sum(1))
    quantile = lambda q: np.quantile(relative, q)
    return {'mse': mse, 'bias2': bias2, 'variance': variance,
            'relative_mse': (e ** 2).sum() / R / (exact ** 2).sum(),
            'median_relative_error': quantile(0.5), 'q25_relative_error': quantile(0.25),
            'q75_relative_error': quantile(0.75), 'max_error': abs(e).max(axis=(1, 2)).mean(),
            'negative_denominators': (denominators < 0).sum(), 'nonfinite': (~np.isfinite(e)).sum()}, e

checked = 0
worst = 0.0
for row in rows:
    numbers, e = metrics(row)
    want, got = numbers[row['metric']], float(row['value'])
    # bias2 is the difference of two numbers as large as the mean square.
    size = abs(numbers['mse']) if row['metric'] == 'bias2' else abs(want)
    apart = abs(got - want) / size if size > 0 else abs(got)
    worst = max(worst, apart)
    assert apart <= float(tolerance), (row, want)
    R = len(e)
    if row['metric'] == 'mse' and R > 1:
        std_error = (e ** 2).mean(axis=(1, 2)).std(ddof=1) / np.sqrt(R)
        assert abs(float(row['std_error']) - std_error) <= max(float(tolerance), 1e-9) * std_error, (row, std_error)
    if row['metric'] == 'max_error' and R > 1:
        std_error = abs(e).max(axis=(1, 2)).std(ddof=1) / np.sqrt(R)
        assert abs(float(row['std_error']) - std_error) <= max(float(tolerance), 1e-9) * std_error, (row, std_error)
    if row['metric'] in ('mse', 'median_relative_error', 'max_error') and R > 2:
        assert float(row['ci_low']) <= got <= float(row['ci_high']), row
    checked += 1
print(checked, 'numbers agree')
sys.stderr.write(f'{worst}')
)";

struct Study {
  std::string name;
  std::string data;
  Words estimators;
  std::vector<std::string> projections;  // as results.csv has them
  std::vector<std::string> features;
  int replicates;
  std::string queries;
  Words more;             // of the run
  std::string tolerance;  // 1e-10 for double
};

class Recomputed : public GapNumbers {
 protected:
  void expect_agreement(const Study& study) const {
    Words words{"--data",       study.data,
                "--features",   study.features.front() + "," + study.features.back(),
                "--queries",    study.queries,
                "--seed",       "9",
                "--replicates", std::to_string(study.replicates),
                "--estimators"};
    words.insert(words.end(), study.estimators.begin(), study.estimators.end());
    words.insert(words.end(), study.more.begin(), study.more.end());
    results(study.name, words);

    const std::filesystem::path draws = place("draws");
    std::filesystem::create_directory(draws);
    attend({"--data", study.data, "--out", (draws / "exact.npz").string()});
    const Dataset head = load_dataset(study.data);
    save_values(head, draws / "v.npy");
    for (std::size_t e = 0; e < study.estimators.size(); ++e)
      for (const std::string& m : study.features)
        for (int r = 0; r < study.replicates; ++r)
          attend({"--data", study.data, "--estimator", study.estimators[e], "--features", m, "--seed", "9",
                  "--replicate", std::to_string(r), "--out", (draws / file_name(study, e, m, r)).string()});

    const Finished compared = run_python(kRecompute, {(place(study.name) / "results.csv").string(),
                                                      draws.string(), study.queries, study.tolerance});
    const std::size_t series = 2 + study.estimators.size() * study.features.size();
    EXPECT_EQ(compared.out, fmt::format("{} numbers agree\n", 10 * series)) << compared.err;
  }

 private:
  static std::string file_name(const Study& study, std::size_t estimator, const std::string& m,
                               int replicate) {
    std::string name = study.estimators[estimator].substr(0, study.estimators[estimator].find(":projection"));
    for (char& c : name) c = c == ':' || c == '=' ? '_' : c;
    return fmt::format("{}-{}-{}-{}.npz", name, study.projections[estimator], m, replicate);
  }

  static void attend(Words words) {
    words.insert(words.begin(), "attention");
    words.emplace_back("--quiet");
    const Finished finished = run_program(words);
    ASSERT_EQ(finished.exit_code, 0) << finished.err;
  }

  static void save_values(const Dataset& head, const std::filesystem::path& path) {
    const Matrix& V = head.problem.V;
    const auto image = npy_image({{static_cast<std::size_t>(V.rows()), static_cast<std::size_t>(V.cols())},
                                  {V.data(), V.data() + V.size()}});
    testing::write_bytes(path.string(), image);
  }
};

TEST_F(Recomputed, EveryNumberOfARunIsThatOfItsDraws) {
  expect_agreement({"plain",
                    "synthetic:gaussian,length=23,dim=5,value-dim=2",
                    {"performer", "performer:projection=orthogonal", "rfa", "rmfa"},
                    {"iid", "orthogonal", "iid", ""},
                    {"3", "40"},
                    7,
                    "all",
                    {},
                    "1e-10"});
}

TEST_F(Recomputed, EveryNumberOfACausalRunAtSomeQueriesAgainstSoftmaxIsThatOfItsDraws) {
  expect_agreement({"causal",
                    "synthetic:ar1,length=31,dim=7,value-dim=3,mask=causal,norm=1.5",
                    {"performer:features=hyperbolic", "rfa:center=keys"},
                    {"iid", "iid"},
                    {"5", "70"},
                    18,  // more than there are blocks
                    "11",
                    {"--against", "softmax"},
                    "1e-10"});
}

TEST_F(Recomputed, EveryNumberOfTheSamplersOfKeysIsThatOfTheirDraws) {
  expect_agreement({"keys",
                    "synthetic:gaussian,length=24,dim=5,value-dim=2",
                    {"ra", "lara", "eva:window=4"},
                    {"", "", ""},
                    {"2", "6"},
                    5,
                    "all",
                    {},
                    "1e-10"});
}

TEST_F(Recomputed, TwoReplicatesAreEnough) {
  expect_agreement({"two",
                    "synthetic:sphere,length=19,dim=5,value-dim=2",
                    {"rfa"},
                    {"iid"},
                    {"2", "9"},
                    2,
                    "all",
                    {},
                    "1e-10"});
}

// Features in float have relative rounding errors of 6e-8 each; the head is easy, so sums over keys and
// features do not magnify them by more than a hundredfold.
TEST_F(Recomputed, FloatFeaturesGiveTheNumbersOfDoubleToSixDigits) {
  expect_agreement({"float",
                    "synthetic:gaussian,length=23,dim=5,value-dim=2,norm=0.7",
                    {"performer", "rmfa"},
                    {"iid", ""},
                    {"16", "64"},
                    5,
                    "all",
                    {"--precision", "float"},
                    "1e-5"});
}

// The same comparison must see a difference of one part in a million.
TEST_F(Recomputed, ADifferenceInTheSeventhDigitIsSeen) {
  results("run", {"--data", "synthetic:sphere,length=19,dim=5", "--estimators", "zero"});
  const std::filesystem::path draws = place("draws");
  std::filesystem::create_directory(draws);
  const Dataset head = load_dataset("synthetic:sphere,length=19,dim=5");
  const Finished exact =
      run_program({"attention", "--data", head.source, "--out", (draws / "exact.npz").string()});
  ASSERT_EQ(exact.exit_code, 0) << exact.err;
  std::string csv = testing::read_text(place("run") / "results.csv");
  const std::size_t number = csv.find("mse,0.") + 4;
  char& digit = csv[number + 8];
  digit = digit == '5' ? '6' : '5';
  testing::write_text((place("run") / "results.csv").string(), csv);
  const auto image =
      npy_image({{19, 5}, {head.problem.V.data(), head.problem.V.data() + head.problem.V.size()}});
  testing::write_bytes((draws / "v.npy").string(), image);
  const Finished compared =
      run_python(kRecompute, {(place("run") / "results.csv").string(), draws.string(), "all", "1e-10"});
  EXPECT_NE(compared.exit_code, 0);
  EXPECT_THAT(compared.err, HasSubstr("AssertionError"));
}

}  // namespace
}  // namespace attngap
