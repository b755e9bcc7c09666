// Every claim gets the verdict the registry expects, and the judge can be caught.

#include "analysis/claims.hpp"

#include "analysis/claim_checks.hpp"
#include "analysis/claim_numerics.hpp"
#include "analysis/decisions.hpp"
#include "analysis/unbiasedness.hpp"
#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"
#include "tests/house_problem.hpp"
#include "tests/statistical_assertions.hpp"
#include "tests/stream_words.hpp"

#include <cmath>
#include <limits>
#include <numbers>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <boost/math/distributions/binomial.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace attngap {
namespace {

using testing::HasSubstr;
using testing_tools::house_problem;

std::string test_name(const testing::TestParamInfo<const Claim*>& info) {
  std::string name(info.param->name);
  for (char& c : name)
    if (c == '-') c = '_';
  return name;
}

std::vector<const Claim*> claims_where(bool (*chosen)(const Claim&)) {
  std::vector<const Claim*> all;
  for (const Claim& claim : claims())
    if (chosen(claim)) all.push_back(&claim);
  return all;
}

class EveryClaim : public testing::TestWithParam<const Claim*> {};

TEST_P(EveryClaim, HasTheVerdictTheRegistryExpects) {
  const Finding finding = GetParam()->judge({});
  EXPECT_EQ(verdict_name(finding.verdict), verdict_name(GetParam()->expected)) << finding.evidence;
  EXPECT_TRUE(finding.evidence.find_first_of("0123456789") != std::string::npos) << "evidence has no number";
  if (finding.verdict == Verdict::equivalent) {
    EXPECT_GT(finding.margin, 0.0);
  }
}

INSTANTIATE_TEST_SUITE_P(Registry, EveryClaim,
                         testing::ValuesIn(claims_where([](const Claim&) { return true; })), test_name);

// The negative control of every PROVEN equality: wrong by one part in a thousand, it is REFUTED.
class EveryIdentity : public testing::TestWithParam<const Claim*> {};

TEST_P(EveryIdentity, IsRefutedWhenWhatIsClaimedIsWrongByAThousandth) {
  ClaimSettings settings;
  settings.distortion = 1e-3;
  const Finding finding = GetParam()->judge(settings);
  EXPECT_EQ(verdict_name(finding.verdict), "REFUTED") << finding.evidence;
  EXPECT_THAT(finding.evidence, HasSubstr("fail"));
}

INSTANTIATE_TEST_SUITE_P(Registry, EveryIdentity, testing::ValuesIn(claims_where([](const Claim& claim) {
                           return has_tag(claim, "identity");
                         })),
                         test_name);

// A formula with one thing wrong about it (a power, a factor, a sign, a square) and the same formula mended.
TEST(Claims, AMutatedFormulaChangesTheVerdict) {
  const std::vector<std::pair<const char*, const char*>> mutations{
      {"rfa-printed-law", "rfa-corrected-law"},             // s for 1/s
      {"kk-lemma-6", "kk-lemma-6-with-radius"},             // a missing factor R
      {"kk-unbiased-every-p", "kk-unbiased-renormalised"},  // a missing factor p − 1
      {"kk-lemma-4-l2", "kk-lemma-4"},                      // the wrong norm
      {"lemma-4-printed-sign", "lemma-4-corrected-sign"},   // a sign
      {"ctr-appendix-factor", "ctr-rademacher-gap"},        // a factor 2
      {"tensor-sketch-coded-form", "tensor-sketch-closed-form"},
      {"theorem-3-tail-gap", "theorem-3-corrected-gap"},  // Λ² for Λ⁴
      {"taylor-even-terms-positive", "taylor-even-degree-positive"},
      {"ra-released-unbiased", "ra-unbiased"},  // the deviation of the noise
      {"rmfa-unbiased", "rmfa-parts-unbiased"}};
  for (const auto& [wrong, right] : mutations) {
    EXPECT_EQ(claim_named(wrong).judge({}).verdict, Verdict::refuted) << wrong;
    EXPECT_EQ(claim_named(right).judge({}).verdict, Verdict::proven) << right;
  }
}

TEST(Claims, HoldOnOtherInstancesToo) {
  ClaimSettings settings;
  settings.seed = 20;
  for (const Claim& claim : claims()) {
    const Finding finding = claim.judge(settings);
    EXPECT_EQ(verdict_name(finding.verdict), verdict_name(claim.expected))
        << claim.name << ": " << finding.evidence;
  }
}

TEST(Claims, AreDescribedInFullAndOnce) {
  std::set<std::string_view> names, statements;
  const std::set<std::string_view> families{"features",  "concentration", "attention", "control-variates",
                                            "maclaurin", "macformer",     "sketches",  "elementwise"};
  for (const Claim& claim : claims()) {
    EXPECT_TRUE(names.insert(claim.name).second) << claim.name;
    EXPECT_TRUE(statements.insert(claim.statement).second) << claim.name;
    for (const auto part : {claim.statement, claim.formula, claim.source, claim.hypotheses, claim.method})
      EXPECT_FALSE(part.empty()) << claim.name;
    EXPECT_TRUE(families.contains(claim.tags.substr(0, claim.tags.find(',')))) << claim.name;
    EXPECT_EQ(claim.expected == Verdict::equivalent,
              has_tag(claim, "simulation") && claim.expected != Verdict::refuted)
        << claim.name << ": a simulation proves nothing, and nothing else is a matter of a margin";
    if (has_tag(claim, "identity")) {
      EXPECT_EQ(claim.expected, Verdict::proven) << claim.name;
    }
  }
  EXPECT_THROW(claim_named("kernel-unbiase"), BadInput);
  EXPECT_FALSE(has_tag(claim_named("kernel-unbiased"), "feature"));
}

TEST(ExactCheck, SaysProvenRefutedOrUndecidedByTheSizeOfTheResidual) {
  const auto verdict_at = [](double found) {
    ExactCheck check({});
    check.equal(2.0, 2.0, "right");
    check.equal(found, 1.0, "questionable");
    return check.finding("numbers").verdict;
  };
  EXPECT_EQ(verdict_at(1.0 + 1e-13), Verdict::proven);
  EXPECT_EQ(verdict_at(1.0 + 1e-8), Verdict::undecided);
  EXPECT_EQ(verdict_at(1.0 + 1e-5), Verdict::refuted);
  EXPECT_EQ(verdict_at(1.0 - 1e-5), Verdict::refuted);
  EXPECT_EQ(verdict_at(std::nan("")), Verdict::undecided);
  EXPECT_EQ(verdict_at(std::numeric_limits<double>::infinity()), Verdict::refuted);
  EXPECT_EQ(ExactCheck({}).finding("nothing").verdict, Verdict::undecided);
}

TEST(ExactCheck, BoundsHaveASide) {
  const auto verdict_of = [](double found, double low, double high) {
    ExactCheck check({});
    check.at_least(found, low, "from below");
    check.at_most(found, high, "from above");
    return check.finding("a number").verdict;
  };
  EXPECT_EQ(verdict_of(1.0, 1.0, 1.0), Verdict::proven);
  EXPECT_EQ(verdict_of(1.0, -2.0, 3.0), Verdict::proven);
  EXPECT_EQ(verdict_of(1.0, 1.1, 3.0), Verdict::refuted);
  EXPECT_EQ(verdict_of(1.0, -2.0, 0.9), Verdict::refuted);
}

Moments numbers_about(double mean, int count) {
  Moments moments;
  for (int i = 0; i < count; ++i) moments.add(mean + (i % 2 == 0 ? 1.0 : -1.0));
  return moments;
}

TEST(JudgeMeans, DecidesOutsideInsideOrNeither) {
  const auto verdict_of = [](double mean, int count) {
    const std::vector<MeanWithin> family{{"a", numbers_about(0.0, 10000), 0.1},
                                         {"b", numbers_about(mean, count), 0.1}};
    return judge_means(family, 0.1);
  };
  EXPECT_EQ(verdict_of(0.0, 10000).verdict, Verdict::equivalent);
  EXPECT_EQ(verdict_of(0.3, 10000).verdict, Verdict::refuted);
  EXPECT_EQ(verdict_of(-0.3, 10000).verdict, Verdict::refuted);
  EXPECT_EQ(verdict_of(0.1, 10000).verdict, Verdict::undecided);
  EXPECT_EQ(verdict_of(0.0, 100).verdict, Verdict::undecided);
  EXPECT_THAT(verdict_of(0.0, 100).evidence, HasSubstr("replicates are needed"));
  EXPECT_EQ(judge_means({}, 0.1).verdict, Verdict::undecided);
}

// Two standard errors beyond the margin are a finding alone and nothing among a hundred.
TEST(JudgeMeans, CorrectsForTheSizeOfTheFamily) {
  const double beyond = 0.1 + 2.2 / std::sqrt(10000.0);
  std::vector<MeanWithin> family{{"beyond", numbers_about(beyond, 10000), 0.1}};
  EXPECT_EQ(judge_means(family, 0.1).verdict, Verdict::refuted);
  for (int i = 0; i < 99; ++i) family.push_back({"still", numbers_about(0.0, 10000), 0.1});
  EXPECT_EQ(judge_means(family, 0.1).verdict, Verdict::undecided);
}

TEST(JudgeMeans, ProvesOnlyWhatCannotVary) {
  Moments still;
  for (int i = 0; i < 3; ++i) still.add(0.05);
  const MeanWithin inside{"known", still, 0.1, true}, outside{"known", still, 0.01, true};
  EXPECT_EQ(judge_means({&inside, 1}, 0.1).verdict, Verdict::proven);
  EXPECT_EQ(judge_means({&outside, 1}, 0.01).verdict, Verdict::refuted);
  const MeanWithin sampled{"sampled", still, 0.1};
  EXPECT_EQ(judge_means({&sampled, 1}, 0.1).verdict, Verdict::equivalent);
}

// The interval at a look is the confidence sequence at the family's share of α, and inside, outside or
// neither.
TEST(JudgeMeansAtALook, DecidesByTheConfidenceSequence) {
  const auto at = [](double mean, int count) {
    const std::vector<MeanWithin> family{{"a", numbers_about(0.0, 10000), 0.1},
                                         {"b", numbers_about(mean, count), 0.1}};
    return judge_means_at_a_look(family, 0.1, 2000);
  };
  const Moments about = numbers_about(0.0, 10000);
  const double half = confidence_sequence(about, 0.025, 2000).high;
  for (const double side : {-1.0, 1.0}) {
    EXPECT_EQ(at(side * (0.1 - 1.001 * half), 10000).verdict, Verdict::equivalent);
    EXPECT_EQ(at(side * (0.1 - 0.999 * half), 10000).verdict, Verdict::undecided);
    EXPECT_EQ(at(side * (0.1 + 0.999 * half), 10000).verdict, Verdict::undecided);
    EXPECT_EQ(at(side * (0.1 + 1.001 * half), 10000).verdict, Verdict::refuted);
  }
  EXPECT_EQ(at(0.0, 10000).verdict, Verdict::equivalent);
  EXPECT_THAT(at(0.0, 10000).evidence, HasSubstr("confidence sequences"));
  EXPECT_EQ(at(0.0, 1).verdict, Verdict::undecided) << "no interval of one number";
  EXPECT_THAT(at(0.0, 100).evidence, HasSubstr("replicates are needed"));
  EXPECT_EQ(judge_means_at_a_look({}, 0.1, 2000).verdict, Verdict::undecided);
  Moments still;
  for (int i = 0; i < 3; ++i) still.add(0.05);
  const MeanWithin known{"known", still, 0.1, true};
  EXPECT_EQ(judge_means_at_a_look({&known, 1}, 0.1, 2000).verdict, Verdict::proven);
}

// A mean on its margin must not be decided, and is by 5 % of those who look as often as they like at most.
TEST(JudgeMeansAtALook, IsWrongNoMoreOftenForLookingOften) {
  constexpr int kTrials = 400, kLooks = 40;
  testing_tools::StreamWords random(61);
  std::normal_distribution<double> normal(0.1, 1.0);
  int sequence = 0, ordinary = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    MeanWithin mean{"on its margin", {}, 0.1};
    bool sequence_decided = false, ordinary_decided = false;
    for (int look = 1; look <= kLooks; ++look) {
      for (int i = 0; i < 100; ++i) mean.errors.add(normal(random));
      sequence_decided |= judge_means_at_a_look({&mean, 1}, 0.1, 1000).verdict != Verdict::undecided;
      ordinary_decided |= judge_means({&mean, 1}, 0.1).verdict != Verdict::undecided;
    }
    sequence += sequence_decided ? 1 : 0;
    ordinary += ordinary_decided ? 1 : 0;
  }
  const double most = boost::math::quantile(
      boost::math::complement(boost::math::binomial(kTrials, 0.05), testing_tools::kFalseAlarm));
  EXPECT_LE(sequence, most);
  EXPECT_GT(ordinary, most);  // can fail: the test of one look, looked at forty times
}

// Clopper and Pearson: with no hits the bound is 1 − α^(1/n).
TEST(JudgeMeans, TheLargestProbabilityOfNoHitsIsClopperAndPearsons) {
  EXPECT_NEAR(largest_probability(0, 200), 1.0 - std::pow(0.05, 1.0 / 200.0), 1e-12);
  EXPECT_GT(largest_probability(3, 200), largest_probability(2, 200));
}

// How often a bound of k hits of n lies above the probability p: every count, weighed.
template <typename Bound>
double coverage(int n, double p, Bound bound) {
  double covered = 0.0;
  for (int k = 0; k <= n; ++k)
    if (bound(k) >= p)
      covered += std::exp(std::lgamma(n + 1.0) - std::lgamma(k + 1.0) - std::lgamma(n - k + 1.0) +
                          k * std::log(p) + (n - k) * std::log1p(-p));
  return covered;
}

// Being of whole counts the bound covers 95 % or more, and with many hits no more than 97.
TEST(JudgeMeans, TheLargestProbabilityCoversItsOwn) {
  for (const int n : {60, 600, 6000})
    for (const double p : {0.01, 0.1, 0.5, 0.9}) {
      const double covered = coverage(n, p, [&](int k) { return largest_probability(k, n); });
      EXPECT_GE(covered, 0.95) << n << " " << p;
      EXPECT_LE(covered, n * p * (1.0 - p) < 50.0 ? 1.0 + 1e-12 : 0.97) << n << " " << p;
      // Can fail: the frequency itself is no bound.
      EXPECT_LT(coverage(n, p, [&](int k) { return k / double(n); }), 0.95) << n << " " << p;
    }
}

TEST(ClaimNumerics, GaussHermiteIsExactForPolynomialsAndExponentials) {
  for (const int n : {1, 2, 5, 40, 120}) {
    const NormalQuadrature rule = gauss_hermite(n);
    double moment = 1.0;
    for (int k = 0; k <= std::min(n - 1, 12); ++k) {  // E g^{2k} = (2k − 1)!!
      EXPECT_NEAR(rule.weights.dot(rule.nodes.array().pow(2 * k).matrix()) / moment, 1.0, 1e-11)
          << n << " " << k;
      moment *= 2 * k + 1;
    }
  }
  const NormalQuadrature rule = gauss_hermite(72), trapezoid = normal_trapezoid();
  for (const double a : {0.5, 2.0, 5.0}) {
    EXPECT_NEAR(rule.weights.dot((a * rule.nodes).array().exp().matrix()) / std::exp(0.5 * a * a), 1.0,
                1e-12);
    EXPECT_NEAR(trapezoid.weights.dot((a * trapezoid.nodes).array().exp().matrix()) / std::exp(0.5 * a * a),
                1.0, 1e-12);
  }
}

// ∫ φ(x)/(1 + x²) dx = √(π/2) e^{1/2} erfc(1/√2): poles at ±i, where Gauss–Hermite needs hundreds of nodes.
TEST(ClaimNumerics, TheTrapezoidRuleBearsPoles) {
  const NormalQuadrature rule = normal_trapezoid();
  const double found = rule.weights.dot((1.0 + rule.nodes.array().square()).inverse().matrix());
  const double exact =
      std::sqrt(0.5 * std::numbers::pi) * std::exp(0.5) * std::erfc(1.0 / std::numbers::sqrt2);
  EXPECT_NEAR(found, exact, 1e-14);
}

Finding judged(const char* name, Index draws, double margin, std::uint32_t replicates) {
  const AttentionProblem problem = house_problem(71, {.spread = 1.0});
  const auto estimator = make_estimator(name);
  const UnbiasednessStudy study({*estimator, problem, draws, margin, 3});
  std::vector<Moments> errors = study.errors(0, replicates / 2);
  const auto rest = study.errors(replicates / 2, replicates - replicates / 2);
  for (std::size_t i = 0; i < errors.size(); ++i) errors[i].merge(rest[i]);
  return study.judge(errors);
}

TEST(Unbiasedness, TellsTheUnbiasedFromTheBiased) {
  EXPECT_EQ(judged("ra", 16, 0.1, 3000).verdict, Verdict::equivalent);
  EXPECT_EQ(judged("performer", 2, 0.05, 6000).verdict, Verdict::refuted);
  EXPECT_EQ(judged("exact", 1, 0.01, 10).verdict, Verdict::proven);
  EXPECT_EQ(judged("zero", 1, 0.01, 10).verdict, Verdict::refuted);
  EXPECT_EQ(judged("ra", 1, 0.01, 20).verdict, Verdict::undecided);
}

TEST(Unbiasedness, HasNothingToSayWhereThereIsNoMean) {
  const Finding finding = judged("rfa", 16, 0.1, 100);
  EXPECT_EQ(finding.verdict, Verdict::undecided);
  EXPECT_THAT(finding.evidence, HasSubstr("no-moment"));
}

}  // namespace
}  // namespace attngap
