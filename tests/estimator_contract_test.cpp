#include "analysis/gap_statistics.hpp"
#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/exact_attention.hpp"
#include "estimators/ratio_estimator.hpp"
#include "estimators/segments.hpp"
#include "tests/house_problem.hpp"
#include "tests/statistical_assertions.hpp"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace attngap {
namespace {

using testing_tools::draw_once;
using testing_tools::house_problem;
using testing_tools::kHouseDraws;
using testing_tools::mean_is;
using testing_tools::ratio;

// Keys without which an estimator's other keys say nothing on a problem of seven keys: a window of sixteen
// covers all of them, and the full form of element-wise attention accumulates nothing.
std::string company(std::string_view name) {
  return name == "eva" ? ",window=2" : name == "elementwise" ? ",degree=6" : "";
}

// Of a polynomial's highest degree the usual law draws one feature in two thousand, which seven keys never
// see.
std::string company_of(std::string_view alternative) {
  return alternative == "power10" || alternative == "polynomial10" ? ",degrees=optimal" : "";
}

// Every row of the table as it comes, and with every alternative of every key.
std::vector<std::string> variants() {
  std::vector<std::string> specs;
  for (const NamedEstimator& row : estimator_table()) {
    const std::string more = company(row.name);
    specs.push_back(std::string(row.name) + (more.empty() ? "" : ":" + more.substr(1)));
    for (const KeyHelp& key : row.keys) {
      if (key.values.find('|') == std::string_view::npos) continue;
      std::string_view rest = key.values;
      while (!rest.empty()) {
        const std::size_t bar = std::min(rest.find('|'), rest.size());
        const std::string_view alternative = rest.substr(0, bar);
        rest.remove_prefix(std::min(bar + 1, rest.size()));
        if (alternative != key.default_value)
          specs.push_back(std::string(row.name) + ":" + std::string(key.key) + "=" +
                          std::string(alternative) + more + company_of(alternative));
      }
    }
  }
  // Keys whose values are numbers or forms of their own.
  for (const char* spec :
       {"rmfa:p=3", "rmfa:degrees=poisson", "rmfa:degrees=poisson,lambda=2", "rmfa:degrees=optimal",
        "rmfa:known=linear,max-degree=4", "rmfa:beta=0.5/1.5,gamma=2,ppsbn=code",
        "rfa:normalize=unit,sigma=0.7", "performer:denominator=clamp:0.5", "rfa:denominator=epsilon:0.1",
        "rfa:denominator=floor:0.2", "rfa:denominator=abs", "rmfa:denominator=clamp:1",
        "lara:denominator=clamp:0.5", "lara:draws=2", "lara:coefficient=2,weights=paper",
        "eva:groups=3,window=2", "eva:draws=2,window=2", "eva:window=0",
        "elementwise:degree=3,denominator=floor:0.1"})
    specs.emplace_back(spec);
  specs.emplace_back("performer:features=hyperbolic,projection=orthogonal,center=keys");
  return specs;
}

std::vector<std::string> ratios_of_kernels() {
  std::vector<std::string> specs = variants();
  // z¹⁰ of inputs this small is below its deviation in any affordable number of draws: maclaurin_test has it
  // without any.
  std::erase_if(specs, [](const std::string& spec) {
    return dynamic_cast<const RatioEstimator*>(make_estimator(spec).get()) == nullptr ||
           spec.find("power10") != std::string::npos;
  });
  return specs;
}

// The house problem, with as many channels as dimensions where the estimator works channel by channel.
AttentionProblem problem_for(const AttentionEstimator& estimator, std::uint64_t seed,
                             Mask mask = Mask::none) {
  const Index value_dim = estimator.spec().name == "elementwise" ? 5 : 2;
  return house_problem(seed, {.value_dim = value_dim, .spread = 0.4}, mask);
}

class EveryEstimator : public testing::TestWithParam<std::string> {
 protected:
  EveryEstimator() : estimator_(make_estimator(GetParam())) {}
  std::unique_ptr<AttentionEstimator> estimator_;
};

TEST_P(EveryEstimator, IsWrittenAsItIsRead) {
  EXPECT_EQ(estimator_->spec().text(), parse_spec(GetParam()).text());
  EXPECT_EQ(make_estimator(estimator_->spec().text())->spec().text(), estimator_->spec().text());
}

TEST_P(EveryEstimator, AnswersEveryQueryAtEveryCount) {
  for (const Mask mask : {Mask::none, Mask::causal})
    for (const Precision precision : {Precision::float64, Precision::float32}) {
      if (mask == Mask::causal && (GetParam() == "lara:weights=optimal" || GetParam() == "eva:window=0"))
        continue;  // refused there: see their own tests
      const AttentionProblem problem = problem_for(*estimator_, 101, mask);
      const std::vector<Index> counts{1, 4, kHouseDraws};
      const auto estimates = draw_once(*estimator_, problem, counts, {1, 2, 3}, precision);
      ASSERT_EQ(estimates.size(), estimator_->random() ? counts.size() : 1);
      for (const AttentionEstimate& estimate : estimates) {
        EXPECT_EQ(estimate.numerator.rows(), problem.queries());
        EXPECT_EQ(estimate.numerator.cols(), problem.value_dim());
        EXPECT_EQ(estimate.denominator.size(), problem.queries());
        EXPECT_EQ(estimate.log_scale.size(), problem.queries());
        EXPECT_TRUE(estimate.numerator.allFinite());
        EXPECT_TRUE(estimate.denominator.allFinite());
        EXPECT_TRUE(estimate.log_scale.allFinite());
      }
    }
  EXPECT_EQ(estimator_->target(problem_for(*estimator_, 101)).rows(), 3);
  EXPECT_GE(estimator_->dimension(kHouseDraws), estimator_->random() ? kHouseDraws : 0);
}

TEST_P(EveryEstimator, DrawsTheSameAtOneAddressAndAnewAtAnother) {
  const AttentionProblem problem = problem_for(*estimator_, 102);
  // The released codes evaluate with their directions at the means: nothing is drawn.
  const bool anew = estimator_->random() && GetParam().find("deterministic=on") == std::string::npos;
  const Index draws = estimator_->spec().name == "eva" ? 3 : kHouseDraws;  // more groups would be single keys
  const auto at = [&](std::uint64_t seed, std::uint32_t cell, std::uint32_t replicate) {
    return draw_once(*estimator_, problem, {draws}, {seed, cell, replicate}).back();
  };
  const AttentionEstimate home = at(1, 2, 3), again = at(1, 2, 3);
  EXPECT_EQ(home.numerator, again.numerator);
  EXPECT_EQ(home.denominator, again.denominator);
  EXPECT_EQ(home.log_scale, again.log_scale);
  for (const AttentionEstimate& other : {at(1, 2, 4), at(1, 3, 3), at(2, 2, 3)})
    EXPECT_EQ(ratio(other) != ratio(home), anew);
}

TEST_P(EveryEstimator, TargetsSoftmaxOfTheProblem) {
  const AttentionProblem problem = house_problem(103, {}, Mask::causal);
  if (estimator_->target_name() == "softmax") {
    EXPECT_EQ(estimator_->target(problem), exact_attention(problem).output);
  }
}

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// RA walks the keys to sample one, and LARA and EVA cut them into chunks: of these only the target forgets
// the order. A gate forgets by age, but it has a causal mask, under which keys have no other order.
TEST_P(EveryEstimator, DoesNotSeeTheOrderOfTheKeys) {
  const AttentionProblem problem = problem_for(*estimator_, 107);
  AttentionProblem reversed = problem;
  reversed.K = problem.K.colwise().reverse().eval();
  reversed.V = problem.V.colwise().reverse().eval();
  EXPECT_TRUE(estimator_->target(reversed).isApprox(estimator_->target(problem), 1e-13));
  if (is_one_of(estimator_->spec().name, {"ra", "lara", "eva"})) return;  // see the next test
  const StreamAddress address{1, 2, 3};
  const Matrix one = ratio(draw_once(*estimator_, problem, {kHouseDraws}, address).back());
  const Matrix other = ratio(draw_once(*estimator_, reversed, {kHouseDraws}, address).back());
  const bool in_floats =
      GetParam().find("accumulate=float") != std::string::npos;  // seven roundings of 2^-24
  EXPECT_TRUE(other.isApprox(one, in_floats ? 1e-6 : 1e-9)) << other << "\n\n" << one;
}

// LARA, and EVA without windows, know of a chunk's keys no order either.
TEST(ChunkEstimators, DoNotSeeTheOrderOfTheKeysOfAChunk) {
  const AttentionProblem problem = house_problem(111);
  AttentionProblem turned = problem;
  for (const Segment& chunk : equal_segments(7, 3)) {
    turned.K.middleRows(chunk.begin, chunk.size()) =
        problem.K.middleRows(chunk.begin, chunk.size()).colwise().reverse();
    turned.V.middleRows(chunk.begin, chunk.size()) =
        problem.V.middleRows(chunk.begin, chunk.size()).colwise().reverse();
  }
  for (const char* name :
       {"lara", "lara:weights=paper", "lara:weights=optimal", "eva:window=0", "eva:draws=2,window=0"}) {
    const Matrix one = ratio(draw_once(name, problem, {3}, {1, 2, 3}).back());
    EXPECT_TRUE(ratio(draw_once(name, turned, {3}, {1, 2, 3}).back()).isApprox(one, 1e-12)) << name;
  }
}

// With its own coefficient the sum over keys is the draw's output; with each key's own value it is the exact
// attention of its weights π, and the errors of the keys sum to the error. Where there is no such sum, that
// is said.
TEST_P(EveryEstimator, IsTheSumOfItsControlVariates) {
  AttentionProblem problem = problem_for(*estimator_, 112);
  if (estimator_->spec().name == "elementwise") {
    problem.Q = problem.Q.leftCols(1).eval();
    problem.K = problem.K.leftCols(1).eval();
    problem.V = problem.V.leftCols(1).eval();
  }
  const Index draws = estimator_->spec().name == "eva" ? 3 : kHouseDraws;
  const StreamAddress address{1, 2, 3};
  const AttentionEstimate estimate = draw_once(*estimator_, problem, {draws}, address).back();
  const Matrix output = attention_output(estimate, estimator_->denominator(), estimator_->post_scaling());
  for (Index i = 0; i < problem.queries(); ++i) {
    Decomposition own;
    try {
      own = estimator_->decompose(problem, i, draws, address);
    } catch (const BadInput& refusal) {
      const bool no_sum = GetParam().find("denominator=") != std::string::npos ||
                          GetParam().find("gamma=") != std::string::npos ||
                          is_one_of(estimator_->spec().name, {"exact", "zero", "mean-value"}) ||
                          GetParam().find("mass=") != std::string::npos ||
                          GetParam().find("cover=") != std::string::npos ||
                          GetParam().find("eva:released-code=on") != std::string::npos;
      EXPECT_TRUE(no_sum) << refusal.what();
      return;
    }
    const bool in_floats =
        GetParam().find("accumulate=float") != std::string::npos;  // the output; terms are doubles
    const double size = (in_floats ? 1e5 : 1.0) * (1.0 + own.g.norm() + own.term.norm());
    EXPECT_LT((own.estimate - output.row(i).transpose()).norm(), 1e-11 * size) << "query " << i;
    EXPECT_LT((own.error.colwise().sum().transpose() - (own.estimate - own.exact)).norm(), 1e-11 * size);
    const Decomposition exact = estimator_->decompose(problem, i, draws, address, {Coefficient::key, 8});
    EXPECT_LT((exact.estimate - own.exact).norm(), 1e-11 * size);
    EXPECT_EQ(exact.error.norm(), 0.0);
  }
}

// Softmax does not see a vector that all keys share. The estimate of random features does, unless it centres
// the keys; a draw that is centred on keys (RA; the proposals of LARA and EVA that take the whole mean key)
// moves with them.
TEST_P(EveryEstimator, TargetsWhatForgetsAVectorAddedToAllKeys) {
  if (estimator_->target_name() != "softmax") return;
  const AttentionProblem problem = problem_for(*estimator_, 108);
  AttentionProblem moved = problem;
  moved.K.rowwise() += Eigen::RowVectorXd::LinSpaced(problem.head_dim(), -0.8, 1.3);
  EXPECT_TRUE(estimator_->target(moved).isApprox(estimator_->target(problem), 1e-13));

  const std::string_view name = estimator_->spec().name;
  const bool of_features = dynamic_cast<const RatioEstimator*>(estimator_.get()) != nullptr;
  const bool centred = GetParam().find("center=keys") != std::string::npos;
  const bool halfway =
      is_one_of(name, {"lara", "eva"}) && (GetParam().find("proposal=half") != std::string::npos ||
                                           GetParam().find("proposal=zero") != std::string::npos);
  const Index draws = name == "eva" ? 3 : kHouseDraws;
  const StreamAddress address{1, 2, 3};
  const Matrix here = ratio(draw_once(*estimator_, problem, {draws}, address).back());
  const Matrix there = ratio(draw_once(*estimator_, moved, {draws}, address).back());
  EXPECT_EQ(there.isApprox(here, 1e-9), !halfway && (!of_features || centred)) << there << "\n\n" << here;
}

// Logits of several hundred: every number is finite, or the status of the metrics says that it is not, or the
// estimator is refused with the reason.
TEST_P(EveryEstimator, IsFiniteOnHostileNormsOrSaysSo) {
  for (const Mask mask : {Mask::none, Mask::causal}) {
    AttentionProblem problem = problem_for(*estimator_, 109, mask);
    problem.Q *= 40.0;
    problem.K *= 40.0;
    try {
      estimator_->check(problem);
    } catch (const BadInput& refusal) {
      EXPECT_GT(std::string(refusal.what()).size(), 20U);
      continue;
    }
    const Matrix target = estimator_->target(problem);
    EXPECT_TRUE(target.allFinite());
    GapAccumulator gap(target, estimator_->denominator(), estimator_->post_scaling());
    bool finite = true;
    for (std::uint32_t r = 0; r < 3; ++r) {
      const AttentionEstimate estimate = draw_once(*estimator_, problem, {kHouseDraws}, {110, 0, r}).back();
      finite = finite &&
               attention_output(estimate, estimator_->denominator(), estimator_->post_scaling()).allFinite();
      gap.add(estimate);
    }
    for (const Metric& metric : gap_metrics(target, {gap.block()}, estimator_->has_moments())) {
      const bool square = is_one_of(metric.name, {"mse", "bias2", "variance", "relative_mse", "max_error"});
      if (square) {
        EXPECT_EQ(metric.status == "nonfinite", !finite) << metric.name;
      }
      if (metric.status == "ok") {
        EXPECT_TRUE(std::isfinite(metric.estimated.value)) << metric.name;
      }
    }
  }
}

// Numerator and denominator of one query in units of the kernel, for a ratio of unbiased kernels.
struct Halves {
  Moments numerator, denominator;
};

struct Law {
  double mean = 0.0;
  double variance = 0.0;
};

// Σ_j w_j K̂(q, k_j) over m independent directions: mean Σ w_j K_j, variance (Σ_jl w_j w_l C_jl − mean²)/m
// with the pair moments C of one direction.
Law law_of(const FeatureMap& map, const Matrix& queries, const Matrix& keys, const Vector& weights) {
  const Vector q = queries.row(0);
  Law law;
  double second = 0.0;
  for (Index j = 0; j < keys.rows(); ++j) {
    law.mean += weights(j) * map.kernel(q, keys.row(j));
    for (Index l = 0; l < keys.rows(); ++l)
      second += weights(j) * weights(l) * map.pair_moment(q, keys.row(j), keys.row(l));
  }
  law.variance = (second - law.mean * law.mean) / static_cast<double>(kHouseDraws);
  return law;
}

using EveryRatioOfKernels = EveryEstimator;

// With orthogonal directions there is no closed form across two keys: the sample's variance stands in.
TEST_P(EveryRatioOfKernels, HasUnbiasedHalvesInUnitsOfTheKernel) {
  const auto* ratio_of_kernels = dynamic_cast<const RatioEstimator*>(estimator_.get());
  const AttentionProblem problem = house_problem(104, {.spread = 0.4});
  const AttentionProblem seen = ratio_of_kernels->prepared(problem);
  const auto map = ratio_of_kernels->map_on(problem);
  const Matrix queries = seen.scaled_queries(), keys = seen.scaled_keys();
  const Law denominator = law_of(*map, queries, keys, Vector::Ones(7));
  const Law numerator = law_of(*map, queries, keys, problem.V.col(1));
  if (!std::isfinite(denominator.variance)) {  // then the estimator says so itself
    EXPECT_THROW(estimator_->check(problem), BadInput);
    return;
  }

  Halves halves;
  const std::vector<const AttentionEstimator*> group{estimator_.get()};
  const auto plan = estimator_->plan(problem, group, {kHouseDraws}, Precision::float64);
  const auto sampler = plan->sampler();
  for (std::uint32_t r = 0; r < 8'000; ++r)
    sampler->draw({105, 0, r}, [&](auto, auto, const AttentionEstimate& estimate) {
      const double scale = std::exp(estimate.log_scale(0));
      halves.denominator.add(scale * estimate.denominator(0));
      halves.numerator.add(scale * estimate.numerator(0, 1));
    });
  const bool independent = estimator_->projection() != "orthogonal";
  const auto known = [&](const Law& law) {
    return independent ? std::optional<double>(law.variance) : std::nullopt;
  };
  EXPECT_TRUE(mean_is(halves.denominator, denominator.mean, known(denominator)));
  EXPECT_TRUE(mean_is(halves.numerator, numerator.mean, known(numerator)));
  if (independent) {
    EXPECT_TRUE(testing_tools::variance_is(halves.denominator, denominator.variance));
    EXPECT_TRUE(testing_tools::variance_is(halves.numerator, numerator.variance));
  }
  // The negative control: a kernel five percent too large (ten of a polynomial, whose estimate varies more),
  // and keys that were not centred.
  const double too_large = GetParam().find("polynomial10") == std::string::npos ? 1.05 : 1.1;
  EXPECT_FALSE(mean_is(halves.denominator, too_large * denominator.mean, known(denominator)));
}

std::string identifier(const testing::TestParamInfo<std::string>& spec) {
  std::string name = spec.param;
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Table, EveryEstimator, testing::ValuesIn(variants()), identifier);
INSTANTIATE_TEST_SUITE_P(Table, EveryRatioOfKernels, testing::ValuesIn(ratios_of_kernels()), identifier);

TEST(EstimatorTable, HasEachNameOnceAndSaysWhatItIs) {
  std::set<std::string_view> names;
  for (const NamedEstimator& row : estimator_table()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_FALSE(row.meaning.empty() || row.target.empty() || row.source.empty()) << row.name;
    for (const KeyHelp& key : row.keys)
      EXPECT_EQ(option(parse_spec(row.name), key.key), key.default_value) << row.name;
  }
}

TEST(Baselines, AreWhatTheySay) {
  for (const Mask mask : {Mask::none, Mask::causal}) {
    const AttentionProblem problem = house_problem(106, {}, mask);
    EXPECT_TRUE(
        ratio(draw_once("exact", problem, {}, {}).back()).isApprox(exact_attention(problem).output, 1e-15));
    EXPECT_EQ(ratio(draw_once("zero", problem, {}, {}).back()), Matrix::Zero(problem.queries(), 2));
    const Matrix mean = ratio(draw_once("mean-value", problem, {}, {}).back());
    for (Index i = 0; i < problem.queries(); ++i)
      EXPECT_TRUE(mean.row(i).isApprox(problem.V.topRows(problem.visible_keys(i)).colwise().mean(), 1e-14));
  }
}

}  // namespace
}  // namespace attngap
