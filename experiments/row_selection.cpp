#include "experiments/row_selection.hpp"

#include "estimators/error.hpp"
#include "estimators/names.hpp"

#include <algorithm>
#include <array>
#include <set>

namespace attngap {
namespace {

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

bool within(double number, const std::pair<double, double>& range) {
  return number >= range.first && number <= range.second;
}

std::string range_text(const std::pair<double, double>& range) {
  return range.first == range.second ? fmt::format("{:g}", range.first)
                                     : fmt::format("from {:g} to {:g}", range.first, range.second);
}

void require_word_met(const std::string& field, const std::string& word, const std::vector<ResultRow>& rows,
                      std::string_view where) {
  std::set<std::string_view> there;
  for (const ResultRow& row : rows) there.insert(word_of(row, field));
  const std::vector<std::string_view> known(there.begin(), there.end());
  require(there.contains(word), "{}: no row has {} \"{}\"; did you mean {}?", where, field, word,
          nearest_names(word, known));
}

void require_range_met(const std::string& field, const std::pair<double, double>& range,
                       const std::vector<ResultRow>& rows, std::string_view where) {
  constexpr std::size_t kShown = 12;
  std::set<double> there;
  for (const ResultRow& row : rows) there.insert(number_of(row, field));
  const bool met = std::any_of(there.begin(), there.end(), [&](double n) { return within(n, range); });
  std::string known;
  for (const double number : there)
    if (std::exchange(known, fmt::format("{}{:g}, ", known, number)).size() > 6 * kShown) break;
  known.resize(known.size() - 2);
  require(met, "{}: no row has {} {}; the rows have {}", where, field, range_text(range), known);
}

}  // namespace

bool RowSelection::holds(const ResultRow& row) const {
  return std::all_of(words.begin(), words.end(),
                     [&](const auto& word) { return word_of(row, word.first) == word.second; }) &&
         std::all_of(ranges.begin(), ranges.end(),
                     [&](const auto& range) { return within(number_of(row, range.first), range.second); });
}

void RowSelection::require_met(const std::vector<ResultRow>& rows, std::string_view where) const {
  require(!rows.empty(), "{}: the run has no rows; ask it for something to measure", where);
  std::vector<std::string> asked;
  for (const auto& [field, word] : words) {
    require_word_met(field, word, rows, where);
    asked.push_back(fmt::format("{} \"{}\"", field, word));
  }
  for (const auto& [field, range] : ranges) {
    require_range_met(field, range, rows, where);
    asked.push_back(fmt::format("{} {}", field, range_text(range)));
  }
  require(std::any_of(rows.begin(), rows.end(), [&](const ResultRow& row) { return holds(row); }),
          "{}: no row has {} together; leave out or mend one of them", where, fmt::join(asked, ", "));
}

std::vector<std::string_view> word_fields() {
  std::vector<std::string_view> names;
  for (const WordField& one : kWords) names.push_back(one.name);
  return names;
}

std::vector<std::string_view> number_fields() {
  std::vector<std::string_view> names;
  for (const NumberField& one : kNumbers) names.push_back(one.name);
  return names;
}

double number_of(const ResultRow& row, std::string_view field) {
  const auto* found =
      std::find_if(kNumbers.begin(), kNumbers.end(), [&](const auto& f) { return f.name == field; });
  return static_cast<double>(row.*found->field);
}

bool same_fields(const ResultRow& a, const ResultRow& b, const std::function<bool(std::string_view)>& free) {
  return std::all_of(kWords.begin(), kWords.end(),
                     [&](const auto& f) { return free(f.name) || a.*f.field == b.*f.field; }) &&
         std::all_of(kNumbers.begin(), kNumbers.end(),
                     [&](const auto& f) { return free(f.name) || a.*f.field == b.*f.field; });
}

std::string place_of(const ResultRow& row) {
  std::string place = fmt::format("{}, {}", row.data, row.estimator);
  if (!row.projection.empty() && row.projection != "iid") place += ", " + row.projection;
  if (row.draws > 0) place += fmt::format(", m = {}", row.draws);
  return place + fmt::format(", l = {}", row.length);
}

}  // namespace attngap
