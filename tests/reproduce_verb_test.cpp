// attngap reproduce: the bundled presets, a preset of the user's own, and what is wrong with one.

#include "command_line_support.hpp"
#include "experiments/preset.hpp"

#include <fstream>

#include <nlohmann/json.hpp>

namespace attngap {
namespace {

using namespace testing;

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class ReproduceTest : public CommandLineTest {
 protected:
  // A preset whose only criterion is the given one.
  void write_preset(const std::string& criterion, const std::string& name = "own.json") const {
    std::ofstream(path(name))
        << R"({"title": "T", "paper": "P", "protocol": "A", "ours": "B", "expected": "C",
      "runs": [{"name": "one", "experiment": "gap-vs-features",
                "options": {"data": ["synthetic:gaussian,length=19,dim=5,name=g"], "estimators": ["zero", "rfa"],
                            "features": "4,64", "replicates": 16, "no-predictions": true},
                "quick": {"replicates": 4}}],
      "criteria": [)"
        << criterion << "]}";
  }

  Words own(const Words& more = {}) const {
    return with({"reproduce", "own.json", "--out", "out", "--formats", "none"}, more);
  }
};

constexpr const char* kTrue = R"({"claim": "zero is off by one", "run": "one", "within": [0.999, 1.001],
  "between": {"metric": "median_relative_error", "estimator": "zero"}})";
constexpr const char* kFalse = R"({"claim": "zero is exact", "run": "one", "within": [0, 0.1],
  "between": {"metric": "median_relative_error", "estimator": "zero"}})";

TEST_F(ReproduceTest, ListsEveryFigureWithItsPaper) {
  const Finished finished = attngap({"reproduce", "--list"});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  for (const PresetText& preset : preset_texts()) {
    EXPECT_THAT(finished.out, HasSubstr(std::string(preset.name) + "\n"));
    const Preset read = parse_preset(std::string(preset.name), preset.json, "heads");
    EXPECT_THAT(finished.out, HasSubstr(read.paper));
    EXPECT_GE(read.criteria.size(), 3U) << preset.name << ": a figure that nothing is asked of shows nothing";
    const bool says_whose =
        read.label.find("ours") != std::string::npos || read.label.find("protocol of") != std::string::npos;
    EXPECT_TRUE(says_whose) << preset.name << ": pictures must say whose protocol it is: " << read.label;
    for (const PresetRun& run : read.runs) EXPECT_NE(run.words, run.quick_words) << preset.name;
  }
  EXPECT_FALSE(std::filesystem::exists(path("out")));
}

TEST_F(ReproduceTest, JudgesAPresetOfTheUsersOwn) {
  write_preset(kTrue);
  const Finished finished = attngap(own());
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(finished.out, HasSubstr("holds      zero is off by one"));
  const auto pages = nlohmann::json::parse(read_text(path("out/reproduction.json")));
  ASSERT_EQ(pages.size(), 1U);
  EXPECT_EQ(pages[0]["criteria"][0]["judgement"], "holds");
  for (const char* part : {"# T", "**There:** A", "**Here:** B", "**Expected:** C", "| holds |"})
    EXPECT_THAT(read_text(path("out/reproduction.md")), HasSubstr(part));
  EXPECT_TRUE(std::filesystem::exists(path("out/own/one/results.csv")));

  const auto before = read_text(path("out/own/one/results.csv"));
  EXPECT_EQ(attngap(own({"--quiet"})).out, "");
  EXPECT_EQ(read_text(path("out/own/one/results.csv")), before) << "what is stored is not drawn again";
}

TEST_F(ReproduceTest, EveryPictureSaysOfWhatPaperItIsAndWhoseProtocol) {
  write_preset(kTrue);
  ASSERT_EQ(attngap(own()).exit_code, 0);
  const auto picture = path("out/own/one/figures/gap_g.gp");
  EXPECT_THAT(read_text(picture), AllOf(HasSubstr("set label 'T' at"), HasSubstr("set label 'P' at")));

  std::string labelled = read_text(path("own.json"));
  labelled.insert(labelled.find("\"protocol\""), "\"label\": \"protocol ours, after P\", ");
  std::ofstream(path("own.json")) << labelled;
  std::filesystem::remove_all(path("out"));
  ASSERT_EQ(attngap(own()).exit_code, 0);
  EXPECT_THAT(read_text(picture), HasSubstr("set label 'protocol ours, after P' at"));
  std::filesystem::remove(picture);
  ASSERT_EQ(attngap({"plot", "out/own/one", "--formats", "none"}).exit_code, 0);
  EXPECT_THAT(read_text(picture), HasSubstr("set label 'protocol ours, after P' at")) << "drawn again";

  ASSERT_EQ(attngap({"run", "gap-vs-features", "--data", "synthetic:gaussian,length=19,dim=5,name=g",
                     "--estimators", "rfa", "--features", "4", "--replicates", "2", "--out", "plain",
                     "--formats", "svg"})
                .exit_code,
            0);
  EXPECT_FALSE(std::filesystem::exists(path("plain/origin.txt"))) << "a run of no paper";
}

TEST_F(ReproduceTest, ExitsWithOneWhenACriterionDoesNotHold) {
  write_preset(std::string(kTrue) + "," + kFalse);
  const Finished finished = attngap(own());
  EXPECT_EQ(finished.exit_code, 1);
  EXPECT_THAT(finished.out, HasSubstr("fails      zero is exact"));
  EXPECT_THAT(read_text(path("out/reproduction.md")), HasSubstr("| fails |"));
}

TEST_F(ReproduceTest, QuickIsAnotherRun) {
  write_preset(kTrue);
  ASSERT_EQ(attngap(own({"--quick"})).exit_code, 0);
  EXPECT_THAT(read_text(path("out/own/one/run.json")), HasSubstr("\"replicates\": 4"));
  const Finished full = attngap(own());
  EXPECT_EQ(full.exit_code, 2) << "the directory holds the quick one";
  EXPECT_THAT(full.err, HasSubstr("replicates"));
}

TEST_F(ReproduceTest, ABundledFigureHoldsOnTheBundledHeads) {
  const Finished finished = attngap({"reproduce", "elementwise-error", "--quick", "--out", "out", "--formats",
                                     "none", "--heads", ATTNGAP_DATA_DIR});
  EXPECT_EQ(finished.exit_code, 0) << finished.out << finished.err;
  EXPECT_THAT(finished.out, Not(HasSubstr("undecided")));
}

TEST_F(ReproduceTest, RefusesWhatItCannotReproduce) {
  expect_refused({"reproduce", "favor-output-error"}, {"--out"});
  expect_refused({"reproduce", "elementwise-eror", "--out", "out"},
                 {"elementwise-eror", "elementwise-error"});
  expect_refused({"reproduce", "absent.json", "--out", "out"}, {"absent.json", "cannot be read"});
  expect_refused({"reproduce", "elementwise-error", "--out", "out", "--heads", "nowhere"},
                 {"nowhere/lm_kjv_l0_h3.npz"});
  expect_refused({"reproduce", "elementwise-error", "elementwise-error", "--out", "out"},
                 {"elementwise-error"});
}

TEST_F(ReproduceTest, SaysWhatIsWrongWithAPreset) {
  std::ofstream(path("own.json")) << "{";
  expect_refused(own(), {"own", "not JSON"});
  std::ofstream(path("own.json")) << R"({"title": "T"})";
  expect_refused(own(), {"own", "paper"});
  write_preset(R"({"claim": "c", "run": "two", "below": [{}, {}]})");
  expect_refused(own(), {"\"c\"", "two"});
  write_preset(R"({"claim": "c", "run": "one"})");
  expect_refused(own(), {"\"c\"", "one of below"});
  write_preset(R"({"claim": "c", "run": "one", "below": [{}]})");
  expect_refused(own(), {"\"c\"", "two selections"});
  write_preset(R"({"claim": "c", "run": "one", "between": {}})");
  expect_refused(own(), {"\"c\"", "within"});
  write_preset(R"({"claim": "c", "run": "one", "between": {"metrics": "mse"}, "within": [0, 1]})");
  expect_refused(own(), {"metrics", "metric"});
  write_preset(R"({"claim": "c", "run": "one", "between": {"draws": [1, 2, 3]}, "within": [0, 1]})");
  expect_refused(own(), {"draws", "pair of numbers"});
  write_preset(R"({"claim": "c", "run": "one", "betwen": {}})");
  expect_refused(own(), {"betwen", "between"});
}

}  // namespace
}  // namespace attngap
