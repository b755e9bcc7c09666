#include "experiments/criterion_points.hpp"

#include "experiments/metric_table.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

namespace attngap {
namespace {

bool is_drawn(const std::string& metric) {
  static const std::vector<NamedMetric> table = metric_table();
  const std::string_view name = std::string_view(metric).substr(0, metric.find(':'));
  const auto found =
      std::find_if(table.begin(), table.end(), [&](const NamedMetric& one) { return one.name == name; });
  return found == table.end() || found->drawn;
}

// Why a row is no number to judge by; empty where it is one.
std::string why_none(const ResultRow& row) {
  constexpr std::array<std::string_view, 3> kVouched{"ok", "scaled", "rse-not-reached"};
  if (std::find(kVouched.begin(), kVouched.end(), row.status) == kVouched.end()) return row.status;
  if (!std::isfinite(row.value)) return "no finite value";
  if (!std::isfinite(row.std_error) && is_drawn(row.metric)) return "no standard error";
  return "";
}

void add(CriterionPoints& points, CriterionKind kind, const ResultRow& left, const ResultRow* right) {
  if (const std::string why = why_none(left); !why.empty()) return points.lack(left, why);
  if (right != nullptr) {
    if (const std::string why = why_none(*right); !why.empty()) return points.lack(*right, why);
    if (kind == CriterionKind::ratio && right->value == 0.0) return points.lack(*right, "0 to divide by");
  }
  points.usable.push_back({&left, right});
}

}  // namespace

void CriterionPoints::lack(const ResultRow& row, std::string_view why) {
  ++lacking;
  if (first_lacking.empty()) first_lacking = fmt::format("{}: {}", place_of(row), why);
}

std::string CriterionPoints::lacking_text() const {
  if (lacking == 0) return "";
  return fmt::format("{} of {} points have no number (the first: {})", lacking, all(), first_lacking);
}

CriterionPoints points_of(const Criterion& criterion, const std::vector<ResultRow>& rows) {
  const auto both_name = [&](std::string_view field) {
    const std::string name(field);
    return (criterion.left.words.contains(name) && criterion.right.words.contains(name)) ||
           (criterion.left.ranges.contains(name) && criterion.right.ranges.contains(name));
  };
  const auto free = [&](std::string_view field) {
    if (field == "target" || field == "dimension") return true;  // follow from the estimator and the count
    return both_name(field) || (field == "queries" && both_name("length"));  // as many as keys, or as asked
  };
  std::vector<const ResultRow*> right;
  if (compares_two(criterion.kind))
    for (const ResultRow& row : rows)
      if (criterion.right.holds(row)) right.push_back(&row);
  CriterionPoints points;
  for (const ResultRow& row : rows) {
    if (!criterion.left.holds(row)) continue;
    if (!compares_two(criterion.kind)) {
      add(points, criterion.kind, row, nullptr);
      continue;
    }
    bool compared = false;
    for (const ResultRow* other : right) {
      if (!same_fields(row, *other, free)) continue;
      compared = true;
      add(points, criterion.kind, row, other);
    }
    if (!compared) points.lack(row, "no row to compare it with");
  }
  return points;
}

double error_of(const ResultRow& row) {
  return std::isfinite(row.std_error) ? row.std_error : 0.0;
}

}  // namespace attngap
