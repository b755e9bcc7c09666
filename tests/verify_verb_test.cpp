// attngap verify from outside: the registry's verdicts, and a claim of the user's own.

#include "analysis/claims.hpp"
#include "command_line_support.hpp"

#include <nlohmann/json.hpp>

namespace attngap {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using namespace testing;

class VerifyVerb : public CommandLineTest {
 protected:
  // The one judgement of a claim of one's own.
  nlohmann::json own(const std::string& estimator, int exit_code, const Words& more = {}) const {
    const Finished finished = attngap(
        with({"verify", "--json", "--claim", "unbiased", "--data", kEasy, "--estimator", estimator}, more));
    EXPECT_EQ(finished.exit_code, exit_code) << estimator << "\n" << finished.out << finished.err;
    return nlohmann::json::parse(finished.out).at(0);
  }
};

TEST_F(VerifyVerb, JudgesTheWholeRegistryAsExpected) {
  const Finished finished = attngap({"verify", "--json"});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_EQ(finished.err, "");
  const auto list = nlohmann::json::parse(finished.out);
  ASSERT_EQ(list.size(), claims().size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    EXPECT_EQ(list[i].at("name"), claims()[i].name);
    EXPECT_EQ(list[i].at("verdict"), verdict_name(claims()[i].expected)) << list[i].dump();
    for (const char* key : {"source", "method", "evidence", "statement"})
      EXPECT_NE(list[i].at(key), "") << list[i].dump();
    EXPECT_GE(list[i].at("seconds").get<double>(), 0.0);
  }
}

TEST_F(VerifyVerb, PrintsTheSameFindingsOnAnyNumberOfThreads) {
  const auto without_times = [&](const char* threads) {
    auto list = nlohmann::json::parse(attngap({"verify", "--json", "--threads", threads}).out);
    for (auto& entry : list) entry.erase("seconds");
    return list;
  };
  EXPECT_EQ(without_times("1"), without_times("3"));
}

TEST_F(VerifyVerb, ChoosesByNameAndByTag) {
  const auto names = [&](const Words& words) {
    std::vector<std::string> found;
    for (const auto& entry : nlohmann::json::parse(attngap(with({"verify", "--json"}, words)).out))
      found.push_back(entry.at("name"));
    return found;
  };
  EXPECT_EQ(names({"rmfa-unbiased", "kk-lemma-6"}),
            (std::vector<std::string>{"kk-lemma-6", "rmfa-unbiased"}));
  std::vector<std::string> tagged;
  for (const Claim& claim : claims())
    if (has_tag(claim, "sketches") || has_tag(claim, "elementwise")) tagged.emplace_back(claim.name);
  EXPECT_EQ(names({"--tags", "sketches,elementwise"}), tagged);
}

TEST_F(VerifyVerb, PrintsCounterexamplesForPeopleToo) {
  const Finished text = attngap({"verify", "kk-lemma-6"});
  EXPECT_EQ(text.exit_code, 0);
  EXPECT_THAT(text.out, HasSubstr("REFUTED"));
  EXPECT_THAT(text.out, HasSubstr("109.19"));  // 2 e⁴
  EXPECT_THAT(text.out, HasSubstr(" s\n"));
  const Finished table = attngap({"verify", "kk-lemma-6", "--markdown"});
  EXPECT_THAT(table.out, HasSubstr("| `kk-lemma-6` |"));
  EXPECT_THAT(table.out, Not(HasSubstr("| |∇")));  // bars in a cell are escaped
}

TEST_F(VerifyVerb, FailsWhenAVerdictIsNotTheRegistrys) {
  const Finished finished = attngap({"verify", "kernel-unbiased", "kk-lemma-6", "--distort", "0.01"});
  EXPECT_EQ(finished.exit_code, 1);
  EXPECT_THAT(finished.out, HasSubstr("DIFFERS"));
  EXPECT_THAT(finished.err, HasSubstr("kernel-unbiased is REFUTED, the registry expects PROVEN"));
  EXPECT_THAT(finished.err, Not(HasSubstr("kk-lemma-6")));
}

TEST_F(VerifyVerb, ABudgetLeavesClaimsUnjudgedWithoutFailing) {
  const Finished finished = attngap({"verify", "kk-lemma-6", "--budget", "1e-9s", "--json"});
  EXPECT_EQ(finished.exit_code, 0);
  EXPECT_THAT(finished.err, HasSubstr("1 of 1 claims were not judged"));
  EXPECT_EQ(nlohmann::json::parse(finished.out).at(0).at("verdict"), "UNDECIDED");
}

TEST_F(VerifyVerb, JudgesAClaimOfOnesOwn) {
  const auto unbiased =
      own("ra", 0, {"--margin", "0.2", "--features", "16", "--replicates", "2000", "--query", "3"});
  EXPECT_EQ(unbiased.at("verdict"), "EQUIVALENT");
  EXPECT_EQ(unbiased.at("margin"), 0.2);
  EXPECT_THAT(unbiased.at("evidence"), HasSubstr("query 3"));
  const auto biased = own("performer", 1, {"--margin", "0.05", "--features", "2", "--replicates", "4000"});
  EXPECT_EQ(biased.at("verdict"), "REFUTED");
  EXPECT_THAT(biased.at("evidence"), HasSubstr("interval ["));
  EXPECT_EQ(own("exact", 0).at("verdict"), "PROVEN");
  EXPECT_THAT(own("rfa", 0).at("evidence"), HasSubstr("no-moment"));
  const auto few = own("ra", 0, {"--replicates", "20"});
  EXPECT_EQ(few.at("verdict"), "UNDECIDED");
  EXPECT_THAT(few.at("evidence"), HasSubstr("replicates are needed"));
}

// The looks at a claim of one's own stop where it is decided, and the seed alone says where.
TEST_F(VerifyVerb, LooksAtAClaimOfOnesOwnUntilItIsDecided) {
  const Words until{"--until-decided", "--margin", "0.1", "--features", "16", "--query", "3"};
  const auto decided = own("ra", 0, until);
  EXPECT_EQ(decided.at("verdict"), "EQUIVALENT");
  EXPECT_THAT(decided.at("evidence"), AllOf(HasSubstr("looks at 256, 512"), HasSubstr("interval [")));
  EXPECT_THAT(decided.at("evidence"), Not(HasSubstr("1048576")));
  EXPECT_THAT(decided.at("method"), HasSubstr("confidence sequence"));
  for (const char* threads : {"1", "3"})
    EXPECT_EQ(own("ra", 0, with(until, {"--threads", threads})).at("evidence"), decided.at("evidence"));

  const auto biased = own("performer", 1, {"--until-decided", "--margin", "0.05", "--features", "2"});
  EXPECT_EQ(biased.at("verdict"), "REFUTED");
  EXPECT_THAT(biased.at("evidence"), AllOf(HasSubstr("looks at 256"), HasSubstr("outside: query")));

  const auto few = own("ra", 0, {"--until-decided", "--margin", "0.001", "--replicates", "700"});
  EXPECT_EQ(few.at("verdict"), "UNDECIDED");
  EXPECT_THAT(few.at("evidence"), AllOf(HasSubstr("looks at 256, 512, 700;"), HasSubstr("are needed")));
  const auto late = own("ra", 0, {"--until-decided", "--margin", "0.001", "--budget", "1e-9s"});
  EXPECT_THAT(late.at("evidence"), HasSubstr("looks at 256 (the budget was used up)"));
  EXPECT_EQ(own("exact", 0, {"--until-decided"}).at("verdict"), "PROVEN");
  EXPECT_THAT(own("rfa", 0, {"--until-decided"}).at("evidence"), HasSubstr("no-moment"));
}

TEST_F(VerifyVerb, RefusesOptionsThatDoNotGoTogether) {
  expect_refused({"verify", "kk-lemma-6", "--json", "--markdown"}, {"--json and --markdown", "one of them"});
  const std::vector<Words> of_own_claims{
      {"--data", kEasy},       {"--margin", "0.1"},   {"--query", "1"},    {"--features", "4"},
      {"--replicates", "100"}, {"--estimator", "ra"}, {"--until-decided"}, {"--force"}};
  for (const Words& words : of_own_claims)
    expect_refused(with({"verify", "kk-lemma-6"}, words), {words[0] + " belongs", "add --claim unbiased"});

  const Words claim{"verify", "--claim", "unbiased", "--estimator", "ra", "--data", kEasy};
  expect_refused(with(claim, {"--budget", "60s"}), {"--budget = 60s", "--until-decided"});
  expect_refused(with(claim, {"--distort", "0.01"}), {"--distort", "registry"});
  expect_refused(with(claim, {"--tags", "sketches"}), {"--tags", "one or the other"});
  Words named = claim;
  named.insert(named.begin() + 1, "kk-lemma-6");
  expect_refused(named, {"NAME", "one or the other"});
  expect_refused(with(claim, {"--data", "synthetic:gaussian,length=7,dim=3"}), {"one --data"});
  expect_refused({"verify", "--claim", "unbiased", "--data", kEasy}, {"--estimator E"});
  expect_refused({"verify", "--claim", "unbiased", "--estimator", "ra"}, {"one --data F"});
  expect_refused(with(claim, {"--until-decided", "--replicates", "255"}), {"--replicates = 255", "256"});
}

TEST_F(VerifyVerb, RefusesNumbersThatMeanNothing) {
  for (const char* budget : {"0", "-1", "0s", "-2m", "nan", "inf", "1d", "s", "1e400h"})
    expect_refused({"verify", "kk-lemma-6", std::string("--budget=") + budget}, {"--budget"});
  for (const char* distortion : {"nan", "inf", "much"})
    expect_refused({"verify", "kk-lemma-6", "--distort", distortion}, {"--distort"});
  const Words claim{"verify", "--claim", "unbiased", "--estimator", "ra", "--data", kEasy};
  for (const char* margin : {"-0.01", "0", "nan", "inf", "wide"})
    expect_refused(with(claim, {std::string("--margin=") + margin}), {"--margin"});
  for (const char* count : {"0", "-3", "1", "nan", "4294967296"})
    expect_refused(with(claim, {std::string("--replicates=") + count}), {"--replicates"});
  for (const char* query : {"-1", "19", "some"})
    expect_refused(with(claim, {std::string("--query=") + query}), {"--query"});
  expect_refused(with(claim, {"--until-decided", "--budget", "0"}), {"--budget", "positive"});
  expect_refused(with(claim, {"--features", "0"}), {"--features"});
  expect_refused({"verify", "--tags", "sketches,"}, {"unknown tag"});
  expect_refused({"verify", "--tags="}, {"--tags"});
}

TEST_F(VerifyVerb, RefusesWhatItCannotJudge) {
  expect_refused({"verify", "kk-lema-6"}, {"unknown claim", "kk-lemma-6"});
  expect_refused({"verify", "--tags", "sketch"}, {"unknown tag", "sketches"});
  expect_refused({"verify", "kk-lemma-6", "--tags", "sketches"}, {"no claim has both"});
  expect_refused({"verify", "--budget", "soon"}, {"--budget"});
  expect_refused({"verify", "--estimator", "ra"}, {"--claim"});
  expect_refused({"verify", "--claim", "unbiased"}, {"--estimator", "--data"});
  const Words claim{"verify", "--claim", "unbiased", "--estimator", "ra", "--data", kEasy};
  expect_refused(with(claim, {"--margin", "0"}), {"--margin", "positive"});
  expect_refused(with(claim, {"--query", "19"}), {"--query", "below 19"});
  expect_refused(with(claim, {"--replicates", "1"}), {"--replicates"});
  expect_refused({"verify", "--claim", "unbiasd", "--estimator", "ra", "--data", kEasy}, {"unbiased"});
}

}  // namespace
}  // namespace attngap
