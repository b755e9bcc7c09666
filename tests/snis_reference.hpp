#pragma once

#include "estimators/attention_problem.hpp"
#include "estimators/random_stream.hpp"

#include <functional>
#include <string_view>
#include <vector>

namespace attngap::testing_tools {

/// Softmax attention's importance-sampling form written down directly, one query at a time: the oracle of the
/// tests of RA, LARA and EVA. q and k are scaled.
struct SnisReference {
  explicit SnisReference(const AttentionProblem& problem);

  Matrix Q, K, V;

  /// π_n, l weights.
  Vector softmax(Index n) const;

  /// ξ(x, w) = exp(w·x − |x|²/2).
  static double feature(const Vector& x, const Vector& w);

  /// f(w) = Σ_m ξ(k_m, w) v_m / Σ_m ξ(k_m, w) over the keys begin … end−1.
  Vector integrand(const Vector& w, Index begin, Index end) const;
  Vector integrand(const Vector& w) const { return integrand(w, 0, K.rows()); }

  /// p_n(w)/N(w; 0, I) = ξ(q_n, w) Σ_m ξ(k_m, w) / Z_n.
  double importance(Index n, const Vector& w) const;

  /// w_ns of Randomized Attention's draw s for query n, from the streams of `address`: n queries, S draws.
  Vector sampled_direction(const StreamAddress& address, Index s, Index n) const;

  /// The ratio of positive random features (RFA, Performer) at the rows of W, n×p.
  Matrix random_feature_attention(const Matrix& W) const;
};

/// E f(μ + ε), ε ~ N(0, σ² I), in one or two dimensions, by a product of trapezoids: exact to rounding for
/// smooth f that grows no faster than exp(5|w|).
Vector gaussian_expectation(const Vector& mean, double deviation,
                            const std::function<Vector(const Vector&)>& f);

/// Mean, variance and mean square error of every entry of the output over independent draws at one count.
struct SimulatedMoments {
  Matrix mean;       ///< n×p
  Matrix variance;   ///< n×p
  Matrix std_error;  ///< of the mean
  double mse = 0.0;  ///< per entry, against the exact answer given
  Index draws = 0;
};
SimulatedMoments simulate(std::string_view estimator, const AttentionProblem& problem, Index count,
                          Index draws, const Matrix& exact);

/// The largest |mean − expected| in standard errors over all entries.
double worst_sigma(const SimulatedMoments& moments, const Matrix& expected);

}  // namespace attngap::testing_tools
