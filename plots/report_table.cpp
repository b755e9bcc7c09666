#include "plots/report_table.hpp"

#include "plots/mathml.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace attngap {
namespace {

constexpr std::array<std::string_view, 15> kColumns{"median_relative_error",
                                                    "relative_mse",
                                                    "bias2",
                                                    "variance",
                                                    "negative_denominators",
                                                    "nonfinite",
                                                    "kernel_mean",
                                                    "kernel_variance",
                                                    "predicted_kernel_mean",
                                                    "predicted_kernel_variance",
                                                    "taylor_relative_error",
                                                    "mean_total_variation",
                                                    "max_total_variation",
                                                    "total_variation_bound",
                                                    "max_error"};
constexpr std::size_t kMostColumns = 6;

// A line: a series at one place, and its points by metric.
struct Line {
  std::size_t series = 0;
  std::vector<double> at;
  std::map<std::size_t, const ChartPoint*> cells;
};

std::vector<std::size_t> columns_of(const ReportChart& chart) {
  std::vector<std::size_t> columns;
  const auto add = [&](std::string_view name) {
    const auto found = std::find(chart.metrics.begin(), chart.metrics.end(), name);
    const auto index = static_cast<std::size_t>(found - chart.metrics.begin());
    const bool known = std::find(columns.begin(), columns.end(), index) != columns.end();
    if (found != chart.metrics.end() && !known && columns.size() < kMostColumns) columns.push_back(index);
  };
  for (const auto name : kColumns) add(name);
  for (const std::string& name : chart.metrics) add(name);
  return columns;
}

bool same_place(const std::vector<double>& a, const std::vector<double>& b) {
  return std::equal(a.begin(), a.end(), b.begin(),
                    [](double x, double y) { return x == y || (std::isnan(x) && std::isnan(y)); });
}

std::vector<Line> lines_of(const ReportChart& chart, const std::vector<std::size_t>& columns) {
  std::vector<Line> lines;
  for (const ChartPoint& point : chart.points) {
    if (std::find(columns.begin(), columns.end(), point.metric) == columns.end()) continue;
    // Rows of a line follow one another: only the last few lines can be meant.
    const auto tail = lines.end() - std::min<std::ptrdiff_t>(std::ssize(lines), 64);
    auto line = std::find_if(tail, lines.end(), [&](const Line& one) {
      return one.series == point.series && same_place(one.at, point.at);
    });
    if (line == lines.end()) line = lines.insert(lines.end(), {point.series, point.at, {}});
    line->cells[point.metric] = &point;
  }
  return lines;
}

// Where m varies and the table is long, the largest m alone.
bool keep_largest_draws(std::vector<Line>& lines, const ReportChart& chart) {
  const auto draws = std::find_if(chart.variables.begin(), chart.variables.end(),
                                  [](const ChartVariable& one) { return one.name == "draws"; });
  if (draws == chart.variables.end()) return false;
  const auto index = static_cast<std::size_t>(draws - chart.variables.begin());
  double largest = 0;
  for (const Line& line : lines)
    if (line.at[index] > largest) largest = line.at[index];
  std::erase_if(lines, [&](const Line& line) { return line.at[index] < largest; });
  return true;
}

std::string cell(const ChartPoint* point) {
  if (point == nullptr) return "<td></td>";
  const bool trusted = point->status == "ok";
  return fmt::format("<td>{}{}</td>", escaped(value_with_error(point->value, point->std_error)),
                     trusted ? "" : fmt::format(" <span class=\"status\">{}</span>", escaped(point->status)));
}

}  // namespace

std::string value_with_error(double value, double std_error) {
  if (std::isnan(value)) return "–";
  const std::string shown = fmt::format("{:.4g}", value);
  return std::isfinite(std_error) && std_error > 0 ? fmt::format("{} ± {:.2g}", shown, std_error) : shown;
}

std::string results_table(const ReportChart& chart, std::size_t most) {
  const auto columns = columns_of(chart);
  auto lines = lines_of(chart, columns);
  std::string cut;
  if (lines.size() > most && keep_largest_draws(lines, chart)) cut = "; at the largest m only";
  const std::size_t left_out = lines.size() > most ? lines.size() - most : 0;
  if (left_out > 0) cut += fmt::format("; {} more lines are in results.csv", left_out);
  lines.resize(lines.size() - left_out);

  std::string html = fmt::format(
      "<div class=\"scroll\" tabindex=\"0\"><table>\n<caption>{}: value ± standard "
      "error{}</caption>\n<thead><tr><th scope=\"col\">estimator</th>",
      escaped(chart.title), cut);
  for (const ChartVariable& variable : chart.variables)
    if (variable.another_measure_of.empty())
      html += fmt::format("<th scope=\"col\">{}</th>", escaped(variable.title));
  for (const std::size_t column : columns)
    html += fmt::format("<th scope=\"col\"><code>{}</code></th>", escaped(chart.metrics[column]));
  html += "</tr></thead>\n<tbody>\n";
  for (const Line& line : lines) {
    html += fmt::format("<tr><th scope=\"row\">{}</th>", escaped(chart.series[line.series].label));
    for (std::size_t v = 0; v < line.at.size(); ++v) {
      if (!chart.variables[v].another_measure_of.empty()) continue;
      html += std::isnan(line.at[v]) ? std::string("<td></td>") : fmt::format("<td>{:g}</td>", line.at[v]);
    }
    for (const std::size_t column : columns) {
      const auto found = line.cells.find(column);
      html += cell(found == line.cells.end() ? nullptr : found->second);
    }
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

}  // namespace attngap
