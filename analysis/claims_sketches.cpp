// Claims about sketches of the polynomial kernel (x·y)^p: real, complex and complex-to-real (CtR) products of
// random projections (Wacker, Ohana and Filippone 2023), TensorSketch, and Hadamard and Givens directions.
//
// In the papers' letters a = (x·y)² − S, A = (x·y)², n = |x|²|y|², S = Σ x_i² y_i².

#include "analysis/claim_checks.hpp"
#include "analysis/claim_families.hpp"
#include "analysis/claim_numerics.hpp"

#include <array>
#include <cmath>
#include <complex>
#include <numbers>
#include <string>
#include <vector>

#include <boost/math/special_functions/binomial.hpp>
#include <fmt/format.h>

namespace attngap {
namespace {

using Complex = std::complex<double>;

struct PairSums {
  explicit PairSums(const VectorPair& pair)
      : A(std::pow(pair.x.dot(pair.y), 2)),
        n(pair.x.squaredNorm() * pair.y.squaredNorm()),
        S(pair.x.cwiseAbs2().dot(pair.y.cwiseAbs2())) {}
  double A, n, S;
};

double choose(int n, int k) {
  return boost::math::binomial_coefficient<double>(static_cast<unsigned>(n), static_cast<unsigned>(k));
}

// E f(w·x, conj(w·y)) over the 4^d vectors of entries 1, −1, i, −i.
template <typename F>
double over_complex_signs(const Vector& x, const Vector& y, const F& f) {
  const std::array<Complex, 4> letters{{{1, 0}, {-1, 0}, {0, 1}, {0, -1}}};
  const auto total = std::size_t{1} << (2 * x.size());
  double sum = 0.0;
  for (std::size_t code = 0; code < total; ++code) {
    Complex of_x = 0.0, of_y = 0.0;
    for (Index i = 0; i < x.size(); ++i) {
      const Complex letter = letters[(code >> (2 * i)) & 3U];
      of_x += letter * x(i);
      of_y += letter * y(i);
    }
    sum += f(of_x, std::conj(of_y));
  }
  return sum / static_cast<double>(total);
}

// E f(w·x, conj(w·y)) over complex Gaussians of E|w|² = 1 in the plane, by Gauss–Hermite in four dimensions.
template <typename F>
double over_complex_gaussians(const Vector& x, const Vector& y, const F& f) {
  const NormalQuadrature rule = gauss_hermite(6);
  double sum = 0.0;
  for (int code = 0; code < 6 * 6 * 6 * 6; ++code) {
    std::array<Index, 4> at{};
    double weight = 1.0;
    for (int i = 0, rest = code; i < 4; ++i, rest /= 6) {
      at[static_cast<std::size_t>(i)] = rest % 6;
      weight *= rule.weights(rest % 6);
    }
    const Complex first = Complex(rule.nodes(at[0]), rule.nodes(at[1])) * std::sqrt(0.5);
    const Complex second = Complex(rule.nodes(at[2]), rule.nodes(at[3])) * std::sqrt(0.5);
    sum += weight * f(first * x(0) + second * x(1), std::conj(first * y(0) + second * y(1)));
  }
  return sum;
}

double squared_modulus(Complex a, Complex b) {
  return std::norm(a) * std::norm(b);
}
double pseudo_square(Complex a, Complex b) {
  return (a * a * b * b).real();
}

double real_rademacher_base(const Vector& x, const Vector& y) {
  double sum = 0.0;
  for_each_sign_vector(x.size(), [&](const Vector& w) { sum += std::pow(w.dot(x) * w.dot(y), 2); });
  return std::ldexp(sum, -static_cast<int>(x.size()));
}

// Variance of the real estimate minus that of CtR, times the number of real features: with the bases
// m = E(w·x)²(w·y)², V = E|w·x|²|w·y|² and P = E(w·x)²(conj w·y)² it is m^p − V^p − P^p + A^p.
double gap(double m, double V, double P, double A, int p) {
  return std::pow(m, p) - std::pow(V, p) - std::pow(P, p) + std::pow(A, p);
}

// Non-negative vectors have a ≥ 0; `signed_pair` has a < 0.
std::vector<VectorPair> positive_pairs(const ClaimSettings& settings, Index d) {
  std::vector<VectorPair> pairs;
  for (std::uint32_t r = 0; r < 4; ++r) {
    const Matrix X = random_matrix(settings, 700 + r, 2, d).cwiseAbs();
    pairs.push_back({fmt::format("d = {}, instance {}", d, r), X.row(0), X.row(1)});
  }
  return pairs;
}

Finding ctr_fourth_moments(const ClaimSettings& settings) {
  ExactCheck check(settings);
  std::vector<VectorPair> pairs = positive_pairs(settings, 4);
  pairs.push_back({"x = e₁", Vector::Unit(4, 0), Vector::Unit(4, 0)});
  for (const VectorPair& pair : pairs) {
    const Vector& x = pair.x;
    const double quartic = std::pow(x.squaredNorm(), 2), fourth = x.cwiseAbs2().squaredNorm();
    const double of_real = real_rademacher_base(x, x), of_complex = over_complex_signs(x, x, squared_modulus);
    check.equal(of_real, 3.0 * quartic - 2.0 * fourth, "real, " + pair.name);
    check.equal(of_complex, 2.0 * quartic - fourth, "complex, " + pair.name);
    check.at_most(of_real, 3.0 * quartic, "real, " + pair.name);
    check.at_most(of_complex, 2.0 * quartic, "complex, " + pair.name);
  }
  check.note("over p independent factors the constants are 3^p and 2^p");
  return check.finding("E(w·x)⁴ and E|w·x|⁴ by enumeration against 3|x|⁴ and 2|x|⁴");
}

Finding ctr_gaussian_gap(const ClaimSettings& settings) {
  ExactCheck check(settings);
  for (const VectorPair& pair : pairs_at_angles(settings, 710, 2, 1.2, {0.0, 30.0, 90.0, 150.0})) {
    const PairSums sums(pair);
    const double V = over_complex_gaussians(pair.x, pair.y, squared_modulus);
    const double P = over_complex_gaussians(pair.x, pair.y, pseudo_square);
    for (int p = 1; p <= 6; ++p) {
      double claimed = 0.0;
      for (int k = 1; k < p; ++k)
        claimed += choose(p, k) * (std::exp2(k) - 1.0) * std::pow(sums.A, k) * std::pow(sums.n, p - k);
      const double found = gap(sums.n + 2.0 * sums.A, V, P, sums.A, p),
                   unit = std::pow(sums.n + 2.0 * sums.A, p);
      check.equal(found, claimed, fmt::format("p = {}, {}", p, pair.name), unit);
      check.at_least(found, 0.0, fmt::format("p = {}, {}", p, pair.name), unit);
    }
  }
  return check.finding("D(Var real - Var CtR), complex moments by quadrature, against the theorem");
}

// Σ_{k=2}^p Σ_{j<k} C(p,k) C(k,j) (n^j − S^j) a^{p−j}.
double rademacher_gap(const PairSums& sums, int p) {
  double total = 0.0;
  for (int k = 2; k <= p; ++k)
    for (int j = 0; j < k; ++j)
      total += choose(p, k) * choose(k, j) * (std::pow(sums.n, j) - std::pow(sums.S, j)) *
               std::pow(sums.A - sums.S, p - j);
  return total;
}

double enumerated_rademacher_gap(const VectorPair& pair, int p) {
  return gap(real_rademacher_base(pair.x, pair.y), over_complex_signs(pair.x, pair.y, squared_modulus),
             over_complex_signs(pair.x, pair.y, pseudo_square), PairSums(pair).A, p);
}

void check_rademacher_gap(const ClaimSettings& settings, double factor, ExactCheck& check) {
  for (const VectorPair& pair : positive_pairs(settings, 3))
    for (int p = 2; p <= 5; ++p) {
      const double unit = std::pow(3.0 * PairSums(pair).n, p) * 1e-3;
      check.equal(enumerated_rademacher_gap(pair, p), factor * rademacher_gap(PairSums(pair), p),
                  fmt::format("p = {}, {}", p, pair.name), unit);
    }
}

Finding ctr_rademacher_gap(const ClaimSettings& settings) {
  ExactCheck check(settings);
  check_rademacher_gap(settings, 1.0, check);
  for (const VectorPair& pair : positive_pairs(settings, 3))
    check.at_least(enumerated_rademacher_gap(pair, 3), 0.0, "p = 3, " + pair.name);
  return check.finding("D(Var real - Var CtR) by enumeration against the theorem, a >= 0");
}

Finding ctr_appendix_factor(const ClaimSettings& settings) {
  ExactCheck check(settings);
  check_rademacher_gap(settings, 0.5, check);
  return check.finding("D(Var real - Var CtR) by enumeration against the appendix's factor 1/(2D)");
}

Finding ctr_always_better(const ClaimSettings& settings) {
  ExactCheck check(settings);
  for (std::uint32_t r = 0; r < 6; ++r) {
    const Matrix X = random_matrix(settings, 720 + r, 2, 4);
    const VectorPair pair{fmt::format("d = 4, instance {}", r), X.row(0), X.row(1)};
    const PairSums sums(pair);
    check.at_least(enumerated_rademacher_gap(pair, 3) / std::pow(sums.n, 3), 0.0,
                   fmt::format("p = 3, {}, a = {:.3f}, gap over n³", pair.name, sums.A - sums.S));
  }
  check.note("every failure has a = (x·y)² - Σx²y² < 0");
  return check.finding("D(Var real - Var CtR) by enumeration against 0, vectors of any sign");
}

// E of the square of TensorSketch's estimate over all hashes {1…d} → {0…D−1} and signs: p independent
// CountSketches, convolved on the cycle of length D.
double tensor_sketch_second_moment(const VectorPair& pair, int p, int D) {
  const Index d = pair.x.size();
  std::vector<std::pair<Eigen::ArrayXd, Eigen::ArrayXd>> sketches;  // of x and of y
  const int hashes = static_cast<int>(std::pow(D, d));
  for_each_sign_vector(d, [&](const Vector& signs) {
    for (int code = 0; code < hashes; ++code) {
      Eigen::ArrayXd of_x = Eigen::ArrayXd::Zero(D), of_y = of_x;
      for (Index i = 0, rest = code; i < d; ++i, rest /= D) {
        of_x(rest % D) += signs(i) * pair.x(i);
        of_y(rest % D) += signs(i) * pair.y(i);
      }
      sketches.emplace_back(of_x, of_y);
    }
  });
  const auto convolve = [&](const Eigen::ArrayXd& a, const Eigen::ArrayXd& b) {
    Eigen::ArrayXd c = Eigen::ArrayXd::Zero(D);
    for (int i = 0; i < D; ++i)
      for (int j = 0; j < D; ++j) c((i + j) % D) += a(i) * b(j);
    return c;
  };
  std::vector<std::pair<Eigen::ArrayXd, Eigen::ArrayXd>> products = sketches;
  for (int factor = 2; factor <= p; ++factor) {
    std::vector<std::pair<Eigen::ArrayXd, Eigen::ArrayXd>> next;
    next.reserve(products.size() * sketches.size());
    for (const auto& product : products)
      for (const auto& sketch : sketches)
        next.emplace_back(convolve(product.first, sketch.first), convolve(product.second, sketch.second));
    products = std::move(next);
  }
  double sum = 0.0;
  for (const auto& product : products) sum += std::pow((product.first * product.second).sum(), 2);
  return sum / static_cast<double>(products.size());
}

constexpr std::array<std::pair<int, int>, 4> kSketches{{{1, 3}, {2, 2}, {2, 3}, {3, 2}}};

VectorPair sketched_pair(const ClaimSettings& settings) {
  const Matrix X = random_matrix(settings, 730, 2, 2);
  return {"d = 2", X.row(0), X.row(1)};
}

Finding tensor_sketch_closed_form(const ClaimSettings& settings) {
  ExactCheck check(settings);
  const VectorPair pair = sketched_pair(settings);
  const PairSums sums(pair);
  const double a = sums.A, b = sums.n - sums.S, c = sums.A - sums.S;
  for (const auto& [p, D] : kSketches) {
    const double g = D % 2 == 0 ? 2.0 : 1.0;
    const double ab = std::pow(a + b, p), ac = std::pow(a + c, p), ap = std::pow(a, p);
    const double claimed = (ab + ac - 2.0 * ap) / D + g / (D * D) * (std::pow(a + b + c, p) - ab - ac + ap);
    const double moment = tensor_sketch_second_moment(pair, p, D);
    check.equal(moment - ap, claimed, fmt::format("p = {}, D = {}, {}", p, D, pair.name), moment);
  }
  return check.finding("variance of TensorSketch over all hashes and signs against the closed form");
}

Finding tensor_sketch_coded_form(const ClaimSettings& settings) {
  ExactCheck check(settings);
  const VectorPair pair = sketched_pair(settings);
  const PairSums sums(pair);
  for (const auto& [p, D] : kSketches) {
    const double claimed =
        (std::pow(sums.A, p) + std::pow(sums.n, p) - 2.0 * std::pow(sums.S, p)) / static_cast<double>(D);
    const double moment = tensor_sketch_second_moment(pair, p, D);
    check.equal(moment - std::pow(sums.A, p), claimed, fmt::format("p = {}, D = {}, {}", p, D, pair.name));
  }
  return check.finding("variance of TensorSketch over all hashes and signs against (A^p + n^p - 2S^p)/D");
}

// E of the mean over rows of exp(w·z − |z|²/2), w the rows of √d (H D₁)(H D₂)(H D₃), d = 4, over all signs.
double hadamard_mean(const Vector& z) {
  Eigen::Matrix4d H;
  H << 1, 1, 1, 1, 1, -1, 1, -1, 1, 1, -1, -1, 1, -1, -1, 1;
  H *= 0.5;
  double sum = 0.0;
  for_each_sign_vector(12, [&](const Vector& signs) {
    const Eigen::Vector4d image = H * signs.head<4>().asDiagonal() * H * signs.segment<4>(4).asDiagonal() *
                                  H * signs.tail<4>().asDiagonal() * z;
    sum += (2.0 * image.array()).exp().mean();
  });
  return std::ldexp(sum, -12) * std::exp(-0.5 * z.squaredNorm());
}

Finding hadamard_directions(const ClaimSettings& settings) {
  ExactCheck check(settings);
  check.equal(hadamard_mean(Vector::Unit(4, 0)), 1.0, "z = x + y = e₁, d = 4");
  check.equal(hadamard_mean(Vector::Constant(4, 0.5)), 1.0, "z = (1, 1, 1, 1)/2, d = 4");
  return check.finding("E K̂/exp(x·y) of positive features with directions √d(HD)³, over all signs");
}

// E exp(rs) over the norm r of two standard normals.
double over_norms(double s) {
  const double half_pi = std::numbers::pi / 2.0;
  return 1.0 + s * std::sqrt(half_pi) * std::exp(0.5 * s * s) * (1.0 + std::erf(s / std::numbers::sqrt2));
}

// One step of the released code. It may draw the same axis twice, i = j; then the second line has the last
// word, and the row changes its length.
Eigen::Matrix2d givens_step(const Eigen::Matrix2d& q, Index i, Index j, double angle) {
  Eigen::Matrix2d next = q;
  next.row(i) = std::cos(angle) * q.row(i) + std::sin(angle) * q.row(j);
  next.row(j) = -std::sin(angle) * q.row(i) + std::cos(angle) * q.row(j);
  return next;
}

// E f(step of q) over the angle, and over the axes, of which the code draws two with replacement.
template <typename F>
double over_givens_steps(const Eigen::Matrix2d& q, bool distinct, const F& f) {
  const auto of_axes = [&](Index i, Index j) {
    const auto at = [&](double angle) { return f(givens_step(q, i, j, angle)); };
    return integral(at, 0.0, std::numbers::pi) / std::numbers::pi;
  };
  return distinct ? of_axes(0, 1) : 0.25 * of_axes(0, 0) + 0.5 * of_axes(0, 1) + 0.25 * of_axes(1, 1);
}

// E of the mean over rows of exp(w·z − |z|²/2), w = r q_i, q of the d⌈ln d⌉ = 2 steps that d = 2 has.
double givens_mean(const Vector& z, bool distinct) {
  const auto rows = [&](const Eigen::Matrix2d& q) {
    const Eigen::Vector2d along = q * z;
    return 0.5 * (over_norms(along(0)) + over_norms(along(1)));
  };
  const double mean = over_givens_steps(Eigen::Matrix2d::Identity(), distinct,
                                        [&](const auto& q) { return over_givens_steps(q, distinct, rows); });
  return mean * std::exp(-0.5 * z.squaredNorm());
}

Finding givens_directions(const ClaimSettings& settings) {
  ExactCheck check(settings);
  for (const double size : {0.5, 1.0})
    for (const bool distinct : {false, true}) {
      const std::string axes = distinct ? "distinct axes" : "axes with replacement";
      check.equal(givens_mean(size * Vector::Unit(2, 0), distinct), 1.0,
                  fmt::format("z = x + y = {:g} e₁, {}", size, axes));
    }
  check.note(
      "angles of half a circle only: two of them add up to one that is most often near π, with E cos = "
      "-4/π²");
  return check.finding("E K̂/exp(x·y) of positive features with directions r G₁G₂ and chi norms r, d = 2");
}

constexpr std::array kClaims{
    Claim{"ctr-fourth-moments", "complex projections have smaller fourth moments than real ones",
          "E(w·x)⁴ <= 3|x|⁴ (real), E|w·x|⁴ <= 2|x|⁴ (complex)",
          "Wacker, Ohana and Filippone 2023, Lemma 3.1 and Table 1", "Rademacher, and {1, -1, i, -i}",
          "enumeration of signs", "sketches,identity", Verdict::proven, &ctr_fourth_moments},
    Claim{"ctr-gaussian-gap", "complex-to-real sketches with Gaussians never have the larger variance",
          "D(Var real - Var CtR) = Σ_k C(p,k)(2^k-1) (x·y)^(2k) (|x||y|)^(2p-2k) >= 0",
          "Wacker, Ohana and Filippone 2023, Theorem 3.5", "D real features each",
          "Gauss-Hermite in four dimensions", "sketches,identity", Verdict::proven, &ctr_gaussian_gap},
    Claim{"ctr-rademacher-gap",
          "complex-to-real sketches with Rademacher entries have the smaller variance if a >= 0",
          "D(Var real - Var CtR) = Σ_k Σ_j<k C(p,k)C(k,j)(n^j - S^j) a^(p-j)",
          "Wacker, Ohana and Filippone 2023, Theorem 3.4", "a = (x·y)² - Σx²y² >= 0", "enumeration of signs",
          "sketches,identity", Verdict::proven, &ctr_rademacher_gap},
    Claim{"ctr-appendix-factor", "the appendix's line of that difference with the factor 1/(2D)",
          "2D(Var real - Var CtR) = Σ_k Σ_j<k …", "Wacker, Ohana and Filippone 2023, appendix as printed",
          "a >= 0", "enumeration of signs", "sketches", Verdict::refuted, &ctr_appendix_factor},
    Claim{"ctr-rademacher-always-better",
          "complex-to-real sketches with Rademacher entries are better for all vectors",
          "Var CtR <= Var real", "Wacker, Ohana and Filippone 2023, Theorem 3.4 without its condition",
          "p = 3", "enumeration of signs", "sketches", Verdict::refuted, &ctr_always_better},
    Claim{
        "tensor-sketch-closed-form", "the variance of TensorSketch has a closed form",
        "Var = [(a+b)^p+(a+c)^p-2a^p]/D + gcd(2,D)/D² [(a+b+c)^p-(a+b)^p-(a+c)^p+a^p], a = (x·y)², b = n-S, "
        "c = a-S",
        "derived here; said to be unknown by Wacker, Ohana and Filippone 2023",
        "independent hashes and signs", "enumeration of hashes and signs", "sketches,identity",
        Verdict::proven, &tensor_sketch_closed_form},
    Claim{"tensor-sketch-coded-form", "the variance of TensorSketch as published code has it",
          "Var = (A^p + n^p - 2S^p)/D", "dp-rfs, pseudo_var_tensor_sketch", "independent hashes and signs",
          "enumeration of hashes and signs", "sketches,released", Verdict::refuted,
          &tensor_sketch_coded_form},
    Claim{"hadamard-directions-unbiased", "positive features with Hadamard directions are unbiased",
          "E K̂ = exp(x·y), directions √d (HD)³", "Choromanski et al. 2021, H-ORFs in Performer's abstract",
          "d = 4", "enumeration of signs", "sketches", Verdict::refuted, &hadamard_directions},
    Claim{"givens-directions-unbiased",
          "positive features with products of random Givens rotations for directions are unbiased",
          "E K̂ = exp(x·y), directions r G₁…G_T, T = d⌈ln d⌉",
          "released code of Choromanski et al. 2021, G-ORFs of Performer's abstract",
          "d = 2, so T = 2; norms r of normal vectors", "quadrature over the angles", "sketches,released",
          Verdict::refuted, &givens_directions},
};

}  // namespace

std::span<const Claim> sketch_claims() {
  return kClaims;
}

}  // namespace attngap
