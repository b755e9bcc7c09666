// Claims about control variates: attention estimates as sums over keys of g_m − β_m h_m + β_m E h_m, with
// g_m = h_m v_m, and EVA's groups of keys.

#include "analysis/claim_checks.hpp"
#include "analysis/claim_families.hpp"
#include "analysis/claim_numerics.hpp"
#include "analysis/claim_snis.hpp"
#include "estimators/decomposition.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/eva_groups.hpp"
#include "estimators/exact_attention.hpp"

#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace attngap {
namespace {

constexpr Index kDraws = 11;
constexpr ProblemShape kLine{.queries = 1, .keys = 5, .head_dim = 1, .value_dim = 1, .spread = 0.7};
constexpr ProblemShape kSelf{.queries = 7, .keys = 7, .head_dim = 5, .value_dim = 2, .spread = 0.5};

const NormalGrid& line_grid() {
  static const NormalGrid grid = normal_grid(normal_trapezoid(), 1);
  return grid;
}

Finding fixed_coefficient(const ClaimSettings& settings) {
  ExactCheck check(settings);
  for (std::uint32_t r = 0; r < 3; ++r) {
    const AttentionProblem problem = random_problem(settings, 300 + r, kLine);
    Snis snis(problem);
    const Vector h = snis.importance(0, line_grid().points);
    const Vector g = h.cwiseProduct(snis.integrand(line_grid().points).col(0));
    for (const double beta : {-3.0, 0.0, 0.5, 20.0})
      check.equal((g - beta * h).dot(line_grid().weights) + beta, exact_attention(problem).output(0, 0),
                  fmt::format("instance {}, β = {:g}", r, beta), 1.0 + std::abs(beta));
  }
  return check.finding("E[g - βh + β] by quadrature against softmax attention");
}

// The coefficient g/h that RFA draws: g − β̂h + β̂ = g/h.
Finding random_coefficient(const ClaimSettings& settings) {
  ExactCheck check(settings);
  for (std::uint32_t r = 0; r < 3; ++r) {
    const AttentionProblem problem = random_problem(settings, 310 + r, kLine);
    Snis snis(problem);
    const Vector h = snis.importance(0, line_grid().points), f = snis.integrand(line_grid().points).col(0);
    const Vector estimate = h.cwiseProduct(f) - f.cwiseProduct(h) + f;
    check.equal(estimate.dot(line_grid().weights), exact_attention(problem).output(0, 0),
                fmt::format("instance {}, β = g/h", r), 0.1);
  }
  return check.finding("E[g - βh + β] with a coefficient of the same draw, against softmax attention");
}

Decomposition decomposed(const AttentionEstimator& estimator, const AttentionProblem& problem, Index query,
                         const StreamAddress& address, Coefficient coefficient) {
  const KeyWeights weights = estimator.key_weights(problem, query, kDraws, address);
  return decompose(weights, problem.V.topRows(weights.drawn.size()), {coefficient, 1, nullptr});
}

Finding rfa_shares_a_coefficient(const ClaimSettings& settings) {
  ExactCheck check(settings);
  for (const auto* name : {"performer", "rfa", "rmfa:known=constant", "performer:projection=orthogonal"}) {
    const auto estimator = make_estimator(name);
    for (std::uint32_t r = 0; r < 3; ++r) {
      const AttentionProblem problem = random_problem(settings, 320 + r, {});
      const StreamAddress address{settings.seed, 320, r};
      const Matrix output = one_output(*estimator, problem, kDraws, address);
      for (Index n = 0; n < problem.queries(); ++n) {
        const Decomposition parts = decomposed(*estimator, problem, n, address, Coefficient::ratio);
        check.equal(parts.estimate(0), output(n, 0), fmt::format("{}, instance {}, query {}", name, r, n),
                    1.0);
      }
    }
  }
  return check.finding("Σ_m (g_m - β h_m + β π_m), β = g/h, against the estimate of the same draw");
}

Finding own_coefficients_are_softmax(const ClaimSettings& settings) {
  ExactCheck check(settings);
  for (const auto* name : {"performer", "rfa", "rmfa", "ra", "lara"}) {
    const auto estimator = make_estimator(name);
    for (std::uint32_t r = 0; r < 3; ++r) {
      const AttentionProblem problem = random_problem(settings, 330 + r, {});
      const Matrix exact = exact_attention(problem).output;
      for (Index n = 0; n < problem.queries(); ++n) {
        const Decomposition parts =
            decomposed(*estimator, problem, n, {settings.seed, 330, r}, Coefficient::key);
        check.equal(parts.estimate(0), exact(n, 0), fmt::format("{}, instance {}, query {}", name, r, n),
                    1.0);
      }
    }
  }
  return check.finding("Σ_m (g_m - v_m h_m + v_m π_m) of random draws against softmax attention");
}

// Variance of Σ_m h_m (v_m − β) of one direction, from C = E[h h'] and E h = π.
double shared_variance(const Matrix& C, const Vector& pi, const Vector& v, double beta) {
  const Vector rest = v.array() - beta;
  return rest.dot(C * rest) - std::pow(pi.dot(rest), 2);
}

Finding ratio_is_the_best_shared_coefficient(const ClaimSettings& settings) {
  ExactCheck check(settings);
  const auto performer = make_estimator("performer");
  for (std::uint32_t r = 0; r < 3; ++r) {
    const AttentionProblem problem = random_problem(settings, 340 + r, {});
    const Matrix C = performer->key_covariance(problem, 0);
    const Vector pi = Snis(problem).softmax(0), v = problem.V.col(0);
    const double best = regression_coefficient(C, pi, problem.V)(0);
    check.at_most(shared_variance(C, pi, v, pi.dot(v)), shared_variance(C, pi, v, best),
                  fmt::format("instance {}, β = A = {:.3f} against Cov(g,h)/Var(h) = {:.3f}, variance", r,
                              pi.dot(v), best));
  }
  return check.finding("variance with β → A, the ratio's, against the best shared coefficient's");
}

Finding eva_is_grouped(const ClaimSettings& settings) {
  ExactCheck check(settings);
  for (const auto* name :
       {"eva:window=2,groups=3", "eva:window=0,groups=2", "eva:window=3,groups=2,overlap=on"}) {
    const auto eva = make_estimator(name);
    for (std::uint32_t r = 0; r < 3; ++r) {
      const AttentionProblem problem = random_problem(settings, 350 + r, kSelf);
      const StreamAddress address{settings.seed, 350, r};
      const Matrix output = one_output(*eva, problem, kDraws, address);
      for (Index n = 0; n < problem.queries(); ++n) {
        const Decomposition parts = decomposed(*eva, problem, n, address, Coefficient::group);
        check.equal(parts.estimate(0), output(n, 0), fmt::format("{}, instance {}, query {}", name, r, n),
                    1.0);
      }
    }
  }
  return check.finding("EVA against the sum of its keys' control variates, a coefficient a group");
}

void check_softmax(const char* name, Index count, const ClaimSettings& settings, ExactCheck& check) {
  const auto eva = make_estimator(name);
  for (std::uint32_t r = 0; r < 3; ++r) {
    const AttentionProblem problem = random_problem(settings, 360 + r, kSelf);
    const Matrix output = one_output(*eva, problem, count, {settings.seed, 360, r});
    const Matrix exact = exact_attention(problem).output;
    for (Index i = 0; i < exact.rows(); ++i)
      check.equal(output(i, 0), exact(i, 0),
                  fmt::format("{} at m = {}, instance {}, query {}", name, count, r, i), 1.0);
  }
}

Finding eva_limits(const ClaimSettings& settings) {
  ExactCheck check(settings);
  check_softmax("eva:window=7", 3, settings, check);  // everything in the window
  check_softmax("eva:window=0", 7, settings, check);  // a group a key
  check_softmax("eva:window=2", 7, settings, check);
  const auto eva = make_estimator("eva:window=0,groups=1,proposal=zero");
  for (std::uint32_t r = 0; r < 3; ++r) {
    const AttentionProblem problem = random_problem(settings, 370 + r, kSelf);
    const StreamAddress address{settings.seed, 370, r};
    const Matrix output = one_output(*eva, problem, kDraws, address);
    Snis snis(problem);
    const EvaOptions options = eva_options(eva->spec());
    const EvaLayout layout(problem, snis.rows(), options.shape, 1);
    const Matrix W = eva_directions(layout, kDraws, 1, problem.head_dim(), 1.0, address);
    for (Index n = 0; n < problem.queries(); ++n) {
      const Vector weights = snis.importance(n, W);
      check.equal(output(n, 0), weights.dot(snis.integrand(W).col(0)) / weights.sum(),
                  fmt::format("one group, N(0, I), against RFA, instance {}, query {}", r, n), 1.0);
    }
  }
  return check.finding("EVA with a window or singletons against softmax, with one group against RFA");
}

Finding released_eva_limit(const ClaimSettings& settings) {
  ExactCheck check(settings);
  check_softmax("eva:window=7,cover=everything", 2, settings, check);
  check.note("the window holds every key, and the groups count them again");
  return check.finding("EVA with the released code's overlapping groups and every key in the window");
}

Finding released_group_mass(const ClaimSettings& settings) {
  ExactCheck check(settings);
  const AttentionProblem problem = random_problem(settings, 380, {.keys = 4});
  for (Index n = 0; n < problem.queries(); ++n) {
    const Vector logits = problem.K * problem.Q.row(n).transpose();
    const double mass = logits.array().exp().sum();
    check.equal(std::exp(logits.mean()), mass, fmt::format("query {}, group of 4", n));
    check.note(fmt::format("with the count {:.4f}", 4.0 * std::exp(logits.mean())));
  }
  return check.finding("exp(q·k̄) against the mass of a group, Σ exp(q·k)");
}

// Mean square error of EVA with exact masses at query 0 in one dimension: (Σ Π_c (E β̂_c − A_c))² +
// Σ Π_c² Var β̂_c.
double eva_error(const AttentionProblem& problem, Index groups) {
  const PreparedRows<double> rows(problem);
  const EvaLayout layout(problem, rows, EvaShape{}, groups);
  KeyPool pool(rows, KeyPool::Bias::features), logits(rows, KeyPool::Bias::logits);
  double bias = 0.0, variance = 0.0;
  for (std::size_t c = 0; c < layout.groups.size(); ++c) {
    const EvaGroup& group = layout.groups[c];
    pool.start(line_grid().points.array() + group.mean(0));
    logits.start(rows.Q.topRows(1));
    for (const Segment tokens : group.tokens) {
      pool.absorb(tokens);
      logits.absorb(tokens);
    }
    const Vector f = pool.average().col(0);
    const double mean = f.dot(line_grid().weights),
                 mass = layout.windows.front().mass(0, static_cast<Index>(c));
    bias += mass * (mean - logits.average()(0, 0));
    variance += mass * mass * (f.array() - mean).square().matrix().dot(line_grid().weights);
  }
  return bias * bias + variance;
}

constexpr ProblemShape kTokens{.queries = 12, .keys = 12, .head_dim = 1, .value_dim = 1, .spread = 0.8};

Finding refining_always_helps(const ClaimSettings& settings) {
  ExactCheck check(settings);
  for (std::uint32_t r = 0; r < 200; ++r) {
    const AttentionProblem problem = random_problem(settings, 400 + r, kTokens);
    check.at_most(eva_error(problem, 4), eva_error(problem, 2),
                  fmt::format("instance {}, MSE of 4 groups", r), 1e-3);
  }
  return check.finding("MSE of EVA with 4 groups against the 2 groups they refine, by quadrature");
}

Finding refining_helps_on_average(const ClaimSettings& settings) {
  MeanWithin share{"MSE with 4 groups over the sum of MSEs with 4 and 2", {}, 0.5};
  for (std::uint32_t r = 0; r < 1000; ++r) {
    const AttentionProblem problem = random_problem(settings, 400 + r, kTokens);
    const double fine = eva_error(problem, 4), coarse = eva_error(problem, 2);
    share.errors.add(fine / (fine + coarse));
  }
  return judge_means({&share, 1}, 0.5);
}

constexpr std::array kClaims{
    Claim{"cv-unbiased-fixed-coefficient", "a control variate estimate is unbiased for any fixed coefficient",
          "E[g - βh + β E h] = A", "Zheng et al. 2023, section 2", "β does not depend on the draw",
          "quadrature in one dimension", "control-variates,identity", Verdict::proven, &fixed_coefficient},
    Claim{"cv-unbiased-random-coefficient", "it is unbiased for any coefficient, RFA's and EVA's among them",
          "E[g - β̂h + β̂ E h] = A, β̂ = g/h", "Zheng et al. 2023, as it is often read", "β̂ of the same draw",
          "quadrature in one dimension", "control-variates", Verdict::refuted, &random_coefficient},
    Claim{"rfa-shares-a-coefficient",
          "RFA is a sum of local control variate estimates with one shared coefficient",
          "RFA = Σ_m (g_m - β̂ h_m + β̂ π_m), β̂ = g/h", "Zheng et al. 2023, section 3.1", "any ratio estimator",
          "pathwise identity", "control-variates,identity", Verdict::proven, &rfa_shares_a_coefficient},
    Claim{"ratio-is-the-best-shared-coefficient", "RFA's coefficient is the best of all shared ones",
          "Var at β = A <= Var at β = Cov(g, h)/Var(h)", "as Zheng et al. 2023 may be read", "one direction",
          "closed-form covariance", "control-variates", Verdict::refuted,
          &ratio_is_the_best_shared_coefficient},
    Claim{"own-coefficients-are-softmax",
          "with each key's best coefficient the estimate is softmax, draw by draw",
          "β_m = v_m: Σ_m (g_m - v_m h_m + v_m π_m) = A", "Zheng et al. 2023, section 3.2", "any estimator",
          "pathwise identity", "control-variates,identity", Verdict::proven, &own_coefficients_are_softmax},
    Claim{"eva-grouped-form", "EVA is the sum of control variates with a coefficient a group",
          "EVA = Σ_E π_m v_m + Σ_c Π_c β̂_c", "Zheng et al. 2023, section 4", "exact masses, disjoint sets",
          "pathwise identity", "control-variates,identity", Verdict::proven, &eva_is_grouped},
    Claim{"eva-limits", "EVA reaches from RFA to softmax",
          "E = all keys or singletons: softmax; no window, one group, μ = 0: RFA",
          "Zheng et al. 2023, section 4", "exact masses, disjoint sets", "pathwise identity",
          "control-variates,identity", Verdict::proven, &eva_limits},
    Claim{"eva-released-limit", "with every key in the window the released EVA is softmax attention",
          "E = all keys: softmax", "released code of Zheng et al. 2023", "groups cover the whole sequence",
          "pathwise", "control-variates,released", Verdict::refuted, &released_eva_limit},
    Claim{"eva-released-mass", "the released code's weight of a group is its mass", "exp(q·k̄) = Σ_P exp(q·k)",
          "released code of Zheng et al. 2023", "k̄ the mean key", "evaluation", "control-variates,released",
          Verdict::refuted, &released_group_mass},
    Claim{"eva-refining-always-helps", "refining the groups never raises EVA's error",
          "MSE(4 groups) <= MSE(2 groups)", "Zheng et al. 2023, as a theorem", "d = 1, one draw a group",
          "quadrature on random problems", "control-variates", Verdict::refuted, &refining_always_helps},
    Claim{"eva-refining-helps-on-average", "refining the groups lowers EVA's error on typical data",
          "E[MSE(4)/(MSE(4) + MSE(2))] < 1/2", "Zheng et al. 2023", "independent normal tokens, d = 1",
          "test over random problems, each by quadrature; one-sided, for the share is positive",
          "control-variates,simulation", Verdict::equivalent, &refining_helps_on_average},
};

}  // namespace

std::span<const Claim> control_variate_claims() {
  return kClaims;
}

}  // namespace attngap
