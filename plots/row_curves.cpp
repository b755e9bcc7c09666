#include "plots/row_curves.hpp"

#include <cmath>
#include <limits>

#include <fmt/format.h>

namespace attngap {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

std::int64_t root_of(std::int64_t length) {
  return static_cast<std::int64_t>(std::ceil(std::sqrt(static_cast<double>(length))));
}

std::int64_t logarithm_of(std::int64_t length) {
  return std::max<std::int64_t>(1,
                                static_cast<std::int64_t>(std::ceil(std::log2(static_cast<double>(length)))));
}

// A value of a row, or none where its status forbids it.
double shown(const ResultRow* row, double ResultRow::*number) {
  return row == nullptr || row->status == "no-moment" || row->status == "nonfinite" ? kNone : row->*number;
}

}  // namespace

Pointers pointers(const std::vector<ResultRow>& rows) {
  Pointers all;
  for (const ResultRow& row : rows) all.push_back(&row);
  return all;
}

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

Curve::Curve(const Pointers& rows, Abscissa abscissa) {
  for (const ResultRow* row : rows) rows_[{row->*abscissa, row->metric}] = row;
}

const ResultRow* Curve::at(std::int64_t place, const std::string& metric) const {
  const auto found = rows_.find({place, metric});
  return found == rows_.end() ? nullptr : found->second;
}

std::set<std::int64_t> Curve::places() const {
  std::set<std::int64_t> found;
  for (const auto& [key, row] : rows_) found.insert(key.first);
  return found;
}

Series Curve::series(const std::string& label, std::size_t style, const std::string& metric) const {
  Series series{label, {}, {}, {}, {}, style};
  const bool median = metric == "median_relative_error";
  for (const std::int64_t place : places()) {
    const ResultRow* row = at(place, metric);
    if (row == nullptr) continue;
    series.x.push_back(static_cast<double>(place));
    series.y.push_back(shown(row, &ResultRow::value));
    series.low.push_back(median ? shown(at(place, "q25_relative_error"), &ResultRow::value)
                                : shown(row, &ResultRow::ci_low));
    series.high.push_back(median ? shown(at(place, "q75_relative_error"), &ResultRow::value)
                                 : shown(row, &ResultRow::ci_high));
  }
  return series;
}

bool Curve::has_no_limit() const {
  return std::any_of(rows_.begin(), rows_.end(), [](const auto& entry) {
    return entry.first.second == "predicted_variance" && entry.second->status == "infinite-variance";
  });
}

Series Curve::prediction(const std::string& label, std::size_t style, bool relative) const {
  Series series{label + " (predicted)", {}, {}, {}, {}, style, Look::dashes};
  for (const std::int64_t place : places()) {
    const ResultRow* bias2 = at(place, relative ? "predicted_relative_mse" : "predicted_bias2");
    const ResultRow* variance = at(place, "predicted_variance");
    if (bias2 == nullptr || variance == nullptr || bias2->status != "ok") continue;
    series.x.push_back(static_cast<double>(place));
    series.y.push_back(relative ? bias2->value : bias2->value + variance->value);
  }
  return series;
}

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

std::vector<LabelledCurve> curves_of(const Pointers& rows, const std::vector<CountRule>& rules,
                                     Abscissa abscissa) {
  const bool targets = several_targets(rows);
  const auto label = [&](const ResultRow& row) { return series_label(row, targets); };
  std::vector<LabelledCurve> curves;
  for (const bool drawn : {true, false}) {
    const Pointers kind = those(rows, [&](const ResultRow& row) { return (row.draws > 0) == drawn; });
    for (const std::string& name : distinct(kind, label)) {
      const Pointers own = those(kind, [&](const ResultRow& row) { return label(row) == name; });
      if (!drawn) curves.push_back({name, Curve(own, abscissa), false});
      for (const CountRule& rule : rules)
        if (drawn)
          curves.push_back({rules.size() > 1 ? name + ", " + rule.label : name,
                            Curve(at_rule(own, rule), abscissa), true});
    }
  }
  return curves;
}

bool any_finite(const std::vector<double>& numbers) {
  return std::any_of(numbers.begin(), numbers.end(), [](double y) { return std::isfinite(y); });
}

void tick_used(Panel& panel, const Pointers& rows, Abscissa abscissa) {
  std::set<double> used;
  for (const ResultRow* row : rows) used.insert(static_cast<double>(row->*abscissa));
  panel.x_ticks.assign(used.begin(), used.end());
}

std::string rules_text(const std::vector<CountRule>& rules) {
  return rules.size() == 1 ? rules.front().label : "";
}

std::string joined(const std::string& a, const std::string& b) {
  return a.empty() || b.empty() ? a + b : a + "; " + b;
}

}  // namespace attngap
