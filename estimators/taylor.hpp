#pragma once

namespace attngap {

/// The Taylor polynomial of exp and everything its truncation does to positive weights.
///
///   T_t(x) = Σ_{n≤t} xⁿ/n!,   R_t(x) = e^x − T_t(x),   t the degree (the highest exponent)
///   T_t(x) = e^x Q(t+1, x),   R_t(x) = e^x P(t+1, x)      for all real x: t+1 is whole, so both are entire
///   R_t(x) = x^{t+1}/(t+1)! · M,   M = ₁F₁(1; t+2; x) = (t+1) ∫₀¹ (1−u)^t e^{ux} du
///
/// Libraries' P and Q refuse x < 0. There M comes from its recurrence in t, M_{t−1} = 1 + x/(t+1) M_t, run in
/// the direction in which its errors shrink; nothing alternates. Every function throws BadInput unless
/// t ≥ 0 and x is finite; results overflow to infinity as e^|x| does, and are right for |x| ≤ 700.

/// T_t(x). Relative error a few t·2⁻⁵³, for odd t relative to max(|T_t|, e^x): T_t has a zero.
double taylor_exp(int degree, double x);

/// R_t(x) = e^x − T_t(x); its sign is sign(x)^{t+1}.
double taylor_remainder(int degree, double x);

/// P(t+1, x) = R_t(x) / e^x, the relative error of T_t with its sign: below 1 for x > 0, unbounded for x < 0.
double taylor_relative_error(int degree, double x);

/// r(x) = Q(t+1, x) = T_t(x) / e^x; r′ = −x^t e^{−x}/t!, so r falls on all of ℝ for even t and has its
/// maximum 1 at 0 for odd t.
double taylor_ratio(int degree, double x);

/// ln r(x), accurate where r is next to 1 and where it is beyond the range of a double; NaN where T_t(x) ≤ 0.
double taylor_log_ratio(int degree, double x);

/// The sign of R_t(x): sign(x)^{t+1}.
int taylor_remainder_sign(int degree, double x);

/// What is known of |R_t(x)| without evaluating it.
struct RemainderBounds {
  double low = 0.0;
  double high = 0.0;
};

/// |x|^{t+1}/(t+1)! times the bounds on M:
///
///   x < 0:  max{e^{x/(t+2)}, (t+1)/(t+1+|x|)} ≤ M ≤ (t+2)/(t+2+|x|)
///   x > 0:  e^{x/(t+2)} ≤ M ≤ e^x, and M ≤ (t+2)/(t+2−x) where x < t+2
///
/// The lower ones are Jensen's inequality, M being a mean over a beta and over a Poisson law.
RemainderBounds taylor_remainder_bounds(int degree, double x);

/// sup over |x| ≤ R of |R_t(x)| is at +R and at most R^{t+1}/(t+1)! e^R, which also bounds the relative error
/// at −R. Throws BadInput unless R ≥ 0.
double taylor_error_bound(int degree, double radius);

/// The one real zero x*_t of an odd degree, −1, −1.596, −2.181, … for t = 1, 3, 5, …; x*_t/t → −W(1/e) =
/// −0.2785. Bracketed between −(t+1)/2 and −t/4, where ln P(t+1, x) changes sign for every odd t. Throws
/// BadInput for an even degree.
double taylor_zero(int degree);

/// The smallest value of an even degree, T_t(x*_{t−1}) = |x*_{t−1}|^t/t!: no truncated weight can be below
/// it. Throws BadInput for an odd degree, which has none.
double taylor_floor(int degree);

/// Whether T_t > 0 on [lowest, ∞): always for even t (x < 0: R_t < 0, so T_t > e^x), for odd t where
/// lowest > x*_t.
bool taylor_is_positive(int degree, double lowest);

/// What replacing e^x by T_t(x) can do to weights w_j ∝ a_j e^{x_j}, whatever the a_j ≥ 0.
struct TruncationCertificate {
  double log_spread = 0.0;       ///< ln ρ, ρ = max r / min r over the x_j; ∞ where T_t is not positive
  double total_variation = 0.0;  ///< sharp bound on TV(w, w_t); ∞ where T_t is not positive: no bound
};

/// The certificate for all x_j in [lowest, highest], which may be infinite:
///
///   TV(w, w_t) ≤ (√ρ − 1)/(√ρ + 1) = tanh(¼ ln ρ),   attained by two keys;
///   |Σ w_j v_j − Σ w_tj v_j| ≤ TV · (max v − min v),    attained too
///
/// r is monotone on either side of 0, so its extremes are at the ends and at 0. Throws BadInput unless
/// lowest ≤ highest.
TruncationCertificate truncation_certificate(int degree, double lowest, double highest);

/// TV(w, w_t) ≤ (1 − √(1−ε²))/ε ≈ ε/2 where |r − 1| ≤ ε at every key. Throws BadInput unless 0 ≤ ε ≤ 1.
double total_variation_of_relative_error(double epsilon);

/// 1/W(1/e): an even degree of about this times R is needed for any fixed total variation on |x| ≤ R, as R →
/// ∞.
inline constexpr double kDegreePerRadius = 3.591121476668622;

/// The smallest even degree whose certificate on |x| ≤ R is at most `tolerance`. Throws BadInput unless
/// 0 ≤ R ≤ 10⁴ and 0 < tolerance.
int degree_for_total_variation(double radius, double tolerance);

/// The smallest degree, even or odd, with |R_t(x)| ≤ tolerance · e^R for all |x| ≤ R: much smaller (about R),
/// because an error small against e^R is not small against e^{−R}. Throws BadInput as above.
int degree_for_remainder(double radius, double tolerance);

/// T_t(|x|)/|T_t(x)|: by how much the sum of the terms xⁿ/n! amplifies a relative error of each. 1 for x ≥ 0;
/// for x < 0 and even t at most e^{2|x|}, and close to it once t is large.
double taylor_condition(int degree, double x);

/// A bound on the relative error of T_t(x) summed term by term with unit roundoff u (2⁻²⁴ float, 2⁻⁵³
/// double): γ_{3t+1} T_t(|x|)/|T_t(x)|, γ_k = ku/(1−ku). Two roundings a term, one an addition. Higham 2002,
/// §4.2.
double taylor_rounding_bound(int degree, double x, double unit_roundoff);

}  // namespace attngap
