// attngap run distributions: the same draws as gap-vs-features, counted.

#include "gap_run_support.hpp"

#include <cmath>
#include <cstdlib>
#include <map>
#include <sstream>

#include <gmock/gmock.h>

namespace attngap::testing {
namespace {

class DistributionsRun : public GapRunTest {
 protected:
  std::string measured(const std::string& name, const std::string& experiment, const Words& more = {}) const {
    Words words = command(
        name, {"--data", "synthetic:gaussian,dim=4,length=20,norm=1,value-dim=3", "--estimators", "performer",
               "rfa", "rmfa", "lara", "--features", "4,8", "--replicates", "9", "--queries", "5"});
    words[1] = experiment;
    words.insert(words.end(), more.begin(), more.end());
    const Finished finished = run_program(words, no_gnuplot());
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    return read_text(place(name) / "results.csv");
  }

  // "estimator draws" → the rows of one metric, or of one that ends in a level, in order.
  std::map<std::string, std::vector<ResultRow>> by_curve(const std::string& name,
                                                         const std::string& metric) const {
    std::map<std::string, std::vector<ResultRow>> found;
    for (const ResultRow& row : rows(name))
      if (row.metric == metric || row.metric.starts_with(metric + ":x="))
        found[row.estimator + " " + std::to_string(row.draws)].push_back(row);
    return found;
  }

  static double level(const ResultRow& row) { return std::stod(row.metric.substr(row.metric.find('=') + 1)); }
};

TEST_F(DistributionsRun, CountsTheDrawsOfGapVsFeatures) {
  measured("gap", "gap-vs-features");
  measured("counts", "distributions");
  const auto medians = by_curve("gap", "median_relative_error");
  for (const auto& [curve, above] : by_curve("counts", "relative_error_above")) {
    const double median = medians.at(curve).front().value;
    for (std::size_t i = 0; i < above.size(); ++i) {
      // 45 numbers: the median is one of them.
      if (level(above[i]) <= median) {
        EXPECT_GE(above[i].value, 23 / 45.0 - 1e-12) << curve << above[i].metric;
      } else {
        EXPECT_LE(above[i].value, 22 / 45.0 + 1e-12) << curve << above[i].metric;
      }
      if (i > 0) {
        EXPECT_LE(above[i].value, above[i - 1].value);
      }
    }
  }
  const auto negative = by_curve("gap", "negative_denominators");
  const auto denominators = by_curve("counts", "denominator_below");
  EXPECT_EQ(denominators.size(), 6U) << "of three ratio estimators at two counts";
  bool any = false;
  for (const auto& [curve, below] : denominators)
    for (const ResultRow& row : below) {
      if (level(row) != 0.0) continue;
      EXPECT_NEAR(row.value * 45, negative.at(curve).front().value, 1e-9) << curve;
      any = any || row.value > 0;
    }
  EXPECT_TRUE(any) << "a trigonometric denominator is negative now and then";
}

TEST_F(DistributionsRun, GivesTheSameBytesForAnyNumberOfThreads) {
  const std::string one = measured("one", "distributions", {"--threads", "1"});
  EXPECT_EQ(measured("three", "distributions", {"--threads", "3"}), one);
  EXPECT_TRUE(std::filesystem::exists(place("one") / "figures" / "errors_gaussian.gp") ||
              !std::filesystem::is_empty(place("one") / "figures"));
}

TEST_F(DistributionsRun, DrawsWhatDecomposePrints) {
  const Words words{"decompose",
                    "--data",
                    "synthetic:gaussian,dim=4,length=20,value-dim=3,name=some head",
                    "--estimator",
                    "rfa",
                    "--query",
                    "7",
                    "--features",
                    "16",
                    "--figures",
                    place("terms").string()};
  const Finished finished = run_program(words, no_gnuplot());
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(finished.err, ::testing::HasSubstr("decomposition_some_head_query7.gp"));
  EXPECT_THAT(finished.err, ::testing::HasSubstr("gnuplot is not on the PATH"));
  // The shares of the error by key, in both.
  const auto column = [](const std::string& csv, const std::string& begin, std::size_t field) {
    std::vector<double> numbers;
    std::istringstream lines(csv);
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with(begin)) continue;
      std::istringstream fields(line);
      std::string text;
      for (std::size_t i = 0; i <= field; ++i) std::getline(fields, text, ',');
      numbers.push_back(std::strtod(text.c_str(), nullptr));
    }
    return numbers;
  };
  const auto drawn = column(read_text(place("terms") / "decomposition_some_head_query7.csv"), "share,", 3);
  const auto printed = column(finished.out.substr(finished.out.find('\n') + 1), "", 8);
  ASSERT_EQ(drawn.size(), 20U);
  ASSERT_EQ(printed.size(), 20U);
  for (std::size_t key = 0; key < 20; ++key) EXPECT_NEAR(drawn[key], printed[key], 1e-12) << key;
}

}  // namespace
}  // namespace attngap::testing
