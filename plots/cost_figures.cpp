#include "plots/cost_figures.hpp"

#include "plots/row_curves.hpp"

#include <cmath>
#include <limits>

#include <fmt/format.h>

namespace attngap {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr double kEndless = std::numeric_limits<double>::infinity();
constexpr double kMebibyte = 1024.0 * 1024.0;
constexpr const char* kKeys = "keys l";
constexpr const char* kSpeedup = "times as fast as exact attention";

// A panel of curves, which come one by one.
Panel panel_of(const std::string& metric, const std::string& y_title, const Pointers& rows,
               Abscissa abscissa = &ResultRow::length) {
  Panel panel;
  panel.name = metric;
  panel.x_title = abscissa == &ResultRow::length ? kKeys : "batch (sequences)";
  panel.y_title = y_title;
  tick_used(panel, rows, abscissa);
  return panel;
}

// The metric of a panel, in multiples of `unit`.
void add_metric(Panel& panel, const std::vector<LabelledCurve>& curves, const std::string& metric,
                double unit = 1.0) {
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
}

// Estimators with counts of their own have no curve at the others' counts.
std::vector<LabelledCurve> measured(std::vector<LabelledCurve> curves) {
  std::erase_if(curves, [](const LabelledCurve& each) { return each.curve.places().empty(); });
  return curves;
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

// What differs between whole heads and single tokens.
struct CostTexts {
  const char* subject;  // after the head dimension; with the number of queries
  const char* seconds;
  const char* memory;  // the metric
  const char* memory_title;
  std::vector<SlopeGuide> guides;
};

const CostTexts kWholeHead{"all l queries",
                           "seconds a head",
                           "peak_bytes",
                           "peak memory of a whole head\n(all l queries) beyond its inputs [MiB]",
                           {{1.0, "slope 1"}, {2.0, "slope 2"}}};
const CostTexts kToken{"{} sequences side by side",
                       "seconds a token of all sequences",
                       "state_bytes",
                       "caches or states of all sequences [MiB]",
                       {{1.0, "slope 1"}}};

std::string title_of(const Pointers& rows, const std::string& subject) {
  return fmt::format("{}: d = {}, {}one thread, {} repetitions", rows.front()->data, rows.front()->head_dim,
                     subject.empty() ? "" : subject + ", ", rows.front()->replicates);
}

Figure cost_figure(const Pointers& rows, const CostTexts& texts) {
  const std::vector<CountRule> rules = count_rules(rows);
  const auto curves = measured(curves_of(rows, rules));
  Figure figure;
  figure.title = title_of(rows, fmt::format(fmt::runtime(texts.subject), rows.front()->queries));
  figure.subtitle = joined(rules_text(rules), "bands: 95 % intervals");
  figure.panels = {panel_of("seconds", texts.seconds, rows), panel_of("speedup", kSpeedup, rows),
                   panel_of(texts.memory, texts.memory_title, rows)};
  add_metric(figure.panels[0], curves, "seconds");
  add_metric(figure.panels[1], curves, "speedup");
  add_metric(figure.panels[2], curves, texts.memory, kMebibyte);
  figure.panels[0].guides = texts.guides;
  figure.panels[1].note = crossings(curves);
  return figure;
}

std::vector<std::string> heads_of(const Pointers& rows) {
  return distinct(rows, [](const ResultRow& row) { return row.data; });
}

Pointers of_head(const Pointers& rows, const std::string& head) {
  return those(rows, [&](const ResultRow& row) { return row.data == head; });
}

// The numbers of one field, each once, increasing.
std::set<std::int64_t> values(const Pointers& rows, Abscissa field) {
  std::set<std::int64_t> found;
  for (const ResultRow* row : rows) found.insert(row->*field);
  return found;
}

// The inverse of times as fast; where an interval of that reaches 0 the time has no upper end.
void add_relative_time(Panel& panel, const std::vector<LabelledCurve>& curves) {
  add_metric(panel, curves, "speedup");
  for (Series& series : panel.series) {
    std::swap(series.low, series.high);
    for (auto* numbers : {&series.y, &series.low, &series.high})
      for (double& number : *numbers) number = number > 0 ? 1.0 / number : kEndless;
  }
}

void add_relative_memory(Panel& panel, const std::vector<LabelledCurve>& curves) {
  const auto exact =
      std::find_if(curves.begin(), curves.end(), [](const auto& each) { return each.label == "exact"; });
  if (exact == curves.end()) return;
  add_metric(panel, curves, "peak_bytes");
  for (Series& series : panel.series) {
    series.low = series.high = {};
    for (std::size_t i = 0; i < series.x.size(); ++i) {
      const ResultRow* bytes = exact->curve.at(static_cast<std::int64_t>(series.x[i]), "peak_bytes");
      series.y[i] /= bytes == nullptr ? kNone : bytes->value;
    }
  }
}

}  // namespace

std::vector<NamedFigure> speed_figures(const std::vector<ResultRow>& rows) {
  const Pointers all = pointers(rows);
  std::set<std::string> taken;
  std::vector<NamedFigure> figures;
  for (const std::string& head : heads_of(all))
    figures.push_back({figure_name("speed_", head, taken), cost_figure(of_head(all, head), kWholeHead)});
  return figures;
}

std::vector<NamedFigure> relative_cost_figures(const std::vector<ResultRow>& rows) {
  const Pointers all = pointers(rows);
  std::set<std::string> taken;
  std::vector<NamedFigure> figures;
  for (const std::string& head : heads_of(all)) {
    const Pointers own = of_head(all, head);
    const std::vector<CountRule> rules = count_rules(own);
    const auto curves = measured(curves_of(own, rules));
    Figure figure;
    figure.title = title_of(own, kWholeHead.subject);
    figure.subtitle =
        joined(rules_text(rules), "relative to exact attention, which is streamed; band: 95 % interval");
    figure.panels = {
        panel_of("relative_seconds", "time of a whole head\nover that of exact attention", own),
        panel_of("relative_bytes", "peak memory of a whole head\nover that of exact attention", own)};
    add_relative_time(figure.panels[0], curves);
    add_relative_memory(figure.panels[1], curves);
    figures.push_back({figure_name("relative_cost_", head, taken), std::move(figure)});
  }
  return figures;
}

std::vector<NamedFigure> decoding_figures(const std::vector<ResultRow>& rows) {
  const Pointers all = pointers(rows);
  std::set<std::string> taken;
  std::vector<NamedFigure> figures;
  for (const std::string& head : heads_of(all)) {
    const Pointers own = of_head(all, head);
    const auto batches = values(own, &ResultRow::queries);
    for (const std::int64_t batch : batches) {
      const std::string name = batches.size() > 1 ? fmt::format("{}_{}", head, batch) : head;
      const Pointers of_batch = those(own, [&](const ResultRow& row) { return row.queries == batch; });
      figures.push_back({figure_name("decoding_", name, taken), cost_figure(of_batch, kToken)});
    }
  }
  return figures;
}

std::vector<NamedFigure> decoding_batch_figures(const std::vector<ResultRow>& rows) {
  const Pointers all = pointers(rows);
  constexpr Abscissa kBatch = &ResultRow::queries;
  std::set<std::string> taken;
  std::vector<NamedFigure> figures;
  for (const std::string& head : heads_of(all)) {
    const Pointers own = of_head(all, head);
    if (values(own, kBatch).size() < 2) continue;
    const auto lengths = values(own, &ResultRow::length);
    const std::vector<CountRule> rules = count_rules(own);
    Figure figure;
    figure.title = title_of(own, "");
    figure.subtitle = joined(rules_text(rules), "bands: 95 % intervals");
    figure.columns = 3;
    for (const std::int64_t length : std::set{*lengths.begin(), *lengths.rbegin()}) {
      const Pointers there = those(own, [&](const ResultRow& row) { return row.length == length; });
      const auto curves = measured(curves_of(there, rules, kBatch));
      std::vector<Panel> panels{panel_of("seconds", kToken.seconds, there, kBatch),
                                panel_of("speedup", kSpeedup, there, kBatch),
                                panel_of(kToken.memory, kToken.memory_title, there, kBatch)};
      add_metric(panels[0], curves, "seconds");
      add_metric(panels[1], curves, "speedup");
      add_metric(panels[2], curves, kToken.memory, kMebibyte);
      panels[0].guides = kToken.guides;
      for (Panel& panel : panels) {
        panel.name += fmt::format(" at l={}", length);
        panel.title = fmt::format("l = {} tokens", length);
        figure.panels.push_back(std::move(panel));
      }
    }
    figures.push_back({figure_name("decoding_batch_", head, taken), std::move(figure)});
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

}  // namespace attngap
