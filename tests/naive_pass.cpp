#include "tests/naive_pass.hpp"

#include "estimators/projection.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace attngap::testing_tools {
namespace {

using Real = long double;

// φ(x)·φ(y) of one direction as factor · exp(exponent).
struct Term {
  Real factor = 1.0L;
  Real exponent = 0.0L;
};

void add_terms(std::string_view features, Real wx, Real wy, Real half_norms, std::vector<Term>& terms) {
  if (features == "trigonometric") {
    terms.push_back({std::sin(wx) * std::sin(wy) + std::cos(wx) * std::cos(wy), half_norms});
  } else if (features == "hyperbolic") {
    terms.push_back({0.5L, wx + wy - half_norms});
    terms.push_back({0.5L, -wx - wy - half_norms});
  } else {
    terms.push_back({1.0L, wx + wy - half_norms});
  }
}

}  // namespace

NaiveAnswer naive_answer(const NaiveRatio& what, const AttentionProblem& problem, Index draws,
                         const StreamAddress& address) {
  Matrix Omega(draws, problem.head_dim());
  projection_named(what.projection).draw(address, Omega);
  if (what.features == "regularized")
    for (Index s = 0; s < draws; ++s)
      Omega.row(s) *= std::sqrt(static_cast<double>(problem.head_dim())) / Omega.row(s).norm();
  Matrix keys = problem.scaled_keys();
  if (what.center_keys) keys.rowwise() -= keys.colwise().mean().eval();
  const Matrix queries = problem.scaled_queries();
  using RealMatrix = RowMatrix<Real>;
  const RealMatrix query_projections = queries.cast<Real>() * Omega.cast<Real>().transpose();
  const RealMatrix key_projections = keys.cast<Real>() * Omega.cast<Real>().transpose();

  NaiveAnswer result{Matrix(problem.queries(), problem.value_dim()), Vector(problem.queries())};
  for (Index i = 0; i < problem.queries(); ++i) {
    std::vector<std::vector<Term>> per_key;
    Real highest = -std::numeric_limits<Real>::infinity();
    for (Index j = 0; j < problem.visible_keys(i); ++j) {
      const Real half_norms =
          0.5L * (queries.row(i).cast<Real>().squaredNorm() + keys.row(j).cast<Real>().squaredNorm());
      per_key.emplace_back();
      for (Index s = 0; s < draws; ++s)
        add_terms(what.features, query_projections(i, s), key_projections(j, s), half_norms, per_key.back());
      for (const Term& term : per_key.back()) highest = std::max(highest, term.exponent);
    }
    Real mass = 0.0L;
    std::vector<Real> totals(static_cast<std::size_t>(problem.value_dim()), 0.0L);
    for (std::size_t j = 0; j < per_key.size(); ++j) {
      Real kernel = 0.0L;
      for (const Term& term : per_key[j]) kernel += term.factor * std::exp(term.exponent - highest);
      mass += kernel;
      for (std::size_t c = 0; c < totals.size(); ++c)
        totals[c] += kernel * problem.V(static_cast<Index>(j), static_cast<Index>(c));
    }
    for (std::size_t c = 0; c < totals.size(); ++c)
      result.ratio(i, static_cast<Index>(c)) = static_cast<double>(totals[c] / mass);
    result.log_denominator(i) =
        static_cast<double>(highest + std::log(std::abs(mass)) - std::log(static_cast<Real>(draws)));
  }
  return result;
}

}  // namespace attngap::testing_tools
