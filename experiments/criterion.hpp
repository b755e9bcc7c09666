#pragma once

#include "experiments/row_selection.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace attngap {

/// What a criterion asks of the rows it selects.
enum class CriterionKind {
  below,      ///< left < right at every point both have
  not_above,  ///< left ≤ right there, as far as chance allows to say
  ratio,      ///< left/right is within [low, high] there
  slope,      ///< the exponent of left against a field is within [low, high]
  between,    ///< every left is within [low, high]
  agree       ///< left = right at every point both have
};

/// A statement about the rows of a run that a figure is expected to show.
struct Criterion {
  std::string claim;  ///< in words
  std::string run;    ///< whose rows
  CriterionKind kind = CriterionKind::between;
  RowSelection left, right;
  std::string against = "draws";  ///< of `slope`: draws, length, head_dim or queries
  double low = 0.0, high = 0.0;
  double missing = 0.0;  ///< the share of points that may be without a number
};

/// Whether a criterion of this kind compares two selections.
bool compares_two(CriterionKind kind);

/// How a criterion came out.
enum class Judgement { holds, fails, undecided };

/// "holds", "fails", "undecided".
std::string_view judgement_name(Judgement judgement);

/// The judgement and the numbers it rests on.
struct Finding {
  Judgement judgement = Judgement::undecided;
  std::string evidence;
};

/// Judges a criterion by the rows of its run.
///
/// Two rows are at the same point when they agree in data, estimator, projection, metric, draws, length,
/// head_dim and queries, but for those that both selections name, and queries where both name a length.
///
/// A point counts where its rows have a finite number of a status that vouches for it (ok, scaled,
/// rse-not-reached) and a standard error, which only metrics without a draw may lack. The others, a row with
/// none to compare it with, a ratio over 0, and numbers that a slope has no logarithm of, are points without
/// a number: the evidence counts them, and a criterion of which more than the share `missing` is such, or
/// all, does not hold but is undecided, if it does not fail by the others.
///
///   below, between   decided at 3 standard errors of the closest point, where there are any
///   ratio   the same by Fieller's interval at 3 standard errors of both numbers (ratio_fieller), undecided
///           where the number below is not that far from 0. The two count as independent: those of one run
///           share draws, which mostly makes their ratio better known than that
///   not_above   fails where left is above right by 3 standard errors; undecided when the median standard
///           error of a difference is above 0.2 of right, as then hardly anything could be above
///   slope   of ln y = a + b ln x in every series (exponent_of); decided when the 95 % interval of b lies
///           inside the range or outside. The evidence is of the series nearest to its limit
///   agree   as many standard errors, beyond a relative rounding of 1e-12, as make one false alarm in 10⁴
///           over all points; undecided when the median relative standard error is above 0.2, as then
///           nothing could disagree
Finding judge(const Criterion& criterion, const std::vector<ResultRow>& rows);

}  // namespace attngap
