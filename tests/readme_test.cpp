#include "tests/run_program.hpp"

#include <gtest/gtest.h>

namespace attngap {
namespace {

const std::string kBegin = "<!-- attngap list estimators --markdown -->\n";
const std::string kEnd = "<!-- end -->";

TEST(Readme, ShowsTheTableOfEstimatorsAsTheProgramListsIt) {
  const std::string readme = testing::read_text(std::filesystem::path(ATTNGAP_DATA_DIR) / "../../README.md");
  const auto begin = readme.find(kBegin);
  const auto end = readme.find(kEnd);
  ASSERT_NE(begin, std::string::npos);
  ASSERT_NE(end, std::string::npos);
  const auto listed = testing::run_program({"list", "estimators", "--markdown"});
  ASSERT_EQ(listed.exit_code, 0) << listed.err;
  EXPECT_EQ(readme.substr(begin + kBegin.size(), end - begin - kBegin.size()), listed.out)
      << "run: attngap list estimators --markdown, and put it between the marks of README.md";
}

}  // namespace
}  // namespace attngap
