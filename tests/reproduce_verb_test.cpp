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

// A machine is faster than another by tens, but what grows with the square does not pass for what grows in
// proportion.
TEST(BundledPresets, AskTimeForRangesThatCanBeMissed) {
  int judged = 0;
  for (const PresetText& text : preset_texts())
    for (const Criterion& one : parse_preset(std::string(text.name), text.json, "heads").criteria) {
      const auto metric = one.left.words.find("metric");
      if (metric == one.left.words.end() || one.low == one.high) continue;
      if (metric->second != "seconds" && metric->second != "speedup" && metric->second != "peak_bytes")
        continue;
      ++judged;
      EXPECT_GT(one.low, 0.0) << text.name << ": " << one.claim;
      EXPECT_LE(one.high, 40.0 * one.low) << text.name << ": " << one.claim;
      if (one.kind != CriterionKind::ratio || metric->second != "seconds") continue;
      const std::string size = one.right.ranges.contains("length") ? "length" : "queries";
      const double linear = one.left.ranges.at(size).first / one.right.ranges.at(size).first;
      const double quadratic = linear * linear;
      EXPECT_FALSE(one.low <= linear && quadratic <= one.high) << text.name << ": " << one.claim;
      EXPECT_FALSE(one.low <= 1.0 && linear <= one.high) << text.name << ": " << one.claim;
    }
  EXPECT_GE(judged, 10);
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

TEST_F(ReproduceTest, AFigureJoinsThoseThatWereMadeBefore) {
  write_preset(kTrue);
  write_preset(kFalse, "another.json");
  ASSERT_EQ(attngap(own()).exit_code, 0);
  const auto first = nlohmann::json::parse(read_text(path("out/reproduction.json")));
  EXPECT_EQ(first[0]["runs"][0]["seed"], 1);
  EXPECT_FALSE(first[0]["quick"]);
  const Finished second =
      attngap({"reproduce", "another.json", "--out", "out", "--formats", "none", "--json"});
  EXPECT_EQ(second.exit_code, 1);
  const auto printed = nlohmann::json::parse(second.out);
  ASSERT_EQ(printed.size(), 1U) << "what this command made";
  EXPECT_EQ(printed[0]["name"], "another");

  const auto both = nlohmann::json::parse(read_text(path("out/reproduction.json")));
  ASSERT_EQ(both.size(), 2U);
  EXPECT_EQ(both[0], printed[0]);
  EXPECT_EQ(both[1], first[0]) << "with its own date, seed and judgement";
  const std::string page = read_text(path("out/reproduction.md"));
  EXPECT_THAT(page, HasSubstr("- **Made:** `own`, measured in "));
  EXPECT_THAT(page, HasSubstr("- **Made:** `another`, measured in "));
  EXPECT_THAT(page, HasSubstr("| zero is exact | fails |"));
  EXPECT_THAT(page, HasSubstr("| zero is off by one | holds |"));

  write_preset(kTrue, "another.json");  // the same run, judged anew
  ASSERT_EQ(attngap({"reproduce", "another.json", "--out", "out", "--formats", "none"}).exit_code, 0);
  EXPECT_THAT(read_text(path("out/reproduction.md")), Not(HasSubstr("zero is exact")));
}

TEST_F(ReproduceTest, WhatIsReadKeepsTheTimeItTookToMeasure) {
  write_preset(kTrue);
  EXPECT_THAT(attngap(own()).out, HasSubstr("T  (own, measured in "));
  const std::string pages = read_text(path("out/reproduction.json"));
  const double seconds = nlohmann::json::parse(pages)[0]["seconds"];
  EXPECT_GT(seconds, 0.0);
  EXPECT_THAT(attngap(own()).out, HasSubstr("T  (own, read; it was measured in "));
  EXPECT_EQ(read_text(path("out/reproduction.json")), pages)
      << "date and seconds are those of the measurement";
}

TEST_F(ReproduceTest, DoesNotWriteOverPagesThatAreNotItsOwn) {
  write_preset(kTrue);
  std::filesystem::create_directory(path("out"));
  for (const char* pages : {"", "{}", "[3]", R"([{"name": "own"}])"}) {
    std::ofstream(path("out/reproduction.json")) << pages;
    expect_refused(own(), {"out/reproduction.json", "move it away"});
  }
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
  expect_refused({"reproduce", "all", "bogus", "--out", "out"}, {"unknown figure \"bogus\""});
  expect_refused({"reproduce", "bogus", "all", "--list"}, {"unknown figure \"bogus\""});
  expect_refused({"reproduce", "al", "--out", "out"}, {"\"all\""});
  expect_refused({"reproduce", "elementwise-error", "--out", "out", "--heads", "nowhere"},
                 {"nowhere/lm_kjv_l0_h3.npz"});
  expect_refused({"reproduce", "elementwise-error", "elementwise-error", "--out", "out"},
                 {"elementwise-error"});
  write_preset(kTrue, "elementwise-error.json");
  expect_refused({"reproduce", "all", "elementwise-error.json", "--out", "out"},
                 {"two figures are called elementwise-error"});
}

TEST_F(ReproduceTest, AllMayBeNamedBesideOneOfItsOwnAndOneOfTheUsers) {
  write_preset(kTrue);
  const Finished finished = attngap({"reproduce", "all", "elementwise-error", "own.json", "--list"});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  for (const char* figure : {"favor-output-error\n", "elementwise-error\n", "own\n"})
    EXPECT_THAT(finished.out, HasSubstr(figure));
}

TEST_F(ReproduceTest, RefusesWhatIsNoPresetFile) {
  expect_refused({"reproduce", "absent.json", "--out", "out"}, {"absent.json", "no such file"});
  std::filesystem::create_directory(path("folder.json"));
  expect_refused({"reproduce", "folder.json", "--out", "out"}, {"folder.json", "a directory", "JSON file"});
  std::ofstream(path("huge.json")) << std::string((1 << 20) + 1, ' ');
  expect_refused({"reproduce", "huge.json", "--out", "out"},
                 {"huge.json", "1048577 bytes", "at most 1048576"});
  std::ofstream(path("deep.json")) << std::string(100000, '[');
  expect_refused({"reproduce", "deep.json", "--out", "out"}, {"deep.json", "not JSON"});
  std::ofstream(path("empty.json"));
  expect_refused({"reproduce", "empty.json", "--out", "out"}, {"empty.json", "not JSON"});
}

TEST_F(ReproduceTest, SaysWhatIsWrongWithAPreset) {
  std::ofstream(path("own.json")) << "{";
  expect_refused(own(), {"own.json", "not JSON"});
  std::ofstream(path("own.json")) << "[1, 2]";
  expect_refused(own(), {"own.json: a list of 2 where a preset is to be"});
  std::ofstream(path("own.json")) << R"({"title": "T"})";
  expect_refused(own(), {"own.json: paper is missing"});
  std::ofstream(path("own.json")) << R"({"title": 3})";
  expect_refused(own(), {"own.json: title = 3, must be a text"});
  std::ofstream(path("own.json")) << R"({"title": "T", "title": "U"})";
  expect_refused(own(), {"own.json: \"title\" is there twice"});
  std::ofstream(path("own.json")) << R"({"title": 1e999})";
  expect_refused(own(), {"own.json: a number is beyond", "1e999", "1.8e308"});
}

// What `run` says of an option is said with the figure and the run that have it.
TEST_F(ReproduceTest, SaysWhereAnOptionOfARunIsWrong) {
  const auto refused =
      [&](const std::string& options, const std::vector<std::string>& said) {
        std::ofstream(path("own.json"))
            << R"({"title": "T", "paper": "P", "protocol": "A", "ours": "B", "expected": "C", "criteria": [],
               "runs": [{"name": "second-one", "experiment": "gap-vs-features", "options": {)"
            << options << "}}]}";
        std::vector<std::string> all{"attngap: own: run \"second-one\": "};
        all.insert(all.end(), said.begin(), said.end());
        expect_refused(own(), all);
      };
  const std::string data = R"("data": "synthetic:gaussian,length=19,dim=5", "replicates": 2)";
  refused(data + R"(, "estimators": "rfaa")", {"unknown estimator \"rfaa\"", "rfa"});
  refused(data + R"(, "estimators": "rfa", "featurs": "4")", {"unknown option \"--featurs\"", "features"});
  refused(data + R"(, "estimators": "rfa", "features": "8,4")", {"--features"});
  refused(R"("data": "nowhere.npz", "estimators": "rfa")", {"nowhere.npz"});
  write_preset(kTrue);  // and what is wrong on the command line is no preset's
  expect_refused(own({"--threads", "many"}), {"attngap: --threads"});
}

TEST_F(ReproduceTest, SaysWhatIsWrongWithACriterion) {
  const auto refused = [&](const std::string& entries, const std::vector<std::string>& said) {
    write_preset(R"({"claim": "c", "run": "one", )" + entries + "}");
    std::vector<std::string> all{"own.json: criterion \"c\""};
    all.insert(all.end(), said.begin(), said.end());
    expect_refused(own(), all);
  };
  write_preset(R"({"claim": "c", "run": "two", "below": [{}, {}]})");
  expect_refused(own(), {"criterion \"c\"", "unknown run \"two\"", "\"one\""});
  write_preset(R"({"claim": "c", "run": "one", "betwen": {}})");
  expect_refused(own(), {"betwen", "between"});
  refused(R"("within": [0, 1])", {"one of below"});
  refused(R"("below": [{}])", {"below = a list of 1, must be a list of two selections"});
  refused(R"("between": 3, "within": [0, 1])", {"between: 3 where a selection of rows is to be"});
  refused(R"("between": {})", {"between needs a range within"});
  refused(R"("below": [{}, {}], "within": [0, 1])", {"below takes no within"});
  refused(R"("between": {"metrics": "mse"}, "within": [0, 1])", {"unknown field \"metrics\"", "\"metric\""});
  refused(R"("between": {"metric": 3}, "within": [0, 1])", {"between: metric = 3, must be a text in quotes"});
  refused(R"("below": [{}, {"metric": null}])", {"second selection: metric = null, must be a text"});
  refused(R"("between": {"draws": "16"}, "within": [0, 1])", {"draws = \"16\", must be a number or a pair"});
  refused(R"("between": {"draws": [1, 2, 3]}, "within": [0, 1])", {"draws = a list of 3", "pair of numbers"});
  refused(R"("between": {"draws": [2, 1]}, "within": [0, 1])", {"draws goes from 2 to 1"});
  write_preset(R"({"claim": "c", "run": "one", "between": {}, "within": [0, 1e999]})");
  expect_refused(own(), {"own.json: a number is beyond", "1e999"});
  refused(R"("between": {}, "within": "wide")", {"within = \"wide\", must be a number"});
  for (const char* kind : {R"("below": [{}, {}])", R"("agree": [{}, {}])", R"("between": {}, "within": 1)",
                           R"("ratio": [{}, {}], "within": 1)"})
    refused(std::string(kind) + R"(, "against": "draws")", {"takes no against, which is of slope"});
  refused(R"("slope": {}, "within": 1, "against": "drawz")", {"unknown field of against", "\"draws\""});
  for (const char* share : {"1", "-0.1", "[0, 0.5]", "\"few\""})
    refused(std::string(R"("between": {}, "within": 1, "missing": )") + share, {"missing = "});
}

TEST_F(ReproduceTest, ACriterionAboutWhatNoRowHasIsAMistakeOfThePreset) {
  const auto complaint = [&](const std::string& selection) {
    write_preset(R"({"claim": "c", "run": "one", "within": [0, 9], "between": )" + selection + "}");
    const Finished finished = attngap(own({"--quiet"}));
    EXPECT_EQ(finished.exit_code, 2) << selection << finished.err;
    EXPECT_THAT(finished.err, HasSubstr("criterion \"c\""));
    return finished.err;
  };
  EXPECT_THAT(complaint(R"({"metric": "median_relativ_error"})"), HasSubstr("\"median_relative_error\""));
  EXPECT_FALSE(std::filesystem::exists(path("out")))
      << "no metric at all is found before anything is measured";
  EXPECT_THAT(complaint(R"({"metric": "speedup"})"), HasSubstr("run \"one\": no row has metric \"speedup\""));
  EXPECT_THAT(complaint(R"({"estimator": "rfaa"})"),
              HasSubstr("no row has estimator \"rfaa\"; did you mean \"rfa\""));
  EXPECT_THAT(complaint(R"({"draws": 5})"), HasSubstr("no row has draws 5; the rows have 0, 4, 64"));
  EXPECT_THAT(complaint(R"({"estimator": "zero", "draws": 4})"), HasSubstr("together"));
}

}  // namespace
}  // namespace attngap
