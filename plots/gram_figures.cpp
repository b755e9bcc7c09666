#include "plots/gram_figures.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace attngap {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

struct KernelFormula {
  std::string_view target;  // of attention
  std::string_view formula;
};
constexpr std::array kFormulas{KernelFormula{"softmax", "exp(x·y)"},
                               KernelFormula{"kernelised attention (inverse)", "1/(1 − x·y)"},
                               KernelFormula{"kernelised attention (log)", "1 − ln(1 − x·y)"},
                               KernelFormula{"kernelised attention (sqrt)", "2 − √(1 − x·y)"},
                               KernelFormula{"kernelised attention (power10)", "(x·y)¹⁰"},
                               KernelFormula{"kernelised attention (polynomial10)", "(1 + x·y)¹⁰"},
                               KernelFormula{"kernelised attention (arccos)", "arccos"}};

// What is estimated of a pair where the rows name the attention it would make; a Gram matrix attends to
// nothing.
std::string kernel_of(const std::string& target) {
  for (const KernelFormula& known : kFormulas)
    if (target.starts_with(known.target))
      return std::string(known.formula) + target.substr(known.target.size());
  return target;
}

// The curves of a run keep their styles in all its figures.
struct Curves {
  std::vector<std::string> labels;
  bool several_targets = false;

  std::string label(const ResultRow& row) const {
    const std::string name = series_label(row, false);
    return several_targets ? fmt::format("{} (K = {})", name, kernel_of(row.target)) : name;
  }
};

Curves curves_of(const std::vector<ResultRow>& rows) {
  Curves curves;
  for (const ResultRow& row : rows) curves.several_targets |= row.target != rows.front().target;
  for (const ResultRow& row : rows)
    if (std::find(curves.labels.begin(), curves.labels.end(), curves.label(row)) == curves.labels.end())
      curves.labels.push_back(curves.label(row));
  return curves;
}

Panel panel_of(const std::vector<const ResultRow*>& rows, const Curves& curves, const std::string& metric,
               const std::string& y_title) {
  Panel panel;
  panel.name = metric;
  panel.x_title = "random directions m";
  panel.y_title = y_title + "\n(band: 95 % interval)";
  std::vector<std::string> absent;
  for (std::size_t style = 0; style < curves.labels.size(); ++style) {
    Series series{curves.labels[style], {}, {}, {}, {}, style};
    bool shown = false;
    for (const ResultRow* row : rows) {
      if (row->metric != metric || curves.label(*row) != series.label) continue;
      const bool ok = row->status == "ok";
      series.x.push_back(static_cast<double>(row->draws));
      series.y.push_back(ok ? row->value : kNone);
      series.low.push_back(ok ? row->ci_low : kNone);
      series.high.push_back(ok ? row->ci_high : kNone);
      shown = shown || ok;
    }
    if (shown) {
      panel.series.push_back(std::move(series));
    } else if (!series.x.empty()) {
      absent.push_back(series.label);
    }
  }
  if (!absent.empty()) panel.note = fmt::format("no finite error: {}", fmt::join(absent, "; "));
  const bool sloped = std::any_of(panel.series.begin(), panel.series.end(),
                                  [](const Series& series) { return series.x.size() > 1; });
  if (sloped) panel.guides.push_back({-0.5, "slope −½"});
  return panel;
}

}  // namespace

std::vector<NamedFigure> gram_figures(const std::vector<ResultRow>& all) {
  const Curves curves = curves_of(all);
  std::vector<std::pair<std::string, std::vector<const ResultRow*>>> heads;
  for (const ResultRow& row : all) {
    if (heads.empty() || heads.back().first != row.data) heads.push_back({row.data, {}});
    heads.back().second.push_back(&row);
  }
  std::set<std::string> taken;
  std::vector<NamedFigure> figures;
  for (const auto& [head, rows] : heads) {
    const ResultRow& first = *rows.front();
    Figure figure;
    figure.title = fmt::format("{}: Gram matrix of {} points, d = {}, {} replicates", head, first.length,
                               first.head_dim, first.replicates);
    figure.subtitle = "error of the kernel estimates of all pairs of points";
    if (!curves.several_targets) figure.subtitle += fmt::format("; K(x, y) = {}", kernel_of(first.target));
    figure.panels = {panel_of(rows, curves, "gram_error", "mean of |K̂ − K| over all pairs"),
                     panel_of(rows, curves, "relative_gram_error", "relative error ‖K̂ − K‖ / ‖K‖")};
    figures.push_back({figure_name("gram_", head, taken), std::move(figure)});
  }
  return figures;
}

}  // namespace attngap
