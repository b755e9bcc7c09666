// The program from outside: what each verb prints and writes when all is well.

#include "analysis/claims.hpp"
#include "analysis/distribution_statistics.hpp"
#include "analysis/gap_statistics.hpp"
#include "analysis/gram_statistics.hpp"
#include "analysis/kernel_statistics.hpp"
#include "analysis/truncation_effect.hpp"
#include "command_line_support.hpp"
#include "estimators/decomposition.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/feature_map.hpp"
#include "estimators/maclaurin.hpp"
#include "estimators/projection.hpp"
#include "experiments/cost_cell.hpp"
#include "experiments/experiment_table.hpp"
#include "experiments/synthetic_stream.hpp"
#include "plots/figures.hpp"

#include <cmath>
#include <cstdlib>
#include <sstream>

#include <nlohmann/json.hpp>

namespace attngap {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using namespace testing;

namespace fs = std::filesystem;

class CommandLine : public CommandLineTest {
 protected:
  // The words must be accepted; returns what they print.
  std::string output(const Words& words, const ProgramSetup& setup = {}) const {
    const Finished finished = attngap(words, setup);
    EXPECT_EQ(finished.exit_code, 0) << ::testing::PrintToString(words) << "\n" << finished.err;
    EXPECT_EQ(finished.err, "") << ::testing::PrintToString(words);
    return finished.out;
  }

  static ProgramSetup real_path() {
    ProgramSetup setup;
    setup.environment["PATH"] = std::getenv("PATH");
    return setup;
  }

  static std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    return lines;
  }

  static std::string bundled(const std::string& name) { return std::string(ATTNGAP_DATA_DIR "/") + name; }
};

TEST_F(CommandLine, HelpIsThereForEveryVerbAndForAllOfThem) {
  const std::string help = output({"--help"});
  EXPECT_EQ(output({"-h"}), help);
  EXPECT_EQ(output({"help"}), help);
  for (const std::string verb :
       {"run", "attention", "decompose", "verify", "data", "plot", "export", "report", "list"}) {
    EXPECT_THAT(help, HasSubstr("\n  " + verb + " "));
    const std::string own = output({verb, "--help"});
    EXPECT_THAT(own, HasSubstr("usage: attngap " + verb));
    EXPECT_THAT(own, HasSubstr("--config"));
    EXPECT_EQ(output({verb, "-h"}), own);
  }
  for (const auto& row : experiment_table()) EXPECT_THAT(output({"run", "--help"}), HasSubstr(row.name));
  const Finished nothing = attngap({});
  EXPECT_EQ(nothing.exit_code, 2);
  EXPECT_EQ(nothing.out, help);
}

TEST_F(CommandLine, TheVersionIsThreeNumbers) {
  EXPECT_THAT(output({"--version"}), ContainsRegex("^attngap [0-9]+[.][0-9]+[.][0-9]+\n$"));
}

TEST_F(CommandLine, EveryFamilyListsTheNamesOfItsTable) {
  std::map<std::string, std::vector<std::string>> tables;
  for (const auto& row : estimator_table()) tables["estimators"].emplace_back(row.name);
  for (const auto& row : feature_maps()) tables["feature-maps"].emplace_back(row.name);
  for (const auto& row : projections()) tables["projections"].emplace_back(row.name);
  for (const auto& row : maclaurin_kernels()) tables["kernels"].emplace_back(row.name);
  for (const auto& row : experiment_table()) tables["experiments"].emplace_back(row.name);
  for (const auto& table : {gap_metric_names(), kernel_metric_names(), truncation_metric_names(),
                            distribution_metric_names(), gram_metric_names(), cost_metric_names()})
    for (const auto& row : table) tables["metrics"].emplace_back(row.name);
  for (const auto& row : coefficients()) tables["coefficients"].emplace_back(row.name);
  for (const auto& row : claims()) tables["theorems"].emplace_back(row.name);
  for (const auto& row : kFigures) tables["figures"].emplace_back(row.name);
  tables["data"] = {"FILE", "synthetic:KIND"};
  for (const auto& row : synthetic_kinds()) tables["data"].push_back("synthetic:" + std::string(row.name));

  const auto all = nlohmann::json::parse(output({"list", "--json"}));
  EXPECT_EQ(all.size(), tables.size());
  const std::string everything = output({"list"});
  for (const auto& [family, names] : tables) {
    const std::string text = output({"list", family});
    const auto entries = nlohmann::json::parse(output({"list", "--json", family})).at(family);
    EXPECT_EQ(entries, all.at(family));
    ASSERT_EQ(entries.size(), names.size()) << family;
    for (std::size_t i = 0; i < names.size(); ++i) {
      EXPECT_EQ(entries[i].at("name"), names[i]);
      EXPECT_NE(entries[i].at("meaning"), "") << names[i];
      EXPECT_THAT(text, HasSubstr("\n  " + names[i] + " "));
    }
    EXPECT_THAT(everything, HasSubstr(text));
  }
  for (const auto& row : estimator_table())
    for (const auto& key : row.keys)
      EXPECT_THAT(everything, HasSubstr(std::string(key.key) + "=" + std::string(key.values)));
}

TEST_F(CommandLine, AttentionIsNumpysSoftmaxAndTheModelsOwnOutput) {
  output({"attention", "--data", bundled("ppocr4_L512_l0_h3.npz"), "--out", "line.npz"});
  output({"attention", "--data", bundled("lm_kjv_l2_h0.npz:mask=causal"), "--out", "kjv.npz"});
  const Finished compared = run_python(R"(
data, out = sys.argv[1:]
def softmax_attention(head, causal):
    q, k, v = (head[x].astype(float) for x in 'qkv')
    logits = q @ k.T / np.sqrt(q.shape[1])
    if causal:
        logits[np.triu_indices(len(q), 1)] = -np.inf
    weights = np.exp(logits - logits.max(1, keepdims=True))
    return weights @ v / weights.sum(1, keepdims=True)
for name, file, causal in ('ppocr4_L512_l0_h3', 'line', False), ('lm_kjv_l2_h0', 'kjv', True):
    head, o = np.load(f'{data}/{name}.npz'), np.load(f'{out}/{file}.npz')
    assert o.files == ['o'], o.files
    want = softmax_attention(head, causal)
    assert o['o'].shape == want.shape and o['o'].dtype == np.float64
    assert abs(o['o'] - want).max() < 1e-12 * abs(want).max(), abs(o['o'] - want).max()
    assert abs(o['o'] - softmax_attention(head, not causal)).max() > 1e-3, 'the comparison sees nothing'
    if 'o' in head.files:
        assert abs(o['o'] - head['o']).max() < 1e-5, abs(o['o'] - head['o']).max()
        print('with the model')
print('done')
)",
                                       {ATTNGAP_DATA_DIR, directory_.path().string()});
  EXPECT_EQ(compared.out, "with the model\ndone\n") << compared.err;
}

// E Σ_j K̂(q, k_j) = Σ_j exp(q·k_j / √d). The statistic is the mean over queries of their ratio; its standard
// error comes from 200 independent draws. At norm 0.3 features are far from heavy-tailed.
TEST_F(CommandLine, OneDrawIsARatioWhoseDenominatorIsUnbiased) {
  const std::string data = "synthetic:gaussian,length=29,dim=5,value-dim=2,norm=0.3";
  const AttentionProblem problem = make_synthetic(parse_synthetic(data.substr(data.find(':') + 1)));
  const Vector exact =
      ((problem.Q * problem.K.transpose()).array() * problem.scale).exp().rowwise().sum().matrix();
  constexpr int kDraws = 200;
  std::vector<double> ratios;
  for (int r = 0; r < kDraws; ++r) {
    output({"attention", "--data", data, "--estimator", "performer", "--features", "16,64", "--replicate",
            std::to_string(r), "--out", "draw.npz"});
    const auto file = open_npz(path("draw.npz"));
    const NumberArray numerator = file->read("numerator");
    const NumberArray denominator = file->read("denominator");
    const NumberArray estimate = file->read("estimate");
    ASSERT_EQ(numerator.shape, (std::vector<std::size_t>{29, 2}));
    ASSERT_EQ(denominator.shape, (std::vector<std::size_t>{29}));
    double ratio = 0.0;
    for (std::size_t i = 0; i < 29; ++i) {
      for (std::size_t c = 0; c < 2; ++c)
        EXPECT_NEAR(estimate.values[2 * i + c], numerator.values[2 * i + c] / denominator.values[i], 1e-14);
      ratio += denominator.values[i] / exact(static_cast<Index>(i)) / 29.0;
    }
    ratios.push_back(ratio);
  }
  const Estimated mean = mean_with_interval(ratios);
  EXPECT_TRUE(mean_is(mean.value, 1.0, mean.std_error)) << mean.value << " ± " << mean.std_error;
  EXPECT_FALSE(mean_is(mean.value, 1.03, mean.std_error)) << "a bias of three per cent would pass";
}

TEST_F(CommandLine, AnotherSeedOrReplicateIsAnotherDrawAndTheSameIsTheSame) {
  const Words words{"attention", "--data", kEasy, "--estimator", "rfa", "--features", "8", "--out", "a.npz"};
  const auto drawn = [&](const Words& more) {
    output(with(words, more));
    return read_text(path("a.npz"));
  };
  const std::string first = drawn({});
  EXPECT_EQ(drawn({"--seed", "1", "--replicate", "0"}), first);
  EXPECT_NE(drawn({"--replicate", "1"}), first);
  EXPECT_NE(drawn({"--seed", "2"}), first);
  EXPECT_NE(drawn({"--seed", "18446744073709551615"}), drawn({"--seed", "9223372036854775807"}));
  EXPECT_NE(drawn({"--replicate", "4294967295"}), first);
}

TEST_F(CommandLine, DataSaysHowHardAHeadIs) {
  const std::string file = bundled("ppocr4_L512_l1_h3.npz");
  const std::string text = output({"data", file});
  EXPECT_THAT(text, HasSubstr("512 queries, 512 keys, d = 15, values p = 15, mask none"));
  const auto heads =
      nlohmann::json::parse(output({"data", "--json", file, bundled("lm_kjv_l0_h3.npz:mask=causal")}));
  ASSERT_EQ(heads.size(), 2U);
  EXPECT_EQ(heads[1].at("mask"), "causal");
  EXPECT_EQ(heads[1].at("keys"), 1024);
  const auto& head = heads[0];
  const Finished numpy = run_python(R"(
head = np.load(sys.argv[1])
q, k = (head[x].astype(float) for x in 'qk')
logits = q @ k.T / np.sqrt(q.shape[1])
weights = np.exp(logits - logits.max(1, keepdims=True))
weights /= weights.sum(1, keepdims=True)
entropy = -(weights * np.log(np.maximum(weights, 1e-300))).sum(1)
print(json.dumps({'min': logits.min(), 'max': logits.max(), 'mean': logits.mean(), 'entropy': entropy.mean(),
                  'largest': weights.max(1).mean(), 'norm': np.sqrt((q**2).sum(1)).mean() / q.shape[1] ** 0.25}))
)",
                                    {file});
  ASSERT_EQ(numpy.exit_code, 0) << numpy.err;
  const auto want = nlohmann::json::parse(numpy.out);
  const auto near = [&](const nlohmann::json& number, const char* name) {
    EXPECT_NEAR(number.get<double>(), want.at(name).get<double>(),
                1e-10 * std::abs(want.at(name).get<double>()))
        << name;
  };
  near(head.at("logit").at("min"), "min");
  near(head.at("logit").at("max"), "max");
  near(head.at("logit").at("mean"), "mean");
  near(head.at("entropy").at("mean"), "entropy");
  near(head.at("largest_weight_mean"), "largest");
  near(head.at("query_norm").at("mean"), "norm");
}

TEST_F(CommandLine, ExportGivesTheRowsAsCsvAndJson) {
  output(run(kEasy));
  const std::string csv = read_text(path("out/results.csv"));
  EXPECT_EQ(output({"export", "out"}), csv);
  EXPECT_EQ(output({"export", "out", "--out", "copy.csv"}), "");
  EXPECT_EQ(read_text(path("copy.csv")), csv);
  const auto rows = nlohmann::json::parse(output({"export", "--json", "out"}));
  EXPECT_EQ(static_cast<std::ptrdiff_t>(rows.size()) + 1, std::count(csv.begin(), csv.end(), '\n'));
  EXPECT_EQ(rows[0].at("estimator"), "zero");
  EXPECT_EQ(rows[0].size(), 17U);
  bool nulls = false;  // two replicates have no jackknife error
  for (const auto& row : rows) nulls = nulls || row.at("std_error").is_null();
  EXPECT_TRUE(nulls);
  EXPECT_EQ(nlohmann::json::parse(output(run(kEasy, {"--json"}))), rows);
}

TEST_F(CommandLine, WithoutGnuplotTheDataAndTheScriptStayAndAMessageSaysHowToGetPictures) {
  const std::string said = output(run(kEasy));
  EXPECT_THAT(said, HasSubstr("no pictures: gnuplot is not on the PATH; install it (package gnuplot-nox)"));
  EXPECT_THAT(said, HasSubstr("results  out/results.csv"));
  const std::string name = "out/figures/gap_gaussian_dim5_length19_value-dim2";
  EXPECT_TRUE(fs::exists(path(name + ".csv")));
  EXPECT_TRUE(fs::exists(path(name + ".gp")));
  EXPECT_FALSE(fs::exists(path(name + ".svg")));
  EXPECT_EQ(output(run(kEasy, {"--quiet"})), "");
}

TEST_F(CommandLine, PlotDrawsTheFiguresAgain) {
  const std::string said = output(run(kEasy), real_path());
  EXPECT_THAT(said, Not(HasSubstr("no pictures"))) << "gnuplot is missing: install gnuplot-nox";
  const auto first = files_below(path("out/figures"));
  EXPECT_EQ(first.size(), 5U);  // csv, gp, svg, png, pdf
  fs::remove_all(path("out/figures"));
  EXPECT_THAT(output({"plot", "out"}, real_path()),
              HasSubstr("out/figures/gap_gaussian_dim5_length19_value-dim2.svg\n"));
  const auto again = files_below(path("out/figures"));
  EXPECT_EQ(again.size(), 5U);
  for (const auto& [name, bytes] : again)
    EXPECT_TRUE(name.ends_with(".pdf") || bytes == first.at(name)) << name;  // a pdf holds the time
  fs::remove_all(path("out/figures"));
  EXPECT_EQ(output({"plot", "out", "--formats", "svg", "--quiet"}, real_path()), "");
  EXPECT_EQ(files_below(path("out/figures")).size(), 3U);
}

TEST_F(CommandLine, AConfigFileFillsWhatTheCommandLineLeavesOpen) {
  write_text(path("run.ini"),
             "# a comment\n"
             "data = synthetic:gaussian,length=19,dim=5\n"
             "data = synthetic:sphere,length=19,dim=5\n"
             "estimators = rfa  performer:projection=orthogonal\n"
             "estimators = performer\n"
             "features = 4,8\n"
             "replicates = 3\n"
             "seed = 18446744073709551615\n"
             "quiet = true\n"
             "out = from-file\n");
  EXPECT_EQ(output({"run", "gap-vs-features", "--config", "run.ini"}), "");
  const Words same{"run",        "gap-vs-features",
                   "--data",     "synthetic:gaussian,length=19,dim=5",
                   "--data",     "synthetic:sphere,length=19,dim=5",
                   "--features", "4,8",
                   "--seed",     "18446744073709551615",
                   "--quiet"};
  output(with(same, {"--estimators", "rfa", "performer:projection=orthogonal", "performer", "--replicates=3",
                     "--out=words"}));
  EXPECT_EQ(read_text(path("words/results.csv")), read_text(path("from-file/results.csv")));

  output({"run", "gap-vs-features", "--estimators", "rmfa", "--replicates", "2", "--out", "both", "--config",
          "run.ini"});
  output(with(same, {"--estimators", "rmfa", "--replicates", "2", "--out", "won"}));
  EXPECT_EQ(read_text(path("both/results.csv")), read_text(path("won/results.csv")));
  write_text(path("empty.ini"), "");
  EXPECT_EQ(output({"data", "--config", "empty.ini", kEasy}).substr(0, 8), "gaussian");
}

TEST_F(CommandLine, TheSameHeadFromAnotherPlaceIsTheSameRun) {
  write_npz(path("head.npz"), head());
  fs::create_directory(path("there"));
  const auto words = [&](const std::string& data) { return run(data, {"--formats", "none", "--quiet"}); };
  output(words("head.npz"));
  fs::copy_file(path("head.npz"), path("there/head.npz"));
  output(words("there/head.npz:scale=" + fmt::format("{}", 1.0 / std::sqrt(5.0))));
  output(words("there/head.npz:name=head"));
  for (const std::string other : {"head.npz:scale=1", "head.npz:name=other"}) {
    const Finished finished = attngap(words(other));
    EXPECT_EQ(finished.exit_code, 2) << other;
    EXPECT_THAT(finished.err, HasSubstr("--data has head (mask none, scale 0.447213"));
  }
}

TEST_F(CommandLine, NumbersBeyondADoubleAreNotPrintedInFull) {
  auto arrays = head();
  for (const char* name : {"q", "k"})
    for (double& x : arrays[name].values) x *= 1e200;
  write_npz(path("huge.npz"), arrays);
  for (const std::string scale : {"1", "1e-300"}) {
    const std::string said = output({"data", "huge.npz:scale=" + scale});
    if (scale == "1") {
      EXPECT_THAT(said, HasSubstr("|q+k|^2 is beyond the range of a double"));
    }
    for (const std::string nonsense : {"nan", "inf", "00000000"}) EXPECT_THAT(said, Not(HasSubstr(nonsense)));
    for (const std::string& line : lines_of(said)) EXPECT_LT(line.size(), 250U) << line;
  }
}

TEST_F(CommandLine, ListsKeepTheirColumnsApart) {
  for (const std::string& line : lines_of(output({"list"})))
    if (line.starts_with("  ")) {
      EXPECT_THAT(line.substr(2), HasSubstr("  ")) << line;
    }
  for (const std::string family : {"metrics", "estimators", "data"})
    for (std::string line : lines_of(output({"list", family, "--markdown"}))) {
      for (auto bar = line.find("\\|"); bar != std::string::npos; bar = line.find("\\|")) line.erase(bar, 2);
      EXPECT_EQ(std::count(line.begin(), line.end(), '|'), 5) << line;
    }
}

// A terminal sends Ctrl-C to gnuplot as well, which dies of it.
TEST_F(CommandLine, AnInterruptWhileFiguresAreDrawnIsAnInterrupt) {
  fs::create_directory(path("bin"));
  write_text(path("bin/gnuplot"), "#!/bin/sh\nkill -INT $PPID\nkill -INT $$\nsleep 60\n");
  fs::permissions(path("bin/gnuplot"), fs::perms::owner_all);
  ProgramSetup setup;
  setup.environment["PATH"] = path("bin") + ":" + std::getenv("PATH");
  const Words words = run(kEasy, {"--formats", "svg"});
  const Finished interrupted = attngap(words, setup);
  EXPECT_EQ(interrupted.exit_code, 3) << interrupted.signal;
  EXPECT_EQ(interrupted.err,
            "attngap: interrupted; what is finished is kept. Run the same command again to resume.\n");
  EXPECT_TRUE(fs::exists(path("out/results.csv")));
  EXPECT_FALSE(fs::exists(path("out/figures/gap_gaussian_dim5_length19_value-dim2.svg")));
  output(words, real_path());
  EXPECT_TRUE(fs::exists(path("out/figures/gap_gaussian_dim5_length19_value-dim2.svg")));
}

TEST_F(CommandLine, AFormatGivenTwiceIsDrawnOnceAndNoneIsNotPromised) {
  output(run(kEasy, {"--formats", "png,png", "--quiet"}), real_path());
  EXPECT_EQ(files_below(path("out/figures")).size(), 3U);  // csv, gp, png
  fs::remove_all(path("out"));
  EXPECT_THAT(output(run(kEasy, {"--formats", "none"})), Not(HasSubstr("figures")));
  EXPECT_FALSE(fs::exists(path("out/figures")));
}

TEST_F(CommandLine, ARunWithNothingRandomIsARun) {
  const std::string said =
      output({"run", "gap-vs-features", "--data", kEasy, "--estimators", "exact", "--out", "out"});
  EXPECT_THAT(said, HasSubstr("no figure of gap-vs-features: nothing here was measured against m"));
  EXPECT_THAT(said, Not(HasSubstr("figures  ")));
  EXPECT_FALSE(fs::exists(path("out/figures")));
  const auto rows = nlohmann::json::parse(output({"export", "--json", "out"}));
  EXPECT_EQ(rows.size(), 30U);
  for (const auto& row : rows) EXPECT_TRUE(row.at("estimator") != "exact" || row.at("value") == 0.0) << row;
}

}  // namespace
}  // namespace attngap
