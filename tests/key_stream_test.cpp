#include "estimators/key_stream.hpp"

#include "data_test_support.hpp"
#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/exact_attention.hpp"
#include "estimators/ratio_estimator.hpp"
#include "estimators/streamed_ensemble.hpp"
#include "experiments/synthetic_stream.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>

namespace attngap {
namespace {

using ::testing::HasSubstr;

constexpr Index kLength = 2 * kStreamedTokens + 77;
constexpr Index kQueries = 3;

SyntheticSpec spec_of(const std::string& text) {
  return parse_synthetic(fmt::format("{},length={},dim=5{}", text, kLength,
                                     text.find("value-dim") == std::string::npos ? ",value-dim=3" : ""));
}

// A problem both as a stream and as a whole.
struct Both {
  explicit Both(const std::string& text)
      : spec(spec_of(text)),
        stream(spec),
        stored(sample_queries(make_synthetic(spec), kQueries)),
        streamed(stream.queries(kQueries)) {
    streamed.stream = &stream;
  }

  SyntheticSpec spec;
  SyntheticStream stream;
  AttentionProblem stored;
  AttentionProblem streamed;
};

TEST(SyntheticStream, EverySegmentHasTheBitsOfTheWhole) {
  for (const char* text : {"gaussian", "sphere", "ball", "ar1", "clustered", "ar1,values=linear"}) {
    const SyntheticSpec spec = spec_of(text);
    const SyntheticStream stream(spec);
    const AttentionProblem whole = make_synthetic(spec);
    const Index s = kStreamedTokens;
    for (const Segment tokens : {Segment{0, 4}, Segment{7, 12}, Segment{s - 3, s}, Segment{s, s + 1},
                                 Segment{s - 1, s + 2}, Segment{2 * s + 5, kLength}}) {
      Matrix K, V;
      stream.read(tokens, K, V);
      EXPECT_EQ(K, whole.K.middleRows(tokens.begin, tokens.size())) << text << " " << tokens.begin;
      EXPECT_EQ(V, whole.V.middleRows(tokens.begin, tokens.size())) << text << " " << tokens.begin;
    }
  }
}

TEST(SyntheticStream, ItsQueriesAreThoseOfTheSampledProblem) {
  for (const char* text : {"gaussian,mask=causal", "ar1", "clustered"}) {
    const Both both(text);
    const AttentionProblem queries = both.stream.queries(kQueries);
    EXPECT_EQ(queries.Q, both.stored.Q) << text;
    EXPECT_EQ(queries.positions, both.stored.positions) << text;
    EXPECT_EQ(queries.mask, both.stored.mask) << text;
    EXPECT_EQ(queries.scale, both.stored.scale) << text;
  }
}

// Rounding of a sum of l terms in another order, relative to the largest output.
void expect_equal(const Matrix& a, const Matrix& b, const std::string& what) {
  EXPECT_LT((a - b).cwiseAbs().maxCoeff(), 1e-11 * b.cwiseAbs().maxCoeff()) << what;
}

TEST(StreamedProblem, ExactAttentionIsThatOfTheStoredProblem) {
  for (const char* text : {"gaussian", "gaussian,mask=causal", "clustered,norm=9", "ar1,values=linear"}) {
    const Both both(text);
    const ExactAttention streamed = exact_attention(both.streamed), stored = exact_attention(both.stored);
    expect_equal(streamed.output, stored.output, text);
    expect_equal(streamed.log_normalizer, stored.log_normalizer, text);
  }
}

const std::vector<std::string>& streaming_estimators() {
  static const std::vector<std::string> names{"performer",
                                              "performer:projection=orthogonal",
                                              "performer:features=hyperbolic",
                                              "performer:features=regularized",
                                              "rfa",
                                              "rmfa",
                                              "rmfa:known=linear,directions=gaussian",
                                              "rmfa:degrees=poisson,lambda=1.5",
                                              "performer:center=keys",
                                              "rfa:center=keys,projection=orthogonal",
                                              "rfa:normalize=unit",
                                              "rfa:normalize=unit,sigma=0.7,center=keys",
                                              "rfa:kernel=arccos",
                                              "rfa:kernel=arccos,normalize=unit",
                                              "rmfa:center=keys,known=linear",
                                              "rmfa:ppsbn=paper",
                                              "rmfa:ppsbn=code,gamma=2,beta=0.5",
                                              "rmfa:kernel=inverse,ppsbn=code,p=1.5",
                                              "rmfa:kernel=log,ppsbn=paper",
                                              "rmfa:kernel=sqrt,ppsbn=paper,degrees=optimal",
                                              "rmfa:kernel=trigh",
                                              "rmfa:degrees=optimal",
                                              "rmfa:degrees=poisson",
                                              "rmfa:degrees=fixed,max-degree=1,center=keys",
                                              "lara",
                                              "lara:weights=optimal",
                                              "eva:window=4",
                                              "eva:window=4,mass=count-mean,draws=2",
                                              "eva:window=0,mass=cumulant",
                                              "ra",
                                              "ra:proposal=expected",
                                              "ra:proposal=mean",
                                              "exact",
                                              "zero",
                                              "mean-value"};
  return names;
}

// A query none of whose features is above zero (arccos) has none, and this instead.
Matrix output_of(const AttentionEstimate& estimate) {
  const Matrix output = estimate.denominator.cwiseInverse().asDiagonal() * estimate.numerator;
  return output.unaryExpr([](double x) { return std::isnan(x) ? -100.0 : x; });
}

// Draws of these estimators from the stream against those from the stored problem.
void expect_stored_draws(const std::vector<std::string>& names, const Both& both, const std::string& what) {
  std::vector<std::unique_ptr<AttentionEstimator>> owned;
  std::vector<const AttentionEstimator*> estimators;
  std::size_t expected_visits = 0;
  const std::vector<Index> counts{2, 7};
  const std::vector<StreamAddress> addresses{{5, 0, 3}, {5, 0, 4}};
  for (const std::string& name : names) {
    owned.push_back(make_estimator(name));
    estimators.push_back(owned.back().get());
    expected_visits += addresses.size() * (owned.back()->random() ? counts.size() : 1);
  }
  const Ensemble ensemble(both.stored, estimators, counts, Precision::float64);
  const auto sampler = ensemble.sampler();
  std::vector<Matrix> expected;
  for (const StreamAddress& address : addresses) {
    std::vector<Matrix> outputs(estimators.size() * counts.size());
    sampler->draw(address, [&](std::size_t estimator, std::size_t count, const AttentionEstimate& e) {
      outputs[estimator * counts.size() + count] = output_of(e);
    });
    expected.insert(expected.end(), outputs.begin(), outputs.end());
  }
  std::size_t visits = 0;
  StreamedEnsemble(both.streamed, estimators, counts, Precision::float64)
      .draw(
          addresses,
          [&](std::size_t r, std::size_t i, std::size_t count, const AttentionEstimate& e) {
            ++visits;
            const Matrix& stored = expected[(r * estimators.size() + i) * counts.size() + count];
            const Matrix output = output_of(e);
            if (stored.isZero(0.0)) {
              EXPECT_EQ(output, stored);
            } else {
              expect_equal(output, stored, estimators[i]->spec().text() + " " + what);
            }
          },
          [] { return false; });
  EXPECT_EQ(visits, expected_visits);
}

TEST(StreamedEnsemble, ItsEstimatesAreThoseOfTheStoredProblem) {
  const Both both("gaussian");
  expect_stored_draws(streaming_estimators(), both, "gaussian");
}

TEST(StreamedEnsemble, UnderACausalMaskTheyAreToo) {
  const Both both("ar1,mask=causal");
  std::vector<std::string> names = streaming_estimators();
  std::erase_if(names, [&](const std::string& name) {  // some have no causal form
    try {
      make_estimator(name)->check(both.stored);
      return false;
    } catch (const BadInput&) {
      return true;
    }
  });
  EXPECT_EQ(names.size(), streaming_estimators().size() - 2);
  for (const char* gated : {"rfa:gate=constant:0.9", "rfa:gate=linear:3,normalize=unit",
                            "rfa:gate=linear:3,center=keys", "rfa:gate=constant:0.99,kernel=arccos"})
    names.emplace_back(gated);
  expect_stored_draws(names, both, "causal");
}

TEST(StreamedTarget, IsThatOfTheStoredProblem) {
  for (const char* text : {"gaussian", "ar1,mask=causal"}) {
    const Both both(text);
    std::vector<std::string> names = streaming_estimators();
    if (both.stored.mask == Mask::causal)
      names.insert(names.end(), {"rfa:gate=constant:0.9", "rfa:gate=linear:3,normalize=unit",
                                 "rfa:gate=constant:0.99,kernel=arccos"});
    for (const std::string& name : names) {
      const auto estimator = make_estimator(name);
      expect_equal(estimator->target(both.streamed), estimator->target(both.stored), name + " " + text);
    }
  }
}

TEST(StreamedTarget, SegmentsWorkedOnInAnotherOrderChangeNoBit) {
  const Both both("gaussian");
  const auto backwards = [](std::size_t count, const std::function<void(std::size_t)>& work) {
    while (count > 0) work(--count);
  };
  for (const char* name : {"performer:center=keys", "rfa:kernel=arccos", "rmfa:kernel=log,ppsbn=paper"}) {
    const auto estimator = make_estimator(name);
    EXPECT_EQ(estimator->streamed_target(both.streamed, backwards), estimator->target(both.streamed)) << name;
  }
  for (const char* name : {"exact", "mean-value"}) {
    const auto baseline = make_estimator(name);
    const AttentionEstimate there = streamed_estimate(both.streamed, *baseline, one_by_one);
    const AttentionEstimate back = streamed_estimate(both.streamed, *baseline, backwards);
    EXPECT_EQ(back.numerator, there.numerator) << name;
    EXPECT_EQ(back.denominator, there.denominator) << name;
    EXPECT_EQ(back.log_scale, there.log_scale) << name;
  }
}

// What an estimator takes from all keys has the same bits however the keys come.
TEST(FittedEstimator, SeesEverySegmentAsTheWholeSeesIt) {
  const Both both("ar1");
  for (const char* name : {"performer:center=keys", "rfa:normalize=unit,center=keys", "rmfa:ppsbn=paper",
                           "rmfa:ppsbn=paper,center=keys", "rmfa:ppsbn=code"}) {
    const auto owned = make_estimator(name);
    const auto& estimator = dynamic_cast<const RatioEstimator&>(*owned);
    const AttentionProblem whole = estimator.prepared(both.stored);
    const auto fitted = estimator.fitted_ratio(both.streamed);
    EXPECT_EQ(fitted != nullptr, std::string(name) != "rmfa:ppsbn=code") << name;
    const RatioEstimator& part = fitted ? *fitted : estimator;
    EXPECT_FALSE(part.fitted_ratio(both.streamed)) << name;
    for_each_segment(both.streamed, [&](const SegmentProblem& segment) {
      const AttentionProblem seen = part.prepared(segment.problem);
      EXPECT_EQ(seen.K, whole.K.middleRows(segment.tokens.begin, segment.tokens.size())) << name;
      EXPECT_EQ(seen.Q, whole.Q) << name;
      if (fitted) {  // what a segment alone would say is something else
        EXPECT_NE(estimator.prepared(segment.problem).K, seen.K) << name;
      }
      return true;
    });
  }
}

TEST(FittedEstimator, FitsTheDegreesOfTheWhole) {
  for (const char* text : {"ar1", "ar1,mask=causal"}) {
    const Both both(text);
    for (const char* name : {"rmfa:degrees=optimal", "rmfa:degrees=poisson,center=keys",
                             "rmfa:degrees=fixed,max-degree=3,ppsbn=paper"}) {
      const auto owned = make_estimator(name);
      const auto& estimator = dynamic_cast<const RatioEstimator&>(*owned);
      const auto fitted = estimator.fitted_ratio(both.streamed);
      ASSERT_TRUE(fitted) << name;
      const Vector q = 0.1 * Vector::LinSpaced(5, 1.0, 2.0), k = -q;
      const auto moment = [&](const RatioEstimator& of, const AttentionProblem& problem) {
        return of.map_on(problem)->pair_moment(q, k, k);
      };
      const double expected = moment(estimator, both.stored);
      EXPECT_EQ(moment(*fitted, both.streamed), expected) << name << " " << text;
      AttentionProblem few = both.stored;  // the law can differ
      few.K = 3.0 * few.K.topRows(9).eval();
      few.V = few.V.topRows(9).eval();
      few.mask = Mask::none;
      EXPECT_NE(moment(estimator, few), expected) << name << " " << text;
    }
  }
}

TEST(FittedEstimator, AStreamWhoseKernelHasNoVarianceIsRefusedAsTheStoredProblemIs) {
  for (const char* text : {"gaussian,norm=2", "gaussian,norm=2,mask=causal"}) {
    const Both both(text);
    const bool mask_is_causal = both.stored.mask == Mask::causal;
    for (const char* name : {"rmfa:kernel=inverse", "rmfa:kernel=log,center=none"}) {
      const auto estimator = make_estimator(name);
      const std::string stored = testing::bad_input([&] { estimator->check(both.stored); });
      EXPECT_THAT(stored, HasSubstr("series"));
      EXPECT_EQ(testing::bad_input([&] { estimator->check(both.streamed); }), stored);
    }
    make_estimator("rmfa:kernel=inverse,ppsbn=code")->check(both.streamed);
    EXPECT_THAT(testing::bad_input([&] { make_estimator("rfa:gate=given")->check(both.streamed); }),
                HasSubstr(mask_is_causal ? "0 gates for 16461 keys" : "needs a causal problem"));
  }
}

TEST(StreamedEnsemble, ElementwiseAttentionStreamsToo) {
  for (const char* text : {"gaussian,value-dim=5", "gaussian,value-dim=5,mask=causal"}) {
    const Both both(text);
    expect_stored_draws({"elementwise", "elementwise:degree=3"}, both, text);
    expect_equal(make_estimator("elementwise")->target(both.streamed),
                 make_estimator("elementwise")->target(both.stored), text);
  }
}

// No row of the table is one of these.
class NeedsAllKeys final : public AttentionEstimator {
 public:
  NeedsAllKeys() : AttentionEstimator(parse_spec("needs-all")) {}
  Index dimension(Index) const override { return 0; }
  bool has_moments() const override { return true; }
  std::unique_ptr<SamplerPlan> plan(const AttentionProblem&, std::span<const AttentionEstimator* const>,
                                    const std::vector<Index>&, Precision) const override {
    return nullptr;
  }
};

TEST(StreamedEnsemble, AnEstimatorThatNeedsAllKeysAtOnceIsRefused) {
  const Both both("gaussian");
  const NeedsAllKeys estimator;
  EXPECT_THAT(
      testing::bad_input([&] { StreamedEnsemble(both.streamed, {&estimator}, {4}, Precision::float64); }),
      HasSubstr("needs-all: needs all keys at once"));
  for (const NamedEstimator& row : estimator_table())
    EXPECT_TRUE(make_estimator(std::string(row.name))->streams()) << row.name;
}

// The claim behind streaming, of every row of the table at its defaults: one half of the keys plus the other.
TEST(SumsOverKeys, WhoeverSaysSoIsTheSumOfItsParts) {
  AttentionProblem whole = make_synthetic(parse_synthetic("gaussian,length=40,dim=4"));
  whole.Q = whole.Q.topRows(3).eval();
  whole.positions.resize(3);
  const auto part = [&](Index first, Index count) {
    AttentionProblem problem = whole;
    problem.K = whole.K.middleRows(first, count);
    problem.V = whole.V.middleRows(first, count);
    return problem;
  };
  const AttentionProblem a = part(0, 13), b = part(13, 27);
  int sums = 0;
  for (const NamedEstimator& row : estimator_table()) {
    const auto estimator = make_estimator(std::string(row.name));
    const AttentionEstimator* group[] = {estimator.get()};
    const auto kernel_sum = [&](const AttentionProblem& problem) {
      Matrix sum;
      const auto plan = estimator->plan(problem, group, {4}, Precision::float64);
      plan->sampler()->draw({3, 0, 0}, [&](std::size_t, std::size_t, const AttentionEstimate& e) {
        sum.resize(e.numerator.rows(), e.numerator.cols() + 1);
        sum << e.numerator, e.denominator;
        sum = e.log_scale.array().exp().matrix().asDiagonal() * sum;
      });
      return sum;
    };
    const Matrix all = kernel_sum(whole), parts = kernel_sum(a) + kernel_sum(b);
    const bool adds_up = (all - parts).cwiseAbs().maxCoeff() < 1e-12 * all.cwiseAbs().maxCoeff();
    EXPECT_TRUE(adds_up || !estimator->sums_over_keys() || row.name == "zero") << row.name;
    sums += estimator->sums_over_keys() ? 1 : 0;
    if (row.name == "lara" || row.name == "eva") {
      EXPECT_FALSE(adds_up) << row.name;  // the claim can fail
    }
  }
  EXPECT_EQ(sums, 6);
}

}  // namespace
}  // namespace attngap
