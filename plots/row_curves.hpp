#pragma once

#include "plots/figure.hpp"
#include "plots/gap_figure.hpp"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace attngap {

/// Rows of somebody else's, who keeps them.
using Pointers = std::vector<const ResultRow*>;

/// What `key` says of the rows, each once, in their order.
template <typename Key>
std::vector<std::string> distinct(const Pointers& rows, Key key) {
  std::vector<std::string> found;
  for (const ResultRow* row : rows)
    if (std::find(found.begin(), found.end(), key(*row)) == found.end()) found.push_back(key(*row));
  return found;
}

/// The rows that `keep` wants.
template <typename Keep>
Pointers those(const Pointers& rows, Keep keep) {
  Pointers kept;
  std::copy_if(rows.begin(), rows.end(), std::back_inserter(kept),
               [&](const ResultRow* row) { return keep(*row); });
  return kept;
}

/// Every row.
Pointers pointers(const std::vector<ResultRow>& rows);

/// Which m a curve has at each length.
struct CountRule {
  std::string label;
  std::map<std::int64_t, std::int64_t> draws;  ///< by length
};

/// The rules that every length has a count for: the counts common to all, then √l and log l if they differ
/// between lengths.
std::vector<CountRule> count_rules(const Pointers& rows);

/// What a curve is drawn against.
using Abscissa = std::int64_t ResultRow::*;

/// The rows of one curve, by the length or another number of theirs.
class Curve {
 public:
  explicit Curve(const Pointers& rows, Abscissa abscissa = &ResultRow::length);

  /// Nothing where there is none.
  const ResultRow* at(std::int64_t place, const std::string& metric) const;

  /// Where it has rows.
  std::set<std::int64_t> places() const;

  /// A metric, with the band between its quartiles (of a median) or its 95 % interval.
  Series series(const std::string& label, std::size_t style, const std::string& metric) const;

  /// Whether the variance that theory predicts has no limit as the length grows.
  bool has_no_limit() const;

  /// What theory says of the mean square, where it is valid; relative, or per output element.
  Series prediction(const std::string& label, std::size_t style, bool relative) const;

 private:
  std::map<std::pair<std::int64_t, std::string>, const ResultRow*> rows_;
};

/// A curve as the legend names it.
struct LabelledCurve {
  std::string label;
  Curve curve;
  bool drawn;  ///< not a baseline
};

/// The curves of one head: each estimator at each rule, then the baselines.
std::vector<LabelledCurve> curves_of(const Pointers& rows, const std::vector<CountRule>& rules,
                                     Abscissa abscissa = &ResultRow::length);

/// The rows of a rule.
Pointers at_rule(const Pointers& rows, const CountRule& rule);

/// Whether what is drawn has more than one target.
bool several_targets(const Pointers& rows);

/// Whether one of the numbers could be drawn.
bool any_finite(const std::vector<double>& numbers);

/// Marks the numbers that were measured.
void tick_used(Panel& panel, const Pointers& rows, Abscissa abscissa = &ResultRow::length);

/// The rule, where there is one only.
std::string rules_text(const std::vector<CountRule>& rules);

/// Two sentences, of which either may be empty.
std::string joined(const std::string& a, const std::string& b);

}  // namespace attngap
