#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace attngap {

/// What is found about a claim. `proven` is for exact checks alone: identities, quadrature and enumeration
/// that hold to rounding on the instances the evidence names. `equivalent` is what a simulation can say: true
/// within a stated margin.
enum class Verdict { proven, equivalent, refuted, undecided };

/// PROVEN, EQUIVALENT, REFUTED or UNDECIDED.
std::string_view verdict_name(Verdict verdict);

/// A verdict and the numbers it rests on.
struct Finding {
  Verdict verdict = Verdict::undecided;
  double margin = 0.0;   ///< δ of EQUIVALENT(δ)
  std::string evidence;  ///< what was checked, with the largest residual or the counterexample
};

/// The verdict as it is printed, EQUIVALENT with its margin.
std::string verdict_text(const Finding& finding);

/// What a judgement depends on.
struct ClaimSettings {
  std::uint64_t seed = 1;  ///< of random instances and of simulations

  /// Control of the judge itself: every claimed number is multiplied by 1 + distortion before it is compared,
  /// and every claimed bound is made tighter by that share. A judge that still says PROVEN of an equality
  /// compares nothing. Simulations are not distorted.
  double distortion = 0.0;
};

/// A claim of a paper or of published code, and how it is judged.
struct Claim {
  std::string_view name;
  std::string_view statement;   ///< in words, so that it is either true or false
  std::string_view formula;     ///< what is computed
  std::string_view source;      ///< who says so, and where
  std::string_view hypotheses;  ///< under what the statement is meant; the instances respect it
  std::string_view method;
  std::string_view
      tags;          ///< separated by commas: a family, identity where an equality is at stake, simulation
  Verdict expected;  ///< what the verdict was when the claim was entered; never read by the judge
  Finding (*judge)(const ClaimSettings& settings);
};

/// Every claim, family after family.
std::span<const Claim> claims();

/// The claim of that name; throws BadInput with the nearest names otherwise.
const Claim& claim_named(std::string_view name);

/// Whether the claim carries the tag.
bool has_tag(const Claim& claim, std::string_view tag);

}  // namespace attngap
