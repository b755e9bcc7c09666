// Claims about random features of the softmax kernel SM = exp(x·y): RFA's trigonometric features, FAVOR+'s
// positive and hyperbolic ones, regularised ones, and what orthogonal directions do for them.

#include "analysis/claim_checks.hpp"
#include "analysis/claim_families.hpp"
#include "analysis/claim_numerics.hpp"
#include "estimators/feature_map.hpp"

#include <array>
#include <cmath>
#include <numbers>
#include <vector>

#include <fmt/format.h>

namespace attngap {
namespace {

const std::vector<double> kAngles{0.0, 40.0, 90.0, 140.0, 180.0};

double squared_sum(const VectorPair& pair) {
  return (pair.x + pair.y).squaredNorm();
}
double squared_difference(const VectorPair& pair) {
  return (pair.x - pair.y).squaredNorm();
}
double softmax_kernel(const VectorPair& pair) {
  return std::exp(pair.x.dot(pair.y));
}

// Pairs on which Gauss and Hermite's rule is exact to rounding, second moments included.
std::vector<VectorPair> moderate_pairs(const ClaimSettings& settings) {
  std::vector<VectorPair> all;
  std::uint32_t which = 0;
  for (const Index d : {2, 5})
    for (const double radius : {0.5, 1.0, 1.5})
      for (auto& pair : pairs_at_angles(settings, which++, d, radius, kAngles))
        all.push_back(std::move(pair));
  return all;
}

Finding kernel_is_unbiased(const ClaimSettings& settings) {
  ExactCheck check(settings);
  for (const auto* name : {"trigonometric", "positive", "hyperbolic"})
    for (const VectorPair& pair : moderate_pairs(settings))
      check.equal(feature_expectation(feature_map_named(name), pair.x, pair.y, 1), softmax_kernel(pair),
                  fmt::format("{}, {}", name, pair.name));
  return check.finding("E φ(x)·φ(y) by Gauss-Hermite against exp(x·y)");
}

// E φ(x)·φ(y) without the norm factors, under directions of this deviation, against exp(−|x−y|²/2s²).
void check_gaussian_kernel(const ClaimSettings& settings, bool printed, ExactCheck& check) {
  const FeatureMap& map = feature_map_named("trigonometric");
  for (const double s : {0.7, 1.0, 1.7})
    for (const VectorPair& pair : pairs_at_angles(settings, 7, 3, 1.0, {40.0, 90.0, 140.0})) {
      const double norms = std::exp(0.5 * (pair.x.squaredNorm() + pair.y.squaredNorm()));
      const double found = feature_expectation(map, pair.x, pair.y, 1, printed ? s : 1.0 / s) / norms;
      check.equal(found, std::exp(-0.5 * squared_difference(pair) / (s * s)),
                  fmt::format("s = {:g}, {}", s, pair.name));
    }
}

Finding printed_rfa_law(const ClaimSettings& settings) {
  ExactCheck check(settings);
  check_gaussian_kernel(settings, true, check);
  check.note("at s = 1 both laws agree; w ~ N(0, I/s²) is right, see rfa-corrected-law");
  return check.finding("E φ(x)·φ(y), w ~ N(0, s² I), against exp(-|x-y|²/2s²)");
}

Finding corrected_rfa_law(const ClaimSettings& settings) {
  ExactCheck check(settings);
  check_gaussian_kernel(settings, false, check);
  return check.finding("E φ(x)·φ(y), w ~ N(0, I/s²), against exp(-|x-y|²/2s²)");
}

struct SecondMoment {
  double moment;
  double variance;
};
SecondMoment second_moment(const char* map, const VectorPair& pair) {
  const double moment = feature_expectation(feature_map_named(map), pair.x, pair.y, 2);
  const double kernel = softmax_kernel(pair);
  return {moment, moment - kernel * kernel};
}

Finding favor_lemma_2(const ClaimSettings& settings) {
  ExactCheck check(settings);
  for (const VectorPair& pair : moderate_pairs(settings)) {
    const double s = squared_sum(pair), t = squared_difference(pair), kernel = softmax_kernel(pair);
    const double positive = std::exp(s) * kernel * kernel * -std::expm1(-s);
    const std::array<std::pair<const char*, double>, 3> printed{
        {{"trigonometric", 0.5 * std::exp(s) / (kernel * kernel) * std::pow(std::expm1(-t), 2)},
         {"positive", positive},
         {"hyperbolic", -0.5 * std::expm1(-s) * positive}}};
    for (const auto& [map, claimed] : printed) {
      const SecondMoment found = second_moment(map, pair);
      check.equal(found.variance, claimed, fmt::format("{}, {}", map, pair.name), found.moment);
    }
  }
  return check.finding("m·MSE by Gauss-Hermite against Lemma 2");
}

// m MSE+ = exp(2x·y)(exp(|x+y|²) − 1), from the map's own pair moment.
double positive_mse(const Vector& x, const Vector& y) {
  return feature_map_named("positive").pair_moment(x, y, y) - std::exp(2.0 * x.dot(y));
}

Finding small_kernel_small_positive_mse(const ClaimSettings& settings) {
  ExactCheck check(settings);
  const auto compare = [&](const std::string& name, const auto& pair_at) {
    const VectorPair first = pair_at(0.25), last = pair_at(1.0);
    check.at_most(positive_mse(last.x, last.y), positive_mse(first.x, first.y),
                  fmt::format("{}: SM falls from {:.3g} to {:.3g}, m·MSE+", name, softmax_kernel(first),
                              softmax_kernel(last)));
  };
  for (const double angle : {100.0, 110.0, 150.0})
    compare(fmt::format("|x| = |y| from 1 to 4, angle {:g}°", angle),
            [&](double size) { return pairs_at_angles(settings, 8, 4, 4.0 * size, {angle}).front(); });
  compare("antiparallel, norms from 2 and 0.125 to 8 and 0.5", [&](double size) {
    VectorPair pair = pairs_at_angles(settings, 9, 4, 1.0, {180.0}).front();
    return VectorPair{pair.name, 8.0 * size * pair.x, 0.5 * size * pair.y};
  });
  check.note("with equal norms it holds for angles above 120°");
  return check.finding("m·MSE+ along rays on which SM tends to 0");
}

// x·y < 0: |x−y|² ≥ 4|x·y| and |x|² + |y|² ≥ 2|x·y|, so m MSE ≥ ½ SM⁻²(1 − SM⁴)², with equality at y = −x.
Finding small_kernel_large_trigonometric_mse(const ClaimSettings& settings) {
  ExactCheck check(settings);
  const FeatureMap& map = feature_map_named("trigonometric");
  for (const double radius : {0.5, 1.0, 2.0, 4.0})
    for (const VectorPair& pair : pairs_at_angles(settings, 10, 4, radius, {95.0, 120.0, 150.0, 180.0})) {
      const double kernel = softmax_kernel(pair);
      const double mse = map.pair_moment(pair.x, pair.y, pair.y) - kernel * kernel;
      check.at_least(mse, 0.5 * std::pow((1.0 - std::pow(kernel, 4)) / kernel, 2), pair.name);
    }
  return check.finding("m·MSE of trigonometric features against (1-SM⁴)²/(2 SM²), which tends to infinity");
}

Finding hyperbolic_beats_positive(const ClaimSettings& settings) {
  ExactCheck check(settings);
  for (const VectorPair& pair : moderate_pairs(settings)) {
    const SecondMoment hyperbolic = second_moment("hyperbolic", pair),
                       positive = second_moment("positive", pair);
    const double s = squared_sum(pair);
    check.equal(hyperbolic.variance, -std::expm1(-s) * 0.5 * positive.variance, pair.name, positive.moment);
    check.at_most(hyperbolic.variance, 0.5 * positive.variance, pair.name, positive.moment);
  }
  return check.finding("variance of m hyperbolic directions over 2m positive ones against 1 - exp(-|x+y|²)");
}

double regularized_ratio(const VectorPair& pair) {
  return feature_map_named("regularized").kernel(pair.x, pair.y) / softmax_kernel(pair);
}

Finding theorem_1_upper(const ClaimSettings& settings) {
  ExactCheck check(settings);
  for (const Index d : {2, 3, 8, 64, 512})
    for (const double radius : {0.3, 1.0, 3.0})
      for (const VectorPair& pair : pairs_at_angles(settings, 11, d, radius, kAngles)) {
        check.at_most(regularized_ratio(pair), 1.0, pair.name);
        const double z = std::sqrt(3.0 * squared_sum(pair));  // d = 3: the mean of exp(w·z) is sinh z/z
        if (d == 3 && z > 1e-3)
          check.equal(regularized_ratio(pair), std::sinh(z) / z * std::exp(-0.5 * squared_sum(pair)),
                      pair.name);
      }
  return check.finding("SMREG/SM = exp(-s/2) 0F1(;d/2;ds/4) against 1, and at d = 3 against sinh");
}

double theorem_1_bound(Index d) {
  return 1.0 - 2.0 / std::cbrt(static_cast<double>(d));
}

Finding theorem_1_lower(const ClaimSettings& settings) {
  ExactCheck check(settings);
  const std::array<std::pair<Index, double>, 3> instances{{{64, 3.0}, {64, 10.0}, {512, 20.0}}};
  for (const auto& [d, radius] : instances)
    for (const VectorPair& pair : pairs_at_angles(settings, 12, d, radius, {90.0}))
      check.at_least(regularized_ratio(pair), theorem_1_bound(d), pair.name);
  check.note("x·y = 0, so the attention matrix is all ones and max A <= C holds with C = 1");
  return check.finding("SMREG/SM against 1 - 2 d^(-1/3)");
}

Finding theorem_1_lower_in_ball(const ClaimSettings& settings) {
  ExactCheck check(settings);
  for (const Index d : {2, 3, 8, 16, 64, 512, 4096})
    for (const double radius : {0.1, 0.5, 1.0})
      for (const VectorPair& pair : pairs_at_angles(settings, 13, d, radius, kAngles)) {
        check.at_least(regularized_ratio(pair), theorem_1_bound(d), pair.name);
        // The leading term of the decay, exp(−s²/4(d+2)), to its own order.
        const double s = squared_sum(pair), leading = s * s / (4.0 * static_cast<double>(d + 2));
        check.at_most(std::abs(std::log(regularized_ratio(pair)) + leading), s * leading + 1e-14, pair.name,
                      1.0);
      }
  check.note("the true deficit is about s²/(4(d+2)), so the exponent -1/3 is far from tight");
  return check.finding("SMREG/SM for |x|, |y| <= 1 against 1 - 2 d^(-1/3)");
}

// E exp(a R), R the norm of a standard normal vector of the plane.
double rayleigh_generating(double a) {
  return 1.0 +
         a * std::sqrt(0.5 * std::numbers::pi) * std::exp(0.5 * a * a) * std::erfc(-a / std::numbers::sqrt2);
}

Finding theorem_2_gap(const ClaimSettings& settings) {
  ExactCheck check(settings);
  const FeatureMap& map = feature_map_named("positive");
  for (const Index d : {2, 3, 4, 8, 17, 64, 256})
    for (const double radius : {0.2, 0.6, 1.5, 3.0})
      for (const VectorPair& pair : pairs_at_angles(settings, 14, d, radius, {0.0, 60.0, 120.0, 150.0})) {
        const double kernel = softmax_kernel(pair);
        const double lambda = std::exp(-0.5 * (pair.x.squaredNorm() + pair.y.squaredNorm()));
        const double gap = kernel * kernel - map.orthogonal_pair_moment(pair.x, pair.y);
        check.at_least(gap, 2.0 / static_cast<double>(d + 2) * std::pow(kernel - lambda, 2), pair.name,
                       kernel * kernel);
      }
  for (const VectorPair& pair : pairs_at_angles(settings, 15, 2, 0.8, {0.0, 60.0, 120.0})) {
    const double z = std::sqrt(squared_sum(pair)), norms = pair.x.squaredNorm() + pair.y.squaredNorm();
    const auto over_angle = [&](double angle) {
      return rayleigh_generating(z * std::cos(angle)) * rayleigh_generating(z * std::sin(angle));
    };
    check.equal(
        map.orthogonal_pair_moment(pair.x, pair.y),
        std::exp(-norms) * integral(over_angle, 0.0, 2.0 * std::numbers::pi) / (2.0 * std::numbers::pi),
        "moment of an orthogonal pair by quadrature, " + pair.name);
  }
  return check.finding("(MSE iid - MSE orthogonal) m/(m-1) against 2/(d+2) (SM - Λ)², m <= d");
}

Finding orthogonal_always_helps_trigonometric(const ClaimSettings& settings) {
  ExactCheck check(settings);
  const FeatureMap& map = feature_map_named("trigonometric");
  for (const Index d : {2, 3, 4, 8})
    for (const double t : {0.5, 2.0, 6.0, 11.0, 14.0, 20.0}) {
      const VectorPair pair = pairs_at_angles(settings, 16, d, 0.5 * std::sqrt(t), {180.0}).front();
      const double kernel = softmax_kernel(pair);
      const double variance = map.pair_moment(pair.x, pair.y, pair.y) - kernel * kernel;
      const double excess = map.orthogonal_pair_moment(pair.x, pair.y) - kernel * kernel;
      check.at_most(excess / variance, 0.0, fmt::format("d = {}, |x-y|² = {:g}, share of the variance", d, t),
                    1e-3);
    }
  check.note("the harm is below 1 % of the variance a pair of directions");
  return check.finding("covariance of two orthogonal directions, over the variance of one, against 0");
}

constexpr std::array kClaims{
    Claim{"kernel-unbiased",
          "trigonometric, positive and hyperbolic features estimate the softmax kernel without bias",
          "E φ(x)·φ(y) = exp(x·y), w ~ N(0, I)",
          "Peng et al. 2021, section 3; Choromanski et al. 2021, Lemma 1", "any x, y",
          "Gauss-Hermite quadrature of the library's features", "features,identity", Verdict::proven,
          &kernel_is_unbiased},
    Claim{"rfa-printed-law", "directions w ~ N(0, s² I) give the Gaussian kernel of bandwidth s",
          "E[sin sin + cos cos] = exp(-|x-y|²/(2s²)), w ~ N(0, s² I)", "Peng et al. 2021, theorem as printed",
          "s > 0", "Gauss-Hermite quadrature", "features", Verdict::refuted, &printed_rfa_law},
    Claim{"rfa-corrected-law", "directions w ~ N(0, I/s²) give the Gaussian kernel of bandwidth s",
          "E[sin sin + cos cos] = exp(-|x-y|²/(2s²)), w ~ N(0, I/s²)",
          "Rahimi and Recht 2007; the released RFA code", "s > 0", "Gauss-Hermite quadrature",
          "features,identity", Verdict::proven, &corrected_rfa_law},
    Claim{"favor-lemma-2", "the mean square errors of the three kernel estimates",
          "m MSE = e^s SM⁻²(1-e^-t)²/2 (trig), e^s SM²(1-e^-s) (+), (1-e^-s) MSE+/2 (hyperbolic); "
          "s = |x+y|², t = |x-y|²",
          "Choromanski et al. 2021, Lemma 2", "iid directions", "Gauss-Hermite quadrature of the squares",
          "features,identity", Verdict::proven, &favor_lemma_2},
    Claim{"small-kernel-small-positive-mse",
          "the error of positive features vanishes wherever the kernel does", "SM → 0 implies MSE+ → 0",
          "Choromanski et al. 2021, remark after Lemma 2", "none is stated", "closed form along rays",
          "features", Verdict::refuted, &small_kernel_small_positive_mse},
    Claim{"small-kernel-large-trigonometric-mse",
          "the error of trigonometric features grows without bound where the kernel vanishes",
          "m MSE >= (1 - SM⁴)²/(2 SM²) for x·y < 0", "Choromanski et al. 2021, remark after Lemma 2",
          "iid directions", "closed form against a bound attained at y = -x", "features,identity",
          Verdict::proven, &small_kernel_large_trigonometric_mse},
    Claim{"hyperbolic-beats-positive", "m hyperbolic directions beat 2m positive ones",
          "MSE(hyp, m) = (1 - exp(-|x+y|²)) MSE(+, 2m)", "Choromanski et al. 2021, Lemma 2",
          "iid directions, equal numbers of features", "Gauss-Hermite quadrature", "features,identity",
          Verdict::proven, &hyperbolic_beats_positive},
    Claim{"theorem-1-upper", "the regularised softmax kernel never exceeds the softmax kernel", "SMREG <= SM",
          "Choromanski et al. 2021, Theorem 1", "any x, y", "series 0F1", "features,identity",
          Verdict::proven, &theorem_1_upper},
    Claim{"theorem-1-lower",
          "the regularised kernel is close to softmax for all inputs with bounded attention",
          "SMREG/SM >= 1 - 2 d^(-1/3)", "Choromanski et al. 2021, Theorem 1",
          "max of the attention matrix <= C", "series 0F1 at orthogonal x, y", "features", Verdict::refuted,
          &theorem_1_lower},
    Claim{"theorem-1-lower-in-ball", "the regularised kernel is close to softmax for inputs in the unit ball",
          "SMREG/SM >= 1 - 2 d^(-1/3)", "Choromanski et al. 2021, Theorem 1 with a bound on norms",
          "|x|, |y| <= 1", "series 0F1", "features", Verdict::proven, &theorem_1_lower_in_ball},
    Claim{
        "theorem-2-orthogonal-gap",
        "orthogonal directions lower the error of positive features in every dimension, by at least so much",
        "MSE(ort) <= MSE(iid) - 2(m-1)/(m(d+2)) (SM - Λ)², Λ = exp(-(|x|²+|y|²)/2)",
        "Choromanski et al. 2021, Theorems 2 and 6", "m <= d", "closed form 1F1, held against quadrature",
        "features,identity", Verdict::proven, &theorem_2_gap},
    Claim{"orthogonal-always-helps-trigonometric",
          "orthogonal directions never raise the error of trigonometric features",
          "1F1(d; d/2; -t/2) <= exp(-t), t = |x-y|²", "folklore; not claimed by Choromanski et al. 2021",
          "m <= d, any d and pair", "closed form 1F1", "features", Verdict::refuted,
          &orthogonal_always_helps_trigonometric},
};

}  // namespace

std::span<const Claim> feature_claims() {
  return kClaims;
}

}  // namespace attngap
