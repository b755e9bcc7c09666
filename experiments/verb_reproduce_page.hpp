#pragma once

#include "experiments/preset.hpp"
#include "experiments/verb_run.hpp"

#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace attngap {

/// A figure, what its runs measured and what its criteria came to.
struct ReproducedFigure {
  Preset preset;
  bool quick = false;
  std::vector<FinishedRun> runs;  ///< of preset.runs
  std::vector<Finding> findings;  ///< of preset.criteria

  /// Seconds its runs took to measure, when they were measured.
  double seconds() const;
  /// Whether all of them were there already.
  bool read() const;
};

/// An entry of reproduction.json: texts, date, seconds, runs with their seeds, criteria with judgement and
/// evidence. It depends on the stored runs alone, and not on when it is made from them.
nlohmann::ordered_json as_json(const ReproducedFigure& figure);

/// The entries of `out`/reproduction.json; none where there is no such file. Throws BadInput when it is not
/// one that `write_pages` wrote.
std::vector<nlohmann::ordered_json> read_pages(const std::filesystem::path& out);

/// Puts the figure into `out`/reproduction.json and the page of all figures there, `out`/reproduction.md, in
/// place of an earlier one of that name; the others stay as they are.
void write_pages(const std::filesystem::path& out, const ReproducedFigure& figure);

}  // namespace attngap
