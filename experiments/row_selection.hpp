#pragma once

#include "experiments/result_row.hpp"

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace attngap {

/// Which rows of a run are meant: those whose fields have these values.
struct RowSelection {
  std::map<std::string, std::string> words;  ///< data, estimator, projection, target, metric
  std::map<std::string, std::pair<double, double>>
      ranges;  ///< draws, dimension, length, head_dim, queries: from, to

  bool holds(const ResultRow& row) const;

  /// Throws BadInput, `where` first, unless some row has each of the values and some row has all of them:
  /// what is named in vain is misspelt, or of another run. Gives the nearest values that are there.
  void require_met(const std::vector<ResultRow>& rows, std::string_view where) const;
};

/// The fields a selection may give a text.
std::vector<std::string_view> word_fields();

/// The fields a selection may give a range.
std::vector<std::string_view> number_fields();

/// A number field of a row.
double number_of(const ResultRow& row, std::string_view field);

/// Whether two rows agree in every field for which `free` is false.
bool same_fields(const ResultRow& a, const ResultRow& b, const std::function<bool(std::string_view)>& free);

/// Where a row was measured, in a few words.
std::string place_of(const ResultRow& row);

}  // namespace attngap
