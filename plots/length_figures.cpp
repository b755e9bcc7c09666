#include "plots/length_figures.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace attngap {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr const char* kKeys = "keys l";

using Pointers = std::vector<const ResultRow*>;

template <typename Key>
std::vector<std::string> distinct(const Pointers& rows, Key key) {
  std::vector<std::string> found;
  for (const ResultRow* row : rows)
    if (std::find(found.begin(), found.end(), key(*row)) == found.end()) found.push_back(key(*row));
  return found;
}

template <typename Keep>
Pointers those(const Pointers& rows, Keep keep) {
  Pointers kept;
  std::copy_if(rows.begin(), rows.end(), std::back_inserter(kept),
               [&](const ResultRow* row) { return keep(*row); });
  return kept;
}

Pointers pointers(const std::vector<ResultRow>& rows) {
  Pointers all;
  for (const ResultRow& row : rows) all.push_back(&row);
  return all;
}

// Which m a curve has at each length.
struct CountRule {
  std::string label;
  std::map<std::int64_t, std::int64_t> draws;  // by length
};

std::int64_t root_of(std::int64_t length) {
  return static_cast<std::int64_t>(std::ceil(std::sqrt(static_cast<double>(length))));
}

std::int64_t logarithm_of(std::int64_t length) {
  return std::max<std::int64_t>(1,
                                static_cast<std::int64_t>(std::ceil(std::log2(static_cast<double>(length)))));
}

// The rules that every length has a count for: the counts common to all, then √l and log l if they differ
// between lengths.
std::vector<CountRule> count_rules(const Pointers& rows) {
  std::map<std::int64_t, std::set<std::int64_t>> counts;
  for (const ResultRow* row : rows)
    if (row->draws > 0) counts[row->length].insert(row->draws);
  std::vector<CountRule> rules;
  if (counts.empty()) return rules;
  const auto add = [&](const std::string& label, const auto& draws_at) {
    CountRule rule{label, {}};
    std::set<std::int64_t> different;
    for (const auto& [length, there] : counts) {
      if (there.count(draws_at(length)) == 0) return;
      rule.draws[length] = draws_at(length);
      different.insert(draws_at(length));
    }
    if (label.starts_with("m = ⌈") && different.size() < 2) return;
    rules.push_back(std::move(rule));
  };
  for (const std::int64_t draws : counts.begin()->second)
    add(fmt::format("m = {}", draws), [&](std::int64_t) { return draws; });
  add("m = ⌈√l⌉", root_of);
  add("m = ⌈log₂ l⌉", logarithm_of);
  return rules;
}

// A value of a row, or none where its status forbids it.
double shown(const ResultRow* row, double ResultRow::*number) {
  return row == nullptr || row->status == "no-moment" || row->status == "nonfinite" ? kNone : row->*number;
}

// The rows of one curve, by length.
class Curve {
 public:
  explicit Curve(const Pointers& rows) {
    for (const ResultRow* row : rows) rows_[{row->length, row->metric}] = row;
  }

  const ResultRow* at(std::int64_t length, const std::string& metric) const {
    const auto found = rows_.find({length, metric});
    return found == rows_.end() ? nullptr : found->second;
  }
  std::set<std::int64_t> lengths() const {
    std::set<std::int64_t> found;
    for (const auto& [key, row] : rows_) found.insert(key.first);
    return found;
  }

  // A metric against the length, with the band between two numbers of other metrics, or of the same.
  Series series(const std::string& label, std::size_t style, const std::string& metric) const {
    Series series{label, {}, {}, {}, {}, style};
    const bool median = metric == "median_relative_error";
    for (const std::int64_t length : lengths()) {
      const ResultRow* row = at(length, metric);
      if (row == nullptr) continue;
      series.x.push_back(static_cast<double>(length));
      series.y.push_back(shown(row, &ResultRow::value));
      series.low.push_back(median ? shown(at(length, "q25_relative_error"), &ResultRow::value)
                                  : shown(row, &ResultRow::ci_low));
      series.high.push_back(median ? shown(at(length, "q75_relative_error"), &ResultRow::value)
                                   : shown(row, &ResultRow::ci_high));
    }
    return series;
  }

  // Whether the variance that theory predicts has no limit as the length grows.
  bool has_no_limit() const {
    return std::any_of(rows_.begin(), rows_.end(), [](const auto& entry) {
      return entry.first.second == "predicted_variance" && entry.second->status == "infinite-variance";
    });
  }

  // What theory says of the mean square, where it is valid; relative, or per output element.
  Series prediction(const std::string& label, std::size_t style, bool relative) const {
    Series series{label + " (predicted)", {}, {}, {}, {}, style, Look::dashes};
    for (const std::int64_t length : lengths()) {
      const ResultRow* bias2 = at(length, relative ? "predicted_relative_mse" : "predicted_bias2");
      const ResultRow* variance = at(length, "predicted_variance");
      if (bias2 == nullptr || variance == nullptr || bias2->status != "ok") continue;
      series.x.push_back(static_cast<double>(length));
      series.y.push_back(relative ? bias2->value : bias2->value + variance->value);
    }
    return series;
  }

 private:
  std::map<std::pair<std::int64_t, std::string>, const ResultRow*> rows_;
};

struct LabelledCurve {
  std::string label;
  Curve curve;
  bool drawn;  // not a baseline
};

Pointers at_rule(const Pointers& rows, const CountRule& rule) {
  return those(rows, [&](const ResultRow& row) {
    const auto draws = rule.draws.find(row.length);
    return draws != rule.draws.end() && row.draws == draws->second;
  });
}

bool several_targets(const Pointers& rows) {
  const Pointers drawn = those(rows, [](const ResultRow& row) { return row.draws > 0; });
  return distinct(drawn, [](const ResultRow& row) { return row.target; }).size() > 1;
}

// The curves of one head: each estimator at each rule, then the baselines.
std::vector<LabelledCurve> curves_of(const Pointers& rows, const std::vector<CountRule>& rules) {
  const bool targets = several_targets(rows);
  const auto label = [&](const ResultRow& row) { return series_label(row, targets); };
  std::vector<LabelledCurve> curves;
  for (const bool drawn : {true, false}) {
    const Pointers kind = those(rows, [&](const ResultRow& row) { return (row.draws > 0) == drawn; });
    for (const std::string& name : distinct(kind, label)) {
      const Pointers own = those(kind, [&](const ResultRow& row) { return label(row) == name; });
      if (!drawn) curves.push_back({name, Curve(own), false});
      for (const CountRule& rule : rules)
        if (drawn)
          curves.push_back(
              {rules.size() > 1 ? name + ", " + rule.label : name, Curve(at_rule(own, rule)), true});
    }
  }
  return curves;
}

bool any_finite(const std::vector<double>& numbers) {
  return std::any_of(numbers.begin(), numbers.end(), [](double y) { return std::isfinite(y); });
}

void tick_lengths(Panel& panel, const Pointers& rows) {
  std::set<double> lengths;
  for (const ResultRow* row : rows) lengths.insert(static_cast<double>(row->length));
  panel.x_ticks.assign(lengths.begin(), lengths.end());
}

// One metric of every curve, and its prediction beside it.
Panel metric_panel(const std::vector<LabelledCurve>& curves, const Pointers& rows, const std::string& metric,
                   const std::string& y_title) {
  Panel panel;
  panel.name = metric;
  panel.x_title = kKeys;
  panel.y_title = y_title;
  tick_lengths(panel, rows);
  const bool squares = metric != "median_relative_error";
  std::vector<std::string> absent, endless;
  bool predicted = false;
  for (std::size_t i = 0; i < curves.size(); ++i) {
    Series series = curves[i].curve.series(curves[i].label, i, metric);
    if (any_finite(series.y)) {
      if (!curves[i].drawn) series.low = series.high = {};
      panel.series.push_back(std::move(series));
    } else if (curves[i].drawn) {
      const std::string name = curves[i].label.substr(0, curves[i].label.find(", m = "));
      if (std::find(absent.begin(), absent.end(), name) == absent.end()) absent.push_back(name);
    }
    if (!squares) continue;
    Series theory = curves[i].curve.prediction(curves[i].label, i, metric == "relative_mse");
    if (curves[i].curve.has_no_limit()) endless.push_back(curves[i].label);
    if (theory.x.size() < 2) continue;
    panel.series.push_back(std::move(theory));
    predicted = true;
  }
  if (!absent.empty()) panel.note = fmt::format("no finite mean square: {}", fmt::join(absent, "; "));
  if (predicted)
    panel.note += fmt::format("{}thin dashes: predicted without a draw", panel.note.empty() ? "" : "\n");
  if (!endless.empty())
    panel.note += fmt::format("{}no limit, the relative gap grows with l: {}", panel.note.empty() ? "" : "\n",
                              fmt::join(endless, "; "));
  if (metric == "mse" && rows.front()->length != rows.back()->length)
    panel.guides.push_back({-1.0, "slope −1"});
  return panel;
}

std::string rules_text(const std::vector<CountRule>& rules) {
  return rules.size() == 1 ? rules.front().label : "";
}

std::string joined(const std::string& a, const std::string& b) {
  return a.empty() || b.empty() ? a + b : a + "; " + b;
}

constexpr const char* kMedianTitle = "median relative error\n‖error‖ / ‖exact‖ (band: quartiles)";
constexpr const char* kMseTitle = "mean square error\nper output element (band: 95 % interval)";
constexpr const char* kRelativeTitle =
    "relative mean square error\nΣ‖error‖² / Σ‖exact‖² (band: 95 % interval)";

}  // namespace

std::vector<NamedFigure> length_figures(const std::vector<ResultRow>& rows) {
  const Pointers all = pointers(rows);
  std::set<std::string> taken;
  std::vector<NamedFigure> figures;
  for (const std::string& head : distinct(all, [](const ResultRow& row) { return row.data; })) {
    const Pointers own = those(all, [&](const ResultRow& row) { return row.data == head; });
    const std::vector<CountRule> rules = count_rules(own);
    if (rules.empty()) continue;  // baselines alone have no m
    const auto curves = curves_of(own, rules);
    Figure figure;
    figure.title = fmt::format("{}: {}", head, geometry(own));
    figure.subtitle = joined(rules_text(rules), "error against the exact attention of each length");
    figure.panels = {metric_panel(curves, own, "median_relative_error", kMedianTitle),
                     metric_panel(curves, own, "mse", kMseTitle)};
    figures.push_back({figure_name("length_", head, taken), std::move(figure)});
  }
  return figures;
}

std::vector<NamedFigure> length_regimes(const std::vector<ResultRow>& rows) {
  const Pointers all = pointers(rows);
  const auto data = [](const ResultRow& row) { return row.data; };
  if (distinct(all, data).size() < 2) return {};
  std::vector<CountRule> rules = count_rules(all);
  std::erase_if(rules, [](const CountRule& rule) { return rule.label.starts_with("m = ⌈"); });
  if (rules.empty()) return {};
  const CountRule& rule = rules.back();
  const Pointers drawn = at_rule(all, rule);
  const bool targets = several_targets(all);
  const auto label = [&](const ResultRow& row) { return series_label(row, targets); };
  std::set<std::string> taken;
  std::vector<NamedFigure> figures;
  for (const std::string& estimator : distinct(drawn, label)) {
    const Pointers own = those(drawn, [&](const ResultRow& row) { return label(row) == estimator; });
    const auto exists = [](const ResultRow& row) { return row.metric == "mse" && row.status == "ok"; };
    if (those(own, exists).empty()) continue;
    std::vector<LabelledCurve> curves;
    for (const std::string& head : distinct(own, data))
      curves.push_back(
          {head, Curve(those(own, [&](const ResultRow& row) { return row.data == head; })), true});
    Figure figure;
    figure.title = fmt::format("{}, {}: {}", estimator, rule.label, geometry(own));
    figure.subtitle = "error against the exact attention of each length";
    figure.panels = {metric_panel(curves, own, "mse", kMseTitle),
                     metric_panel(curves, own, "relative_mse", kRelativeTitle)};
    figures.push_back({figure_name("length_regimes_", estimator, taken), std::move(figure)});
  }
  return figures;
}

std::optional<double> crossover_length(std::span<const double> lengths, std::span<const double> speedups) {
  for (std::size_t i = lengths.size(); i-- > 1;) {
    if (!(speedups[i] >= 1.0)) return std::nullopt;
    if (speedups[i - 1] >= 1.0) continue;
    const double share = -std::log(speedups[i - 1]) / (std::log(speedups[i]) - std::log(speedups[i - 1]));
    return lengths[i - 1] * std::pow(lengths[i] / lengths[i - 1], share);
  }
  return std::nullopt;
}

namespace {

Panel speed_panel(const std::vector<LabelledCurve>& curves, const Pointers& rows, const std::string& metric,
                  const std::string& y_title, double unit) {
  Panel panel;
  panel.name = metric;
  panel.x_title = kKeys;
  panel.y_title = y_title;
  tick_lengths(panel, rows);
  for (std::size_t i = 0; i < curves.size(); ++i) {
    Series series = curves[i].curve.series(curves[i].label, i, metric);
    for (auto* numbers : {&series.y, &series.low, &series.high})
      for (double& number : *numbers) number /= unit;
    if (metric == "speedup" && !curves[i].drawn && series.x.empty()) {
      series.x = panel.x_ticks;  // exact attention itself
      series.y.assign(series.x.size(), 1.0);
      series.low = series.high = {};
    }
    if (any_finite(series.y)) panel.series.push_back(std::move(series));
  }
  return panel;
}

// Where curves cross exact attention, as a note.
std::string crossings(const std::vector<LabelledCurve>& curves) {
  std::vector<std::string> found;
  for (const LabelledCurve& each : curves) {
    const Series speedup = each.curve.series(each.label, 0, "speedup");
    if (const auto length = crossover_length(speedup.x, speedup.y))
      found.push_back(fmt::format("{}: l ≈ {:.0f}", each.label, *length));
  }
  return found.empty() ? "" : fmt::format("as fast as exact at {}", fmt::join(found, "; "));
}

}  // namespace

namespace {

// What differs between whole heads and single tokens.
struct CostTexts {
  const char* name;     // of the figure's file
  const char* subject;  // after the head dimension; with the number of queries
  const char* seconds;
  const char* memory;  // the metric
  const char* memory_title;
  std::vector<SlopeGuide> guides;
};

std::vector<NamedFigure> cost_figures(const std::vector<ResultRow>& rows, const CostTexts& texts) {
  const Pointers all = pointers(rows);
  std::set<std::string> taken;
  std::vector<NamedFigure> figures;
  for (const std::string& head : distinct(all, [](const ResultRow& row) { return row.data; })) {
    const Pointers own = those(all, [&](const ResultRow& row) { return row.data == head; });
    const std::vector<CountRule> rules = count_rules(own);
    const auto curves = curves_of(own, rules);
    Figure figure;
    figure.title =
        fmt::format("{}: d = {}, {}, one thread, {} repetitions", head, own.front()->head_dim,
                    fmt::format(fmt::runtime(texts.subject), own.front()->queries), own.front()->replicates);
    figure.subtitle = joined(rules_text(rules), "bands: 95 % intervals");
    figure.panels = {speed_panel(curves, own, "seconds", texts.seconds, 1.0),
                     speed_panel(curves, own, "speedup", "times as fast as exact attention", 1.0),
                     speed_panel(curves, own, texts.memory, texts.memory_title, 1024.0 * 1024.0)};
    figure.panels[0].guides = texts.guides;
    figure.panels[1].note = crossings(curves);
    figures.push_back({figure_name(texts.name, head, taken), std::move(figure)});
  }
  return figures;
}

}  // namespace

std::vector<NamedFigure> speed_figures(const std::vector<ResultRow>& rows) {
  return cost_figures(rows, {"speed_",
                             "all l queries",
                             "seconds a head",
                             "peak_bytes",
                             "memory beyond the head [MiB]",
                             {{1.0, "slope 1"}, {2.0, "slope 2"}}});
}

std::vector<NamedFigure> decoding_figures(const std::vector<ResultRow>& rows) {
  return cost_figures(rows, {"decoding_",
                             "{} sequences side by side",
                             "seconds a token",
                             "state_bytes",
                             "cache or states [MiB]",
                             {{1.0, "slope 1"}}});
}

}  // namespace attngap
