// Claims of Kar and Karnick, "Random feature maps for dot product kernels" (2012): which dot-product kernels
// are kernels, and what their random Maclaurin features do. Rademacher directions, so that E is a finite sum.

#include "analysis/claim_checks.hpp"
#include "analysis/claim_families.hpp"
#include "analysis/claim_numerics.hpp"
#include "estimators/direction_source.hpp"
#include "estimators/maclaurin.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include <Eigen/Eigenvalues>
#include <fmt/format.h>

namespace attngap {
namespace {

Matrix unit_rows(const ClaimSettings& settings, std::uint32_t which, Index rows, Index d) {
  Matrix X = random_matrix(settings, which, rows, d);
  X.rowwise().normalize();
  return X;
}

// The smallest eigenvalue of the Gram matrix f(x_i·x_j), relative to the largest.
double smallest_eigenvalue(const Matrix& X, double (*f)(double)) {
  const Eigen::MatrixXd gram = (X * X.transpose()).unaryExpr(f);
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(gram, Eigen::EigenvaluesOnly);
  return solver.eigenvalues()(0) / solver.eigenvalues().cwiseAbs().maxCoeff();
}

Finding schoenberg_sufficient(const ClaimSettings& settings) {
  ExactCheck check(settings);
  for (const MaclaurinKernel& kernel : maclaurin_kernels())
    for (const Index d : {2, 5, 16}) {
      const Matrix X = 0.9 * unit_rows(settings, 500 + static_cast<std::uint32_t>(d), 24, d);
      check.at_least(smallest_eigenvalue(X, kernel.value), 0.0,
                     fmt::format("{}, d = {}, 24 points", kernel.name, d), 1.0);
    }
  return check.finding("smallest eigenvalue of Gram matrices, over the largest, against 0");
}

// f(z) = z² − 1/3, a multiple of the Gegenbauer polynomial of degree two of the sphere of R³.
double gegenbauer(double z) {
  return z * z - 1.0 / 3.0;
}

Finding schoenberg_necessary_in_one_dimension(const ClaimSettings& settings) {
  ExactCheck check(settings);
  for (std::uint32_t r = 0; r < 4; ++r)
    check.at_most(smallest_eigenvalue(unit_rows(settings, 520 + r, 24, 3), gegenbauer), -1e-3,
                  fmt::format("a_0 = -1/3, unit vectors of R³, instance {}, smallest eigenvalue", r), 1.0);
  return check.finding("smallest eigenvalue of Gram matrices of z² - 1/3, which the claim says is negative");
}

Finding schoenberg_necessary_in_all(const ClaimSettings& settings) {
  ExactCheck check(settings);
  for (const Index d : {4, 5, 8, 32}) {
    const double found = smallest_eigenvalue(Matrix::Identity(d, d), gegenbauer);
    const double largest = std::max(1.0, std::abs(1.0 - static_cast<double>(d) / 3.0));
    check.equal(found, (1.0 - static_cast<double>(d) / 3.0) / largest,
                fmt::format("z² - 1/3 on the axes of R^{}", d));
    check.at_most(found, 0.0, fmt::format("z² - 1/3 on the axes of R^{}, negative", d));
  }
  return check.finding("smallest eigenvalue where the dimension is free, 1 - d/3 over the largest");
}

// E (ω·x)(ω·y) by enumeration.
double mean_product(const Vector& x, const Vector& y) {
  double sum = 0.0;
  for_each_sign_vector(x.size(), [&](const Vector& omega) { sum += omega.dot(x) * omega.dot(y); });
  return std::ldexp(sum, -static_cast<int>(x.size()));
}

// Σ_n q_n weight_n (E(ω·x)(ω·y))ⁿ over the drawn law of degrees.
template <typename Weight>
double mean_kernel(const DegreeLaw& law, const VectorPair& pair, const Weight& weight) {
  const double product = mean_product(pair.x, pair.y);
  double sum = 0.0;
  for (std::size_t n = law.probability.size(); n-- > 0;)
    sum += law.probability[n] * weight(static_cast<int>(n)) * std::pow(product, static_cast<double>(n));
  return sum;
}

void check_printed_weights(const ClaimSettings& settings, std::initializer_list<double> ps,
                           ExactCheck& check) {
  for (const double p : ps)
    for (const MaclaurinKernel& kernel : maclaurin_kernels())
      for (const VectorPair& pair : pairs_at_angles(settings, 530, 4, 0.6, {20.0, 80.0, 140.0}))
        check.equal(mean_kernel(geometric_degrees(p), pair,
                                [&](int n) { return kernel.coefficient(n) * std::pow(p, n + 1); }),
                    kernel.value(pair.x.dot(pair.y)),
                    fmt::format("{}, p = {:g}, {}", kernel.name, p, pair.name));
}

Finding kk_unbiased(const ClaimSettings& settings) {
  ExactCheck check(settings);
  check_printed_weights(settings, {2.0}, check);
  return check.finding("E φ(x)φ(y) over all signs and degrees against f(x·y), p = 2");
}

Finding kk_printed_weights(const ClaimSettings& settings) {
  ExactCheck check(settings);
  check_printed_weights(settings, {1.5, 3.0, 10.0}, check);
  check.note("the mean is (p-1) f: Σ p^-(n+1) = 1/(p-1)");
  return check.finding("E φ(x)φ(y) with weights a_N p^(N+1) and a normalised law, against f(x·y)");
}

Finding kk_renormalised(const ClaimSettings& settings) {
  ExactCheck check(settings);
  for (const double p : {1.5, 2.0, 3.0, 10.0})
    for (const MaclaurinKernel& kernel : maclaurin_kernels()) {
      const RandomMaclaurin law(kernel, geometric_degrees(p));
      const std::vector<double> weights = law.weights(1);
      for (const VectorPair& pair : pairs_at_angles(settings, 530, 4, 0.4, {20.0, 80.0, 140.0}))
        check.equal(
            mean_kernel(law.degrees(), pair, [&](int n) { return weights[static_cast<std::size_t>(n)]; }),
            kernel.value(pair.x.dot(pair.y)), fmt::format("{}, p = {:g}, {}", kernel.name, p, pair.name));
    }
  check.note(
      "the library's law ends where less than 2^-60 of it is left, at degree 18 for p = 10: of the kernel's "
      "mean that "
      "leaves out the terms above, which is rounding here and z^19 = 1e-9 already at z = 0.34");
  return check.finding("E φ(x)φ(y) with weights a_N/q_N against f(x·y)");
}

// b₁ = E|ω·x||ω·y|, whose powers are the terms of E|φ(x)φ(y)| of the kernel 1/(1−z).
Finding kk_mean_exists(const ClaimSettings& settings) {
  ExactCheck check(settings);
  constexpr Index d = 8;
  std::vector<VectorPair> pairs = pairs_at_angles(settings, 540, d, 1.5, {90.0});
  pairs.push_back({"x = 1.5 e₁, y = 1.5 e₂", 1.5 * Vector::Unit(d, 0), 1.5 * Vector::Unit(d, 1)});
  for (const VectorPair& pair : pairs) {
    double sum = 0.0;
    for_each_sign_vector(
        d, [&](const Vector& omega) { sum += std::abs(omega.dot(pair.x)) * std::abs(omega.dot(pair.y)); });
    check.at_most(std::ldexp(sum, -static_cast<int>(d)), 1.0,
                  fmt::format("{}, x·y = {:.2g}, E|ω·x||ω·y|", pair.name, pair.x.dot(pair.y)));
  }
  check.note("E|φ(x)φ(y)| = Σ b₁ⁿ diverges, though f(0) = 1");
  return check.finding("b₁ = E|ω·x||ω·y| against the radius of convergence of 1/(1-z)");
}

// max over signs and degrees of a_n p^(n+1) |ω·x|ⁿ|ω·y|ⁿ, p = 2, exp kernel.
double largest_product(const Vector& x, const Vector& y) {
  double size = 0.0;
  for_each_sign_vector(x.size(), [&](const Vector& omega) {
    size = std::max(size, std::abs(omega.dot(x)) * std::abs(omega.dot(y)));
  });
  double term = 2.0, largest = term;
  for (int n = 1; n < 400; ++n) largest = std::max(largest, term *= 2.0 * size / n);
  return largest;
}

double lemma_4_bound(double radius) {
  return 2.0 * std::exp(2.0 * radius * radius);
}

Finding lemma_4_in_l1(const ClaimSettings& settings) {
  ExactCheck check(settings);
  for (const Index d : {2, 4, 8})
    for (const double radius : {0.5, 1.0, 2.0}) {
      const Matrix X = random_matrix(settings, 550, 2, d);
      const Vector x = radius * X.row(0).transpose() / X.row(0).lpNorm<1>();
      const Vector y = radius * X.row(1).transpose() / X.row(1).lpNorm<1>();
      check.at_most(largest_product(x, y), lemma_4_bound(radius), fmt::format("d = {}, R = {:g}", d, radius));
      check.at_most(largest_product(radius * Vector::Unit(d, 0), x), lemma_4_bound(radius),
                    fmt::format("d = {}, R = {:g}, x = R e₁", d, radius));
    }
  return check.finding("max over signs and degrees of |φ(x)φ(y)| on the l1 ball against p f(pR²)");
}

Finding lemma_4_in_l2(const ClaimSettings& settings) {
  ExactCheck check(settings);
  for (const Index d : {2, 4, 16}) {
    const Vector x = Vector::Constant(d, 1.0 / std::sqrt(static_cast<double>(d)));
    check.at_most(largest_product(x, x), lemma_4_bound(1.0), fmt::format("d = {}, x = y = 1/√d", d));
  }
  check.note("p f(p d R²) is right there");
  return check.finding("max over signs and degrees of |φ(x)φ(y)| on the l2 ball against p f(pR²)");
}

// f' by its series, and |∇ₓ f(x·y)| by central differences of fourth order.
double derivative(const MaclaurinKernel& kernel, double z) {
  double sum = 0.0;
  for (int n = 120; n >= 1; --n) sum += n * kernel.coefficient(n) * std::pow(z, n - 1);
  return sum;
}
double gradient_norm(const MaclaurinKernel& kernel, const Vector& x, const Vector& y) {
  constexpr double step = 1e-3;
  Vector gradient(x.size());
  for (Index i = 0; i < x.size(); ++i) {
    const auto at = [&](double h) { return kernel.value((x + h * Vector::Unit(x.size(), i)).dot(y)); };
    gradient(i) = (8.0 * (at(step) - at(-step)) - (at(2.0 * step) - at(-2.0 * step))) / (12.0 * step);
  }
  return gradient.norm();
}

void check_gradients(const ClaimSettings& settings, bool with_radius, ExactCheck& check) {
  const MaclaurinKernel& kernel = maclaurin_kernel_named("exp");
  for (const double radius : {0.5, 1.0, 2.0})
    for (const VectorPair& pair : pairs_at_angles(settings, 560, 3, radius, {0.0, 50.0, 120.0}))
      check.at_most(gradient_norm(kernel, pair.x, pair.y),
                    (with_radius ? radius : 1.0) * derivative(kernel, radius * radius), pair.name);
}

Finding lemma_6(const ClaimSettings& settings) {
  ExactCheck check(settings, 1e-8);
  check_gradients(settings, false, check);
  return check.finding("|∇ₓ f(x·y)| by finite differences against f'(R²)");
}

Finding lemma_6_with_radius(const ClaimSettings& settings) {
  ExactCheck check(settings, 1e-8);  // of the finite differences
  check_gradients(settings, true, check);
  return check.finding("|∇ₓ f(x·y)| by finite differences against R f'(R²)");
}

// How often the largest error over pairs of a grid in the l1 ball exceeds ε, against Theorem 8, at a count
// where the bound is below one.
Finding theorem_8(const ClaimSettings& settings) {
  constexpr double kRadius = 0.5, kEpsilon = 1.0, kTolerance = 0.02;
  constexpr int kReplicates = 200;
  constexpr Index d = 2, D = 3000;
  const double C = lemma_4_bound(kRadius);
  const double L = kRadius * std::exp(kRadius * kRadius) +
                   4.0 * kRadius * std::sqrt(2.0) * std::exp(2.0 * kRadius * kRadius);
  const double bound = 2.0 * std::pow(32.0 * kRadius * L / kEpsilon, 2.0 * d) *
                       std::exp(-static_cast<double>(D) * kEpsilon * kEpsilon / (8.0 * C * C));
  Matrix X(25, d);
  for (Index i = 0; i < X.rows(); ++i) {  // a grid turned by 45°, which fills the l1 ball
    const double a = static_cast<double>(i % 5) / 4.0 - 0.5, b = static_cast<double>(i / 5) / 4.0 - 0.5;
    X.row(i) << kRadius * (a + b), kRadius * (a - b);
  }
  const Matrix exact = (X * X.transpose()).array().exp();
  const RandomMaclaurin law(maclaurin_kernel_named("exp"), geometric_degrees(2.0));
  const std::array<Index, 1> counts{D};
  const auto source = law.directions<double>(d, counts, D);
  int hits = 0;
  double largest = 0.0;
  for (std::uint32_t r = 0; r < kReplicates; ++r) {
    source->draw({settings.seed, 570, r});
    Matrix features(X.rows(), source->columns({0, D}));
    source->project({0, D}, 0, X, features);
    const double error =
        (features * features.transpose() / static_cast<double>(D) - exact).cwiseAbs().maxCoeff();
    hits += error > kEpsilon ? 1 : 0;
    largest = std::max(largest, error);
  }
  const double upper = largest_probability(hits, kReplicates);
  const std::string evidence = fmt::format(
      "{} of {} draws of D = {} exceed ε = {:g}, so P <= {:.3g} at 95 %; bound {:.3g} with L = {:.3g}; the "
      "largest error of all is {:.3g}, and for every D < {:.0f} the bound is above one",
      hits, kReplicates, D, kEpsilon, upper, bound, L, largest,
      8.0 * C * C * std::log(2.0 * std::pow(32.0 * kRadius * L, 2.0 * d)));
  const double claimed = bound * (1.0 + settings.distortion);
  if (upper <= claimed + kTolerance) return {Verdict::equivalent, kTolerance, evidence};
  const double lower = 1.0 - largest_probability(kReplicates - hits, kReplicates);
  return {lower > claimed ? Verdict::refuted : Verdict::undecided, kTolerance, evidence};
}

constexpr const char* kPaper = "Kar and Karnick 2012";

constexpr std::array kClaims{
    Claim{"schoenberg-sufficient", "a dot-product kernel with coefficients a_n >= 0 is positive definite",
          "Gram matrices of f(x·y) have no negative eigenvalue",
          "Schoenberg 1942; Kar and Karnick 2012, Theorem 1", "|x|² within the radius of convergence",
          "eigenvalues at random points", "maclaurin", Verdict::proven, &schoenberg_sufficient},
    Claim{"schoenberg-necessary-in-fixed-dimension",
          "in a fixed dimension a dot-product kernel with a negative coefficient is not positive definite",
          "z² - 1/3 has a Gram matrix with a negative eigenvalue on unit vectors of R³",
          "Kar and Karnick 2012, Theorem 1, read in fixed d", "unit vectors of R³",
          "eigenvalues at random points", "maclaurin", Verdict::refuted,
          &schoenberg_necessary_in_one_dimension},
    Claim{
        "schoenberg-necessary-in-every-dimension", "where the dimension is free a negative coefficient shows",
        "z² - 1/3 on d axes: eigenvalue 1 - d/3", "Schoenberg 1942; Kar and Karnick 2012, Theorem 1", "d > 3",
        "eigenvalues on the axes", "maclaurin,identity", Verdict::proven, &schoenberg_necessary_in_all},
    Claim{"kk-unbiased", "random Maclaurin features estimate their kernel without bias",
          "E φ(x)φ(y) = f(x·y), weights a_N p^(N+1)", "Kar and Karnick 2012, Lemmas 2 and 3", "p = 2",
          "enumeration of signs and degrees", "maclaurin,identity", Verdict::proven, &kk_unbiased},
    Claim{"kk-unbiased-every-p", "the printed weights are unbiased for every p > 1",
          "E φ(x)φ(y) = f(x·y), weights a_N p^(N+1)", "Kar and Karnick 2012, Algorithm 1",
          "p > 1, degrees drawn "
          "from a normalised law",
          "enumeration of signs and degrees", "maclaurin", Verdict::refuted, &kk_printed_weights},
    Claim{"kk-unbiased-renormalised", "with weights a_N/q_N the features are unbiased for every p > 1",
          "q_n = (p-1) p^-(n+1), weights a_N/q_N", kPaper, "p > 1", "enumeration of signs and degrees",
          "maclaurin,identity", Verdict::proven, &kk_renormalised},
    Claim{"kk-mean-exists", "the estimate has a mean wherever the kernel's series converges",
          "|x·y| < ρ implies E|ω·x||ω·y| <= ρ", "implied by Kar and Karnick 2012, Lemma 2",
          "kernel 1/(1-z), ρ = 1", "enumeration of signs", "maclaurin", Verdict::refuted, &kk_mean_exists},
    Claim{"kk-lemma-4", "a product of features is bounded on the l1 ball", "|φ(x)φ(y)| <= p f(pR²)",
          "Kar and Karnick 2012, Lemma 4", "|x|₁, |y|₁ <= R", "enumeration of signs and degrees", "maclaurin",
          Verdict::proven, &lemma_4_in_l1},
    Claim{"kk-lemma-4-l2", "the same bound holds on the l2 ball", "|φ(x)φ(y)| <= p f(pR²)",
          "Kar and Karnick 2012, Lemma 4, as Macformer uses it", "|x|₂, |y|₂ <= R = 1",
          "enumeration of signs and degrees", "maclaurin", Verdict::refuted, &lemma_4_in_l2},
    Claim{"kk-lemma-6", "the gradient of the kernel is bounded by f'(R²)", "|∇ₓ f(x·y)| <= f'(R²)",
          "Kar and Karnick 2012, Lemma 6", "|x|, |y| <= R", "finite differences", "maclaurin",
          Verdict::refuted, &lemma_6},
    Claim{"kk-lemma-6-with-radius", "the gradient of the kernel is bounded by R f'(R²)",
          "|∇ₓ f(x·y)| <= R f'(R²)", "Kar and Karnick 2012, Lemma 6, with the factor |y| <= R",
          "|x|, |y| <= R", "finite differences", "maclaurin,identity", Verdict::proven, &lemma_6_with_radius},
    Claim{"kk-theorem-8", "the largest error over the l1 ball exceeds ε no more often than the bound says",
          "P(sup|K̂-K| > ε) <= 2(32RL/ε)^(2d) exp(-Dε²/8C²)",
          "Kar and Karnick 2012, Theorem 8, L with R f'(R²)", "exp kernel, R = 1/2, d = 2",
          "simulation, exact binomial interval", "maclaurin,simulation", Verdict::equivalent, &theorem_8},
};

}  // namespace

std::span<const Claim> maclaurin_claims() {
  return kClaims;
}

}  // namespace attngap
