// Claims of Macformer (Guo et al. 2024) and its published code: the ratio of random Maclaurin features and
// ppSBN. Its text beyond the abstract was not available, so the claims are those of the abstract and the
// code.

#include "analysis/claim_checks.hpp"
#include "analysis/claim_families.hpp"
#include "analysis/claim_numerics.hpp"
#include "analysis/claim_snis.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/exact_attention.hpp"
#include "estimators/maclaurin.hpp"
#include "estimators/scaling_batch_norm.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <tuple>
#include <vector>

#include <boost/math/tools/roots.hpp>
#include <fmt/format.h>

namespace attngap {
namespace {

// What one random feature can be: its probability, φ(q)Σφ(k)v and φ(q)Σφ(k).
struct Outcome {
  double probability;
  double numerator;
  double denominator;
};

RandomMaclaurin small_law(MaclaurinDirection direction = MaclaurinDirection::rademacher) {
  MaclaurinOptions options;
  options.direction = direction;
  options.max_degree = 2;
  return {maclaurin_kernel_named("exp"), geometric_degrees(2.0), options};
}

// All outcomes of one feature of degree at most two, over degrees and signs.
std::vector<Outcome> outcomes(const AttentionProblem& problem) {
  const RandomMaclaurin law = small_law();
  const std::vector<double> weights = law.weights(1);
  const Vector q = problem.Q.row(0);
  std::vector<Outcome> all;
  const auto add = [&](std::size_t degree, double share, const std::vector<Vector>& omegas) {
    double of_query = weights[degree];
    for (const Vector& omega : omegas) of_query *= omega.dot(q);
    Outcome outcome{law.degrees().probability[degree] * share, 0.0, 0.0};
    for (Index j = 0; j < problem.keys(); ++j) {
      double of_key = of_query;
      for (const Vector& omega : omegas) of_key *= omega.dot(problem.K.row(j));
      outcome.numerator += of_key * problem.V(j, 0);
      outcome.denominator += of_key;
    }
    all.push_back(outcome);
  };
  const double share = std::ldexp(1.0, -static_cast<int>(q.size()));
  add(0, 1.0, {});
  for_each_sign_vector(q.size(), [&](const Vector& first) {
    add(1, share, {first});
    for_each_sign_vector(q.size(), [&](const Vector& second) { add(2, share * share, {first, second}); });
  });
  return all;
}

constexpr ProblemShape kTiny{.queries = 1, .keys = 2, .head_dim = 2, .value_dim = 1, .spread = 0.8};

// Truth of the truncated kernel: Σ f_T(q·k) v and Σ f_T(q·k).
std::pair<double, double> truth(const AttentionProblem& problem) {
  double numerator = 0.0, denominator = 0.0;
  for (Index j = 0; j < problem.keys(); ++j) {
    const double kernel =
        maclaurin_sum(maclaurin_kernel_named("exp"), 2, problem.Q.row(0).dot(problem.K.row(j)));
    numerator += kernel * problem.V(j, 0);
    denominator += kernel;
  }
  return {numerator, denominator};
}

// E of numerator, denominator and ratio of D features, over all tuples of outcomes.
std::tuple<double, double, double> enumerated(const std::vector<Outcome>& one, int D) {
  double numerator = 0.0, denominator = 0.0, ratio = 0.0;
  std::vector<std::size_t> at(static_cast<std::size_t>(D), 0);
  for (bool more = true; more;) {
    Outcome sum{1.0, 0.0, 0.0};
    for (const std::size_t i : at) {
      sum.probability *= one[i].probability;
      sum.numerator += one[i].numerator / D;
      sum.denominator += one[i].denominator / D;
    }
    numerator += sum.probability * sum.numerator;
    denominator += sum.probability * sum.denominator;
    ratio += sum.probability * sum.numerator / sum.denominator;
    more = false;
    for (std::size_t place = 0; place < at.size() && !more; ++place) {
      more = ++at[place] < one.size();
      if (!more) at[place] = 0;
    }
  }
  return {numerator, denominator, ratio};
}

Finding parts_are_unbiased(const ClaimSettings& settings) {
  ExactCheck check(settings);
  for (std::uint32_t r = 0; r < 3; ++r) {
    const AttentionProblem problem = random_problem(settings, 600 + r, kTiny);
    const auto exact = truth(problem);
    for (const int D : {1, 2}) {
      const auto found = enumerated(outcomes(problem), D);
      check.equal(std::get<0>(found), exact.first, fmt::format("numerator, instance {}, D = {}", r, D), 0.1);
      check.equal(std::get<1>(found), exact.second, fmt::format("denominator, instance {}, D = {}", r, D));
    }
  }
  return check.finding("E of numerator and denominator over all degrees and signs against Σ f(q·k)[v 1]");
}

Finding ratio_is_unbiased(const ClaimSettings& settings) {
  ExactCheck check(settings);
  for (std::uint32_t r = 0; r < 3; ++r) {
    const AttentionProblem problem = random_problem(settings, 600 + r, kTiny);
    const auto exact = truth(problem);
    for (const int D : {1, 2, 3})
      check.equal(std::get<2>(enumerated(outcomes(problem), D)), exact.first / exact.second,
                  fmt::format("instance {}, D = {}, degrees 0 to 2", r, D), 0.1);
  }
  return check.finding("E of the ratio over all degrees and signs against kernelised attention");
}

Finding one_feature_sees_the_query(const ClaimSettings& settings) {
  ExactCheck check(settings);
  const auto rmfa = make_estimator("rmfa");
  const AttentionProblem problem = random_problem(settings, 610, {.queries = 5});
  const Matrix exact = exact_attention(problem).output;
  check.note(
      fmt::format("exact outputs differ by up to {:.3g}", exact.col(0).maxCoeff() - exact.col(0).minCoeff()));
  for (std::uint32_t r = 0; r < 6; ++r) {
    const Matrix output = one_output(*rmfa, problem, 1, {settings.seed, 610, r});
    check.at_least(output.col(0).maxCoeff() - output.col(0).minCoeff(), 1e-3,
                   fmt::format("draw {}, spread of the output over 5 queries", r), 1.0);
  }
  return check.finding("outputs of one draw at D = 1, where φ(q) cancels");
}

// One Gaussian feature of degree one: the ratio (ω·Σ k v)/(ω·Σ k) depends on the angle of ω alone, and has a
// pole where ω ⊥ Σ k. Its truncated mean must settle if there is a mean.
Finding gaussian_ratio_has_a_mean(const ClaimSettings& settings) {
  ExactCheck check(settings);
  const AttentionProblem problem = random_problem(settings, 620, kTiny);
  const Vector weighted = problem.K.transpose() * problem.V.col(0), plain = problem.K.colwise().sum();
  const double pole = std::atan2(plain(0), -plain(1));
  const auto density = [&](double log_distance, double side) {
    const double distance = std::exp(log_distance), angle = pole + side * distance;
    const Vector omega = Eigen::Vector2d(std::cos(angle), std::sin(angle));
    return distance * std::abs(omega.dot(weighted) / omega.dot(plain)) / std::numbers::pi;
  };
  const auto between = [&](double from, double to) {
    return integral([&](double u) { return density(u, 1.0) + density(u, -1.0); }, std::log(from),
                    std::log(to));
  };
  double previous = between(1e-3, 1e-1);
  for (const double epsilon : {1e-5, 1e-7, 1e-9}) {
    const double added = between(epsilon, 100.0 * epsilon);
    check.at_most(added, 0.5 * previous,
                  fmt::format("E|ratio| between {:g} and {:g} of the pole, against half of the shell before",
                              epsilon, 100.0 * epsilon));
    previous = added;
  }
  const double probability = small_law(MaclaurinDirection::gaussian).degrees().probability[1];
  check.note(fmt::format(
      "so E|ratio| = ∞ already from the features of degree one, which have probability {:.3f}", probability));
  return check.finding("growth of the truncated mean of the ratio, D = 1, d = 2");
}

Finding ratio_is_defined(const ClaimSettings& settings) {
  ExactCheck check(settings);
  AttentionProblem problem = random_problem(settings, 630, kTiny);
  problem.K.row(1) = -problem.K.row(0);
  double undefined = 0.0;
  for (const Outcome& outcome : outcomes(problem))
    if (outcome.denominator == 0.0) undefined += outcome.probability;
  check.at_most(undefined, 0.0, "k₂ = -k₁, D = 1, degrees 0 to 2, probability of a zero denominator");
  double odd = 0.0;
  const DegreeLaw law = geometric_degrees(2.0);
  for (std::size_t n = 1; n < law.probability.size(); n += 2) odd += law.probability[n];
  check.note(
      fmt::format("with all degrees it is the probability of an odd one, {:.6f}, to the power D", odd));
  return check.finding("probability that the denominator is zero");
}

Finding ppsbn_bounds_the_domain(const ClaimSettings& settings) {
  ExactCheck check(settings);
  for (const Index d : {8, 32, 64}) {
    AttentionProblem given =
        random_problem(settings, 640, {.queries = 9, .keys = 40, .head_dim = d, .spread = 3.0});
    given.scale = 1.0 / std::sqrt(static_cast<double>(d));
    given.K.row(1) = given.Q.row(2);  // attains the bound
    for (const PreScaling scaling : {PreScaling::code, PreScaling::paper}) {
      const AttentionProblem problem = pre_scaled(given, scaling);
      const char* kind = scaling == PreScaling::code ? "code" : "paper";
      check.at_most((problem.Q * problem.K.transpose()).cwiseAbs().maxCoeff() * problem.scale, given.scale,
                    fmt::format("{}, d = {}, largest |q·k|/√d", kind, d));
      const Matrix Q = problem.scaled_queries(), K = problem.scaled_keys();
      double base = 0.0;
      for (Index i = 0; i < Q.rows(); ++i)
        for (Index j = 0; j < K.rows(); ++j)
          base = std::max(base,
                          maclaurin_pair_base(MaclaurinDirection::rademacher, Q.row(i), K.row(j), K.row(j)));
      check.at_most(2.0 * base, 1.0, fmt::format("{}, d = {}, p·m", kind, d));
    }
  }
  return check.finding("|q·k| after ppSBN against 1/√d, and p·m against 1, which makes variances finite");
}

// Scaled attention is not a function of unscaled attention: two queries with the same one differ in the
// other.
Finding ppsbn_restores(const ClaimSettings& settings) {
  const auto output = [](double query, double scale) {
    Matrix K(3, 1), V(3, 1);
    K << -1.0, 0.0, 2.0;
    V << 1.0, 0.0, 0.3;
    return exact_attention(make_problem(Matrix::Constant(1, 1, query), K, V, Mask::none, scale)).output(0, 0);
  };
  constexpr double kShrink = 0.5;
  const auto scaled = [&](double query) { return output(query, kShrink); };
  ExactCheck check(settings);
  for (const double target : {0.298, 0.2995, 0.29999}) {
    const auto tolerance = boost::math::tools::eps_tolerance<double>(48);
    // The scaled output falls to a minimum near 1.1 … rises above 0.3 nowhere: bracket both crossings.
    double turn = 0.0;
    for (double q = -1.0; q < 12.0; q += 0.01)
      if (scaled(q) < scaled(turn)) turn = q;
    const auto left =
        boost::math::tools::bisect([&](double q) { return scaled(q) - target; }, turn - 6.0, turn, tolerance);
    const auto right = boost::math::tools::bisect([&](double q) { return scaled(q) - target; }, turn,
                                                  turn + 60.0, tolerance);
    check.equal(output(left.first, 1.0), output(right.first, 1.0),
                fmt::format("queries {:.4f} and {:.4f}, scaled outputs {:.7f} and {:.7f}, unscaled outputs",
                            left.first, right.first, scaled(left.first), scaled(right.first)));
  }
  return check.finding("unscaled outputs of queries with equal outputs at half the scale, 3 keys");
}

// The largest |φ(x)φ(y)| on the l2 sphere divided by d^¼, as the published code scales it, degrees up to 20.
double largest_product(double d) {
  double largest = 0.0, term = 2.0;
  for (int n = 1; n <= 20; ++n) largest = std::max(largest, term *= 2.0 * std::sqrt(d) / n);
  return largest;
}

Finding dimension_free_constant(const ClaimSettings& settings) {
  ExactCheck check(settings);
  const double at_four = largest_product(4.0);
  for (const double d : {16.0, 64.0, 256.0})
    check.at_most(
        largest_product(d), at_four,
        fmt::format("d = {:g}, x = y = 1/√d scaled by d^(-1/4), largest product, against d = 4", d));
  check.note("|ω·x| reaches √d |x| on the l2 ball, so the range in a Hoeffding bound depends on d");
  return check.finding("largest |φ(x)φ(y)| over signs and degrees");
}

constexpr const char* kMacformer = "Guo et al. 2024, abstract";

constexpr std::array kClaims{
    Claim{"rmfa-parts-unbiased", "numerator and denominator of RMFA are unbiased",
          "E Σ_j K̂(q,k_j)[v_j 1] = Σ_j f(q·k_j)[v_j 1]", kMacformer, "d = 2, two keys, degrees 0 to 2",
          "enumeration of signs and degrees", "macformer,identity", Verdict::proven, &parts_are_unbiased},
    Claim{"rmfa-unbiased", "RMFA is an unbiased estimate of kernelised attention", "E[Σ K̂ v/Σ K̂] = Σ f v/Σ f",
          kMacformer, "d = 2, two keys, degrees 0 to 2, D = 1, 2, 3", "enumeration of signs and degrees",
          "macformer", Verdict::refuted, &ratio_is_unbiased},
    Claim{"rmfa-one-feature-sees-the-query", "RMFA's output depends on the query at every number of features",
          "D = 1: φ(q)Σφ(k)v/(φ(q)Σφ(k))", "Guo et al. 2024, implied", "D = 1", "pathwise", "macformer",
          Verdict::refuted, &one_feature_sees_the_query},
    Claim{"rmfa-gaussian-mean-exists", "with Gaussian directions RMFA's output has a mean",
          "E|Σ K̂ v/Σ K̂| < ∞", "Guo et al. 2024, implied", "Gaussian directions, D = 1, d = 2",
          "truncated means around the pole", "macformer", Verdict::refuted, &gaussian_ratio_has_a_mean},
    Claim{"rmfa-defined", "RMFA's output is defined with probability one", "P(Σ K̂ = 0) = 0",
          "Guo et al. 2024, implied", "Rademacher directions, k₂ = -k₁", "enumeration of signs and degrees",
          "macformer", Verdict::refuted, &ratio_is_defined},
    Claim{"ppsbn-bounds-the-domain", "ppSBN keeps the inputs where the features have a variance",
          "|q·k|/√d <= 1/√d, p·m < 1", kMacformer, "d > 6, p = 2", "evaluation on random heads",
          "macformer,identity", Verdict::proven, &ppsbn_bounds_the_domain},
    Claim{"ppsbn-restores-attention", "a pointwise map of the output undoes ppSBN's scaling",
          "A(q) = γ A_scaled(q)^β for some map of the output", kMacformer, "keys -1, 0, 2, values 1, 0, 0.3",
          "two queries with equal scaled output", "macformer", Verdict::refuted, &ppsbn_restores},
    Claim{"schoenbat-dimension-free-constant",
          "a concentration bound holds on the l2 sphere with a range that does not depend on d",
          "max |φ(x)φ(y)| <= C for all d", "SchoenbAt, abstract; the text was not available",
          "unit vectors over d^(1/4), exp kernel, degrees up to 20", "maximum over signs and degrees",
          "macformer", Verdict::refuted, &dimension_free_constant},
};

}  // namespace

std::span<const Claim> macformer_claims() {
  return kClaims;
}

}  // namespace attngap
