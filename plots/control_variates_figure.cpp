#include "plots/control_variates_figure.hpp"

#include <algorithm>
#include <map>
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

}  // namespace attngap
