#include "plots/report_chart.hpp"

#include "plots/gap_figure.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace attngap {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr const char* kDraws = "draws";
constexpr const char* kDimension = "dimension";
constexpr std::size_t kMostCurves = 10;

// What a reader looks for first; other metrics follow in the order of the rows.
constexpr std::array<std::string_view, 8> kFirst{
    "median_relative_error", "relative_mse",        "kernel_variance",       "kernel_mean",
    "mean_total_variation",  "max_total_variation", "taylor_relative_error", "total_variation_bound"};

using Keys = std::vector<std::pair<std::string, double>>;

// The name of the family and the numbers of `pair:norm=1,cosine=0.5`; a name of another form is a family of
// its own.
std::pair<std::string, Keys> split_name(const std::string& data) {
  const std::size_t colon = data.find(':');
  Keys keys;
  for (std::size_t begin = colon; begin < data.size();) {
    const std::size_t end = std::min(data.find(',', ++begin), data.size());
    const std::string piece = data.substr(begin, end - begin);
    const std::size_t equals = piece.find('=');
    char* rest = nullptr;
    const double value = equals == std::string::npos ? kNone : std::strtod(&piece[equals + 1], &rest);
    if (!std::isfinite(value) || rest != piece.c_str() + piece.size()) return {data, {}};
    keys.emplace_back(piece.substr(0, equals), value);
    begin = end;
  }
  return keys.empty() ? std::pair{data, Keys{}} : std::pair{data.substr(0, colon), keys};
}

// An estimator's name and its pieces key=value, as they are written.
std::vector<std::string> pieces_of(const std::string& estimator) {
  std::vector<std::string> pieces{estimator.substr(0, estimator.find(':'))};
  for (std::size_t begin = pieces[0].size(); begin < estimator.size();) {
    const std::size_t end = std::min(estimator.find(',', ++begin), estimator.size());
    pieces.push_back(estimator.substr(begin, end - begin));
    begin = end;
  }
  return pieces;
}

// The numbers among an estimator's keys, as `elementwise:degree=6` has one.
Keys numbers_of(const std::string& estimator) {
  Keys numbers;
  for (const std::string& piece : pieces_of(estimator)) {
    const Keys keys = split_name(":" + piece).second;
    numbers.insert(numbers.end(), keys.begin(), keys.end());
  }
  return numbers;
}

// The estimator without its keys of these names.
std::string without(const std::string& estimator, const std::set<std::string>& names) {
  std::string text;
  for (const std::string& piece : pieces_of(estimator)) {
    if (!text.empty() && names.contains(piece.substr(0, piece.find('=')))) continue;
    text += (text.empty() ? "" : text.find(':') == std::string::npos ? ":" : ",") + piece;
  }
  return text;
}

std::string title_of(const std::string& variable) {
  static const std::map<std::string, std::string> titles{{kDraws, "random directions m"},
                                                         {kDimension, "real features"},
                                                         {"length", "keys l"},
                                                         {"head_dim", "head dimension d"},
                                                         {"norm", "norm |x| = |y|"},
                                                         {"cosine", "cosine of the angle"},
                                                         {"radius", "radius R"},
                                                         {"degree", "degree of the polynomial"},
                                                         {"x", "level x"}};
  const auto found = titles.find(variable);
  return found == titles.end() ? variable : found->second;
}

template <typename Value>
std::size_t place(std::vector<Value>& list, const Value& value) {
  const auto found = std::find(list.begin(), list.end(), value);
  if (found != list.end()) return static_cast<std::size_t>(found - list.begin());
  list.push_back(value);
  return list.size() - 1;
}

// The rows of a chart with the numbers they lie at.
class ChartRows {
 public:
  void add(const ResultRow& row, Keys keys) {
    const auto [metric, levels] = split_name(row.metric);  // relative_error_above:x=0.1
    keys.insert(keys.end(), levels.begin(), levels.end());
    rows_.push_back(&row);
    metrics_.push_back(metric);
    drawn_ = drawn_ || row.draws > 0;
    for (const auto& [name, value] : keys) place(names_, name);
    const Keys own = numbers_of(row.estimator);
    keys.insert(keys.end(), own.begin(), own.end());
    keys_.push_back(std::move(keys));
  }

  // The numeric keys that every estimator has and that vary; they are variables then, and in no label. What
  // an estimator costs is then no variable of its own.
  std::set<std::string> estimator_variables() const {
    std::set<std::string> shared;
    bool first = true;
    for (const auto* row : rows_) {
      if (baseline(*row)) continue;
      std::set<std::string> own;
      for (const auto& [name, value] : numbers_of(row->estimator))
        if ((first || shared.contains(name)) && distinct(name, "") > 1) own.insert(name);
      shared = std::move(own);
      first = false;
    }
    return shared;
  }

  // What varies, what is best on the x axis first.
  std::vector<std::string> variables(const std::string& metric) const {
    std::vector<std::string> varying;
    std::map<std::string, std::size_t> counts;
    const auto own = estimator_variables();
    std::vector<std::string> names = names_;
    names.insert(names.end(), own.begin(), own.end());
    if (own.empty()) names.emplace_back(kDimension);
    for (const std::string& name : names) {
      counts[name] = distinct(name, metric);
      if (distinct(name, "") > 1) varying.push_back(name);
    }
    const auto rank = [&](const std::string& name) -> std::size_t {
      if (name == "length") return 0;
      if (name == kDimension && counts[kDraws] > 1) return std::numeric_limits<std::size_t>::max();
      return std::numeric_limits<std::size_t>::max() - 1 - counts[name];
    };
    std::stable_sort(varying.begin(), varying.end(),
                     [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
    return varying;
  }

  // The number of a row; NaN for what it does not depend on.
  double at(std::size_t i, const std::string& name) const {
    const ResultRow& row = *rows_[i];
    if (name == kDraws) return baseline(row) ? kNone : static_cast<double>(row.draws);
    if (name == kDimension) return baseline(row) ? kNone : static_cast<double>(row.dimension);
    if (name == "length") return static_cast<double>(row.length);
    if (name == "head_dim") return static_cast<double>(row.head_dim);
    for (const auto& [key, value] : keys_[i])
      if (key == name) return value;
    return kNone;
  }

  bool baseline(const ResultRow& row) const { return drawn_ && row.draws == 0; }
  const std::vector<const ResultRow*>& rows() const { return rows_; }

  // The name of a row's metric without the numbers in it.
  const std::string& metric(std::size_t i) const { return metrics_[i]; }
  const std::vector<std::string>& metrics() const { return metrics_; }

  std::size_t distinct(const std::string& name, const std::string& metric) const {
    std::set<double> values;
    for (std::size_t i = 0; i < rows_.size(); ++i)
      if (metric.empty() || metrics_[i] == metric)
        if (const double value = at(i, name); !std::isnan(value)) values.insert(value);
    return values.size();
  }

 private:
  std::vector<const ResultRow*> rows_;
  std::vector<std::string> metrics_;
  std::vector<Keys> keys_;
  std::vector<std::string> names_{kDraws, "length", "head_dim"};
  bool drawn_ = false;
};

std::vector<std::string> metrics_of(const std::vector<std::string>& of_rows) {
  std::vector<std::string> metrics;
  for (const std::string& metric : of_rows) place(metrics, metric);
  std::stable_sort(metrics.begin(), metrics.end(), [](const auto& a, const auto& b) {
    const auto rank = [](const auto& name) { return std::find(kFirst.begin(), kFirst.end(), name); };
    return rank(a) < rank(b);
  });
  return metrics;
}

// Where a chart has a single curve, another variable may tell curves apart: the one of fewest values.
std::optional<std::string> curve_variable(const ChartRows& rows, const std::vector<std::string>& variables) {
  std::optional<std::string> best;
  for (std::size_t v = 1; v < variables.size(); ++v) {
    const std::size_t count = rows.distinct(variables[v], "");
    if (count > kMostCurves) continue;
    if (!best || count < rows.distinct(*best, "")) best = variables[v];
  }
  return best;
}

void add_points(ReportChart& chart, const ChartRows& rows, const std::vector<std::string>& curves,
                const std::optional<std::string>& by) {
  std::vector<std::string> labels;
  for (std::size_t i = 0; i < rows.rows().size(); ++i) {
    const ResultRow& row = *rows.rows()[i];
    std::string label = curves[i];
    if (by) label = fmt::format("{} = {}", *by, rows.at(i, *by));
    const std::size_t series = place(labels, label);
    if (series == chart.series.size()) chart.series.push_back({label, 0, rows.baseline(row)});
    ChartPoint point{series,
                     place(chart.metrics, rows.metric(i)),
                     {},
                     row.value,
                     row.std_error,
                     row.ci_low,
                     row.ci_high,
                     row.status};
    for (const ChartVariable& variable : chart.variables) point.at.push_back(rows.at(i, variable.name));
    chart.points.push_back(std::move(point));
  }
}

// Curves in the order of the rows, as the figures count them; baselines by themselves.
void set_styles(std::vector<ChartSeries>& series) {
  std::array<std::size_t, 2> next{0, 0};
  for (ChartSeries& one : series) one.style = next[one.baseline ? 1 : 0]++;
}

// The sizes of a head; made inputs have none, and rows without a draw no replicates.
std::string note_of(const std::vector<const ResultRow*>& rows) {
  const bool drawn = std::any_of(rows.begin(), rows.end(), [](const auto* row) { return row->draws > 0; });
  const ResultRow& row = *rows.front();
  if (row.length <= 1) {
    std::int64_t most = 0;
    for (const auto* one : rows) most = std::max(most, one->replicates);
    return drawn ? fmt::format("{} replicates", most) : "";
  }
  if (drawn) return geometry(rows);
  return fmt::format("l = {} keys, d = {}, {} queries", row.length, row.head_dim, row.queries);
}

template <typename List, typename Wanted>
std::optional<std::size_t> index_of(const List& list, Wanted wanted) {
  const auto found = std::find_if(list.begin(), list.end(), wanted);
  if (found == list.end()) return std::nullopt;
  return static_cast<std::size_t>(found - list.begin());
}

// The plane of pairs, where the grid of closed forms fills it.
std::optional<ChartMap> map_of(const ReportChart& chart, const ChartRows& rows) {
  constexpr std::size_t kFewest = 3;  // values either way, below which curves say as much
  const std::string metric = "predicted_kernel_mse";
  const auto variable = [&](const std::string& name) {
    return index_of(chart.variables, [&](const ChartVariable& one) { return one.name == name; });
  };
  const auto x = variable("cosine"), y = variable("norm");
  const auto shown = index_of(chart.metrics, [&](const std::string& name) { return name == metric; });
  if (!x || !y || !shown) return std::nullopt;
  if (rows.distinct("cosine", metric) < kFewest || rows.distinct("norm", metric) < kFewest)
    return std::nullopt;
  return ChartMap{*x, *y, *shown};
}

ReportChart chart_of(const std::string& family, const ChartRows& rows, bool several_targets) {
  ReportChart chart;
  chart.experiment = rows.rows().front()->experiment;
  chart.title = family;
  chart.note = note_of(rows.rows());
  chart.metrics = metrics_of(rows.metrics());
  std::vector<std::string> curves;
  const auto own = rows.estimator_variables();
  for (const auto* row : rows.rows()) {
    ResultRow shown = *row;
    if (!rows.baseline(*row)) shown.estimator = without(row->estimator, own);
    curves.push_back(series_label(shown, several_targets));
  }
  auto variables = rows.variables(chart.metrics.front());
  std::optional<std::string> by;
  if (std::set<std::string>(curves.begin(), curves.end()).size() == 1) by = curve_variable(rows, variables);
  if (by) std::erase(variables, *by);
  const bool draws_vary = std::find(variables.begin(), variables.end(), kDraws) != variables.end();
  for (const std::string& name : variables)
    chart.variables.push_back({name, title_of(name), name == kDimension && draws_vary ? kDraws : ""});
  add_points(chart, rows, curves, by);
  set_styles(chart.series);
  chart.map = map_of(chart, rows);
  return chart;
}

nlohmann::ordered_json number(double value) {
  if (std::isnan(value)) return nullptr;
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return value;
}

}  // namespace

std::vector<ReportChart> report_charts(const std::vector<ResultRow>& rows) {
  using Name = std::pair<std::string, std::string>;
  std::vector<Name> names;
  std::map<Name, ChartRows> charts;
  std::map<std::string, std::set<std::string>> targets;
  for (const ResultRow& row : rows) {
    const auto [family, keys] = split_name(row.data);
    const Name name{row.experiment, family};
    place(names, name);
    charts[name].add(row, keys);
    if (row.draws > 0) targets[row.experiment].insert(row.target);
  }
  std::vector<ReportChart> made;
  for (const Name& name : names)
    made.push_back(chart_of(name.second, charts.at(name), targets[name.first].size() > 1));
  return made;
}

std::string charts_as_json(const std::vector<ReportChart>& charts) {
  auto list = nlohmann::ordered_json::array();
  for (const ReportChart& chart : charts) {
    nlohmann::ordered_json json{
        {"title", chart.title}, {"experiment", chart.experiment}, {"metrics", chart.metrics}};
    if (chart.map) json["map"] = {{"x", chart.map->x}, {"y", chart.map->y}, {"metric", chart.map->metric}};
    json["variables"] = nlohmann::ordered_json::array();
    for (const auto& variable : chart.variables)
      json["variables"].push_back({{"name", variable.name},
                                   {"title", variable.title},
                                   {"another_measure_of", variable.another_measure_of}});
    json["series"] = nlohmann::ordered_json::array();
    for (const auto& series : chart.series)
      json["series"].push_back(
          {{"label", series.label}, {"style", series.style}, {"baseline", series.baseline}});
    json["points"] = nlohmann::ordered_json::array();
    for (const auto& point : chart.points) {
      nlohmann::ordered_json numbers{
          point.series,      point.metric,       number(point.value), number(point.std_error),
          number(point.low), number(point.high), point.status};
      for (const double at : point.at) numbers.push_back(number(at));
      json["points"].push_back(std::move(numbers));
    }
    list.push_back(std::move(json));
  }
  // A name may hold </script> or an invalid byte.
  const std::string text = list.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  std::string safe;
  for (const char c : text) safe += c == '<' ? std::string("\\u003c") : std::string(1, c);
  return safe;
}

}  // namespace attngap
