#include "estimators/estimator_table.hpp"
#include "gap_run_support.hpp"

#include <cmath>
#include <map>

#include <gmock/gmock.h>

namespace attngap::testing {
namespace {

using ::testing::HasSubstr;

constexpr const char* kHead = "synthetic:gaussian,dim=4,length=20,norm=1,value-dim=3";

class ControlVariatesRun : public GapRunTest {
 protected:
  // "estimator draws metric" → row.
  std::map<std::string, ResultRow> measured(const std::string& name, const std::string& experiment,
                                            const Words& more) const {
    Words words =
        command(name, {"--data", kHead, "--features", "4,8", "--replicates", "6", "--queries", "5"});
    words[1] = experiment;
    words.insert(words.end(), more.begin(), more.end());
    const Finished finished = run_program(words, no_gnuplot());
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    std::map<std::string, ResultRow> found;
    for (const ResultRow& row : rows(name))
      found[row.estimator + " " + std::to_string(row.draws) + " " + row.metric] = row;
    return found;
  }
};

// The policy that is the estimator's own gives the numbers of gap-vs-features, draw by draw.
TEST_F(ControlVariatesRun, HasTheEstimatorsThemselvesAmongItsPolicies) {
  const Words estimators{"--estimators",         "performer",   "rmfa", "ra", "lara",
                         "lara:normalized=none", "eva:window=4"};
  const auto gap = measured("gap", "gap-vs-features", estimators);
  const auto path = measured("path", "control-variates", estimators);
  const std::map<std::string, std::string> own{
      {"performer", "performer:coefficient=ratio"},
      {"rmfa", "rmfa:coefficient=ratio"},
      {"ra", "ra:coefficient=ratio"},
      {"lara", "lara:coefficient=ratio"},
      {"lara:normalized=none", "lara:coefficient=zero,normalized=none"},
      {"eva:window=4", "eva:coefficient=group,window=4"}};
  for (const auto& [estimator, policy] : own)
    for (const std::string draws : {" 4 ", " 8 "})
      for (const std::string metric : {"mse", "bias2", "variance", "median_relative_error"}) {
        ASSERT_TRUE(path.contains(policy + draws + metric)) << policy;
        const ResultRow &one = gap.at(estimator + draws + metric), &other = path.at(policy + draws + metric);
        EXPECT_NEAR(other.value, one.value, 1e-9 * (1.0 + std::abs(one.value))) << policy << draws << metric;
        if (metric != "median_relative_error") {
          EXPECT_EQ(other.status, one.status) << policy;
        }
      }
}

TEST_F(ControlVariatesRun, EndsInSoftmaxAndSaysWherePoliciesHaveNoVariance) {
  const auto path = measured("path", "control-variates",
                             {"--estimators", "performer", "ra", "rmfa:force=on,kernel=inverse,ppsbn=code"});
  for (const auto& [name, row] : path) {
    if (row.metric != "mse") continue;
    if (row.estimator.find("coefficient=key") != std::string::npos) {
      EXPECT_LT(row.value, 1e-20) << name;
      EXPECT_EQ(row.status, "ok") << name;
    } else if (row.estimator.starts_with("rmfa")) {
      EXPECT_EQ(row.status, "no-moment") << name;  // the kernel estimate has no variance on unit vectors
    } else {
      EXPECT_EQ(row.status, "ok") << name;
    }
  }
  // More groups of keys, less error: from RFA's one towards softmax's one a key.
  const auto mse = [&](const std::string& policy) { return path.at("performer:" + policy + " 8 mse").value; };
  EXPECT_LT(mse("coefficient=group,coefficient-groups=64"), 1e-20);  // more groups than keys
  EXPECT_LT(mse("coefficient=group,coefficient-groups=16"), mse("coefficient=ratio"));
}

TEST_F(ControlVariatesRun, RefusesWhatIsNoSumOfControlVariates) {
  const auto refusal = [&](const Words& more) {
    Words words = command("refused", {"--data", kHead});
    words[1] = "control-variates";
    words.insert(words.end(), more.begin(), more.end());
    const Finished finished = run_program(words, no_gnuplot());
    EXPECT_EQ(finished.exit_code, 2);
    return finished.err;
  };
  EXPECT_THAT(refusal({"--estimators", "performer:denominator=clamp:1"}), HasSubstr("denominator policy"));
  EXPECT_THAT(refusal({"--estimators", "rmfa:beta=2,ppsbn=code"}), HasSubstr("gamma and beta"));
  EXPECT_THAT(refusal({"--estimators", "elementwise:degree=2"}), HasSubstr("draws anything"));
  EXPECT_THAT(refusal({"--estimators", "rfa:normalize=unit", "--against", "softmax"}),
              HasSubstr("--against"));
  EXPECT_THAT(refusal({"--estimators", "rfa", "--precision", "float"}), HasSubstr("--precision"));
}

}  // namespace
}  // namespace attngap::testing
