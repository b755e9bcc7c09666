#include "estimators/decomposition.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/eva_layout.hpp"
#include "tests/house_problem.hpp"
#include "tests/snis_reference.hpp"

#include <cmath>

#include <gtest/gtest.h>

namespace attngap {
namespace {

using testing_tools::gaussian_expectation;
using testing_tools::house_problem;
using testing_tools::SnisReference;

constexpr StreamAddress kAddress{3, 1, 4};

// C_mm' = E[h_m h_m'] of the keys of one query: π_m π_m' for keys of the exact set and of different groups;
// within a group by quadrature over w ~ N(μ, I) of h_m = N(w; 0, I)/(Z N(w; μ, I)) ξ(q, w) ξ(k_m, w).
Matrix covariance_by_quadrature(const AttentionProblem& problem, const EvaShape& shape, Index chunks,
                                Index query) {
  const SnisReference reference(problem);
  const EvaLayout layout(problem, PreparedRows<double>(problem), shape, chunks);
  const Vector pi = reference.softmax(query), q = reference.Q.row(query);
  const double Z = (reference.K * q).array().exp().sum();
  Matrix C = pi * pi.transpose();
  for (const EvaWindow& part : layout.windows) {
    if (std::find(part.window.queries.begin(), part.window.queries.end(), query) == part.window.queries.end())
      continue;
    for (const Index place : part.groups) {
      const EvaGroup& group = layout.groups[static_cast<std::size_t>(place)];
      std::vector<Index> members;
      for (const Segment& keys : group.tokens)
        for (Index m = keys.begin; m < keys.end; ++m) members.push_back(m);
      const auto count = static_cast<Index>(members.size());
      const Vector products = gaussian_expectation(group.mean, 1.0, [&](const Vector& w) {
        Vector h(count);
        const double density_ratio = std::exp(-w.dot(group.mean) + 0.5 * group.mean.squaredNorm());
        for (Index i = 0; i < count; ++i)
          h(i) = density_ratio / Z * SnisReference::feature(q, w) *
                 SnisReference::feature(reference.K.row(members[static_cast<std::size_t>(i)]), w);
        const Matrix outer = h * h.transpose();
        return Vector(Eigen::Map<const Vector>(outer.data(), outer.size()));
      });
      for (Index i = 0; i < count; ++i)
        for (Index j = 0; j < count; ++j)
          C(members[static_cast<std::size_t>(i)], members[static_cast<std::size_t>(j)]) =
              products(i * count + j);
    }
  }
  return C;
}

TEST(EvaDecomposition, RegressionIsTheCoefficientOfTheCovarianceByQuadrature) {
  const auto problem = house_problem(16, {.queries = 7, .head_dim = 2, .spread = 0.7});
  const SnisReference reference(problem);
  for (const char* proposal : {"sum", "keys", "zero"}) {
    const auto estimator = make_estimator(std::string("eva:proposal=") + proposal + ",window=2");
    const EvaShape shape{.window = {.width = 2}, .proposal = proposal_mean_named(proposal)};
    for (const Index query : {0, 4}) {
      const Matrix C = covariance_by_quadrature(problem, shape, 2, query);
      const Vector expected = regression_coefficient(C, reference.softmax(query), problem.V);
      const Vector found = estimator->best_shared_coefficient(problem, query, 2);
      EXPECT_LT((found - expected).norm(), 1e-10 * expected.norm()) << proposal << ", query " << query;
      // The control: the ratio of the covariances of plain random features is another number.
      const Vector other = make_estimator("performer")->best_shared_coefficient(problem, query, 2);
      EXPECT_GT((found - other).norm(), 1e-3 * expected.norm());
    }
  }
}

TEST(ProposalMeans, AreTheSumItsHalfTheKeyAndZero) {
  const Vector q = testing_tools::vector_of({1.0, -2.0}), k = testing_tools::vector_of({0.5, 4.0});
  const auto mean = [&](const char* name) { return proposal_mean(proposal_mean_named(name), q, k); };
  EXPECT_EQ(mean("sum"), testing_tools::vector_of({1.5, 2.0}));
  EXPECT_EQ(mean("half"), testing_tools::vector_of({0.75, 1.0}));
  EXPECT_EQ(mean("keys"), k);
  EXPECT_EQ(mean("zero"), testing_tools::vector_of({0.0, 0.0}));
}

TEST(EvaDecomposition, DirectionSumsAverageToTheDraw) {
  const auto problem = house_problem(17, {.queries = 7});
  for (const char* name :
       {"eva:draws=4,window=2", "eva:groups=3,window=2", "lara:draws=4", "lara:draws=4,weights=paper"}) {
    const KeyWeights weights = make_estimator(name)->key_weights(problem, 3, 4, kAddress);
    ASSERT_EQ(weights.direction_sums.rows(), 4) << name;
    const Vector mean = weights.direction_sums.colwise().mean();
    EXPECT_NEAR(mean(2), weights.drawn.sum(), 1e-12 * std::abs(mean(2))) << name;
    EXPECT_LT((mean.head(2) - problem.V.transpose() * weights.drawn).norm(), 1e-11) << name;
  }
}

}  // namespace
}  // namespace attngap
