#pragma once

#include "experiments/criterion.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace attngap {

/// What a criterion compares in one place: a row, or two.
struct CriterionPoint {
  const ResultRow* left = nullptr;
  const ResultRow* right = nullptr;  ///< nullptr where there is one selection
};

/// The points of a criterion that have numbers, and how many have none.
struct CriterionPoints {
  std::vector<CriterionPoint> usable;
  std::size_t lacking = 0;
  std::string first_lacking;  ///< where, and why

  /// Counts a point that has no number.
  void lack(const ResultRow& row, std::string_view why);

  std::size_t all() const { return usable.size() + lacking; }

  /// "3 of 20 points have no number (the first: PLACE: WHY)"; empty where all have one.
  std::string lacking_text() const;
};

/// The points that a criterion speaks of; those of a slope are single rows.
CriterionPoints points_of(const Criterion& criterion, const std::vector<ResultRow>& rows);

/// The standard error of a row that counts: 0 of metrics without a draw.
double error_of(const ResultRow& row);

}  // namespace attngap
