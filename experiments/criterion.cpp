#include "experiments/criterion.hpp"

#include "analysis/inference.hpp"
#include "estimators/error.hpp"
#include "estimators/names.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include <boost/math/distributions/normal.hpp>

namespace attngap {
namespace {

constexpr double kSigmas = 3.0;
constexpr double kFalseAlarm = 1e-4;
constexpr double kRounding = 1e-12;  // relative, of closed forms and of means of equal numbers
constexpr double kBlunt = 0.2;       // relative standard error beyond which agreement says nothing
constexpr double kEvery = std::numeric_limits<double>::infinity();

struct WordField {
  std::string_view name;
  std::string ResultRow::*field;
};
struct NumberField {
  std::string_view name;
  std::int64_t ResultRow::*field;
};
constexpr std::array kWords{WordField{"data", &ResultRow::data},
                            WordField{"estimator", &ResultRow::estimator},
                            WordField{"projection", &ResultRow::projection},
                            WordField{"target", &ResultRow::target}, WordField{"metric", &ResultRow::metric}};
constexpr std::array kNumbers{
    NumberField{"draws", &ResultRow::draws}, NumberField{"length", &ResultRow::length},
    NumberField{"head_dim", &ResultRow::head_dim}, NumberField{"queries", &ResultRow::queries},
    NumberField{"dimension", &ResultRow::dimension}};

const std::string& word_of(const ResultRow& row, std::string_view name) {
  const auto* found =
      std::find_if(kWords.begin(), kWords.end(), [&](const auto& f) { return f.name == name; });
  return row.*found->field;
}

double number_of(const ResultRow& row, std::string_view name) {
  const auto* found =
      std::find_if(kNumbers.begin(), kNumbers.end(), [&](const auto& f) { return f.name == name; });
  return static_cast<double>(row.*found->field);
}

// Where a row was measured, in a few words.
std::string place_of(const ResultRow& row) {
  std::string place = fmt::format("{}, {}", row.data, row.estimator);
  if (!row.projection.empty() && row.projection != "iid") place += ", " + row.projection;
  if (row.draws > 0) place += fmt::format(", m = {}", row.draws);
  return place + fmt::format(", l = {}", row.length);
}

double error_of(const ResultRow& row) {
  return std::isfinite(row.std_error) ? row.std_error : 0.0;
}

std::string number_with_error(const ResultRow& row) {
  return error_of(row) > 0 ? fmt::format("{:.4g} ± {:.2g}", row.value, row.std_error)
                           : fmt::format("{:.4g}", row.value);
}

std::vector<const ResultRow*> selected(const RowSelection& selection, const std::vector<ResultRow>& rows) {
  std::vector<const ResultRow*> found;
  for (const ResultRow& row : rows)
    if (std::isfinite(row.value) && row.status != "heavy-tail" && selection.holds(row)) found.push_back(&row);
  return found;
}

// The two rows of a point.
using Pair = std::pair<const ResultRow*, const ResultRow*>;

std::vector<Pair> pairs_of(const Criterion& criterion, const std::vector<ResultRow>& rows) {
  const auto both_name = [&](std::string_view field) {
    const std::string name(field);
    return (criterion.left.words.contains(name) && criterion.right.words.contains(name)) ||
           (criterion.left.ranges.contains(name) && criterion.right.ranges.contains(name));
  };
  const auto free = [&](std::string_view field) {
    if (field == "target" || field == "dimension") return true;  // follow from the estimator and the count
    return both_name(field) || (field == "queries" && both_name("length"));  // as many as keys, or as asked
  };
  const auto same_point = [&](const ResultRow& a, const ResultRow& b) {
    return std::all_of(kWords.begin(), kWords.end(),
                       [&](const auto& f) { return free(f.name) || a.*f.field == b.*f.field; }) &&
           std::all_of(kNumbers.begin(), kNumbers.end(),
                       [&](const auto& f) { return free(f.name) || a.*f.field == b.*f.field; });
  };
  std::vector<Pair> pairs;
  for (const ResultRow* left : selected(criterion.left, rows))
    for (const ResultRow* right : selected(criterion.right, rows))
      if (same_point(*left, *right)) pairs.emplace_back(left, right);
  return pairs;
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

Finding nothing_to_judge() {
  return {Judgement::undecided, "no row with a number to judge"};
}

// A number with its standard error, and the row it is at.
struct Point {
  double value = 0.0;
  double error = 0.0;
  const ResultRow* row = nullptr;
};

// Whether all points are within [low, high], by the one that is closest to an end.
Finding judge_within(const std::vector<Point>& points, double low, double high, std::string_view what) {
  if (points.empty()) return nothing_to_judge();
  const auto margin = [&](const Point& point) {
    return in_errors(std::min(point.value - low, high - point.value), point.error);
  };
  const auto closest = std::min_element(
      points.begin(), points.end(), [&](const Point& a, const Point& b) { return margin(a) < margin(b); });
  const auto [least, most] = std::minmax_element(
      points.begin(), points.end(), [](const Point& a, const Point& b) { return a.value < b.value; });
  const bool at_an_end = closest->error == 0 && (closest->value == low || closest->value == high);
  std::string evidence = fmt::format("{} from {:.4g} to {:.4g} over {} points; asked for [{:g}, {:g}]", what,
                                     least->value, most->value, points.size(), low, high);
  if (closest->error > 0)
    evidence +=
        fmt::format("; {:.4g} ± {:.2g} at {}", closest->value, closest->error, place_of(*closest->row));
  return {at_an_end ? Judgement::holds : decided(margin(*closest)), evidence};
}

Finding judge_between(const Criterion& criterion, const std::vector<ResultRow>& rows) {
  std::vector<Point> points;
  for (const ResultRow* row : selected(criterion.left, rows))
    points.push_back({row->value, error_of(*row), row});
  return judge_within(points, criterion.low, criterion.high, "values");
}

Finding judge_ratio(const Criterion& criterion, const std::vector<ResultRow>& rows) {
  std::vector<Point> points;
  for (const auto& [left, right] : pairs_of(criterion, rows)) {
    if (right->value == 0.0)
      return {Judgement::undecided, fmt::format("0 to divide by at {}", place_of(*right))};
    const double ratio = left->value / right->value;
    const double error = std::hypot(error_of(*left), ratio * error_of(*right)) / std::abs(right->value);
    points.push_back({ratio, error, left});
  }
  return judge_within(points, criterion.low, criterion.high, "ratios");
}

double error_of(const Pair& pair) {
  return std::hypot(error_of(*pair.first), error_of(*pair.second));
}

// Whether nothing much above the right could be told from it: half of the differences are known too badly.
bool too_blunt_to_be_above(const std::vector<Pair>& pairs) {
  std::vector<double> relative;
  for (const Pair& pair : pairs) relative.push_back(error_of(pair) / std::abs(pair.second->value));
  std::sort(relative.begin(), relative.end());
  return !(sorted_quantile(relative, 0.5) <= kBlunt);
}

// left < right, or left not above right, by the pair that is closest to the contrary in standard errors.
Finding judge_order(const Criterion& criterion, const std::vector<ResultRow>& rows) {
  const auto pairs = pairs_of(criterion, rows);
  if (pairs.empty()) return nothing_to_judge();
  const auto margin = [](const Pair& pair) {
    return in_errors(pair.second->value - pair.first->value, error_of(pair));
  };
  const auto closest = std::min_element(pairs.begin(), pairs.end(),
                                        [&](const Pair& a, const Pair& b) { return margin(a) < margin(b); });
  double ratio = 0.0;
  for (const auto& [left, right] : pairs) ratio = std::max(ratio, left->value / right->value);
  Judgement judgement = decided(margin(*closest));
  if (criterion.kind == CriterionKind::not_above && judgement == Judgement::undecided)
    judgement = too_blunt_to_be_above(pairs) ? Judgement::undecided : Judgement::holds;
  return {judgement, fmt::format("{} against {} at {} ({}; the closest of {} points; largest ratio {:.3g})",
                                 number_with_error(*closest->first), number_with_error(*closest->second),
                                 place_of(*closest->first), in_words(margin(*closest)), pairs.size(), ratio)};
}

// The slope of one series; nothing below two counts. Every point weighs alike, as errors of a few replicates
// are themselves guesses; the interval is the wider of what the errors and what the scatter about the line
// say.
std::optional<Estimated> slope_of(const std::vector<const ResultRow*>& series, const std::string& against) {
  const auto count = static_cast<double>(series.size());
  double x_mean = 0.0, y_mean = 0.0, variance = 0.0;
  for (const ResultRow* row : series) {
    x_mean += std::log(number_of(*row, against)) / count;
    y_mean += std::log(row->value) / count;
    variance += std::pow(error_of(*row) / row->value, 2) / count;
  }
  double xx = 0.0, xy = 0.0, yy = 0.0;
  for (const ResultRow* row : series) {
    const double x = std::log(number_of(*row, against)) - x_mean;
    const double y = std::log(row->value) - y_mean;
    xx += x * x;
    xy += x * y;
    yy += y * y;
  }
  if (xx <= 0.0) return std::nullopt;
  const double slope = xy / xx;
  double half = boost::math::quantile(boost::math::normal(), 0.975) * std::sqrt(variance / xx);
  const double freedom = count - 2.0;
  if (freedom >= 1.0) {
    const double scatter = std::max(yy - slope * xy, 0.0) / freedom;
    half = std::max(half, student_t_quantile(0.975, freedom) * std::sqrt(scatter / xx));
  }
  return Estimated{slope, 0.0, slope - half, slope + half};
}

Finding judge_slope(const Criterion& criterion, const std::vector<ResultRow>& rows) {
  std::map<std::string, std::vector<const ResultRow*>> series;
  for (const ResultRow* row : selected(criterion.left, rows)) {
    if (row->value <= 0 || number_of(*row, criterion.against) <= 0) continue;
    std::string name =
        fmt::format("{}, {}, {}, {}", row->data, row->estimator, row->projection, row->head_dim);
    if (criterion.against != "draws") name += fmt::format(", m = {}", row->draws);
    if (criterion.against == "draws") name += fmt::format(", l = {}", row->length);
    series[name].push_back(row);
  }
  Finding worst{Judgement::holds, ""};
  for (const auto& [name, points] : series) {
    const auto slope = slope_of(points, criterion.against);
    if (!slope) continue;
    const bool inside = slope->low >= criterion.low && slope->high <= criterion.high;
    const bool outside = slope->high < criterion.low || slope->low > criterion.high;
    const Judgement judgement = inside ? Judgement::holds : outside ? Judgement::fails : Judgement::undecided;
    const bool worse = judgement != Judgement::holds && worst.judgement != Judgement::fails;
    if (worst.evidence.empty() || worse)
      worst = {
          judgement,
          fmt::format("{:.3f} [{:.3f}, {:.3f}] against {} from {:g} to {:g}; asked for [{:g}, {:g}]; {} of "
                      "{} series: {}, {}",
                      slope->value, slope->low, slope->high, criterion.against,
                      number_of(*points.front(), criterion.against),
                      number_of(*points.back(), criterion.against), criterion.low, criterion.high,
                      judgement == Judgement::holds ? "the first" : "one", series.size(),
                      points.front()->data, points.front()->estimator)};
  }
  return worst.evidence.empty() ? nothing_to_judge() : worst;
}

Finding judge_agree(const Criterion& criterion, const std::vector<ResultRow>& rows) {
  std::vector<double> relative;
  double largest = 0.0;
  const ResultRow* farthest = nullptr;
  for (const auto& [left, right] : pairs_of(criterion, rows)) {
    const bool exact = error_of(*left) == 0.0 && error_of(*right) == 0.0;
    if (exact && std::abs(left->value - right->value) <= kRounding * std::abs(right->value)) continue;
    const double error = std::hypot(error_of(*left), error_of(*right), kRounding * right->value);
    relative.push_back(error / std::abs(right->value));
    const double sigmas = std::abs(left->value - right->value) / error;
    if (farthest == nullptr || sigmas > largest) {
      largest = sigmas;
      farthest = left;
    }
  }
  if (relative.empty()) return nothing_to_judge();
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

}  // namespace

bool RowSelection::holds(const ResultRow& row) const {
  return std::all_of(words.begin(), words.end(),
                     [&](const auto& word) { return word_of(row, word.first) == word.second; }) &&
         std::all_of(ranges.begin(), ranges.end(), [&](const auto& range) {
           const double number = number_of(row, range.first);
           return number >= range.second.first && number <= range.second.second;
         });
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
  switch (criterion.kind) {
    case CriterionKind::below:
    case CriterionKind::not_above:
      return judge_order(criterion, rows);
    case CriterionKind::slope:
      return judge_slope(criterion, rows);
    case CriterionKind::between:
      return judge_between(criterion, rows);
    case CriterionKind::ratio:
      return judge_ratio(criterion, rows);
    default:
      return judge_agree(criterion, rows);
  }
}

void require_row_field(const std::string& field, bool number) {
  std::vector<std::string_view> names;
  if (number) {
    for (const auto& known : kNumbers) names.push_back(known.name);
  } else {
    for (const auto& known : kWords) names.push_back(known.name);
  }
  require_known("field", field, names);
}

}  // namespace attngap
