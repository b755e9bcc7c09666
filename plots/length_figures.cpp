#include "plots/length_figures.hpp"

#include "plots/row_curves.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace attngap {
namespace {

constexpr const char* kKeys = "keys l";

// One metric of every curve, and its prediction beside it.
Panel metric_panel(const std::vector<LabelledCurve>& curves, const Pointers& rows, const std::string& metric,
                   const std::string& y_title) {
  Panel panel;
  panel.name = metric;
  panel.x_title = kKeys;
  panel.y_title = y_title;
  tick_used(panel, rows);
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

// Whether a panel has more than baselines.
bool shows_an_estimator(const Panel& panel, const std::vector<LabelledCurve>& curves) {
  return std::any_of(panel.series.begin(), panel.series.end(), [&](const Series& series) {
    return std::none_of(curves.begin(), curves.end(),
                        [&](const LabelledCurve& each) { return !each.drawn && each.label == series.label; });
  });
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
    if (!shows_an_estimator(figure.panels[1], curves)) {  // axes without a curve say less than a sentence
      figure.panels.pop_back();
      figure.subtitle = joined(figure.subtitle, "no estimator here has a mean square error");
    }
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

}  // namespace attngap
