#include "experiments/npz.hpp"
#include "tests/command_line_support.hpp"

#include <cmath>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace attngap::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class DecomposeVerb : public CommandLineTest {
 protected:
  Finished decompose(const std::string& estimator, const Words& more = {}) const {
    write_npz(path("head.npz"), head());
    return attngap(with({"decompose", "--data", "head.npz", "--query", "1", "--features", "64", "--quiet",
                         "--estimator", estimator, "--out", "o.npz"},
                        more));
  }
};

// The corrected output lies within a few of its own standard errors of the exact one, and is not the
// estimate.
TEST_F(DecomposeVerb, GivesTheJackknifeOfARatioOfIndependentDirections) {
  for (const std::string estimator : {"performer", "performer:features=hyperbolic", "rfa", "rmfa"}) {
    const Finished finished = decompose(estimator);
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    EXPECT_THAT(finished.err, HasSubstr("jackknife over the 64 directions: bias ")) << estimator;
    const auto file = open_npz(path("o.npz"));
    const auto corrected = file->read("jackknife").values, error = file->read("jackknife_error").values;
    const auto estimate = file->read("estimate").values, exact = file->read("exact").values;
    ASSERT_EQ(corrected.size(), exact.size());
    for (std::size_t c = 0; c < exact.size(); ++c) {
      EXPECT_GT(error[c], 0.0);
      EXPECT_NE(corrected[c], estimate[c]);
      if (estimator.starts_with("performer")) {
        EXPECT_LT(std::abs(corrected[c] - exact[c]), 6.0 * error[c]) << estimator;
        EXPECT_LT(std::abs(corrected[c] - estimate[c]), error[c]) << estimator;
      }
    }
  }
}

// Orthogonal directions are not independent, and EVA is no one ratio.
TEST_F(DecomposeVerb, GivesNoJackknifeOtherwise) {
  for (const std::string estimator :
       {"performer:projection=orthogonal", "eva:window=0", "rmfa:degrees=fixed,max-degree=3"}) {
    const Finished finished = decompose(estimator);
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    EXPECT_THAT(finished.err, Not(HasSubstr("jackknife")));
    EXPECT_ANY_THROW(open_npz(path("o.npz"))->read("jackknife")) << estimator;
  }
  EXPECT_THAT(decompose("performer", {"--features", "1"}).err, Not(HasSubstr("jackknife")));
}

}  // namespace
}  // namespace attngap::testing
