#include "estimators/names.hpp"

#include "estimators/error.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

namespace attngap {
namespace {

// Levenshtein's edit distance, one row of the table at a time.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row.back();
}

template <typename Number>
bool parse_whole(std::string_view text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size();
}

}  // namespace

std::string Spec::text() const {
  std::string result = name;
  char separator = ':';
  for (const auto& [key, value] : options) {
    result += separator + key + "=" + value;
    separator = ',';
  }
  return result;
}

Spec parse_spec(std::string_view text) {
  Spec spec;
  const std::size_t colon = text.find(':');
  spec.name = std::string(text.substr(0, colon));
  require(!spec.name.empty(), "\"{}\" has no name before the options; write name:key=value,key=value", text);
  if (colon == std::string_view::npos) return spec;
  std::string_view rest = text.substr(colon + 1);
  while (true) {
    const std::size_t comma = rest.find(',');
    const std::string_view piece = rest.substr(0, comma);
    const std::size_t equals = piece.find('=');
    require(equals != std::string_view::npos && equals > 0 && equals + 1 < piece.size(),
            "\"{}\" in \"{}\" is not key=value", piece, text);
    const auto [place, inserted] =
        spec.options.emplace(std::string(piece.substr(0, equals)), std::string(piece.substr(equals + 1)));
    require(inserted, "\"{}\" gives {} twice", text, place->first);
    if (comma == std::string_view::npos) return spec;
    rest = rest.substr(comma + 1);
  }
}

std::string nearest_names(std::string_view name, std::span<const std::string_view> known) {
  std::vector<std::pair<std::size_t, std::string_view>> ranked;
  for (const std::string_view candidate : known) {
    // A prefix typed in full is a better guess than an equally distant stranger.
    const bool prefix = candidate.starts_with(name) || name.starts_with(candidate);
    ranked.emplace_back(prefix ? 0 : edit_distance(name, candidate), candidate);
  }
  std::stable_sort(ranked.begin(), ranked.end(), [](auto& a, auto& b) { return a.first < b.first; });
  std::string result;
  for (std::size_t i = 0; i < std::min<std::size_t>(3, ranked.size()); ++i)
    result += (i == 0 ? "" : " or ") + fmt::format("\"{}\"", ranked[i].second);
  return result;
}

void require_known(std::string_view kind, std::string_view name, std::span<const std::string_view> known) {
  require(std::find(known.begin(), known.end(), name) != known.end(), "unknown {} \"{}\"; did you mean {}?",
          kind, name, nearest_names(name, known));
}

double parse_number(std::string_view what, std::string_view text) {
  double value = 0;
  require(parse_whole(text, value) && std::isfinite(value), "{} = \"{}\", must be a finite number", what,
          text);
  return value;
}

long long parse_count(std::string_view what, std::string_view text, long long minimum) {
  long long value = 0;
  require(parse_whole(text, value) && value >= minimum, "{} = \"{}\", must be a whole number of at least {}",
          what, text, minimum);
  return value;
}

std::uint64_t parse_seed(std::string_view what, std::string_view text) {
  std::uint64_t value = 0;
  require(parse_whole(text, value), "{} = \"{}\", must be a whole number from 0 to 2^64 - 1", what, text);
  return value;
}

}  // namespace attngap
