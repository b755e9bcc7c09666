// attngap report: what it writes, and what it says where it cannot.

#include "command_line_support.hpp"

#include <fstream>

namespace attngap {
namespace {

using namespace testing;

using ::testing::HasSubstr;
using ::testing::Not;

class ReportVerbTest : public CommandLineTest {
 protected:
  void SetUp() override {
    const Finished finished =
        attngap(run(std::string(kEasy) + ",name=it's a <head>", {"--formats", "none", "--quiet"}));
    ASSERT_EQ(finished.exit_code, 0) << finished.err;
  }

  void write(const std::string& name, const std::string& text) const { std::ofstream(path(name)) << text; }
};

TEST_F(ReportVerbTest, WritesOnePageFromTheStoredRows) {
  const Finished finished = attngap({"report", "out"});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(finished.out, HasSubstr("out/report.html\n"));
  EXPECT_THAT(finished.out, HasSubstr("gnuplot is not on the PATH"));
  const std::string html = read_text(path("out/report.html"));
  for (const std::string part :
       {"it&#39;s a &lt;head&gt;", "ratio of trigonometric or arccos random features", "Peng et al. 2021",
        "median over replicates and queries", "<th scope=\"row\">compiler</th>",
        "synthetic:gaussian,length=19", "None are kept with this run"})
    EXPECT_THAT(html, HasSubstr(part));
  EXPECT_THAT(html, Not(HasSubstr("a <head>")));
  EXPECT_THAT(html, Not(HasSubstr(directory_.path().string()))) << "where it was made is nobody's business";

  ASSERT_EQ(attngap({"report", "out", "--out", "again.html", "--quiet"}).out, "");
  EXPECT_EQ(read_text(path("again.html")), html) << "the same run gives the same bytes";
}

TEST_F(ReportVerbTest, ShowsTheVerdictsThatLieBesideTheRun) {
  write("out/verify.json",
        R"([{"name": "a-claim", "statement": "1 < 2", "source": "nobody", "method": "by hand",
                               "verdict": "REFUTED", "expected": "PROVEN", "evidence": "2 & 1", "seconds": 0.1}])");
  ASSERT_EQ(attngap({"report", "out", "--quiet"}).exit_code, 0);
  const std::string html = read_text(path("out/report.html"));
  for (const std::string part : {"a-claim", "1 &lt; 2", "REFUTED", "expected PROVEN", "2 &amp; 1"})
    EXPECT_THAT(html, HasSubstr(part));
}

TEST_F(ReportVerbTest, ShowsTheDecompositionsThatLieAmongTheFigures) {
  ASSERT_EQ(attngap({"decompose", "--data", std::string(kEasy) + ",name=easy", "--estimator", "rfa",
                     "--features", "4", "--figures", "out/figures", "--formats", "svg", "--quiet"})
                .exit_code,
            0);
  write("out/figures/decomposition_spoilt.csv", "panel\n");
  const Finished finished = attngap({"report", "out"});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(finished.out, HasSubstr("decomposition_spoilt.csv: not the data of a decomposition; left out"));
  const std::string html = read_text(path("out/report.html"));
  EXPECT_THAT(html, HasSubstr("<h3>decomposition_easy_query0</h3>"));
  EXPECT_THAT(html, Not(HasSubstr("decomposition_spoilt")));
}

TEST_F(ReportVerbTest, RefusesWhatItCannotReadOrWrite) {
  expect_refused({"report"}, {"which run"});
  expect_refused({"report", "nowhere"}, {"nowhere"});
  std::filesystem::create_directory(path("empty"));
  expect_refused({"report", "empty"}, {"empty"});
  expect_refused({"report", "out", "--out", "out/run.sqlite"}, {"run.sqlite"});
  expect_refused({"report", "out", "--out", "/proc/report.html"}, {"/proc/report.html", "cannot be written"});
  for (const std::string text : {"{", "{}", "[1]"}) {
    write("out/verify.json", text);
    expect_refused({"report", "out"}, {"verify.json", "attngap verify --json"});
  }
  std::filesystem::remove(path("out/verify.json"));
  write("out/run.json", "no json");
  expect_refused({"report", "out"}, {"run.json", "not JSON"});
  std::filesystem::remove(path("out/run.json"));
  std::filesystem::create_directory(path("out/report.html"));
  expect_refused({"report", "out"}, {"out/report.html", "cannot be written"});
}

}  // namespace
}  // namespace attngap
