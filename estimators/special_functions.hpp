#pragma once

namespace attngap {

/// Kummer's ₁F₁(d; d/2; z), the pair moment of two orthogonal Gaussian directions at z = |x+y|²/2.
///
/// For even d the terminating form e^z ₁F₁(−d/2; d/2; −z): a sum of positive terms for z ≥ 0, a Laguerre
/// polynomial by its stable recurrence for z < 0. For odd d the series for z ≥ 0, Boost.Math for z < 0.
/// Throws BadInput unless d ≥ 1 and z is finite.
double kummer_pair_moment(int d, double z);

/// ₁F₁(d; d/2; z) e^{−2z} − 1: by how much, relative to the squared mean, two orthogonal directions go
/// together. For |z| ≤ 1, where that is −z²/(d/2 + 1) to leading order, by the series of the difference,
/// in which nothing cancels. −1, its limit, where the moment is beyond a double for z > 0. Throws BadInput as
/// above.
double kummer_pair_excess(int d, double z);

/// ₀F₁(; b; z) for b > 0, z ≥ 0 (Boost.Math); it leaves the range of a double near 2√z = 700.
double hypergeometric_0f1(double b, double z);

/// ln ₀F₁(; b; z) for b > 0, z ≥ 0, also where that is beyond a double: its positive terms over the largest,
/// with an error of about ε√z ln z.
double log_hypergeometric_0f1(double b, double z);

/// ₀F₁(; b; 4z) − ₀F₁(; b; z)² and ₀F₁(; b; 2z) − ₀F₁(; b; z)² for b ≥ ½, z ≥ 0, of order z and −z²: as ₀F₁²
/// is ₁F₂(b − ½; b, 2b − 1; 4z) their series have terms of one sign. What the exponential of a projection of
/// one direction of fixed norm, and two of an orthogonal pair, vary by.
double spherical_variance(double b, double z);
/// The second of the two, as above.
double spherical_covariance(double b, double z);

/// Bessel functions J₀(x) and I₀(x) for x ≥ 0; I₀ is infinite beyond the range of a double (Boost.Math).
double bessel_j0(double x);
/// I₀(x), as above.
double bessel_i0(double x);

/// Li₂(x) = Σ_{n≥1} xⁿ/n² for |x| ≤ 1.
double dilogarithm(double x);

/// ₂F₁(−½, −½; 1; x) = Σ_n binom(½, n)² xⁿ for |x| ≤ 1: the perimeter of an ellipse over π(a + b) at x = ((a
/// − b)/(a + b))².
double ellipse_series(double x);

}  // namespace attngap
