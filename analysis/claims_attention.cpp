// Claims about attention outputs: RFA and Performer as self-normalised importance sampling, Randomized
// Attention. ξ(x, w) = exp(w·x − |x|²/2), p_n the density whose mean of f is softmax attention.

#include "analysis/claim_checks.hpp"
#include "analysis/claim_families.hpp"
#include "analysis/claim_numerics.hpp"
#include "analysis/claim_snis.hpp"
#include "analysis/unbiasedness.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/exact_attention.hpp"
#include "estimators/projection.hpp"
#include "estimators/proposals.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include <fmt/format.h>

namespace attngap {
namespace {

constexpr Index kDraws = 11;
constexpr ProblemShape kLine{.queries = 1, .keys = 5, .head_dim = 1, .value_dim = 1, .spread = 0.7};
constexpr ProblemShape kPlane{.queries = 1, .keys = 4, .head_dim = 2, .value_dim = 1, .spread = 0.7};

Finding rfa_is_snis(const ClaimSettings& settings) {
  ExactCheck check(settings);
  const auto performer = make_estimator("performer");
  for (std::uint32_t r = 0; r < 5; ++r) {
    const AttentionProblem problem = random_problem(settings, 100 + r, {});
    const StreamAddress address{settings.seed, 100, r};
    Matrix Omega(kDraws, problem.head_dim());
    projection_named("iid").draw(address, Omega);
    Snis snis(problem);
    const Matrix f = snis.integrand(Omega), output = one_output(*performer, problem, kDraws, address);
    for (Index n = 0; n < problem.queries(); ++n) {
      const Vector weights = snis.importance(n, Omega);
      const Vector ratio = f.transpose() * weights / weights.sum();
      for (Index c = 0; c < ratio.size(); ++c)
        check.equal(output(n, c), ratio(c), fmt::format("instance {}, query {}, channel {}", r, n, c), 0.1);
    }
  }
  return check.finding("performer's output against Σ W f/Σ W at the same directions");
}

// W(w) = p̃(w)/N(w; 0, I) of trigonometric features: Σ_m e^{(|q|²+|k_m|²)/2} cos w·(q − k_m)/Z.
Finding trigonometric_density(const ClaimSettings& settings) {
  const AttentionProblem problem = random_problem(settings, 110, {.spread = 0.8});
  const Matrix W = random_matrix(settings, 340, 4000, problem.head_dim());
  const double log_normalizer = exact_attention(problem).log_normalizer(0);
  Vector weights = Vector::Zero(W.rows());
  for (Index m = 0; m < problem.keys(); ++m) {
    const Vector difference = (problem.Q.row(0) - problem.K.row(m)).transpose();
    const double norms = 0.5 * (problem.Q.row(0).squaredNorm() + problem.K.row(m).squaredNorm());
    weights.array() += std::exp(norms - log_normalizer) * (W * difference).array().cos();
  }
  ExactCheck check(settings);
  check.at_least(weights.minCoeff(), 0.0, "smallest W of 4000 directions", 1.0);
  check.note(fmt::format("{:.1f} % of the directions have W < 0, and the mean of W is {:.3f}",
                         100.0 * (weights.array() < 0).cast<double>().mean(), weights.mean()));
  return check.finding("importance weight W of trigonometric features against 0");
}

Finding ra_density_is_a_mixture(const ClaimSettings& settings) {
  ExactCheck check(settings);
  for (std::uint32_t r = 0; r < 5; ++r) {
    const AttentionProblem problem = random_problem(settings, 120 + r, {});
    Snis snis(problem);
    const Matrix W = random_matrix(settings, 350 + r, 3, problem.head_dim());
    for (Index n = 0; n < problem.queries(); ++n) {
      const Vector found = snis.importance(n, W), pi = snis.softmax(n);
      for (Index j = 0; j < W.rows(); ++j) {
        double mixture = 0.0;  // relative to N(w; 0, I)
        for (Index m = 0; m < problem.keys(); ++m) {
          const Vector mean = (problem.Q.row(n) + problem.K.row(m)).transpose();
          mixture += pi(m) * std::exp(W.row(j).dot(mean) - 0.5 * mean.squaredNorm());
        }
        check.equal(found(j), mixture, fmt::format("instance {}, query {}, point {}", r, n, j));
      }
    }
  }
  return check.finding("p_n(w)/N(w; 0, I) against Σ π_m N(w; q+k_m, I)/N(w; 0, I)");
}

// E RA by quadrature where the noise about q + k_m has this deviation.
Vector ra_mean(const AttentionProblem& problem, double deviation) {
  static const NormalGrid line = normal_grid(normal_trapezoid(), 1),
                          plane = normal_grid(normal_trapezoid(), 2);
  const NormalGrid& grid = problem.head_dim() == 1 ? line : plane;
  Snis snis(problem);
  const Vector pi = snis.softmax(0);
  Vector mean = Vector::Zero(problem.value_dim());
  for (Index m = 0; m < problem.keys(); ++m) {
    const Eigen::RowVectorXd centre = snis.rows().Q.row(0) + snis.rows().K.row(m);
    const Matrix W = (deviation * grid.points).rowwise() + centre;
    mean += pi(m) * snis.integrand(W).transpose() * grid.weights;
  }
  return mean;
}

Finding ra_is_unbiased(const ClaimSettings& settings) {
  ExactCheck check(settings);
  for (std::uint32_t r = 0; r < 4; ++r) {
    const AttentionProblem problem = random_problem(settings, 130 + r, r < 2 ? kLine : kPlane);
    check.equal(ra_mean(problem, noise_deviation(false, problem.scale))(0),
                exact_attention(problem).output(0, 0),
                fmt::format("instance {}, d = {}", r, problem.head_dim()), 0.1);
  }
  return check.finding("E f(w), w ~ p_n, by the trapezoid rule, against softmax attention");
}

Finding released_ra_is_unbiased(const ClaimSettings& settings) {
  ExactCheck check(settings);
  for (std::uint32_t r = 0; r < 4; ++r) {
    AttentionProblem problem = random_problem(settings, 140 + r, r < 2 ? kLine : kPlane);
    problem.scale = 0.25;  // as at d = 16: the noise deviation is 1/2
    problem.Q *= 2.0;
    problem.K *= 2.0;
    check.equal(ra_mean(problem, noise_deviation(true, problem.scale))(0),
                exact_attention(problem).output(0, 0),
                fmt::format("instance {}, d = {}, noise deviation {:g} for 1", r, problem.head_dim(),
                            noise_deviation(true, problem.scale)),
                0.1);
  }
  return check.finding("E f(w) with the released code's noise against softmax attention");
}

Finding simulated(const ClaimSettings& settings, const char* estimator, const ProblemShape& shape,
                  Index draws, double margin, std::uint32_t replicates) {
  const AttentionProblem problem = random_problem(settings, 150, shape);
  const auto made = make_estimator(estimator);
  const UnbiasednessStudy study({*made, problem, draws, margin, settings.seed});
  return study.judge(study.errors(0, replicates));
}

Finding ra_in_simulation(const ClaimSettings& settings) {
  return simulated(settings, "ra", {.queries = 2, .keys = 24, .head_dim = 16, .value_dim = 4}, 64, 0.1, 2000);
}

Finding performer_in_simulation(const ClaimSettings& settings) {
  return simulated(settings, "performer", {.queries = 2, .keys = 24, .head_dim = 4, .spread = 0.8}, 4, 0.01,
                   6000);
}

Finding ratio_is_unbiased(const ClaimSettings& settings) {
  ExactCheck check(settings);
  const AttentionProblem problem = random_problem(settings, 160, kLine);
  const LineRatio ratio(problem);
  const double exact = exact_attention(problem).output(0, 0);
  for (const int S : {1, 4, 16, 64})
    check.equal(ratio.mean(S), exact, fmt::format("S = {}, d = 1, 5 keys", S), 0.1);
  return check.finding("E of the ratio of S positive features, by quadrature, against softmax attention");
}

Finding bias_of_the_ratio(const ClaimSettings& settings) {
  ExactCheck check(settings, 1e-7);  // what is left of the series in 1/S after six terms
  const auto performer = make_estimator("performer");
  for (std::uint32_t r = 0; r < 3; ++r) {
    const AttentionProblem problem = mild_line(settings, 170 + r, kLine);
    const double exact = exact_attention(problem).output(0, 0);
    const Matrix C = performer->key_covariance(problem, 0);
    const double predicted = -(C * (problem.V.col(0).array() - exact).matrix()).sum();
    check.equal(LineRatio(problem).limit_of_scaled_bias(exact), predicted,
                fmt::format("instance {}, E W² = {:.3f}", r, C.sum()), 1.0);
  }
  return check.finding("S·bias of the ratio, extrapolated to S = ∞, against -Σ C_mm' (v_m - A)");
}

Finding identity_3(const ClaimSettings& settings) {
  ExactCheck check(settings);
  static const NormalGrid grid = normal_grid(normal_trapezoid(), 1);
  for (std::uint32_t r = 0; r < 3; ++r) {
    const AttentionProblem problem = random_problem(settings, 180 + r, kLine);
    Snis snis(problem);
    const Vector h = snis.importance(0, grid.points), ratio = snis.integrand(grid.points).col(0);
    const double mean = ratio.dot(grid.weights), mean_h = h.dot(grid.weights);
    const double covariance = ratio.cwiseProduct(h).dot(grid.weights) - mean * mean_h;
    check.equal(mean - exact_attention(problem).output(0, 0), -covariance,
                fmt::format("instance {}, S = 1", r), 0.1);
  }
  return check.finding("bias of one positive feature's ratio, by quadrature, against -Cov(g/h, h)");
}

// The truncated second moment of the ratio of one trigonometric direction at distance ε from the zero of the
// denominator: if the ratio had a second moment, a tenth of ε would add little.
Finding trigonometric_ratio_moment(const ClaimSettings& settings) {
  ExactCheck check(settings);
  const TrigonometricLine line(random_problem(settings, 240, kLine));
  const double zero = line.zero_of_denominator();
  double previous = 0.0;
  for (const double epsilon : {1e-2, 1e-3, 1e-4, 1e-5}) {
    const double moment = line.truncated_second_moment(zero, epsilon);
    if (previous > 0)
      check.at_most(moment, 2.0 * previous,
                    fmt::format("E ratio² off |w - {:.4f}| < {:g}, against twice that of ten times the gap",
                                zero, epsilon));
    previous = moment;
  }
  check.note(fmt::format("the numerator is {:.3g} at that zero; {}", line.numerator(zero),
                         trigonometric_simulation(settings)));
  return check.finding("growth of the truncated second moment, d = 1, S = 1, by quadrature");
}

constexpr std::array kClaims{
    Claim{"rfa-is-snis", "the ratio of positive features is self-normalised importance sampling from N(0, I)",
          "RFA_n = Σ_s W f(w_s)/Σ_s W, W = p_n/N(0, I)", "Zheng, Wang and Kong 2022", "positive features",
          "pathwise identity", "attention,identity", Verdict::proven, &rfa_is_snis},
    Claim{"rfa-trigonometric-density",
          "with trigonometric features p_n is a density, so that RFA is a sampler too",
          "W(w) >= 0 for every w", "Zheng, Wang and Kong 2022, applied to RFA", "trigonometric features",
          "evaluation at random directions", "attention", Verdict::refuted, &trigonometric_density},
    Claim{"ra-density-is-a-mixture", "the density RA draws from is a mixture of Gaussians at q + k_m",
          "N(w; 0, I) ξ(q, w) Σ_m ξ(k_m, w)/Z = Σ_m π_m N(w; q + k_m, I)", "Zheng, Wang and Kong 2022",
          "scaled inputs, unit covariance", "pointwise identity", "attention,identity", Verdict::proven,
          &ra_density_is_a_mixture},
    Claim{"ra-unbiased", "Randomized Attention is unbiased for the whole of softmax attention",
          "E f(w) = A, w ~ p_n", "Zheng, Wang and Kong 2022", "positive features, the true p_n",
          "quadrature in one and two dimensions", "attention,identity", Verdict::proven, &ra_is_unbiased},
    Claim{"ra-unbiased-simulated", "Randomized Attention is unbiased in sixteen dimensions too", "E RA = A",
          "Zheng, Wang and Kong 2022", "d = 16, 24 keys, 64 draws", "equivalence test",
          "attention,simulation", Verdict::equivalent, &ra_in_simulation},
    Claim{"ra-released-unbiased", "Randomized Attention as released is unbiased",
          "E RA = A, noise deviation √scale", "released code of Zheng, Wang and Kong 2022", "scale 1/4",
          "quadrature in one and two dimensions", "attention,released", Verdict::refuted,
          &released_ra_is_unbiased},
    Claim{"rfa-ratio-unbiased", "the ratio of positive features is unbiased for softmax attention",
          "E[Σ_s g_s/Σ_s h_s] = A", "as Performer's unbiasedness is often read", "positive features, d = 1",
          "E = S ∫ E[g e^(-th)] (E e^(-th))^(S-1) dt by quadrature", "attention", Verdict::refuted,
          &ratio_is_unbiased},
    Claim{"rfa-ratio-bias-order", "the bias of the ratio is of order 1/S, with a known coefficient",
          "S·bias → -Σ_mm' C_mm' (v_m - A), C = E[h h']", "delta method; Zheng, Wang and Kong 2022",
          "positive features, d = 1", "quadrature, extrapolated in 1/S", "attention,identity",
          Verdict::proven, &bias_of_the_ratio},
    Claim{"rfa-bias-is-a-covariance", "the bias of the ratio is minus its covariance with the denominator",
          "E[g/h] - A = -Cov(g/h, h)", "Zheng et al. 2023", "E h = 1", "quadrature", "attention,identity",
          Verdict::proven, &identity_3},
    Claim{"performer-attention-unbiased", "Performer is an unbiased or nearly unbiased estimate of attention",
          "E o = softmax attention within 1 %", "Choromanski et al. 2021, abstract",
          "4 directions, 24 keys, d = 4", "equivalence test", "attention,simulation", Verdict::refuted,
          &performer_in_simulation},
    Claim{"rfa-trigonometric-mse-exists", "the ratio of trigonometric features has a mean square error",
          "E[(g/h)²] < ∞", "implied by every reported MSE of RFA", "d = 1, S = 1",
          "truncated second moments around a zero of h", "attention", Verdict::refuted,
          &trigonometric_ratio_moment},
};

}  // namespace

std::span<const Claim> attention_claims() {
  return kClaims;
}

}  // namespace attngap
