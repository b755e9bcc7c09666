#include "plots/decomposition_chart.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <set>
#include <sstream>
#include <string_view>
#include <vector>

namespace attngap {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr std::string_view kHeader = "panel,series,x,y,low,high,value";
constexpr std::array<std::string_view, 4> kPanels{"term", "error", "weight", "share"};
constexpr const char* kExact = "exact, the expectation of this draw";

// The fields of a line without quotes: no name in these files needs them.
std::vector<std::string> fields_of(const std::string& line) {
  std::vector<std::string> fields(1);
  for (const char c : line)
    if (c == ',') {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  return fields;
}

double number_of(const std::string& text) {
  if (text.empty()) return kNone;
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  return end == text.c_str() + text.size() ? number : kNone;
}

// A line as a point; nothing where it is none.
std::optional<ChartPoint> point_of(const std::vector<std::string>& fields) {
  if (fields.size() != 7) return std::nullopt;
  const auto* const panel = std::find(kPanels.begin(), kPanels.end(), fields[0]);
  const double x = number_of(fields[2]), y = number_of(fields[3]), value = number_of(fields[6]);
  if (panel == kPanels.end() || !std::isfinite(x) || !std::isfinite(y)) return std::nullopt;
  ChartPoint point;
  point.series = fields[1] == "π" ? 1 : 0;
  point.metric = static_cast<std::size_t>(panel - kPanels.begin());
  const bool map = point.metric < 2;
  point.at = {x, map ? y : kNone};
  point.value = map ? value : y;
  point.std_error = point.low = point.high = kNone;
  point.status = "ok";
  return point;
}

}  // namespace

std::optional<ReportChart> decomposition_chart(const std::string& name, const std::string& csv) {
  std::istringstream lines(csv);
  std::string line;
  if (!std::getline(lines, line) || line != kHeader) return std::nullopt;
  ReportChart chart;
  chart.experiment = "decompose";
  chart.title = name;
  chart.note =
      "one draw of one query; above 256 keys neighbours are added up, which leaves all sums as they are";
  chart.variables = {{"key", "key", ""}, {"channel", "channel", ""}};
  chart.metrics = {kPanels.begin(), kPanels.end()};
  chart.series = {{"this draw", 0, false}, {kExact, 1, false}};
  while (std::getline(lines, line)) {
    auto point = point_of(fields_of(line));
    if (!point) return std::nullopt;
    chart.points.push_back(std::move(*point));
  }
  if (chart.points.empty()) return std::nullopt;
  std::set<double> channels;
  for (const ChartPoint& point : chart.points)
    if (std::isfinite(point.at[1])) channels.insert(point.at[1]);
  if (channels.size() > 1) chart.map = ChartMap{0, 1, 0};
  return chart;
}

}  // namespace attngap
