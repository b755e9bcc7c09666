#include "analysis/prediction.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/eva_groups.hpp"
#include "tests/house_problem.hpp"
#include "tests/predicted.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

namespace attngap {
namespace {

using namespace testing_tools;

struct GroupSums {
  Vector bias = Vector::Zero(2), variance = Vector::Zero(2);
  double ew2 = 1.0;
};

// Of one query of EVA and one direction a group, key by key: C is E over N(μ, I) of exp(w·z + |μ|² − |q|² −
// |k|²/2 − |k'|²/2)/Z² with z = 2q + k + k' − 2μ.
GroupSums sums_of_groups(const AttentionProblem& problem, const PreparedRows<double>& rows,
                         const EvaLayout& layout, const EvaWindow& part, Index query) {
  const Vector q = rows.Q.row(query);
  const double Z = (rows.K * q).array().exp().sum();
  GroupSums sums;
  for (const Index place : part.groups) {
    const EvaGroup& group = layout.groups[static_cast<std::size_t>(place)];
    std::vector<Index> keys;
    for (const Segment& own : group.tokens)
      for (Index k = own.begin; k < own.end; ++k) keys.push_back(k);
    double mass = 0.0, own_ew2 = 0.0;
    Vector A = Vector::Zero(2);
    for (const Index k : keys) {
      mass += std::exp(q.dot(rows.K.row(k))) / Z;
      A += std::exp(q.dot(rows.K.row(k))) / Z * problem.V.row(k).transpose();
    }
    A /= mass;
    for (const Index j : keys)
      for (const Index k : keys) {
        const Vector kj = rows.K.row(j), kk = rows.K.row(k), z = 2.0 * q + kj + kk - 2.0 * group.mean;
        const double C = std::exp(z.dot(group.mean) + 0.5 * z.squaredNorm() + group.mean.squaredNorm() -
                                  q.squaredNorm() - 0.5 * kj.squaredNorm() - 0.5 * kk.squaredNorm()) /
                         (Z * Z);
        const Vector left = problem.V.row(j).transpose() - A, right = problem.V.row(k).transpose() - A;
        sums.bias -= C / mass * right;
        sums.variance += C * left.cwiseProduct(right);
        own_ew2 += C / (mass * mass);
      }
    sums.ew2 = std::max(sums.ew2, own_ew2);
  }
  return sums;
}

// The definition: groups are ratios of their own, with C_mm' = E[h_m h_m'] of w ~ N(μ, I) pair by pair.
TEST(PredictionOfEva, IsTheSumOverItsGroups) {
  const AttentionProblem problem = house_problem(16, {7, 23, 4, 2, 0.6});
  for (const char* name :
       {"eva:groups=3,window=2", "eva:groups=1,window=0,proposal=zero", "eva:draws=5,window=3"}) {
    const auto estimator = make_estimator(name);
    const EvaOptions options = eva_options(estimator->spec());
    const Index m = 4;
    const PredictionsAt all(*estimator, problem, {m});
    const RatioPrediction& said = all.at(0);
    const auto S = static_cast<double>(options.draws_at(m));
    const PreparedRows<double> rows(problem);
    const EvaLayout layout(problem, rows, options.shape, options.chunks_at(m));
    for (const EvaWindow& part : layout.windows)
      for (const Index i : part.window.queries) {
        const GroupSums sums = sums_of_groups(problem, rows, layout, part, i);
        EXPECT_LT((said.bias_at(m).row(i).transpose() - sums.bias / S).norm(),
                  1e-11 * sums.bias.norm() + 1e-14);
        EXPECT_LT((said.variance_at(m).row(i).transpose() - sums.variance / S).norm(),
                  1e-11 * sums.variance.norm() + 1e-15)
            << name;
        EXPECT_NEAR(said.ew2(i), sums.ew2, 1e-11 * sums.ew2);
        EXPECT_EQ(said.condition(i, m), S >= 10.0 * sums.ew2 * sums.ew2 ? "ok" : "not-valid");
      }
  }
}

// One group with μ = 0 and no window is the ratio of positive features.
TEST(PredictionOfEva, OfOneStandardGroupIsThatOfThePerformer) {
  const AttentionProblem problem = house_problem(5, {3, 7, 5, 2, 0.4});
  const PredictionsAt eva(*make_estimator("eva:groups=1,window=0,proposal=zero"), problem, {50});
  const RatioPrediction performer = predict(as_ratio(make_estimator("performer")), problem);
  EXPECT_LT((eva.at(0).bias_at(50) - performer.bias_at(50)).norm(), 1e-11 * performer.bias_at(50).norm());
  EXPECT_LT((eva.at(0).variance_at(50) - performer.variance_at(50)).norm(),
            1e-11 * performer.variance_at(50).norm());
  EXPECT_LT((eva.at(0).ew2 - performer.ew2).norm(), 1e-12 * performer.ew2.norm());
}

TEST(PredictionOfEva, IsThatOfSimulatedOutputs) {
  const AttentionProblem problem = house_problem(5, {3, 7, 5, 2, 0.3});
  const auto estimator = make_estimator("eva:groups=2,window=0");
  const Index m = 120;
  const PredictionsAt said(*estimator, problem, {m});
  EXPECT_EQ(said.at(0).condition(1, m), "ok");
  const Moments moments = simulate(*estimator, problem, 1, m, 4000)[0];
  const double predicted = said.at(0).variance_at(m)(1, 0), margin = left_out(said.at(0).ew2(1), m);
  EXPECT_TRUE(variance_agrees(moments, predicted, margin));
  EXPECT_FALSE(variance_agrees(moments, 1.35 * predicted, margin));
  EXPECT_FALSE(variance_agrees(moments, predicted / 1.35, margin));
}

}  // namespace
}  // namespace attngap
