#include "plots/control_variates_figure.hpp"

#include "plots/axes.hpp"
#include "plots/row_curves.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>

namespace attngap {
namespace {

// `rfa:center=keys,coefficient=ratio` as the estimator `rfa:center=keys` and the policy `ratio`; what else
// starts with "coefficient-" belongs to the policy.
std::pair<std::string, std::string> split_policy(const std::string& written) {
  const std::size_t colon = std::min(written.find(':'), written.size());
  std::string estimator = written.substr(0, colon);
  std::string policy;
  char separator = ':';
  for (std::size_t begin = colon + 1; begin < written.size();) {
    const std::size_t end = std::min(written.find(',', begin), written.size());
    const std::string option = written.substr(begin, end - begin);
    begin = end + 1;
    const std::string value = option.substr(option.find('=') + 1);
    if (option.starts_with("coefficient=")) {
      policy = value;
    } else if (option.starts_with("coefficient-groups=")) {
      policy += fmt::format(" ({} groups)", value);
    } else {
      estimator += separator + option;
      separator = ',';
    }
  }
  return {estimator, policy};
}

}  // namespace

std::vector<NamedFigure> control_variates_figures(const std::vector<ResultRow>& rows) {
  std::vector<std::string> heads;
  std::map<std::string, std::vector<const ResultRow*>> rows_of_head;
  std::map<std::string, std::vector<ResultRow>>
      panels_of_head;  // rows with the estimator in place of the head
  for (const ResultRow& row : rows) {
    if (rows_of_head[row.data].empty()) heads.push_back(row.data);
    rows_of_head[row.data].push_back(&row);
    const auto [estimator, policy] = split_policy(row.estimator);
    if (policy == "key") continue;
    ResultRow moved = row;
    moved.data = estimator;
    if (!row.projection.empty() && row.projection != "iid") moved.data += ", " + row.projection;
    moved.projection.clear();
    moved.estimator = policy;
    panels_of_head[row.data].push_back(std::move(moved));
  }
  std::set<std::string> taken;
  std::vector<NamedFigure> figures;
  for (const std::string& head : heads) {
    const PageTexts texts{figure_name("control_variates_", head, taken),
                          fmt::format("{}: {}", head, geometry(rows_of_head.at(head))),
                          "curves: coefficient β of the control variates; bands: quartiles"};
    for (NamedFigure& page : median_pages(panels_of_head[head], texts)) figures.push_back(std::move(page));
  }
  return figures;
}

namespace {

// The number of an option of a written estimator, as `groups` of `eva:groups=16,window=8`.
std::optional<std::int64_t> number_of(const std::string& written, const std::string& option) {
  for (const char before : {':', ','}) {
    const std::string entry = before + option + "=";
    if (const std::size_t at = written.find(entry); at != std::string::npos) {
      const long long number = std::strtoll(written.c_str() + at + entry.size(), nullptr, 10);
      if (number > 0) return number;
    }
  }
  return std::nullopt;
}

// How many groups of keys have a coefficient of their own under the policy of a row; none where that is not
// what the policy is about.
std::optional<std::int64_t> groups_of(const ResultRow& row) {
  const auto has = [&](const char* policy) {
    const std::string entry = std::string("coefficient=") + policy;
    const std::size_t at = row.estimator.find(entry);
    const std::size_t end = at + entry.size();
    return at != std::string::npos && (end == row.estimator.size() || row.estimator[end] == ',');
  };
  if (has("ratio")) return 1;
  if (has("key")) return row.length;
  if (!has("group")) return std::nullopt;
  if (const auto contiguous = number_of(row.estimator, "coefficient-groups")) return contiguous;
  return number_of(row.estimator, "groups").value_or(row.draws);
}

// The rows of one estimator at one m, by groups: moved into `queries`, against which the curve is drawn.
struct Path {
  std::string label;
  std::vector<ResultRow> rows;
};

std::vector<Path> paths_of(const std::vector<ResultRow>& rows, const std::string& head) {
  std::vector<Path> paths;
  for (const ResultRow& row : rows) {
    const auto groups = groups_of(row);
    if (row.data != head || !groups) continue;
    ResultRow moved = row;
    moved.estimator = split_policy(row.estimator).first;
    const std::string label = fmt::format("{}, m = {}", series_label(moved, false), row.draws);
    moved.queries = *groups;
    auto found = std::find_if(paths.begin(), paths.end(), [&](const Path& p) { return p.label == label; });
    if (found == paths.end()) found = paths.insert(paths.end(), {label, {}});
    found->rows.push_back(std::move(moved));
  }
  return paths;
}

// The path to its last step before a coefficient a key, and that end as a point of its own.
void add_path(Panel& panel, const Path& path, std::size_t style) {
  Series steps = Curve(pointers(path.rows), &ResultRow::queries).series(path.label, style, panel.name);
  const auto length = static_cast<double>(path.rows.front().length);
  Series end{path.label, {}, {}, {}, {}, style, Look::points};
  if (!steps.x.empty() && steps.x.back() == length) {
    end.x = {length};
    end.y = {steps.y.back()};
    for (auto* numbers : {&steps.x, &steps.y, &steps.low, &steps.high}) numbers->pop_back();
  }
  if (any_finite(steps.y)) panel.series.push_back(std::move(steps));
  if (any_finite(end.y)) panel.series.push_back(std::move(end));
}

// A mark at every number of groups, with the names of the ends.
void tick_groups(Panel& panel, const std::vector<Path>& paths) {
  std::set<std::int64_t> groups;
  for (const Path& path : paths)
    for (const ResultRow& row : path.rows) groups.insert(row.queries);
  for (const std::int64_t count : groups) {
    panel.x_ticks.push_back(static_cast<double>(count));
    const bool last = count == *groups.rbegin();
    panel.x_tick_labels.push_back(last ? fmt::format("l = {}", count) : fmt::format("{}", count));
  }
}

Panel path_panel(const std::vector<Path>& paths, const std::string& metric, const std::string& y_title) {
  Panel panel;
  panel.name = metric;
  panel.x_title = "groups of keys, each with its coefficient";
  panel.y_title = y_title;
  panel.zeros = true;
  tick_groups(panel, paths);
  for (std::size_t i = 0; i < paths.size(); ++i) add_path(panel, paths[i], i);
  Panel drawn = panel;  // the range is that of the steps: the end is beyond any
  std::erase_if(drawn.series, [](const Series& series) { return series.look == Look::points; });
  const Range range = y_range({&drawn, 1});
  panel.y_range = Range{range.low / 2, range.high};  // room for the end below the steps
  return panel;
}

bool has_steps(const Panel& panel) {
  return std::any_of(panel.series.begin(), panel.series.end(),
                     [](const Series& series) { return series.look == Look::curve && series.x.size() > 1; });
}

}  // namespace

std::vector<NamedFigure> control_variates_path(const std::vector<ResultRow>& rows) {
  const Pointers all = pointers(rows);
  std::set<std::string> taken;
  std::vector<NamedFigure> figures;
  for (const std::string& head : distinct(all, [](const ResultRow& row) { return row.data; })) {
    const auto paths = paths_of(rows, head);
    if (paths.empty()) continue;
    Figure figure;
    figure.title = fmt::format("{}: {}", head,
                               geometry(those(all, [&](const ResultRow& row) { return row.data == head; })));
    figure.subtitle =
        "1 group: RFA; a group a key: softmax attention, whose error of 0 is the point on the axis";
    figure.panels = {path_panel(paths, "median_relative_error",
                                "median relative error\n‖error‖ / ‖exact‖ (band: quartiles)"),
                     path_panel(paths, "relative_mse",
                                "relative mean square error\nΣ‖error‖² / Σ‖exact‖² (band: 95 % interval)")};
    std::erase_if(figure.panels, [](const Panel& panel) { return !has_steps(panel); });
    if (figure.panels.empty()) continue;
    figures.push_back({figure_name("control_variates_path_", head, taken), std::move(figure)});
  }
  return figures;
}

}  // namespace attngap
