// Claims of Feng, "Element-wise attention is all you need" (2025): what becomes of attention when e^x is
// replaced by its Taylor polynomial T_t of degree t.

#include "analysis/claim_checks.hpp"
#include "analysis/claim_families.hpp"
#include "analysis/claim_numerics.hpp"
#include "estimators/elementwise.hpp"
#include "estimators/taylor.hpp"
#include "estimators/truncation_certificate.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include <boost/math/special_functions/gamma.hpp>
#include <boost/multiprecision/cpp_bin_float.hpp>
#include <fmt/format.h>

namespace attngap {
namespace {

using Wide = boost::multiprecision::cpp_bin_float_100;

// T_t(x) summed with a hundred digits.
Wide wide_taylor(int degree, double x) {
  Wide term = 1, sum = 1;
  for (int n = 1; n <= degree; ++n) sum += term *= Wide(x) / n;
  return sum;
}

Finding incomplete_gamma(const ClaimSettings& settings) {
  ExactCheck check(settings);
  for (const int degree : {0, 1, 2, 5, 6, 13, 24})
    for (const double x : {-40.0, -12.0, -3.3, -0.4, 0.4, 3.3, 12.0, 40.0}) {
      const std::string name = fmt::format("t = {}, x = {:g}", degree, x);
      const Wide ratio = wide_taylor(degree, x) / exp(Wide(x));
      check.equal(taylor_ratio(degree, x), static_cast<double>(ratio), name, 1.0);
      if (x > 0) {
        check.equal(boost::math::gamma_q(degree + 1.0, x), static_cast<double>(ratio),
                    name + ", Q of a library");
        continue;
      }
      // P(t+1, x) = x^{t+1} e^{−x}/t! ∫₀¹ (1−u)^t e^{ux} du, which exists for every real x.
      const double mean =
          integral([&](double u) { return std::pow(1.0 - u, degree) * std::exp(u * x); }, 0.0, 1.0);
      const double relative = std::pow(x, degree + 1) * std::exp(-x - std::lgamma(degree + 1.0)) * mean;
      check.equal(relative, static_cast<double>(1 - ratio), name + ", P as an integral");
    }
  return check.finding("T_t(x) e^(-x) with 100 digits against Q(t+1, x)");
}

Finding even_degree_is_positive(const ClaimSettings& settings) {
  ExactCheck check(settings);
  for (int degree = 2; degree <= 24; degree += 2) {
    const double zero = taylor_zero(degree - 1), floor = taylor_floor(degree);
    check.equal(static_cast<double>(wide_taylor(degree, zero)), floor,
                fmt::format("t = {}, T_t at the zero {:.4f} of T_(t-1)", degree, zero));
    check.equal(std::exp(degree * std::log(-zero) - std::lgamma(degree + 1.0)), floor,
                fmt::format("t = {}, |x*|^t/t!", degree));
    for (double x = -2.0 * degree; x <= 4.0; x += 0.37)
      check.at_least(static_cast<double>(wide_taylor(degree, x)), floor,
                     fmt::format("t = {}, x = {:.2f}", degree, x));
  }
  return check.finding("T_t with 100 digits against its floor |x*|^t/t! > 0");
}

Finding even_terms_are_positive(const ClaimSettings& settings) {
  ExactCheck check(settings);
  for (const int terms : {2, 4, 6})
    for (const double x : {-1.5, -2.5, -4.0})
      check.at_least(static_cast<double>(wide_taylor(terms - 1, x)), 0.0,
                     fmt::format("t = {} terms, degree {}, 2qk = {:g}, weight", terms, terms - 1, x), 1.0);
  check.note(fmt::format("the weights of 2, 4 and 6 terms change sign at {:.4f}, {:.4f} and {:.4f}",
                         taylor_zero(1), taylor_zero(3), taylor_zero(5)));
  return check.finding("weights with an even number of terms against 0");
}

// Explicit weights e^{−k²} T_t(2qk) of one channel over the keys a causal query sees.
double explicit_output(const AttentionProblem& problem, int degree, Index i, Index c) {
  double numerator = 0.0, denominator = 0.0;
  for (Index j = 0; j <= i; ++j) {
    const double k = problem.K(j, c);
    const double weight = std::exp(-k * k) * taylor_exp(degree, 2.0 * problem.Q(i, c) * k);
    numerator += weight * problem.V(j, c);
    denominator += weight;
  }
  return numerator / denominator;
}

constexpr ProblemShape kSmall{.queries = 9, .keys = 9, .head_dim = 3, .value_dim = 3, .spread = 0.6};

Finding three_forms(const ClaimSettings& settings) {
  ExactCheck check(settings);
  ProblemShape causal = kSmall;
  causal.mask = Mask::causal;
  const AttentionProblem problem = random_problem(settings, 800, causal);
  for (const int degree : {2, 4, 6, 12}) {
    const Matrix parallel = elementwise_taylor(problem, degree);
    ElementwiseState state(problem.head_dim(), degree);
    for (Index i = 0; i < problem.queries(); ++i) {
      state.push(problem.K.row(i), problem.V.row(i));
      const Eigen::RowVectorXd recurrent = state.read(problem.Q.row(i));
      for (Index c = 0; c < problem.head_dim(); ++c) {
        const std::string name = fmt::format("t = {}, token {}, channel {}", degree, i, c);
        check.equal(recurrent(c), explicit_output(problem, degree, i, c), name + ", recurrent", 0.1);
        check.equal(parallel(i, c), explicit_output(problem, degree, i, c), name + ", parallel", 0.1);
      }
    }
  }
  return check.finding("recurrent and causal parallel outputs against explicit truncated weights");
}

Finding truncation_converges(const ClaimSettings& settings) {
  ExactCheck check(settings);
  const AttentionProblem problem = random_problem(settings, 810, kSmall);
  const double radius =
      2.0 *
      (problem.Q.cwiseAbs().colwise().maxCoeff().cwiseProduct(problem.K.cwiseAbs().colwise().maxCoeff()))
          .maxCoeff();
  const double range = problem.V.maxCoeff() - problem.V.minCoeff();
  const Matrix full = elementwise_attention(problem);
  for (const double tolerance : {1e-1, 1e-2, 1e-4, 1e-8}) {
    const int degree = degree_for_total_variation(radius, tolerance);
    check.at_most(
        (elementwise_taylor(problem, degree) - full).cwiseAbs().maxCoeff(), tolerance * range,
        fmt::format("max|2qk| = {:.3f}, TV <= {:g} at degree {}, error", radius, tolerance, degree));
  }
  const double accurate =
      (elementwise_taylor(problem, degree_for_total_variation(radius, 1e-14)) - full).cwiseAbs().maxCoeff();
  check.at_most(accurate, 1e-12, "at the degree for 1e-14, error", 1.0);
  for (const double R : {64.0, 256.0, 1024.0})
    check.at_most(std::abs(degree_for_total_variation(R, 1e-2) / R - kDegreePerRadius), 4.0 * std::log(R) / R,
                  fmt::format("R = {:g}, distance of degree/R from 1/W(1/e)", R));
  return check.finding("error at the certified degree against tolerance times the range of the values");
}

// TV of e^x and T_t weights on given logits and base weights.
double total_variation(int degree, const Vector& x, const Vector& base) {
  const Vector full = base.array() * x.array().exp();
  const Vector truncated =
      base.array() * x.unaryExpr([&](double y) { return taylor_exp(degree, y); }).array();
  return 0.5 * (full / full.sum() - truncated / truncated.sum()).lpNorm<1>();
}

Finding certificate_is_sharp(const ClaimSettings& settings) {
  ExactCheck check(settings);
  for (const int degree : {2, 4, 6})
    for (const double R : {0.5, 1.0, 2.0, 3.0}) {
      const TruncationCertificate certificate = truncation_certificate(degree, -R, R);
      const std::string name = fmt::format("t = {}, |x| <= {:g}", degree, R);
      // The two keys at the ends, balanced: the heavier share of either law is √ρ/(1+√ρ).
      Vector ends(2), base(2);
      ends << -R, R;
      base << std::exp(R), std::exp(-R + 0.5 * certificate.log_spread);
      check.equal(total_variation(degree, ends, base), certificate.total_variation, name + ", two keys");
      double largest = 0.0;
      for (std::uint32_t r = 0; r < 200; ++r) {
        const Matrix draw = random_matrix(settings, 820 + r, 2, 5);
        const Vector x = R * draw.row(0).array().tanh().matrix().transpose();
        largest = std::max(largest, total_variation(degree, x, (2.0 * draw.row(1).array()).exp().matrix()));
      }
      check.at_most(largest, certificate.total_variation, name + ", largest of 200 random laws");
    }
  return check.finding("TV(w, w_t) against (√ρ-1)/(√ρ+1)");
}

// A spiky weight falls as its logit does. The polynomial's falls to a floor and rises again.
Finding spikiness(const ClaimSettings& settings) {
  ExactCheck check(settings);
  for (const int degree : {2, 6}) {
    const double turn = taylor_zero(degree - 1);
    check.at_most(taylor_exp(degree, 2.0 * turn), taylor_exp(degree, turn),
                  fmt::format("t = {}, weight at 2qk = {:.3f}, against {:.3f}", degree, 2.0 * turn, turn));
    check.at_most(taylor_exp(degree, -8.0), 1.0,
                  fmt::format("t = {}, weight at 2qk = -8, against 2qk = 0", degree));
    check.note(fmt::format("degree {}: no weight is below {:.4f}, e^(-8) is {:.2g}", degree,
                           taylor_floor(degree), std::exp(-8.0)));
  }
  return check.finding("weights at negative 2qk, which the claim says fall with it");
}

constexpr const char* kFeng = "Feng 2025";

constexpr std::array kClaims{
    Claim{"taylor-is-incomplete-gamma",
          "the truncated exponential is an incomplete gamma function everywhere", "T_t(x) = e^x Q(t+1, x)",
          "DLMF 8.4.10, continued to x < 0", "every real x", "multiprecision and an integral",
          "elementwise,identity", Verdict::proven, &incomplete_gamma},
    Claim{"taylor-even-degree-positive",
          "a Taylor polynomial of even degree is positive, with a known minimum",
          "T_t >= T_t(x*) = |x*|^t/t!, x* the zero of T_(t-1)", "Feng 2025, section 3", "even degree t",
          "multiprecision", "elementwise,identity", Verdict::proven, &even_degree_is_positive},
    Claim{"taylor-even-terms-positive", "the weights are positive for an even t, as the equations count it",
          "Σ_{n=0}^{t-1} (2qk)^n/n! > 0", "Feng 2025, eqs. (7), (10), (11) and published code",
          "t even counts the terms", "evaluation", "elementwise,released", Verdict::refuted,
          &even_terms_are_positive},
    Claim{"elementwise-recurrent-is-parallel", "the recurrent, the parallel and the explicit forms agree",
          "state read-out = prefix sums = Σ w_t v/Σ w_t", "Feng 2025, section 3", "causal",
          "pathwise identity", "elementwise,identity", Verdict::proven, &three_forms},
    Claim{"elementwise-converges", "truncated element-wise attention converges to the full one",
          "error <= TV(t) range(v), t about 3.59 max|2qk|", kFeng, "even degrees", "degree sweep",
          "elementwise", Verdict::proven, &truncation_converges},
    Claim{"truncation-certificate-sharp", "the bound on the total variation holds and is attained",
          "TV(w, w_t) <= (√ρ-1)/(√ρ+1), ρ = max r/min r, r = T_t/e^x", "derived here", "even degree",
          "random search and two keys", "elementwise,identity", Verdict::proven, &certificate_is_sharp},
    Claim{"elementwise-spikiness", "truncation does not diminish spikiness: far keys keep small weights",
          "T_t(2qk) falls as 2qk → -∞", kFeng, "even degree", "evaluation on the negative side",
          "elementwise", Verdict::refuted, &spikiness},
};

}  // namespace

std::span<const Claim> elementwise_claims() {
  return kClaims;
}

}  // namespace attngap
