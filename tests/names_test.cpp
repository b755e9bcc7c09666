#include "estimators/names.hpp"

#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/random_stream.hpp"
#include "tests/house_problem.hpp"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace attngap {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing_tools::sentence_of;

std::string sentence(std::string_view estimator) {
  return sentence_of([&] { make_estimator(estimator); });
}

TEST(ParseSpec, ReadsWhatItWrites) {
  for (const std::string_view text : {"rfa", "performer:features=hyperbolic,projection=orthogonal",
                                      "rmfa:p=2.5", "file:path=a:b", "eva:draws=1,groups=16,window=32"}) {
    const Spec spec = parse_spec(text);
    EXPECT_EQ(spec.text(), text);
    EXPECT_EQ(parse_spec(spec.text()).options, spec.options);
  }
  const Spec spec = parse_spec("rmfa:p=3,center=keys,note=a=b");
  EXPECT_EQ(spec.name, "rmfa");
  EXPECT_EQ(spec.text(), "rmfa:center=keys,note=a=b,p=3");
}

TEST(ParseSpec, NamesThePieceThatIsWrong) {
  const auto says = [](std::string_view text) { return sentence_of([&] { parse_spec(text); }); };
  EXPECT_THAT(says(""), HasSubstr("no name"));
  EXPECT_THAT(says(":p=2"), AllOf(HasSubstr(":p=2"), HasSubstr("no name")));
  EXPECT_THAT(says("rmfa:"), HasSubstr("not key=value"));
  EXPECT_THAT(says("rmfa:p"), AllOf(HasSubstr("\"p\" in \"rmfa:p\""), HasSubstr("not key=value")));
  EXPECT_THAT(says("rmfa:p="), HasSubstr("\"p=\""));
  EXPECT_THAT(says("rmfa:=2"), HasSubstr("\"=2\""));
  EXPECT_THAT(says("rmfa:p=2,"), HasSubstr("not key=value"));
  EXPECT_THAT(says("rmfa:p=2,p=3"), AllOf(HasSubstr("rmfa:p=2,p=3"), HasSubstr("p twice")));
}

TEST(NearestNames, AreThoseOfSmallestEditDistance) {
  const std::vector<std::string_view> known{"exact", "zero", "performer", "rfa", "rmfa"};
  EXPECT_EQ(nearest_names("rfma", known), R"("rfa" or "rmfa" or "zero")");
  EXPECT_EQ(nearest_names("perf", known).substr(0, 11), R"("performer")");
  EXPECT_EQ(nearest_names("x", std::vector<std::string_view>{"only"}), R"("only")");
  EXPECT_EQ(nearest_names("x", {}), "");
}

TEST(ParseNumber, TakesWholeTextsOnly) {
  EXPECT_EQ(parse_number("p", "2.5"), 2.5);
  EXPECT_EQ(parse_number("p", "-1e-3"), -1e-3);
  for (const std::string_view text : {"", "2.5x", " 2", "nan", "inf", "-inf", "1e999", "0x10", "+"})
    EXPECT_THAT(sentence_of([&] { parse_number("rmfa: p", text); }),
                AllOf(HasSubstr("rmfa: p = \"" + std::string(text) + "\""), HasSubstr("finite number")));
}

TEST(ParseCount, TakesWholeNumbersFromItsMinimumOn) {
  EXPECT_EQ(parse_count("m", "11"), 11);
  EXPECT_EQ(parse_count("m", "0", 0), 0);
  for (const std::string_view text : {"", "0", "-3", "2.0", "1e3", "99999999999999999999"})
    EXPECT_THAT(sentence_of([&] { parse_count("features", text); }),
                AllOf(HasSubstr("features = \"" + std::string(text) + "\""), HasSubstr("at least 1")));
}

TEST(MakeEstimator, KeepsOnlyWhatDiffersFromTheDefaults) {
  EXPECT_EQ(make_estimator("performer:features=positive,projection=orthogonal")->spec().text(),
            "performer:projection=orthogonal");
  EXPECT_EQ(make_estimator("rmfa:p=2")->spec().text(), "rmfa");
  for (const NamedEstimator& row : estimator_table())
    EXPECT_EQ(make_estimator(row.name)->spec().text(), row.name);
}

TEST(MakeEstimator, OffersTheNearestNameKeyAndValue) {
  EXPECT_THAT(sentence("perfomer"),
              AllOf(HasSubstr("unknown estimator \"perfomer\""), HasSubstr("\"performer\"")));
  EXPECT_THAT(sentence("rfa:projektion=iid"),
              AllOf(HasSubstr("key of rfa"), HasSubstr("\"projektion\""), HasSubstr("\"projection\"")));
  EXPECT_THAT(sentence("rfa:projection=orthogonl"),
              AllOf(HasSubstr("projection"), HasSubstr("\"orthogonl\""), HasSubstr("\"orthogonal\"")));
  EXPECT_THAT(sentence("zero:p=2"), AllOf(HasSubstr("zero"), HasSubstr("takes no keys"), HasSubstr("p=2")));
  EXPECT_THAT(sentence("rmfa:p=1"), AllOf(HasSubstr("p = 1"), HasSubstr("above 1")));
  EXPECT_THAT(sentence("rmfa:p=two"), AllOf(HasSubstr("rmfa: p"), HasSubstr("two"), HasSubstr("number")));
  EXPECT_EQ(sentence("rmfa:p=2"), "nothing was thrown");
}

// Strings put together from true and broken pieces, and from random bytes: either an estimator or BadInput.
TEST(MakeEstimator, OfAnyStringIsAnEstimatorOrBadInput) {
  std::vector<std::string> pieces{":",
                                  ",",
                                  "=",
                                  "{}",
                                  "%s",
                                  "nan",
                                  "1e308",
                                  "1e-308",
                                  "-1",
                                  "2",
                                  "1.0000001",
                                  "1.05",
                                  "inf",
                                  "",
                                  " ",
                                  "é",
                                  std::string(1, '\0'),
                                  std::string(300, 'x')};
  for (const NamedEstimator& row : estimator_table()) {
    pieces.emplace_back(row.name);
    pieces.push_back(std::string(row.name) + ":");
    for (const KeyHelp& key : row.keys) {
      pieces.push_back(std::string(key.key) + "=");
      pieces.push_back(std::string(key.key) + "=" + std::string(key.default_value));
      pieces.emplace_back(key.values);
    }
  }
  constexpr std::uint32_t kStrings = 20'000;
  std::size_t made = 0;
  for (std::uint32_t trial = 0; trial < kStrings; ++trial) {
    std::vector<std::uint32_t> dice(16);
    RandomStream({41, 0, trial}, Purpose::resampling).words(0, dice);
    std::string text;
    for (std::uint32_t i = 0; i < 1 + dice[0] % 6; ++i) {
      if (trial % 5 == 0)
        text += static_cast<char>(dice[1 + i] % 256);
      else
        text += pieces[dice[1 + i] % pieces.size()];
    }
    try {
      make_estimator(text);
      ++made;
    } catch (const BadInput& error) {
      EXPECT_NE(std::string(error.what()), "");
    }
  }
  EXPECT_GT(made, kStrings / 200);  // the strings reach past the parser
}

}  // namespace
}  // namespace attngap
