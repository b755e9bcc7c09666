#include "plots/kernel_figures.hpp"

#include "plots/pair_names.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>

namespace attngap {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr const char* kLegend = "lines: closed form; points: Monte Carlo with 95 % intervals";

// A row of a pair with what its data name says.
struct PairRow {
  const ResultRow* row = nullptr;
  double norm = 0;
  double cosine = 0;
};

// Rows of some metrics; estimators keep their style in every figure of the run.
class KernelRows {
 public:
  explicit KernelRows(const std::vector<ResultRow>& rows) {
    for (const ResultRow& row : rows) {
      const std::string name = label(row);
      if (std::find(labels_.begin(), labels_.end(), name) == labels_.end()) labels_.push_back(name);
      by_metric_[row.metric].push_back(
          {&row, number_in_pair(row.data, "norm"), number_in_pair(row.data, "cosine")});
    }
  }

  const std::vector<PairRow>& of(const std::string& metric) const {
    static const std::vector<PairRow> none;
    const auto found = by_metric_.find(metric);
    return found == by_metric_.end() ? none : found->second;
  }
  static std::string label(const ResultRow& row) { return series_label(row, false); }
  const std::vector<std::string>& labels() const { return labels_; }

  // The values of one field over the rows of a metric, increasing.
  template <typename Field>
  auto values(const std::string& metric, Field field) const {
    std::vector<decltype(field(std::declval<PairRow>()))> found;
    for (const PairRow& row : of(metric)) found.push_back(field(row));
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    return found;
  }

 private:
  std::vector<std::string> labels_;
  std::map<std::string, std::vector<PairRow>> by_metric_;
};

std::int64_t draws_of(const PairRow& row) {
  return row.row->draws;
}
std::int64_t dim_of(const PairRow& row) {
  return row.row->head_dim;
}
double norm_of(const PairRow& row) {
  return row.norm;
}
double cosine_of(const PairRow& row) {
  return row.cosine;
}

// What a panel shows: a closed form and its measurement, less `offset`, of the rows that are `wanted`.
struct Curves {
  const char* predicted;
  const char* measured;
  double offset = 0;
  std::function<bool(const PairRow&)> wanted;
  double (*x)(const PairRow&);
};

// The series of one metric and estimator; nothing without a number. A measurement without an interval was
// refused, and has no point.
std::optional<Series> series_of(const KernelRows& rows, const Curves& curves, const std::string& label,
                                std::size_t style, Look look) {
  Series series{label, {}, {}, {}, {}, style, look};
  for (const PairRow& row : rows.of(look == Look::line ? curves.predicted : curves.measured)) {
    if (rows.label(*row.row) != label || !curves.wanted(row)) continue;
    series.x.push_back(curves.x(row));
    const bool refused = look == Look::points && !std::isfinite(row.row->ci_low);
    series.y.push_back(refused ? kNone : row.row->value - curves.offset);
    if (look == Look::line) continue;
    series.low.push_back(row.row->ci_low - curves.offset);
    series.high.push_back(row.row->ci_high - curves.offset);
  }
  const bool any = std::any_of(series.y.begin(), series.y.end(), [](double y) { return std::isfinite(y); });
  return any ? std::optional(series) : std::nullopt;
}

void add_curves(Panel& panel, const KernelRows& rows, const Curves& curves,
                const std::vector<std::string>& labels) {
  for (const Look look : {Look::line, Look::points})
    for (std::size_t style = 0; style < rows.labels().size(); ++style) {
      const std::string& label = rows.labels()[style];
      if (std::find(labels.begin(), labels.end(), label) == labels.end()) continue;
      if (auto series = series_of(rows, curves, label, style, look))
        panel.series.push_back(std::move(*series));
    }
}

std::string replicates_of(const KernelRows& rows) {
  const auto counts = rows.values("kernel_variance", [](const PairRow& row) { return row.row->replicates; });
  return counts.empty() ? "" : fmt::format("{} replicates", counts.back());
}

// A figure against the cosine at the largest m, a panel a norm.
Figure against_cosine(const KernelRows& rows, std::int64_t dim, Curves curves,
                      const std::vector<std::string>& labels) {
  const std::int64_t draws = rows.values(curves.predicted, draws_of).back();
  Figure figure;
  figure.columns = 2;
  for (const double norm : rows.values(curves.predicted, norm_of)) {
    Panel panel;
    panel.name = fmt::format("norm={}", norm);
    panel.title = fmt::format("|x| = |y| = {:.4g}", norm);
    panel.x_title = "cosine of the angle of x and y";
    panel.log_x = false;
    panel.x_ticks = {-1, -0.5, 0, 0.5, 1};
    curves.x = &cosine_of;
    curves.wanted = [=](const PairRow& row) {
      return row.row->head_dim == dim && row.row->draws == draws && row.norm == norm;
    };
    add_curves(panel, rows, curves, labels);
    figure.panels.push_back(std::move(panel));
  }
  figure.title = fmt::format("d = {}, m = {} directions, {}", dim, draws, replicates_of(rows));
  figure.subtitle = kLegend;
  return figure;
}

// Estimators whose closed form says E K̂ ≠ K somewhere in this dimension.
std::vector<std::string> biased(const KernelRows& rows, std::int64_t dim) {
  constexpr double kRounding = 1e-9;
  std::vector<std::string> labels;
  for (const PairRow& row : rows.of("predicted_kernel_mean"))
    if (row.row->head_dim == dim && std::abs(row.row->value - 1) > kRounding)
      labels.push_back(rows.label(*row.row));
  return labels;
}

// The label of the estimator of least mean square error at every point of the map of a dimension; empty where
// several are equally good, as their order in a table is no finding.
std::map<std::pair<double, double>, std::string> winners(const KernelRows& rows, std::int64_t dim) {
  constexpr double kEqual = 1e-9;
  std::map<std::pair<double, double>, std::pair<double, std::string>> best;
  for (const PairRow& row : rows.of("predicted_kernel_mse")) {
    const double error = row.row->value;
    if (row.row->head_dim != dim || !std::isfinite(error)) continue;
    const auto [found, is_new] = best.try_emplace({row.norm, row.cosine}, error, rows.label(*row.row));
    auto& [least, label] = found->second;
    if (is_new) continue;
    if (std::abs(error - least) <= kEqual * least) {
      label.clear();
    } else if (error < least) {
      least = error;
      label = rows.label(*row.row);
    }
  }
  std::map<std::pair<double, double>, std::string> labels;
  for (const auto& [at, winner] : best) labels[at] = winner.second;
  return labels;
}

Panel map_panel(const KernelRows& rows, std::int64_t dim, bool over_angles) {
  const auto best = winners(rows, dim);
  Panel panel;
  panel.name = fmt::format("dim={}", dim);
  panel.title = fmt::format("d = {}", dim);
  panel.x_title = "norm |x| = |y|";
  panel.y_title = over_angles ? "angle of x and y (radians)" : "cosine of the angle of x and y";
  panel.log_x = panel.log_y = false;
  for (std::size_t style = 0; style < rows.labels().size(); ++style) {
    Series series{rows.labels()[style], {}, {}, {}, {}, style, Look::tiles};
    for (const auto& [at, label] : best) {
      if (label != series.label) continue;
      series.x.push_back(at.first);
      series.y.push_back(over_angles ? angle_of(at.second) : at.second);
    }
    if (!series.x.empty()) panel.series.push_back(std::move(series));
  }
  panel.x_ticks = rows.values("predicted_kernel_variance", norm_of);
  return panel;
}

double step(const std::vector<double>& values) {
  return (values.back() - values.front()) / static_cast<double>(values.size() - 1);
}

}  // namespace

std::vector<NamedFigure> kernel_variance_figures(const std::vector<ResultRow>& all) {
  const KernelRows rows(all);
  std::vector<NamedFigure> figures;
  for (const std::int64_t dim : rows.values("predicted_kernel_variance", dim_of)) {
    Figure figure = against_cosine(
        rows, dim, {"predicted_kernel_variance", "kernel_variance", 0, {}, nullptr}, rows.labels());
    for (Panel& panel : figure.panels) panel.y_title = "relative variance Var K̂ / K²";
    figure.title = "Variance of a kernel estimate, " + figure.title;
    figure.subtitle += "; no point: tail too heavy for a sample variance, or 0";
    figures.push_back({fmt::format("kernel_variance_dim{}", dim), std::move(figure)});
  }
  return figures;
}

std::vector<NamedFigure> kernel_bias_figures(const std::vector<ResultRow>& all) {
  const KernelRows rows(all);
  std::vector<NamedFigure> figures;
  for (const std::int64_t dim : rows.values("predicted_kernel_mean", dim_of)) {
    const auto labels = biased(rows, dim);
    if (labels.empty()) continue;
    Figure figure =
        against_cosine(rows, dim, {"predicted_kernel_mean", "kernel_mean", 1, {}, nullptr}, labels);
    for (Panel& panel : figure.panels) {
      panel.y_title = "relative bias E K̂ / K − 1";
      panel.log_y = false;
    }
    figure.title = "Bias of a kernel estimate, " + figure.title;
    figures.push_back({fmt::format("kernel_bias_dim{}", dim), std::move(figure)});
  }
  return figures;
}

std::vector<NamedFigure> kernel_variance_by_m(const std::vector<ResultRow>& all) {
  const KernelRows rows(all);
  if (rows.values("predicted_kernel_variance", draws_of).size() < 2) return {};
  const auto cosines = rows.values("predicted_kernel_variance", cosine_of);
  const double middle = *std::min_element(cosines.begin(), cosines.end(),
                                          [](double a, double b) { return std::abs(a) < std::abs(b); });
  std::vector<NamedFigure> figures;
  for (const std::int64_t dim : rows.values("predicted_kernel_variance", dim_of)) {
    Figure figure;
    figure.columns = 2;
    figure.title = fmt::format("Variance of a kernel estimate against m, d = {}, cosine {}, {}", dim, middle,
                               replicates_of(rows));
    figure.subtitle = fmt::format("{}; no point: tail too heavy for a sample variance", kLegend);
    for (const double norm : rows.values("predicted_kernel_variance", norm_of)) {
      Panel panel;
      panel.name = fmt::format("norm={}", norm);
      panel.title = fmt::format("|x| = |y| = {:.4g}", norm);
      panel.x_title = "random directions m";
      panel.y_title = "relative variance Var K̂ / K²";
      const auto wanted = [=](const PairRow& row) {
        return row.row->head_dim == dim && row.cosine == middle && row.norm == norm;
      };
      const auto draws = [](const PairRow& row) { return static_cast<double>(row.row->draws); };
      add_curves(panel, rows, {"predicted_kernel_variance", "kernel_variance", 0, wanted, draws},
                 rows.labels());
      panel.guides.push_back({-1, "slope −1"});
      figure.panels.push_back(std::move(panel));
    }
    figures.push_back({fmt::format("kernel_variance_m_dim{}", dim), std::move(figure)});
  }
  return figures;
}

std::vector<NamedFigure> kernel_map(const std::vector<ResultRow>& all) {
  const KernelRows rows(all);
  const auto dims = rows.values("predicted_kernel_mse", dim_of);
  if (dims.empty()) return {};
  const auto norms = rows.values("predicted_kernel_mse", norm_of);
  auto across = rows.values("predicted_kernel_mse", cosine_of);
  if (norms.size() < 2 || across.size() < 2) return {};
  const bool over_angles = evenly_spaced_angles(across);
  if (over_angles) {
    for (double& cosine : across) cosine = angle_of(cosine);
    std::reverse(across.begin(), across.end());
  }
  const auto features =
      rows.values("predicted_kernel_mse", [](const PairRow& row) { return row.row->dimension; });
  Figure figure;
  figure.title = "Which estimator of the softmax kernel has the least mean square error";
  figure.subtitle = fmt::format("in closed form, each at {} real features; blank: several are equally good",
                                features.back());
  figure.columns = std::min<std::size_t>(dims.size(), 2);
  for (const std::int64_t dim : dims) {
    figure.panels.push_back(map_panel(rows, dim, over_angles));
    figure.panels.back().tile_width = step(norms);
    figure.panels.back().tile_height = step(across);
  }
  return {{"kernel_map", std::move(figure)}};
}

}  // namespace attngap
