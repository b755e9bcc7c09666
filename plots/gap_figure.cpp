#include "plots/gap_figure.hpp"

#include "plots/axes.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

namespace attngap {
namespace {

constexpr const char* kMedian = "median_relative_error";
constexpr const char* kRelativeMse = "relative_mse";
constexpr const char* kPredictedMse = "predicted_relative_mse";
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kPanelsPerPage = 12;
constexpr const char* kDirections = "random directions m";

// The values of one metric of one curve, by m.
using Curve = std::map<std::int64_t, const ResultRow*>;

// A head's rows: metric, then curve, then m.
using HeadRows = std::map<std::string, std::map<std::string, Curve>>;

// The rows of a run, sorted. Curves and heads keep the order of the rows, and a curve keeps its style
// in every figure of the run.
struct Run {
  std::vector<std::string> heads;
  std::vector<std::string> curves;
  std::map<std::string, HeadRows> rows;
  std::map<std::string, std::vector<const ResultRow*>> rows_of_head;
  std::vector<std::string> targets;

  std::size_t style(const std::string& curve) const {
    return static_cast<std::size_t>(std::find(curves.begin(), curves.end(), curve) - curves.begin());
  }
};

void add_once(std::vector<std::string>& list, const std::string& text) {
  if (std::find(list.begin(), list.end(), text) == list.end()) list.push_back(text);
}

Run sorted(const std::vector<ResultRow>& rows) {
  Run run;
  for (const auto& row : rows) {
    if (row.draws > 0) add_once(run.targets, row.target);
  }
  for (const auto& row : rows) {
    const std::string label = series_label(row, run.targets.size() > 1);
    add_once(run.heads, row.data);
    if (row.draws > 0) add_once(run.curves, label);
    run.rows[row.data][row.metric][label][row.draws] = &row;
    run.rows_of_head[row.data].push_back(&row);
  }
  return run;
}

double value_at(const std::map<std::string, Curve>& curves, const std::string& curve, std::int64_t draws) {
  const auto rows = curves.find(curve);
  if (rows == curves.end()) return kNone;
  const auto row = rows->second.find(draws);
  return row == rows->second.end() ? kNone : row->second->value;
}

// Baselines need no directions: their rows have no draws.
void add_baseline(Panel& panel, const std::string& label, const Curve& curve) {
  const auto row = curve.find(0);
  if (row != curve.end() && row->second->status != "no-moment")
    panel.baselines.push_back({label, row->second->value});
}

// Every curve of the metric in the run's order, so that legends agree.
template <typename Visit>
void for_each_curve(const Run& run, const std::map<std::string, Curve>& curves, Visit visit) {
  for (const auto& label : run.curves) {
    const auto curve = curves.find(label);
    if (curve != curves.end()) visit(label, curve->second);
  }
}

void add_baselines(Panel& panel, const Run& run, const std::string& head, const std::string& metric) {
  const auto& curves = run.rows.at(head).at(metric);
  std::vector<std::string> labels;
  for (const auto* row : run.rows_of_head.at(head)) {
    if (row->draws == 0 && row->metric == metric)
      add_once(labels, series_label(*row, run.targets.size() > 1));
  }
  for (const auto& label : labels) add_baseline(panel, label, curves.at(label));
}

// One m has no slope to compare with.
void add_guide(Panel& panel, const SlopeGuide& guide) {
  const bool curves = std::any_of(panel.series.begin(), panel.series.end(),
                                  [](const Series& series) { return series.x.size() > 1; });
  if (curves) panel.guides.push_back(guide);
}

// Every m of a head: its panels have one x axis, whichever curves each of them can show.
std::vector<double> counts_of(const Run& run, const std::string& head) {
  std::set<double> counts;
  for (const auto* row : run.rows_of_head.at(head)) {
    if (row->draws > 0) counts.insert(static_cast<double>(row->draws));
  }
  return {counts.begin(), counts.end()};
}

Panel median_panel(const Run& run, const std::string& head) {
  Panel panel;
  panel.x_ticks = counts_of(run, head);
  panel.name = kMedian;
  panel.x_title = kDirections;
  panel.y_title = "median relative error\n‖error‖ / ‖exact‖ (band: quartiles)";
  const auto& metrics = run.rows.at(head);
  const auto medians = metrics.find(kMedian);
  if (medians == metrics.end()) {
    panel.note = "no median relative error in these rows";
    return panel;
  }
  const std::map<std::string, Curve> absent;
  const auto metric = [&](const char* name) -> const auto& {
    const auto found = metrics.find(name);
    return found == metrics.end() ? absent : found->second;
  };
  const auto& q25 = metric("q25_relative_error");
  const auto& q75 = metric("q75_relative_error");
  for_each_curve(run, medians->second, [&](const std::string& label, const Curve& curve) {
    Series series{label, {}, {}, {}, {}, run.style(label)};
    for (const auto& [draws, row] : curve) {
      if (draws == 0) continue;
      series.x.push_back(static_cast<double>(draws));
      series.y.push_back(row->value);
      series.low.push_back(value_at(q25, label, draws));
      series.high.push_back(value_at(q75, label, draws));
    }
    if (!series.x.empty()) panel.series.push_back(std::move(series));
  });
  add_guide(panel, {-0.5, "slope −½"});
  add_baselines(panel, run, head, kMedian);
  return panel;
}

std::string reason(const std::string& status) {
  if (status == "no-moment") return "no finite mean square";
  if (status == "nonfinite") return "nonfinite draws";
  return status.empty() ? "no status" : status;
}

// "no finite mean square: rfa, rmfa", and a line for each further reason.
std::string absence_note(const std::vector<std::pair<std::string, std::string>>& absent) {
  std::vector<std::string> reasons;
  for (const auto& [why, who] : absent) add_once(reasons, why);
  std::string note;
  for (const auto& why : reasons) {
    std::vector<std::string> names;
    for (const auto& entry : absent) {
      if (entry.first == why) names.push_back(entry.second);
    }
    // A label may hold a comma of its own (", orthogonal"); then a comma cannot part labels.
    const bool commas = std::any_of(names.begin(), names.end(), [](const std::string& name) {
      return name.find(',') != std::string::npos;
    });
    note += fmt::format("{}{}: {}", note.empty() ? "" : "\n", why, fmt::join(names, commas ? "; " : ", "));
  }
  return note;
}

// What first-order theory says, where it is valid, in the style of the curve it is about.
void add_predictions(Panel& panel, const Run& run, const std::string& head) {
  const auto found = run.rows.at(head).find(kPredictedMse);
  if (found == run.rows.at(head).end()) return;
  bool any = false;
  for_each_curve(run, found->second, [&](const std::string& label, const Curve& curve) {
    Series series{label + " (predicted)", {}, {}, {}, {}, run.style(label), Look::dashes};
    for (const auto& [draws, row] : curve) {
      if (row->status != "ok") continue;
      series.x.push_back(static_cast<double>(draws));
      series.y.push_back(row->value);
    }
    if (series.x.size() < 2) return;  // no marks: a single point would not be seen
    panel.series.push_back(std::move(series));
    any = true;
  });
  if (!any) return;
  panel.note += fmt::format("{}thin dashes: predicted without a draw", panel.note.empty() ? "" : "\n");
}

Panel relative_mse_panel(const Run& run, const std::string& head) {
  Panel panel;
  panel.x_ticks = counts_of(run, head);
  panel.name = kRelativeMse;
  panel.x_title = kDirections;
  panel.y_title = "relative mean square error\nΣ‖error‖² / Σ‖exact‖² (band: 95 % interval)";
  const auto& metrics = run.rows.at(head);
  const auto found = metrics.find(kRelativeMse);
  if (found == metrics.end()) {
    panel.note = "no mean square error in these rows";
    return panel;
  }
  std::vector<std::pair<std::string, std::string>> absent;
  for_each_curve(run, found->second, [&](const std::string& label, const Curve& curve) {
    Series series{label, {}, {}, {}, {}, run.style(label)};
    std::vector<std::string> refused;
    for (const auto& [draws, row] : curve) {
      if (draws == 0) continue;
      const bool ok = row->status == "ok";
      if (!ok) add_once(refused, row->status);
      series.x.push_back(static_cast<double>(draws));
      series.y.push_back(ok ? row->value : kNone);
      series.low.push_back(ok ? row->ci_low : kNone);
      series.high.push_back(ok ? row->ci_high : kNone);
    }
    const bool shown =
        std::any_of(series.y.begin(), series.y.end(), [](double y) { return std::isfinite(y); });
    for (const auto& status : refused)
      absent.emplace_back(reason(status), shown ? label + " (at some m)" : label);
    if (!shown && refused.empty() && !series.x.empty()) absent.emplace_back("not finite", label);
    if (shown) panel.series.push_back(std::move(series));
  });
  panel.note = absence_note(absent);
  add_predictions(panel, run, head);
  add_guide(panel, {-1, "slope −1"});
  add_baselines(panel, run, head, kRelativeMse);
  return panel;
}

// "256" or, where rows differ, "64–256".
std::string span_of(const std::vector<const ResultRow*>& rows, std::int64_t ResultRow::*field) {
  std::int64_t low = std::numeric_limits<std::int64_t>::max();
  std::int64_t high = 0;
  for (const auto* row : rows) {
    if (row->draws == 0) continue;
    low = std::min(low, row->*field);
    high = std::max(high, row->*field);
  }
  if (low > high) return "0";
  return low == high ? fmt::format("{}", low) : fmt::format("{}–{}", low, high);
}

std::string target_sentence(const Run& run) {
  if (run.targets.size() > 1) return "error against softmax attention where no other target is named";
  if (run.targets.empty() || run.targets.front().empty()) return "";
  return fmt::format("error against {} attention", run.targets.front());
}

std::string joined(const std::string& a, const std::string& b) {
  return a.empty() ? b : a + "; " + b;
}

std::size_t grid_columns(std::size_t heads) {
  return heads <= 4 ? heads : heads <= 6 ? 3 : 4;
}

}  // namespace

std::string series_label(const ResultRow& row, bool several_targets) {
  std::string label = row.estimator;
  if (!row.projection.empty() && row.projection != "iid") label += ", " + row.projection;
  const bool usual = row.target.empty() || row.target == "softmax";
  if (several_targets && row.draws > 0 && !usual) label += " (target: " + row.target + ")";
  return label;
}

std::string geometry(const std::vector<const ResultRow*>& rows) {
  return fmt::format("l = {} keys, d = {}, {} queries, {} replicates", span_of(rows, &ResultRow::length),
                     span_of(rows, &ResultRow::head_dim), span_of(rows, &ResultRow::queries),
                     span_of(rows, &ResultRow::replicates));
}

std::string figure_name(std::string name, const std::string& head, std::set<std::string>& taken) {
  for (const char c : head) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '.';
    name += plain ? c : '_';
  }
  std::string free = name;
  for (int copy = 2; !taken.insert(free).second; ++copy) free = fmt::format("{}_{}", name, copy);
  return free;
}

std::vector<NamedFigure> gap_figures(const std::vector<ResultRow>& rows) {
  const Run run = sorted(rows);
  std::set<std::string> taken{"gap_overview"};
  std::vector<NamedFigure> figures;
  for (const auto& head : run.heads) {
    const auto& own = run.rows_of_head.at(head);
    const bool measured = std::any_of(own.begin(), own.end(), [](const auto* row) { return row->draws > 0; });
    if (!measured) continue;  // baselines alone have no m to be drawn against
    Figure figure;
    figure.title = fmt::format("{}: {}", head, geometry(run.rows_of_head.at(head)));
    figure.subtitle = target_sentence(run);
    figure.panels = {median_panel(run, head), relative_mse_panel(run, head)};
    const bool measured_mse = run.rows.at(head).contains(kRelativeMse);
    if (measured_mse &&
        figure.panels.back().series.empty()) {  // axes without a curve say less than a sentence
      figure.panels.pop_back();
      figure.subtitle = joined(figure.subtitle, "no estimator here has a mean square error");
    }
    figures.push_back({figure_name("gap_", head, taken), std::move(figure)});
  }
  return figures;
}

std::vector<NamedFigure> median_pages(const std::vector<ResultRow>& rows, const PageTexts& texts) {
  const Run run = sorted(rows);
  std::vector<Panel> panels;
  for (const auto& head : run.heads) {
    panels.push_back(median_panel(run, head));
    panels.back().name = panels.back().title = head;
    panels.back().y_title = "median relative error\n‖error‖ / ‖exact‖";
    panels.back().guides.clear();
  }
  const Range common = y_range(panels);
  const std::size_t pages = (panels.size() + kPanelsPerPage - 1) / kPanelsPerPage;
  std::vector<NamedFigure> figures;
  for (std::size_t first = 0; first < panels.size(); first += kPanelsPerPage) {
    const std::size_t count = std::min(kPanelsPerPage, panels.size() - first);
    const std::size_t page = first / kPanelsPerPage + 1;
    Figure figure;
    figure.title = texts.title + (pages > 1 ? fmt::format(" (page {} of {})", page, pages) : "");
    figure.subtitle = joined(target_sentence(run), texts.subtitle);
    figure.small_multiples = true;
    figure.columns = grid_columns(count);
    for (std::size_t i = first; i < first + count; ++i) {
      figure.panels.push_back(panels[i]);
      figure.panels.back().y_range = common;
    }
    figures.push_back({page == 1 ? texts.name : fmt::format("{}_{}", texts.name, page), std::move(figure)});
  }
  return figures;
}

std::vector<NamedFigure> gap_overview(const std::vector<ResultRow>& rows) {
  const bool several = std::any_of(rows.begin(), rows.end(),
                                   [&](const ResultRow& row) { return row.data != rows.front().data; });
  const bool measured =
      std::any_of(rows.begin(), rows.end(), [](const ResultRow& row) { return row.draws > 0; });
  if (!several || !measured) return {};
  auto pages =
      median_pages(rows, {"gap_overview", "Gap of every head against random directions", "bands: quartiles"});
  const Run run = sorted(rows);
  for (NamedFigure& page : pages) {
    for (Panel& panel : page.figure.panels) {
      const auto& own = run.rows_of_head.at(panel.name);
      if (panel.note.empty())
        panel.note = fmt::format("l = {}, d = {}", span_of(own, &ResultRow::length),
                                 span_of(own, &ResultRow::head_dim));
    }
  }
  return pages;
}

}  // namespace attngap
