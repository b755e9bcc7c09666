#pragma once

#include "analysis/inference.hpp"
#include "analysis/moments.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace attngap {

/// Holm's step-down adjusted p-values, in the order given: rejecting those at most α keeps the chance of any
/// false rejection below α under every dependence. p̃_(i) = max_{j≤i} min(1, (n−j+1) p_(j)). Holm, Scand. J.
/// Statist. 6 (1979). Throws BadInput on a p outside [0, 1].
std::vector<double> holm_adjusted(std::span<const double> p_values);

/// The three answers of an equivalence test.
enum class Equivalence { equivalent, refuted, undecided };

/// What an equivalence test says of |mean| ≤ margin.
struct EquivalenceVerdict {
  Equivalence verdict = Equivalence::undecided;
  Estimated mean;                      ///< with the two-sided 1 − 2α interval
  std::int64_t replicates_needed = 0;  ///< undecided: about how many decide it with 90 % power; 0 otherwise
};

/// Two one-sided t tests at level α each (Schuirmann 1987): `equivalent` where the 1 − 2α interval of the
/// mean lies inside (−margin, margin), `refuted` where it lies outside, `undecided` otherwise, and always
/// below two numbers. A mean on the margin itself is undecided for ever: then `replicates_needed` is the
/// largest integer. Throws BadInput unless margin > 0 and 0 < α < 1/2.
EquivalenceVerdict equivalence_test(const Moments& moments, double margin, double alpha = 0.05);

/// An interval that may be looked at after every draw: the chance that it ever misses the mean tends to α.
///
///   mean ± σ̂ √( 2(tρ² + 1)/(t²ρ²) · ln(√(tρ² + 1)/α) ),   ρ² = (−2 ln α + ln(1 − 2 ln α))/t*
///
/// narrowest near t = `tuned_for` draws. std_error is the ordinary one. Waudby-Smith, Arbour, Sinha, Kennedy
/// and Ramdas, Ann. Statist. 52 (2024), Theorem 2.2. Throws BadInput unless 0 < α < 1 and tuned_for ≥ 1; NaN
/// below two draws.
Estimated confidence_sequence(const Moments& moments, double alpha, double tuned_for);

}  // namespace attngap
