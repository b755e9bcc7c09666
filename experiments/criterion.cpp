#include "experiments/criterion.hpp"

#include "analysis/inference.hpp"
#include "analysis/rates.hpp"
#include "analysis/ratio_inference.hpp"
#include "experiments/criterion_points.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include <boost/math/distributions/normal.hpp>
#include <fmt/format.h>

namespace attngap {
namespace {

constexpr double kSigmas = 3.0;
constexpr double kFalseAlarm = 1e-4;
constexpr double kRounding = 1e-12;  // relative, of closed forms and of means of equal numbers
constexpr double kBlunt = 0.2;       // relative standard error beyond which agreement says nothing
constexpr double kEvery = std::numeric_limits<double>::infinity();

std::string number_with_error(const ResultRow& row) {
  return error_of(row) > 0 ? fmt::format("{:.4g} ± {:.2g}", row.value, row.std_error)
                           : fmt::format("{:.4g}", row.value);
}

// `margin` in standard errors; infinite where there is none.
double in_errors(double margin, double error) {
  if (error > 0) return margin / error;
  return margin > 0 ? kEvery : (margin < 0 ? -kEvery : 0.0);
}

Judgement decided(double sigmas) {
  if (sigmas >= kSigmas) return Judgement::holds;
  return sigmas <= -kSigmas ? Judgement::fails : Judgement::undecided;
}

std::string in_words(double sigmas) {
  return std::isfinite(sigmas) ? fmt::format("{:.3g} standard errors", sigmas) : "no error of sampling";
}

// How far a point is from the contrary of what is claimed: in standard errors and, where these are none, in
// itself.
using Margin = std::pair<double, double>;

// A number with its standard error and its interval at kSigmas of them, and the row it is at.
struct Number {
  double value = 0.0;
  double error = 0.0;
  const ResultRow* row = nullptr;
  double low = 0.0, high = 0.0;
};

// By how many standard errors a number is above `limit`, below 0 where it is below it. The interval's side
// towards the limit says how large one is.
double errors_above(const Number& number, double limit) {
  const double room = number.value - limit;
  return in_errors(room, (room > 0 ? number.value - number.low : number.high - number.value) / kSigmas);
}

// Whether all numbers are within [low, high], by the one that is closest to an end.
Finding judge_within(const std::vector<Number>& numbers, const Criterion& criterion, std::string_view what) {
  const double low = criterion.low, high = criterion.high;
  const auto margin = [&](const Number& number) {
    return Margin{std::min(errors_above(number, low), -errors_above(number, high)),
                  std::min(number.value - low, high - number.value)};
  };
  const auto closest =
      std::min_element(numbers.begin(), numbers.end(),
                       [&](const Number& a, const Number& b) { return margin(a) < margin(b); });
  const auto [least, most] = std::minmax_element(
      numbers.begin(), numbers.end(), [](const Number& a, const Number& b) { return a.value < b.value; });
  const bool at_an_end = closest->error == 0 && (closest->value == low || closest->value == high);
  const std::string error = closest->error > 0 ? fmt::format(" ± {:.2g}", closest->error) : std::string();
  const std::string at = fmt::format("{:.4g}{} at {}", closest->value, error, place_of(*closest->row));
  const std::string evidence =
      numbers.size() == 1
          ? fmt::format("{} {}; asked for [{:g}, {:g}]", what, at, low, high)
          : fmt::format(
                "{}s from {:.4g} to {:.4g} over {} points; asked for [{:g}, {:g}]; closest to an end: {}",
                what, least->value, most->value, numbers.size(), low, high, at);
  return {at_an_end ? Judgement::holds : decided(margin(*closest).first), evidence};
}

Finding judge_between(const Criterion& criterion, const CriterionPoints& points) {
  std::vector<Number> numbers;
  for (const auto& [row, none] : points.usable) {
    const double half = kSigmas * error_of(*row);
    numbers.push_back({row->value, error_of(*row), row, row->value - half, row->value + half});
  }
  return judge_within(numbers, criterion, "value");
}

Finding judge_ratio(const Criterion& criterion, const CriterionPoints& points) {
  std::vector<Number> numbers;
  for (const auto& [left, right] : points.usable) {
    const double over = error_of(*left), under = error_of(*right);
    const Estimated ratio =
        ratio_fieller({left->value, right->value, over * over, 0.0, under * under}, kSigmas).ratio;
    numbers.push_back({ratio.value, ratio.std_error, left, ratio.low, ratio.high});
  }
  return judge_within(numbers, criterion, "ratio");
}

double error_of(const CriterionPoint& point) {
  return std::hypot(error_of(*point.left), error_of(*point.right));
}

// Whether nothing much above the right could be told from it: half of the differences are known too badly.
bool too_blunt_to_be_above(const std::vector<CriterionPoint>& points) {
  std::vector<double> relative;
  for (const CriterionPoint& point : points)
    relative.push_back(error_of(point) / std::abs(point.right->value));
  std::sort(relative.begin(), relative.end());
  return !(sorted_quantile(relative, 0.5) <= kBlunt);
}

// left < right, or left not above right, by the pair that is closest to the contrary.
Finding judge_order(const Criterion& criterion, const CriterionPoints& points) {
  const auto margin = [](const CriterionPoint& point) {
    const double room = point.right->value - point.left->value;
    const double size = std::max(std::abs(point.right->value), std::abs(point.left->value));
    return Margin{in_errors(room, error_of(point)), size > 0 ? room / size : 0.0};
  };
  const auto closest = std::min_element(
      points.usable.begin(), points.usable.end(),
      [&](const CriterionPoint& a, const CriterionPoint& b) { return margin(a) < margin(b); });
  double ratio = -kEvery;
  for (const auto& [left, right] : points.usable) ratio = std::max(ratio, left->value / right->value);
  const double sigmas = margin(*closest).first;
  Judgement judgement = decided(sigmas);
  if (criterion.kind == CriterionKind::not_above && judgement == Judgement::undecided)
    judgement = too_blunt_to_be_above(points.usable) ? Judgement::undecided : Judgement::holds;
  return {judgement, fmt::format("{} against {} at {} ({}; the closest of {} points; largest ratio {:.3g})",
                                 number_with_error(*closest->left), number_with_error(*closest->right),
                                 place_of(*closest->left), in_words(sigmas), points.usable.size(), ratio)};
}

using Series = std::vector<const ResultRow*>;

// The slope of one series; nothing below two counts.
std::optional<Estimated> slope_of(const Series& series, const std::string& against) {
  std::vector<double> counts, values, errors;
  for (const ResultRow* row : series) {
    counts.push_back(number_of(*row, against));
    values.push_back(row->value);
    errors.push_back(error_of(*row));
  }
  return exponent_of({counts, values, errors, against == "draws" || against == "dimension"});
}

// What the rows of one series have in common.
std::string series_name(const ResultRow& row, std::string_view against) {
  std::string name = fmt::format("{}, {}, {}, {}", row.data, row.estimator, row.projection, row.metric);
  if (against != "draws" && against != "dimension") name += fmt::format(", m = {}", row.draws);
  if (against != "length" && against != "queries") name += fmt::format(", l = {}", row.length);
  if (against != "head_dim") name += fmt::format(", d = {}", row.head_dim);
  return name;
}

// What is left to be a series: rows with a logarithm, at two counts at least. Moves the others to those that
// lack a number.
std::vector<Series> series_of(const Criterion& criterion, CriterionPoints& points) {
  std::map<std::string, Series> named;
  for (const CriterionPoint& point : std::exchange(points.usable, {})) {
    const ResultRow& row = *point.left;
    if (row.value <= 0 || number_of(row, criterion.against) <= 0) {
      points.lack(row, "no logarithm");
      continue;
    }
    named[series_name(row, criterion.against)].push_back(&row);
  }
  std::vector<Series> kept;
  for (const auto& [name, series] : named) {
    const bool has_slope = slope_of(series, criterion.against).has_value();
    for (const ResultRow* row : series) {
      if (has_slope) {
        points.usable.push_back({row, nullptr});
      } else {
        points.lack(*row, "alone in its series");
      }
    }
    if (has_slope) kept.push_back(series);
  }
  return kept;
}

// How one series came out, and how far its interval is from the contrary.
struct SeriesFinding {
  const Series* series = nullptr;
  Estimated slope;
  Judgement judgement = Judgement::holds;
  double room = 0.0;
};

SeriesFinding judge_series(const Series& series, const Criterion& criterion) {
  const Estimated slope = *slope_of(series, criterion.against);
  const double inside = std::min(slope.low - criterion.low, criterion.high - slope.high);
  const double outside = std::max(criterion.low - slope.high, slope.low - criterion.high);
  if (inside >= 0) return {&series, slope, Judgement::holds, inside};
  if (outside > 0) return {&series, slope, Judgement::fails, -outside};
  return {&series, slope, Judgement::undecided, inside};
}

// The series nearest to its limit, or farthest beyond it: one that fails before one that is undecided.
Finding judge_slope(const Criterion& criterion, const std::vector<Series>& all) {
  const auto rank = [](Judgement judgement) {
    return judgement == Judgement::fails ? 0 : judgement == Judgement::undecided ? 1 : 2;
  };
  std::vector<SeriesFinding> found;
  for (const Series& series : all) found.push_back(judge_series(series, criterion));
  const auto worst = *std::min_element(found.begin(), found.end(), [&](const auto& a, const auto& b) {
    return std::pair(rank(a.judgement), a.room) < std::pair(rank(b.judgement), b.room);
  });
  const auto [flattest, steepest] = std::minmax_element(
      found.begin(), found.end(), [](const auto& a, const auto& b) { return a.slope.value < b.slope.value; });
  const auto [first, last] =
      std::minmax_element(worst.series->begin(), worst.series->end(), [&](const auto* a, const auto* b) {
        return number_of(*a, criterion.against) < number_of(*b, criterion.against);
      });
  std::string evidence = fmt::format(
      "{:.3f} [{:.3f}, {:.3f}] against {} from {:g} to {:g}; asked for [{:g}, {:g}]", worst.slope.value,
      worst.slope.low, worst.slope.high, criterion.against, number_of(**first, criterion.against),
      number_of(**last, criterion.against), criterion.low, criterion.high);
  const ResultRow& row = *worst.series->front();
  std::string where = fmt::format("{}, {}", row.data, row.estimator);
  if (!row.projection.empty() && row.projection != "iid") where += ", " + row.projection;
  if (found.size() == 1) return {worst.judgement, fmt::format("{}; {}", evidence, where)};
  return {worst.judgement,
          fmt::format("{}; {}, the {} a limit of {} series, whose slopes are from {:.3f} to {:.3f}", evidence,
                      where, worst.judgement == Judgement::fails ? "farthest beyond" : "nearest to",
                      found.size(), flattest->slope.value, steepest->slope.value)};
}

Finding judge_agree(const CriterionPoints& points) {
  std::vector<double> relative;
  double largest = 0.0;
  const ResultRow* farthest = nullptr;
  std::size_t equal = 0;
  for (const auto& [left, right] : points.usable) {
    const bool exact = error_of(*left) == 0.0 && error_of(*right) == 0.0;
    if (exact && std::abs(left->value - right->value) <= kRounding * std::abs(right->value)) {
      ++equal;
      continue;
    }
    const double error = std::hypot(error_of(*left), error_of(*right), kRounding * right->value);
    relative.push_back(error / std::abs(right->value));
    const double sigmas = std::abs(left->value - right->value) / error;
    if (farthest == nullptr || sigmas > largest) {
      largest = sigmas;
      farthest = left;
    }
  }
  if (relative.empty()) return {Judgement::holds, fmt::format("{} points are equal, to rounding", equal)};
  const double allowed = boost::math::quantile(
      boost::math::normal(), 1.0 - kFalseAlarm / (2.0 * static_cast<double>(relative.size())));
  std::sort(relative.begin(), relative.end());
  const double blunt = sorted_quantile(relative, 0.5);
  const Judgement judgement = largest > allowed ? Judgement::fails
                              : blunt > kBlunt  ? Judgement::undecided
                                                : Judgement::holds;
  return {judgement,
          fmt::format("{} points differ by at most {:.3g} standard errors (at {}), {:.3g} allowed; "
                      "half of them are known to {:.2g}",
                      relative.size(), largest, place_of(*farthest), allowed, blunt)};
}

Finding judge_points(const Criterion& criterion, CriterionPoints& points) {
  const auto series =
      criterion.kind == CriterionKind::slope ? series_of(criterion, points) : std::vector<Series>{};
  if (points.usable.empty()) return {Judgement::undecided, ""};
  switch (criterion.kind) {
    case CriterionKind::below:
    case CriterionKind::not_above:
      return judge_order(criterion, points);
    case CriterionKind::slope:
      return judge_slope(criterion, series);
    case CriterionKind::between:
      return judge_between(criterion, points);
    case CriterionKind::ratio:
      return judge_ratio(criterion, points);
    default:
      return judge_agree(points);
  }
}

}  // namespace

bool compares_two(CriterionKind kind) {
  return kind != CriterionKind::between && kind != CriterionKind::slope;
}

std::string_view judgement_name(Judgement judgement) {
  switch (judgement) {
    case Judgement::holds:
      return "holds";
    case Judgement::fails:
      return "fails";
    default:
      return "undecided";
  }
}

Finding judge(const Criterion& criterion, const std::vector<ResultRow>& rows) {
  CriterionPoints points = points_of(criterion, rows);
  if (points.all() == 0) return {Judgement::undecided, "no row to judge"};
  Finding finding = judge_points(criterion, points);
  if (points.lacking == 0) return finding;
  const double share = static_cast<double>(points.lacking) / static_cast<double>(points.all());
  const bool too_many = share > criterion.missing;
  if (too_many && finding.judgement == Judgement::holds) finding.judgement = Judgement::undecided;
  if (!finding.evidence.empty()) finding.evidence += "; ";
  finding.evidence += points.lacking_text();
  if (too_many && criterion.missing > 0.0)
    finding.evidence += fmt::format(", more than the share of {:g} that may have none", criterion.missing);
  return finding;
}

}  // namespace attngap
