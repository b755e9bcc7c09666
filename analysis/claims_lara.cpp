// Claims about LARA (Zheng, Wang and Kong 2022): multiple importance sampling of Randomized Attention's
// integrand with weights α_nc that sum to one. ξ(x, w) = exp(w·x − |x|²/2).

#include "analysis/claim_checks.hpp"
#include "analysis/claim_families.hpp"
#include "analysis/claim_numerics.hpp"
#include "analysis/claim_snis.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/exact_attention.hpp"
#include "estimators/mis_weights.hpp"
#include "estimators/proposals.hpp"

#include <array>
#include <cmath>

#include <fmt/format.h>

namespace attngap {
namespace {

constexpr Index kDraws = 11;
constexpr ProblemShape kLine{.queries = 1, .keys = 5, .head_dim = 1, .value_dim = 1, .spread = 0.7};

Finding lara_weights_sum_to_one(const ClaimSettings& settings) {
  ExactCheck check(settings);
  for (std::uint32_t r = 0; r < 4; ++r) {
    const AttentionProblem problem = random_problem(settings, 190 + r, {});
    const PreparedRows<double> rows(problem);
    const Matrix means = random_matrix(settings, 360 + r, 4, problem.head_dim());
    const Matrix balance =
        balance_heuristic(log_proposal_ratios(random_matrix(settings, 370 + r, 9, 5), means));
    const Matrix tilt = query_tilt(rows, means, 1.0 + r);
    for (Index w = 0; w < balance.rows(); ++w)
      for (Index n = 0; n < tilt.rows(); ++n)
        check.equal(balance.row(w).sum() + tilt.row(n).sum(), 1.0,
                    fmt::format("instance {}, point {}, query {}, smallest weight {:.2g}", r, w, n,
                                (balance.row(w) + tilt.row(n)).minCoeff()));
  }
  return check.finding("Σ_c α_nc(w) of LARA's weights, negative ones included");
}

// RFA's ratio at given directions: Σ_s W_s f(w_s)/Σ_s W_s.
Vector rfa_at(Snis& snis, Index n, const Matrix& W) {
  const Vector weights = snis.importance(n, W);
  return snis.integrand(W).transpose() * weights / weights.sum();
}

Finding lara_reduces_to_rfa(const ClaimSettings& settings) {
  ExactCheck check(settings);
  const auto lara = make_estimator("lara:proposal=zero,weights=constant");
  for (std::uint32_t r = 0; r < 5; ++r) {
    const AttentionProblem problem = random_problem(settings, 200 + r, {.queries = 7});
    const StreamAddress address{settings.seed, 200, r};
    const Matrix output = one_output(*lara, problem, kDraws, address);
    Snis snis(problem);
    for (Index n = 0; n < problem.queries(); ++n)
      check.equal(output(n, 1), rfa_at(snis, n, proposal_noise(address, {0, kDraws}, 5))(1),
                  fmt::format("instance {}, query {}", r, n), 0.1);
  }
  return check.finding("LARA with proposals N(0, I) and constant weights against RFA at its directions");
}

// One proposal a query, q_n = p_n, α_nc = δ_nc: LARA = f(w_n), which is RA at the same direction.
Finding lara_reduces_to_ra(const ClaimSettings& settings) {
  ExactCheck check(settings);
  const auto ra = make_estimator("ra");
  for (std::uint32_t r = 0; r < 5; ++r) {
    const AttentionProblem problem = random_problem(settings, 210 + r, {});
    const StreamAddress address{settings.seed, 210, r};
    const Matrix output = one_output(*ra, problem, 1, address);
    Snis snis(problem);
    for (Index n = 0; n < problem.queries(); ++n) {
      const Matrix w = ra_direction(problem, snis.softmax(n), n, address);
      const double weight = 1.0 / snis.importance(n, w)(0);  // N(w)/p_n(w)
      const double numerator = weight * snis.importance(n, w)(0) * snis.integrand(w)(0, 1);
      check.equal(output(n, 1), numerator / (weight * snis.importance(n, w)(0)),
                  fmt::format("instance {}, query {}", r, n), 0.1);
    }
  }
  return check.finding("RA's draw against LARA's formula with q_n = p_n and α_nc = δ_nc");
}

// E Σ_c α_c(w_c) p f/q_c (w_c) = ∫ p f Σ α, and E Σ_c α_c p/q_c = 1, with the paper's weights.
Finding unnormalised_lara(const ClaimSettings& settings) {
  ExactCheck check(settings);
  static const NormalGrid grid = normal_grid(normal_trapezoid(), 1);
  for (std::uint32_t r = 0; r < 3; ++r) {
    ProblemShape shape = kLine;
    shape.queries = 3;
    const AttentionProblem problem = random_problem(settings, 220 + r, shape);
    Snis snis(problem);
    const Matrix means = random_matrix(settings, 380 + r, 3, 1);
    const Matrix tilt = query_tilt(snis.rows(), means, 1.0);
    for (Index n = 0; n < 3; ++n) {
      double mean = 0.0, mass = 0.0;
      for (Index c = 0; c < 3; ++c) {  // over w_c ~ N(μ_c, 1)
        const Matrix W = grid.points.array() + means(c, 0);
        const Matrix log_ratios = log_proposal_ratios(W, means);
        const Vector alpha = balance_heuristic(log_ratios).col(c).array() + tilt(n, c);
        const Vector share =
            alpha.array() * snis.importance(n, W).array() * (-log_ratios.col(c).array()).exp();
        mean += share.cwiseProduct(snis.integrand(W).col(0)).dot(grid.weights);
        mass += share.dot(grid.weights);
      }
      check.equal(mean, exact_attention(problem).output(n, 0), fmt::format("instance {}, query {}", r, n),
                  0.1);
      check.equal(mass, 1.0, fmt::format("instance {}, query {}, weights", r, n));
    }
  }
  return check.finding("E of LARA divided by the exact normalizer, by quadrature, against softmax attention");
}

// With one proposal and one draw the self-normalised answer is f(w), w ~ N(μ, 1).
Finding self_normalised_lara(const ClaimSettings& settings) {
  ExactCheck check(settings);
  static const NormalGrid grid = normal_grid(normal_trapezoid(), 1);
  for (std::uint32_t r = 0; r < 3; ++r) {
    const AttentionProblem problem = random_problem(settings, 230 + r, kLine);
    Snis snis(problem);
    const double mean = snis.rows().Q(0, 0) + snis.rows().K.mean();
    const Matrix W = grid.points.array() + mean;
    check.equal(snis.integrand(W).col(0).dot(grid.weights), exact_attention(problem).output(0, 0),
                fmt::format("instance {}, C = 1, μ = {:.3f}", r, mean), 0.1);
  }
  return check.finding("E of self-normalised LARA, by quadrature, against softmax attention");
}

// E of the ratio tends to A like 1/S, with the coefficient of importance sampling from N(μ, 1): log C_mm' =
// |2q + k_m + k_m' − μ|²/2 + |μ|²/2 − |q|² − (|k_m|² + |k_m'|²)/2 − 2 ln Z.
Finding self_normalised_lara_is_consistent(const ClaimSettings& settings) {
  ExactCheck check(settings, 1e-7);  // what is left of the series in 1/S after six terms
  for (std::uint32_t r = 0; r < 3; ++r) {
    const AttentionProblem problem = mild_line(settings, 235 + r, kLine);
    const double q = problem.Q(0, 0), mean = q + problem.K.mean();
    const ExactAttention exact = exact_attention(problem);
    double predicted = 0.0;
    for (const double k : problem.K.col(0))
      for (Index m = 0; m < problem.keys(); ++m) {
        const double other = problem.K(m, 0), sum = 2.0 * q + k + other - mean;
        predicted -= std::exp(0.5 * (sum * sum + mean * mean - k * k - other * other) - q * q -
                              2.0 * exact.log_normalizer(0)) *
                     (problem.V(m, 0) - exact.output(0, 0));
      }
    check.equal(LineRatio(problem, mean).limit_of_scaled_bias(exact.output(0, 0)), predicted,
                fmt::format("instance {}, C = 1, μ = {:.3f}", r, mean), 1.0);
  }
  return check.finding(
      "S·bias of self-normalised LARA, extrapolated to S = ∞, against its finite coefficient");
}

constexpr std::array kClaims{
    Claim{"lara-weights-sum-to-one", "LARA's weights sum to one at every point", "Σ_c α_nc(w) = 1",
          "Zheng, Wang and Kong 2022", "unclamped weights", "identity", "attention,identity", Verdict::proven,
          &lara_weights_sum_to_one},
    Claim{"lara-reduces-to-rfa", "LARA with standard normal proposals and equal weights is RFA",
          "μ_c = 0, α = 1/C: LARA = RFA", "Zheng, Wang and Kong 2022", "positive features",
          "pathwise identity", "attention,identity", Verdict::proven, &lara_reduces_to_rfa},
    Claim{"lara-reduces-to-ra", "LARA with a proposal p_n for each query is RA",
          "q_n = p_n, α_nc = δ_nc: LARA = RA", "Zheng, Wang and Kong 2022", "C = N", "pathwise identity",
          "attention,identity", Verdict::proven, &lara_reduces_to_ra},
    Claim{"lara-unnormalised-unbiased",
          "LARA divided by the exact normalizer is unbiased, negative weights or not",
          "E Σ_c α_nc p_n f/q_c = A", "Zheng, Wang and Kong 2022", "Σ α = 1", "quadrature in one dimension",
          "attention,identity", Verdict::proven, &unnormalised_lara},
    Claim{"lara-self-normalised-unbiased", "LARA as it is used, divided by its own weights, is unbiased",
          "E[g/h] = A", "as Zheng, Wang and Kong 2022 is often read", "C = 1, one draw",
          "quadrature in one dimension", "attention", Verdict::refuted, &self_normalised_lara},
    Claim{"lara-self-normalised-consistent", "the bias of self-normalised LARA vanishes like 1/S",
          "S·bias → -Σ_mm' C_mm' (v_m - A), C of the proposal N(μ, I)", "Zheng, Wang and Kong 2022",
          "C = 1, S draws, d = 1", "quadrature, extrapolated in 1/S", "attention,identity", Verdict::proven,
          &self_normalised_lara_is_consistent},
};

}  // namespace

std::span<const Claim> lara_claims() {
  return kClaims;
}

}  // namespace attngap
