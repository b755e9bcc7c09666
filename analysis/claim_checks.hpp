#pragma once

#include "analysis/claims.hpp"
#include "analysis/moments.hpp"

#include <span>
#include <string>

namespace attngap {

/// Up to here a relative residual is rounding; from `kClearlyWrong` on it is a counterexample. Between them
/// nothing is decided.
inline constexpr double kRounding = 1e-10;
/// From here on a residual is a counterexample.
inline constexpr double kClearlyWrong = 1e-6;

/// Gathers deterministic checks of one claim and turns them into a verdict: PROVEN when every one holds to
/// rounding, REFUTED with the worst counterexample when one is clearly violated, UNDECIDED when one is
/// violated by something between, is not a number, or when nothing was checked.
class ExactCheck {
 public:
  explicit ExactCheck(const ClaimSettings& settings, double rounding = kRounding)
      : distortion_(settings.distortion), rounding_(rounding) {}

  /// found = claimed, relative to the larger of them and of `unit`.
  void equal(double found, double claimed, const std::string& instance, double unit = 0.0);

  /// found ≤ bound, relative as above.
  void at_most(double found, double bound, const std::string& instance, double unit = 0.0);

  /// bound ≤ found, relative as above.
  void at_least(double found, double bound, const std::string& instance, double unit = 0.0);

  /// Adds a sentence to the evidence.
  void note(const std::string& sentence);

  /// The verdict; `what` names what was compared, for the evidence.
  Finding finding(const std::string& what) const;

 private:
  void record(double violation, const std::string& description);

  double distortion_;
  double rounding_;
  int checks_ = 0;
  int violated_ = 0;
  int undefined_ = 0;
  double worst_ = -1.0;
  std::string worst_instance_;
  std::string notes_;
};

/// One mean that a claim says is within ±margin, from independent numbers.
struct MeanWithin {
  std::string instance;
  Moments errors;
  double margin = 0.0;
  bool exact = false;  ///< the number cannot vary, so that it is known and not merely sampled
};

/// Verdict on a family of means by two one-sided t tests each (Schuirmann 1987), Holm-corrected over the
/// family at level α: EQUIVALENT(`margin`) when every mean is within its margin, REFUTED when some mean is
/// outside of it, else UNDECIDED with the number of replicates that would decide the closest one. A family
/// that is known exactly is PROVEN or REFUTED.
Finding judge_means(std::span<const MeanWithin> family, double margin, double alpha = 0.05);

/// The same verdict at a look that is one of any number of them, so that the first that is not UNDECIDED may
/// be kept: each of the n means has a confidence_sequence at level α/n, and the chance that any of these ever
/// misses its mean tends to α. EQUIVALENT(`margin`) when all of them are inside their margins, REFUTED when
/// one is outside of its own, else UNDECIDED with the replicates after which the closest one would be
/// decided, were its mean what it seems. The sequences are narrowest near `tuned_for` replicates. A family
/// that is known exactly is judged by judge_means.
Finding judge_means_at_a_look(std::span<const MeanWithin> family, double margin, double tuned_for,
                              double alpha = 0.05);

/// The upper end of Clopper and Pearson's one-sided 1 − α interval of a probability.
double largest_probability(int hits, int trials, double alpha = 0.05);

}  // namespace attngap
