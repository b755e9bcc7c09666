// Whatever cannot be used is one sentence with what, where, the value and the mend, exit code 2, and nothing
// half-written.

#include "command_line_support.hpp"

#include <limits>

#include <sys/stat.h>

namespace attngap {
namespace {

using ::testing::HasSubstr;
using namespace testing;

namespace fs = std::filesystem;

class BadInputTest : public CommandLineTest {
 protected:
  void expect_bad_data(const std::string& data, const std::vector<std::string>& said) const {
    expect_refused(run(data), said);
    expect_refused({"attention", "--data", data, "--out", "o.npz"}, said);
    expect_refused({"data", data}, said);
    expect_refused({"data", kEasy, data}, said);  // not even the first of the two is printed
  }
  void expect_bad_head(const std::map<std::string, NumberArray>& arrays,
                       const std::vector<std::string>& said) const {
    write_npz(path("head.npz"), arrays);
    expect_bad_data("head.npz", with({"head.npz"}, said));
  }
};

TEST_F(BadInputTest, AFileThatIsNotThere) {
  expect_bad_data("no/such/file.npz", {"no/such/file.npz", "no such file", "check the path"});
  expect_bad_data(".", {"is a directory"});
  expect_bad_data("/dev/null", {"/dev/null", "is not a regular file"});
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  expect_bad_data("pipe:mask=causal", {"pipe", "is not a regular file"});
  fs::remove(path("pipe"));
}

TEST_F(BadInputTest, AFileThatIsNotAnArchive) {
  write_text(path("a.npz"), "no zip at all");
  expect_bad_data("a.npz", {"a.npz", "not a .npz archive", "save it again"});
  write_text(path("a.txt"), "no zip at all");
  expect_bad_data("a.txt", {"a.txt", "neither .npz nor .safetensors"});
  write_text(path("empty.npz"), "");
  expect_bad_data("empty.npz", {"empty.npz", "is empty"});
}

TEST_F(BadInputTest, AnArchiveCutShort) {
  write_npz(path("whole.npz"), head());
  const std::string whole = read_text(path("whole.npz"));
  write_text(path("short.npz"), whole.substr(0, whole.size() / 2));
  expect_bad_data("short.npz", {"short.npz", "truncated", "save it again"});
}

TEST_F(BadInputTest, AnArrayThatIsAbsent) {
  auto arrays = head();
  arrays.erase("v");
  expect_bad_head(arrays, {"no array \"v\"", "\"k\", \"q\""});
}

TEST_F(BadInputTest, AnArrayOfAnotherRank) {
  auto arrays = head();
  arrays["q"].shape = {15};
  expect_bad_head(arrays, {"\"q\"", "(15,)", "rank 1", "(L, d)"});
}

TEST_F(BadInputTest, ShapesThatDoNotFit) {
  auto arrays = head();
  arrays["q"] = head(3, 7, 4)["q"];
  expect_bad_head(arrays, {"head dimension 4", "k has 5", "must agree"});
  arrays = head();
  arrays["v"] = head(3, 6)["v"];
  expect_bad_head(arrays, {"7 rows", "v has 6", "every key needs its value"});
  write_npz(path("head.npz"), head());
  expect_bad_data("head.npz:mask=causal", {"mask=causal", "3 rows", "7"});
}

TEST_F(BadInputTest, NumbersThatAreNotFiniteWithTheirPlace) {
  for (const auto& [value, shown] : {std::pair{std::numeric_limits<double>::quiet_NaN(), "= nan"},
                                     {std::numeric_limits<double>::infinity(), "= inf"},
                                     {-std::numeric_limits<double>::infinity(), "= -inf"}}) {
    auto arrays = head();
    arrays["k"].values[2 * 5 + 3] = value;
    expect_bad_head(arrays, {"k[2, 3]", shown, "must be finite"});
  }
}

TEST_F(BadInputTest, NoRowsAndNoColumns) {
  auto arrays = head();
  arrays["q"] = {{0, 5}, {}};
  expect_bad_head(arrays, {"q has 0 rows", "at least one"});
  arrays = head();
  arrays["v"] = {{7, 0}, {}};
  expect_bad_head(arrays, {"v has 0", "at least one"});
}

TEST_F(BadInputTest, HeadsThatDoNotExist) {
  write_npz(path("head.npz"), head());
  expect_bad_data("head.npz:head=1", {"head=1", "head.npz", "is one head", "leave head= out"});
  expect_bad_data("head.npz:scale=-1", {"scale=-1", "positive"});
  expect_bad_data("head.npz:scale=x", {"scale", "\"x\"", "finite number"});
  expect_bad_data("head.npz:heat=1", {"unknown key", "\"heat\"", "did you mean \"head\""});
  expect_bad_data("head.npz:mask=casual", {"\"casual\"", "did you mean \"causal\""});
  expect_bad_data("head.npz:mask", {"\"mask\"", "is not key=value"});
}

TEST_F(BadInputTest, NamesThatCannotNameFiles) {
  const std::string easy = std::string(kEasy) + ",name=";
  expect_bad_data(easy + "a/b", {"a/b", "slash"});
  expect_bad_data(easy + "a\nb", {"control character"});
  expect_bad_data(easy + std::string(201, 'x'), {"201 bytes", "1 to 200"});
  for (const char* broken : {"\xff", "\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"})
    expect_bad_data(easy + broken, {"not UTF-8"});
  const Finished finished = attngap(run(easy + "größer €𝛗", {"--json"}));
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(finished.out, HasSubstr("größer €𝛗"));
}

TEST_F(BadInputTest, SyntheticProblemsThatCannotBeMade) {
  expect_bad_data("synthetic:", {"needs a kind"});
  expect_bad_data("synthetic:gausian", {"unknown synthetic kind", "did you mean \"gaussian\""});
  expect_bad_data("synthetic:gaussian,lenght=9", {"\"lenght\"", "did you mean \"length\""});
  expect_bad_data("synthetic:gaussian,length=0", {"length", "\"0\"", "at least 1"});
  expect_bad_data("synthetic:gaussian,norm=-1", {"norm", "-1", "positive"});
  expect_bad_data("synthetic:gaussian,length=1000000000000", {"length", "1000000000000", "at most"});
  expect_bad_data("synthetic:gaussian,length=1000000,dim=65536", {"length = 1000000", "65536", "at most"});
  expect_bad_data("synthetic:gaussian,seed=18446744073709551616", {"seed", "2^64 - 1"});
}

TEST_F(BadInputTest, NamesThatAreNotKnown) {
  const auto estimator = [](const std::string& text) { return run(kEasy, {"--estimators", text}); };
  expect_refused(estimator("preformer"), {"unknown estimator \"preformer\"", "did you mean \"performer\""});
  expect_refused(estimator("performer:feature=positive"), {"\"feature\"", "did you mean \"features\""});
  expect_refused(estimator("performer:features=negative"), {"\"negative\"", "\"positive\""});
  expect_refused(estimator("performer:projection=orthogonale"), {"did you mean \"orthogonal\""});
  expect_refused(estimator("performer:"), {"is not key=value"});
  expect_refused(estimator("performer:projection=iid,projection=iid"), {"projection twice"});
  expect_refused(estimator("zero:p=2"), {"\"zero\" takes no keys"});
  expect_refused(estimator("rmfa:p=1"), {"p = 1", "must be above 1"});
  expect_refused(estimator("rmfa:p=two"), {"rmfa: p", "\"two\""});
  expect_refused(estimator(""), {"--estimators is empty"});
  expect_refused(run(kEasy, {"--fetaures", "4"}),
                 {"unknown option \"--fetaures\"", "did you mean \"features\""});
  expect_refused({"rum"}, {"unknown verb \"rum\"", "did you mean \"run\""});
  expect_refused({"run", "gap-vs-width", "--data", kEasy, "--estimators", "rfa", "--out", "out"},
                 {"unknown experiment \"gap-vs-width\"", "did you mean \"gap-vs-length\""});
  expect_refused({"list", "projection"}, {"unknown family \"projection\"", "did you mean \"projections\""});
  expect_refused(run(kEasy, {"--formats", "svg,gif"}), {"unknown format \"gif\""});
  expect_refused(run(kEasy, {"--precision", "half"}), {"--precision", "\"half\"", "\"float\""});
  expect_refused(run(kEasy, {"--against", "soft"}), {"--against", "\"soft\"", "did you mean \"softmax\""});
  expect_refused({"attention", "--data", kEasy, "--out", "o.npz", "--estimator", "preformer"},
                 {"did you mean \"performer\""});
}

TEST_F(BadInputTest, CountsThatAreNotCounts) {
  const auto features = [](const std::string& text) { return Words{"--data", kEasy, "--features", text}; };
  const auto expect = [&](const std::string& text, const std::vector<std::string>& said) {
    expect_refused(with({"run", "gap-vs-features", "--estimators", "rfa", "--out", "out"}, features(text)),
                   said);
    expect_refused(with({"attention", "--estimator", "rfa", "--out", "o.npz"}, features(text)), said);
  };
  expect("0", {"--features", "\"0\"", "at least 1"});
  expect("-4", {"--features", "\"-4\"", "at least 1"});
  expect("64,16", {"16 follows 64", "counts must increase"});
  expect("16,16", {"16 follows 16", "each given once"});
  expect("16,,64", {"--features", "\"\""});
  expect("16;64", {"--features", "\"16;64\""});
  expect("16.5", {"\"16.5\"", "whole number"});
  expect("16777217", {"16777217", "2^24"});
  expect("99999999999999999999", {"\"99999999999999999999\""});
}

TEST_F(BadInputTest, NumbersOutOfTheirRange) {
  const auto spoilt = [](const std::string& option, const std::string& value) {
    Words words{"run", "gap-vs-features", "--data", kEasy, "--estimators", "rfa", "--out", "out"};
    return with(words, {option, value});
  };
  for (const std::string few : {"1", "0", "-3"})
    expect_refused(spoilt("--replicates", few),
                   {"--replicates", "\"" + few + "\"", "at least 2", "a variance needs two"});
  expect_refused(spoilt("--replicates", "4294967296"), {"--replicates = 4294967296", "2^32 - 1"});
  expect_refused(spoilt("--queries", "0"), {"--queries", "\"0\"", "at least 1"});
  expect_refused(spoilt("--queries", "some"), {"--queries (or all)", "\"some\""});
  expect_refused(spoilt("--threads", "-1"), {"--threads", "\"-1\""});
  expect_refused(spoilt("--threads", "5000"), {"--threads = 5000", "at most 4096"});
  expect_refused(spoilt("--seed", "-1"), {"--seed", "\"-1\"", "2^64 - 1"});
  expect_refused(spoilt("--seed", "18446744073709551616"), {"--seed", "2^64 - 1"});
  expect_refused(
      {"attention", "--data", kEasy, "--estimator", "rfa", "--out", "o.npz", "--replicate", "4294967296"},
      {"--replicate = 4294967296", "2^32 - 1"});
}

TEST_F(BadInputTest, OutputsThatWouldReplaceTheirInput) {
  write_npz(path("head.npz"), head());
  fs::create_symlink("head.npz", path("link.npz"));
  fs::create_hard_link(path("head.npz"), path("hard.npz"));
  for (const std::string name : {"head.npz", "./head.npz", "link.npz", "hard.npz"}) {
    expect_refused({"attention", "--data", "head.npz:mask=none", "--out", name},
                   {"--out " + name, "head.npz", "overwritten"});
    expect_refused(
        {"decompose", "--data", "head.npz", "--estimator", "rfa", "--features", "4", "--out", name},
        {"--out " + name, "head.npz", "overwritten"});
  }
  EXPECT_EQ(attngap({"attention", "--data", "head.npz", "--out", "other.npz"}).exit_code, 0);
  ASSERT_EQ(attngap(run(kEasy)).exit_code, 0);
  expect_refused({"export", "out", "--out", "out/run.sqlite"}, {"out/run.sqlite", "overwritten"});
  expect_refused({"export", "out", "--out", "out/figures/../run.lock"}, {"run.lock", "overwritten"});
  EXPECT_EQ(attngap({"export", "out", "--out", "out/results.csv"}).exit_code, 0);
}

TEST_F(BadInputTest, AFileWhereTheFiguresGo) {
  ASSERT_EQ(attngap(run(kEasy, {"--formats", "none"})).exit_code, 0);
  write_text(path("out/figures"), "mine");
  expect_refused({"plot", "out"}, {"out/figures", "move what is in the way"});
  expect_refused(run(kEasy), {"out/figures", "move what is in the way"});
}

TEST_F(BadInputTest, StudiesThatFitNoMachine) {
  expect_refused({"run", "gap-vs-features", "--data", "synthetic:gaussian,length=2,dim=65536", "--estimators",
                  "rfa", "--features", "16777216", "--out", "out"},
                 {"16777216 directions", "GiB", "use a smaller m"});
  for (const std::string verb : {"attention", "decompose"})
    expect_refused({verb, "--data", "synthetic:gaussian,length=2,dim=65536", "--estimator", "rfa",
                    "--features", "16777216", "--out", "o.npz"},
                   {"16777216 directions", "GiB", "use a smaller m"});
  expect_refused({"run", "gap-vs-features", "--data", kEasy, "--estimators", "rfa", "--replicates",
                  "4294967295", "--out", "out"},
                 {"--replicates = 4294967295", "19 queries", "fewer replicates"});
}

TEST_F(BadInputTest, EstimatorsThatDoNotFitTheHead) {
  expect_refused(run(kEasy, {"--estimators", "rfa:gate=constant:0.9"}), {"rfa", "gate", "causal"});
}

TEST_F(BadInputTest, WhatIsMissing) {
  expect_refused({"run"}, {"which experiment?"});
  expect_refused({"run", "gap-vs-features", "--data", kEasy, "--estimators", "rfa"}, {"--out is missing"});
  expect_refused({"run", "gap-vs-features", "--estimators", "rfa", "--out", "out"}, {"--data is missing"});
  expect_refused({"run", "gap-vs-features", "--data", kEasy, "--out", "out"}, {"--estimators is missing"});
  expect_refused({"attention", "--out", "o.npz"}, {"--data", "one head, not 0"});
  expect_refused({"attention", "--data", kEasy, kEasy, "--out", "o.npz"}, {"--data", "one head, not 2"});
  expect_refused({"attention", "--data", kEasy}, {"--out is missing"});
  for (const Words& of_a_draw : {Words{"--replicate", "3"}, {"--features", "4"}, {"--seed", "2"}})
    expect_refused(with({"attention", "--data", kEasy, "--out", "o.npz"}, of_a_draw),
                   {of_a_draw[0] + " = " + of_a_draw[1], "give an --estimator or leave it out"});
  expect_refused({"data"}, {"which head?"});
  expect_refused({"plot"}, {"which run?"});
  expect_refused({"export"}, {"which run?"});
  expect_refused({"export", "a", "b"}, {"too many words", "export DIR"});
  expect_refused(run(kEasy, {"--data", kEasy}), {"two heads are called", "name="});
}

TEST_F(BadInputTest, OptionsWithoutTheirValue) {
  const Words words{"run", "gap-vs-features", "--data", kEasy, "--estimators", "rfa"};
  expect_refused(with(words, {"--out"}), {"--out"});
  expect_refused(with(words, {"--out", "--quiet"}), {"--out is followed by --quiet", "give --out its value"});
  expect_refused(with(words, {"--out", ""}), {"--out is empty"});
  expect_refused(with(words, {"--out="}), {"--out"});
  expect_refused(with(words, {"--out", "out", "--seed", "1", "--seed", "2"}), {"--seed", "more than once"});
  expect_refused(with(words, {"--out", "out", "--quiet=maybe"}), {"--quiet"});
  // The list of estimators ends with the next option, so an experiment after it belongs to the list.
  expect_refused({"run", "--estimators", "rfa", "gap-vs-features", "--data", kEasy, "--out", "out"},
                 {"which experiment?", "right after run"});
}

TEST_F(BadInputTest, ConfigFiles) {
  const auto expect_bad = [&](const std::string& text, const std::vector<std::string>& said) {
    write_text(path("run.ini"), text);
    expect_refused(run(kEasy, {"--config", "run.ini"}), with({"--config run.ini"}, said));
  };
  expect_refused(run(kEasy, {"--config", "none.ini"}), {"--config none.ini", "cannot be read"});
  expect_refused(run(kEasy, {"--config", "."}), {"--config .", "cannot be read"});
  expect_refused(run(kEasy, {"--config", "/dev/zero"}), {"--config /dev/zero", "cannot be read"});
  expect_bad("sead = 3\n", {"unknown option \"sead\"", "did you mean \"seed\""});
  expect_bad("[study]\nseed = 3\n", {"unknown option \"study.seed\"", "no sections", "[study]"});
  expect_bad("seed\n", {"invalid line", "NAME = VALUE"});
  expect_bad("seed = 3\nseed = 4\n", {"more than once"});
  expect_bad("help = 1\n", {"help", "on the command line"});
  expect_bad("config = other.ini\n", {"config", "on the command line"});
  expect_bad("queries =\n", {"queries"});
  write_text(path("run.ini"), "queries = none\n");
  expect_refused(run(kEasy, {"--config", "run.ini"}), {"--queries", "\"none\""});
}

}  // namespace
}  // namespace attngap
