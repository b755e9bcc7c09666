// The experiment kernel-variance from outside.

#include "command_line_support.hpp"
#include "experiments/run_store.hpp"
#include "tests/statistical_assertions.hpp"

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <map>
#include <tuple>

namespace attngap {
namespace {

using testing::read_text;
using ::testing::SizeIs;
using testing::with;
using testing::Words;
using testing_tools::within_limit;

class KernelVariance : public testing::CommandLineTest {
 protected:
  std::vector<ResultRow> run(const std::string& out, const Words& more) const {
    const auto finished = attngap(
        with({"run", "kernel-variance", "--out", out, "--formats", "none", "--quiet", "--seed", "7"}, more));
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    EXPECT_EQ(finished.err, "");
    return RunStore::open_existing(path(out)).rows();
  }
  std::string results(const std::string& out) const { return read_text(path(out) + "/results.csv"); }
};

const Words kSmall{"--estimators",
                   "performer",
                   "rfa:projection=orthogonal",
                   "rmfa",
                   "performer:features=hyperbolic",
                   "rmfa:kernel=inverse",
                   "--norms",
                   "0.4,1.3",
                   "--cosines=-0.5,1",
                   "--dims",
                   "5",
                   "--features",
                   "3,11",
                   "--replicates",
                   "41",
                   "--map",
                   "3"};

using Key = std::tuple<std::string, std::string, std::string, std::int64_t, std::int64_t>;
std::map<Key, std::map<std::string, ResultRow>> by_series(const std::vector<ResultRow>& rows) {
  std::map<Key, std::map<std::string, ResultRow>> series;
  for (const ResultRow& row : rows)
    if (row.metric != "predicted_kernel_mse")
      series[{row.data, row.estimator, row.projection, row.head_dim, row.draws}][row.metric] = row;
  return series;
}

// |x + y|² ≤ 1, where the standard error of a sample variance can be trusted. The variance of the sample's
// own standard error is the limit of what its kurtosis knows, as in every test of a variance here.
TEST_F(KernelVariance, RowsAgreeWithTheirClosedForms) {
  const auto rows = run("out", {"--estimators",
                                "performer",
                                "performer:features=hyperbolic",
                                "rfa",
                                "performer:features=regularized",
                                "rfa:kernel=arccos",
                                "rfa:projection=orthogonal",
                                "rmfa",
                                "rmfa:degrees=fixed,max-degree=4",
                                "rmfa:degrees=poisson",
                                "--norms",
                                "0.5",
                                "--cosines=-0.5,0,0.5,1",
                                "--dims",
                                "5",
                                "--features",
                                "5,11",
                                "--replicates",
                                "4000",
                                "--map",
                                "0"});
  const auto series = by_series(rows);
  EXPECT_THAT(series, SizeIs(9 * 4 * 2));
  int rejected = 0, refused = 0;
  for (const auto& [key, metrics] : series) {
    const ResultRow& mean = metrics.at("kernel_mean");
    const ResultRow& variance = metrics.at("kernel_variance");
    const double expected_mean = metrics.at("predicted_kernel_mean").value;
    const double expected = metrics.at("predicted_kernel_variance").value;
    const double error = std::sqrt(expected / 4000);
    if (expected == 0) {
      EXPECT_EQ(variance.value, 0);
      EXPECT_NEAR(mean.value, expected_mean, 1e-14);
      continue;
    }
    EXPECT_TRUE(within_limit((mean.value - expected_mean) / error, mean.value, expected_mean, error))
        << std::get<0>(key) << " " << std::get<1>(key);
    if (variance.status == "heavy-tail") {
      ++refused;
      continue;
    }
    ASSERT_EQ(variance.status, "ok") << std::get<0>(key) << " " << std::get<1>(key);
    EXPECT_TRUE(within_limit((variance.value - expected) / variance.std_error, variance.value, expected,
                             variance.std_error))
        << std::get<0>(key) << " " << std::get<1>(key);
    rejected += !within_limit((variance.value - 1.5 * expected) / variance.std_error, 0, 0, 1);
  }
  // One feature a degree: a few values far out carry the variance of the fixed allocation at m = 5.
  EXPECT_LE(refused, 4);
  EXPECT_GE(rejected, 55) << "a variance that is half too large would pass";
}

// How many intervals of how many miss the closed form, by side; `width` shrinks them about the variance.
struct Misses {
  std::size_t rows = 0, below = 0, above = 0;

  void count(const ResultRow& variance, double expected, double width = 1.0) {
    if (variance.status != "ok" || expected == 0.0) return;
    ++rows;
    above += variance.value * std::pow(variance.ci_low / variance.value, width) > expected ? 1 : 0;
    below += variance.value * std::pow(variance.ci_high / variance.value, width) < expected ? 1 : 0;
  }
  // That the share of intervals that hold it is between 93 and 97 %, and of neither side do more than 5 %
  // miss it, within the noise of as many rows.
  bool honest() const {
    const auto n = static_cast<double>(rows);
    const auto share = [&](std::size_t hits) { return static_cast<double>(hits) / n; };
    const auto noise = [&](double p) { return testing_tools::sigma_limit() * std::sqrt(p * (1.0 - p) / n); };
    const double held = 1.0 - share(below + above);
    return held > 0.93 - noise(0.93) && held < 0.97 + noise(0.97) &&
           std::max(share(below), share(above)) < 0.05 + noise(0.05);
  }
};

// Of estimators that draw whole directions pairs are independent. The others share their normal numbers among
// the pairs of a dimension, which miss together: a pair a seed and dimension.
TEST_F(KernelVariance, IntervalsHoldTheClosedFormAsOftenAsTheySay) {
  const Words whole{"performer:features=regularized",
                    "rfa:kernel=arccos",
                    "rfa:projection=orthogonal",
                    "performer:projection=orthogonal",
                    "performer:features=hyperbolic,projection=orthogonal",
                    "rfa:kernel=arccos,projection=orthogonal",
                    "rmfa",
                    "rmfa:known=linear",
                    "rmfa:degrees=optimal",
                    "rmfa:degrees=fixed,max-degree=4"};
  const Words radial{"rfa", "performer", "performer:features=hyperbolic"};
  const Words norms{"0.3", "0.5", "0.7", "0.9"};
  const Words cosines{"-0.9", "-0.7", "-0.5", "-0.3", "0", "0.2", "0.4", "0.6", "0.8"};
  std::map<std::string, Misses> by_estimator;
  Misses all, halved;
  const auto count = [&](const std::string& out, const Words& estimators, const std::string& norm,
                         const std::string& cosine, std::size_t seed) {
    const Words grid{"--norms",
                     norm,
                     "--cosines=" + cosine,
                     "--dims",
                     "3,5,8",
                     "--features",
                     "8",
                     "--replicates",
                     "400",
                     "--map",
                     "0",
                     "--seed",
                     std::to_string(seed),
                     "--formats",
                     "none",
                     "--quiet",
                     "--out",
                     path(out)};
    const auto finished = attngap(with(with({"run", "kernel-variance", "--estimators"}, estimators), grid));
    ASSERT_EQ(finished.exit_code, 0) << finished.err;
    for (const auto& [key, metrics] : by_series(RunStore::open_existing(path(out)).rows())) {
      const ResultRow& variance = metrics.at("kernel_variance");
      const double expected = metrics.at("predicted_kernel_variance").value;
      by_estimator[std::get<1>(key) + " " + std::get<2>(key)].count(variance, expected);
      all.count(variance, expected);
      halved.count(variance, expected, 0.5);
    }
  };
  count("whole", whole, fmt::format("{}", fmt::join(norms, ",")), fmt::format("{}", fmt::join(cosines, ",")),
        7);
  for (std::size_t seed = 0; seed < norms.size() * cosines.size(); ++seed)
    count(fmt::format("radial{}", seed), radial, norms[seed / cosines.size()], cosines[seed % cosines.size()],
          seed + 1);
  EXPECT_THAT(by_estimator, SizeIs(whole.size() + radial.size()));
  for (const auto& [name, misses] : by_estimator)
    EXPECT_TRUE(misses.honest()) << name << ": of " << misses.rows << " rows " << misses.below
                                 << " below and " << misses.above << " above";
  EXPECT_TRUE(all.honest()) << "of " << all.rows << " rows " << all.below << " below and " << all.above
                            << " above";
  EXPECT_GT(all.rows, 1000U);
  EXPECT_FALSE(halved.honest()) << "intervals of half the width would pass";
}

// What a cell holds is for the disk and the memory alone.
TEST_F(KernelVariance, NumbersDoNotDependOnWhichPairsMakeACell) {
  const Words whole{"--estimators", "performer", "rmfa",         "--dims", "3", "--features", "4",
                    "--map",        "0",         "--replicates", "200000"};  // two pairs a cell
  const auto many = by_series(run("many", with(whole, {"--norms", "0.5,5", "--cosines=0,0.9"})));
  std::size_t same = 0;
  for (const auto& [key, metrics] : by_series(run("few", with(whole, {"--norms", "0.5", "--cosines=0"}))))
    for (const auto& [name, row] : metrics) {
      EXPECT_EQ(fmt::format("{}", many.at(key).at(name).value), fmt::format("{}", row.value)) << name;
      ++same;
    }
  EXPECT_EQ(same, 9U);
}

// Choromanski et al. 2021, Figure 2: r = 2 sinh²(t/2)/(eˢ − 1), t = 2l²(1 − cos), s = 2l²(1 + cos), for as
// many directions; the map gives both as many real features, of which rfa has two a direction.
TEST_F(KernelVariance, AMapOverAnglesIsOfTheMiddlesOfEqualCells) {
  run("angles", {"--estimators", "rfa", "performer", "--norms", "0.5,2", "--cosines=0", "--dims", "5",
                 "--features", "4", "--replicates", "25", "--map", "7", "--map-over", "angle"});
  std::map<std::string, std::map<std::string, double>> pairs;
  for (const ResultRow& row : RunStore::open_existing(path("angles")).rows())
    if (row.metric == "predicted_kernel_mse")
      pairs[row.data][row.estimator] = row.value * static_cast<double>(row.draws);
  ASSERT_THAT(pairs, SizeIs(49));
  for (int i = 0; i < 7; ++i)
    for (int j = 0; j < 7; ++j) {
      const double length = 2.0 * (i + 0.5) / 7, cosine = std::cos(std::acos(-1.0) * (j + 0.5) / 7);
      const auto found = std::find_if(pairs.begin(), pairs.end(), [&](const auto& pair) {
        double l = 0, c = 0;
        return std::sscanf(pair.first.c_str(), "pair:norm=%lf,cosine=%lf", &l, &c) == 2 &&
               std::abs(l - length) < 1e-12 && std::abs(c - cosine) < 1e-12;
      });
      ASSERT_NE(found, pairs.end()) << length << " " << cosine;
      const double t = 2 * length * length * (1 - cosine), s = 2 * length * length * (1 + cosine);
      const double ratio = 2 * std::pow(std::sinh(t / 2), 2) / std::expm1(s);
      EXPECT_NEAR(found->second.at("rfa") / found->second.at("performer") / ratio, 1.0, 1e-9) << found->first;
    }
}

TEST_F(KernelVariance, ResultsAreTheSameBytesForAnyNumberOfThreadsAndResume) {
  run("one", with(kSmall, {"--threads", "1"}));
  run("three", with(kSmall, {"--threads", "3"}));
  EXPECT_EQ(results("three"), results("one"));
  const auto before = testing::files_below(path("one"));
  run("one", kSmall);
  EXPECT_EQ(testing::changed_files(before, testing::files_below(path("one"))), "");
  run("seed", with(kSmall, {"--threads", "3", "--precision", "float"}));
  EXPECT_NE(results("seed"), results("one")) << "the comparison sees nothing";
}

TEST_F(KernelVariance, AnInterruptedRunResumesToTheSameBytes) {
  const Words more{"--estimators", "performer",  "rmfa", "--norms",      "0.5,1", "--cosines=0,0.5", "--dims",
                   "32",           "--features", "512",  "--replicates", "600",   "--map",           "3"};
  run("whole", more);
  const Words command = with(
      {"run", "kernel-variance", "--out", path("cut"), "--formats", "none", "--quiet", "--seed", "7"}, more);
  testing::RunningProgram program(command);
  const auto started = [&] {
    try {
      return !RunStore::open_existing(path("cut")).finished_blocks(0).empty() ||
             RunStore::open_existing(path("cut")).cell_finished(0);
    } catch (const BadInput&) {
      return false;  // not made yet
    }
  };
  while (program.running() && !started()) continue;
  ASSERT_TRUE(program.running()) << "it ended before it could be interrupted";
  program.send(SIGINT);
  EXPECT_EQ(program.wait().exit_code, 3);
  EXPECT_FALSE(RunStore::open_existing(path("cut")).cell_finished(1));
  run("cut", more);
  EXPECT_EQ(results("cut"), results("whole"));
}

TEST_F(KernelVariance, AnotherEstimatorChangesNoRowOfTheOthersAndOrderDecidesNothing) {
  const Words grid{"--norms",    "0.4,1.3", "--cosines=-0.5,1", "--dims", "5",
                   "--features", "3,11",    "--replicates",     "41",     "--map",
                   "0"};
  const auto few = by_series(run("few", with({"--estimators", "rfa", "rmfa"}, grid)));
  auto many = by_series(run("many", with(kSmall, {"--estimators", "rfa"})));
  for (const auto& [key, metrics] : few)
    for (const auto& [name, row] : metrics)
      EXPECT_EQ(fmt::format("{}", many[key][name].value), fmt::format("{}", row.value))  // NaN equals NaN
          << std::get<1>(key) << " " << name;
  run("turned", with({"--estimators", "rmfa", "rfa"}, grid));
  EXPECT_EQ(results("turned"), results("few"));
}

TEST_F(KernelVariance, TiltedRowsStandWhereTheSampleIsRefused) {
  const auto series = by_series(
      run("out", {"--estimators", "performer", "performer:projection=orthogonal", "rfa", "--norms", "2",
                  "--cosines=1", "--dims", "5", "--features", "3", "--replicates", "500", "--map", "0"}));
  const auto& heavy = series.at({"pair:norm=2,cosine=1", "performer", "iid", 5, 3});
  EXPECT_EQ(heavy.at("kernel_variance").status, "heavy-tail");
  const double exact = heavy.at("predicted_kernel_variance").value;
  EXPECT_NEAR(heavy.at("tilted_kernel_variance").value, exact, 1e-12 * exact);
  for (const auto& [key, metrics] : series)
    EXPECT_EQ(metrics.contains("tilted_kernel_variance"), &metrics == &heavy) << std::get<1>(key);
}

// Unit-normalised inputs have one angle and no norm: E K̂ = e^{cos θ/σ²} whatever the norm, and softmax of the
// given inputs e^{|x|² cos θ}.
TEST_F(KernelVariance, UnitNormalisedInputsHaveNoNorm) {
  const Words grid{"--estimators",
                   "rfa:normalize=unit,sigma=1.5",
                   "--norms",
                   "0.5,2",
                   "--cosines=0.3",
                   "--dims",
                   "5",
                   "--features",
                   "16",
                   "--replicates",
                   "2000",
                   "--map",
                   "0"};
  for (const bool softmax : {false, true}) {
    const auto series = by_series(
        run(softmax ? "softmax" : "target", with(grid, softmax ? Words{"--against", "softmax"} : Words{})));
    ASSERT_THAT(series, SizeIs(2));
    for (const auto& [key, metrics] : series) {
      const double norm = std::get<0>(key).starts_with("pair:norm=0.5,") ? 0.5 : 2.0;
      const double mean = softmax ? std::exp(0.3 / 2.25 - norm * norm * 0.3) : 1.0;
      const double variance = mean * mean * 2.0 / 16.0 * std::pow(std::sinh(0.7 / 2.25), 2);
      EXPECT_NEAR(metrics.at("predicted_kernel_mean").value, mean, 1e-13 * mean);
      EXPECT_NEAR(metrics.at("predicted_kernel_variance").value, variance, 1e-12 * variance);
      const double error = std::sqrt(variance / 2000);
      const ResultRow &sampled = metrics.at("kernel_mean"), &spread = metrics.at("kernel_variance");
      EXPECT_TRUE(within_limit((sampled.value - mean) / error, sampled.value, mean, error)) << softmax;
      EXPECT_TRUE(within_limit((spread.value - variance) / spread.std_error, spread.value, variance,
                               spread.std_error))
          << softmax;
      EXPECT_FALSE(within_limit((spread.value - 1.5 * variance) / spread.std_error, 0, 0, 1));
    }
  }
}

TEST_F(KernelVariance, WhereAKernelDoesNotExistRowsSayNoMoment) {
  const auto series = by_series(run("out", kSmall));
  const auto& outside = series.at({"pair:norm=1.3,cosine=1", "rmfa:kernel=inverse", "", 5, 3});
  for (const auto& [name, row] : outside) {
    EXPECT_EQ(row.status, "no-moment") << name;
    EXPECT_TRUE(std::isnan(row.value)) << name;
  }
  EXPECT_EQ(series.at({"pair:norm=0.4,cosine=1", "rmfa:kernel=inverse", "", 5, 3}).at("kernel_mean").status,
            "ok");
}

TEST_F(KernelVariance, TheMapHasEverySoftmaxEstimatorAtEqualFeatures) {
  std::size_t points = 0;
  for (const ResultRow& row : run("out", kSmall)) {
    if (row.metric != "predicted_kernel_mse") continue;
    ++points;
    EXPECT_EQ(row.dimension, 22) << row.estimator;
    EXPECT_EQ(row.target, "softmax");
    EXPECT_EQ(row.replicates, 1);
  }
  EXPECT_EQ(points, 9U * 4);  // the inverse kernel is another target
}

TEST_F(KernelVariance, RefusesWhatItCannotMeasure) {
  const Words command{"run", "kernel-variance", "--out", "out", "--estimators"};
  const auto refused = [&](const Words& more, const std::string& said) {
    expect_refused(with(command, more), {said});
  };
  refused({"eva"}, "eva is no ratio of random features");
  refused({"zero"}, "zero is no ratio");
  refused({"performer:center=keys"}, "leave center= out");
  refused({"rmfa:ppsbn=paper"}, "leave ppsbn= out");
  refused({"rfa:gate=constant:0.9"}, "leave gate= out");
  refused({"rfa", "--norms", "1,0.5"}, "0.5 follows 1");
  refused({"rfa", "--norms", "0"}, "--norms: 0 must be above 0 and at most 10");
  refused({"rfa", "--cosines=1.5"}, "--cosines: 1.5 must be from -1 to 1");
  refused({"rfa", "--cosines=-0.5,x"}, "--cosines = \"x\", must be a finite number");
  refused({"rfa", "--dims", "1"}, "--dims: 1 must be from 2 to 4096");
  refused({"rfa", "--map", "1"}, "--map = 1, must be 0");
  refused({"rfa", "--map-over", "angel"}, "angle");
  refused({"rfa", "--replicates", "24"}, "--replicates = 24, must be at least 25");
  refused({"rfa", "--data", testing::kEasy}, "--data means nothing to kernel-variance; leave it out");
  refused({"rfa", "--radii", "1"}, "--radii means nothing to kernel-variance");
  refused({"rfa", "--features", "16777216", "--dims", "4096"}, "GiB of memory");
  expect_refused({"run", "kernel-variance", "--out", "out"}, {"--estimators is missing"});
  expect_refused(CommandLineTest::run(testing::kEasy, {"--norms", "1"}),
                 {"--norms means nothing to gap-vs-features; leave it out"});
}

}  // namespace
}  // namespace attngap
