#include "plots/decomposition_figure.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include <fmt/format.h>

namespace attngap {
namespace {

constexpr std::size_t kMostColumns = 256;

// Neighbouring keys that share a column of the figure.
struct Columns {
  explicit Columns(std::size_t keys_of_query)
      : keys(keys_of_query), width((keys + kMostColumns - 1) / kMostColumns) {}

  std::size_t count() const { return (keys + width - 1) / width; }
  double middle(std::size_t column) const {
    const std::size_t end = std::min(keys, (column + 1) * width);
    return static_cast<double>(column * width + end - 1) / 2;
  }

  std::size_t keys;
  std::size_t width;
};

std::vector<double> added_up(const std::vector<double>& numbers, const Columns& columns) {
  std::vector<double> sums(columns.count());
  for (std::size_t key = 0; key < numbers.size(); ++key) sums[key / columns.width] += numbers[key];
  return sums;
}

// Marks at multiples of a power of two, as lengths are.
std::vector<double> marks(std::size_t keys) {
  std::size_t step = 1;
  while (step * 8 < keys) step *= 2;
  std::vector<double> at;
  for (std::size_t key = 0; key < keys; key += step) at.push_back(static_cast<double>(key));
  return at;
}

Panel panel_over_keys(const std::string& name, const Columns& columns) {
  Panel panel;
  panel.name = name;
  panel.x_title = columns.width == 1 ? "key" : fmt::format("key ({} neighbours added up)", columns.width);
  panel.log_x = panel.log_y = false;
  panel.x_ticks = marks(columns.keys);
  return panel;
}

// Where the colours end: a few cells far beyond all others would leave those white.
double colour_limit(std::vector<double> values) {
  std::erase_if(values, [](double value) { return !std::isfinite(value); });
  for (double& value : values) value = std::abs(value);
  if (values.empty()) return 1;
  const auto place = static_cast<std::size_t>(0.995 * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(place), values.end());
  const double wanted = values[place] > 0 ? values[place] : *std::max_element(values.begin(), values.end());
  if (wanted <= 0) return 1;
  const double digit = std::pow(10.0, std::floor(std::log10(wanted)) - 1);  // two digits on the bar
  return std::ceil(wanted / digit - 1e-9) * digit;
}

Panel heat_map(const std::string& name, const std::vector<std::vector<double>>& rows,
               const Columns& columns) {
  Panel panel = panel_over_keys(name, columns);
  panel.y_title = "channel";
  const std::size_t channels = rows.empty() ? 0 : rows.front().size();
  Series series{name, {}, {}, {}, {}, 0, Look::heat, {}};
  for (std::size_t channel = 0; channel < channels; ++channel) {
    std::vector<double> numbers;
    for (const auto& row : rows) numbers.push_back(row[channel]);
    const auto sums = added_up(numbers, columns);
    for (std::size_t column = 0; column < sums.size(); ++column) {
      series.x.push_back(columns.middle(column));
      series.y.push_back(static_cast<double>(channel));
      series.value.push_back(sums[column]);
    }
  }
  panel.heat_limit = colour_limit(series.value);
  panel.tile_width = static_cast<double>(columns.width);
  panel.tile_height = 1;
  panel.y_numbers = channels > 1;
  panel.y_range = Range{-0.5, static_cast<double>(std::max<std::size_t>(channels, 1)) - 0.5};
  panel.series.push_back(std::move(series));
  return panel;
}

Series curve(const std::string& label, const std::vector<double>& numbers, const Columns& columns,
             std::size_t style) {
  Series series{label, {}, added_up(numbers, columns), {}, {}, style, Look::trace, {}};
  for (std::size_t column = 0; column < columns.count(); ++column) series.x.push_back(columns.middle(column));
  return series;
}

}  // namespace

NamedFigure decomposition_figure(const KeyTerms& terms) {
  const Columns columns(std::max<std::size_t>(terms.pi.size(), 1));
  Panel term = heat_map("term", terms.term, columns);
  term.title = "terms gₘ − βₘhₘ + βₘπₘ: their sum over keys is the estimate";
  Panel error = heat_map("error", terms.error, columns);
  error.title = "errors (hₘ − πₘ)(vₘ − βₘ): their sum over keys is estimate − exact";

  Panel weights = panel_over_keys("weight", columns);
  weights.title = "the weight hₘ of each key in this draw, and its expectation πₘ, the exact weight";
  weights.y_title = "weight";
  weights.series = {curve("h", terms.h, columns, 1), curve("π", terms.pi, columns, 0)};
  weights.log_y = std::all_of(terms.h.begin(), terms.h.end(), [](double h) { return h > 0; });

  Panel share = panel_over_keys("share", columns);
  share.title = "each key's share of the error along the whole error: their sum is 1";
  share.y_title = "share";
  Series shares = curve("share of the error", terms.share, columns, 2);
  shares.low.assign(shares.x.size(), 0);
  shares.high = shares.y;
  share.series = {std::move(shares)};

  Figure figure;
  figure.title = terms.title;
  figure.subtitle = terms.sums;
  figure.columns = 1;
  figure.panel_height = 105;
  figure.panels = {std::move(term), std::move(error), std::move(weights), std::move(share)};
  std::set<std::string> taken;
  return {figure_name("decomposition_", terms.name, taken), std::move(figure)};
}

}  // namespace attngap
