#pragma once

#include "experiments/result_row.hpp"
#include "plots/report_chart.hpp"

#include <string>
#include <utility>
#include <vector>

namespace attngap {

/// What a name in the report means; `formulas_of` adds its formulas.
struct ReportDefinition {
  std::string name;
  std::string meaning;
  std::string source;  ///< may be empty
};

/// A verdict of `attngap verify`.
struct ReportVerdict {
  std::string name;
  std::string statement;
  std::string source;
  std::string method;
  std::string verdict;
  std::string expected;  ///< what the registry expects; empty: nothing in particular
  std::string evidence;
};

/// A figure that was drawn: an SVG file's text, and its title for those who cannot see it.
struct ReportPicture {
  std::string name;
  std::string title;
  std::string svg;
};

/// Everything a report shows of one run.
struct ReportSource {
  std::vector<ResultRow> rows;
  std::vector<std::pair<std::string, std::string>> provenance;  ///< names and values, in order
  std::vector<ReportVerdict> verdicts;
  std::vector<ReportDefinition> estimators;
  std::vector<ReportDefinition> metrics;
  std::vector<ReportPicture> pictures;
  std::vector<ReportChart> decompositions;  ///< of `decomposition_chart`
  bool interactive = true;  ///< with charts, where the charting library is part of the program
};

/// Whether the charting library is part of this program.
bool has_charting_library();

/// The report as one HTML file that needs nothing else and no network, which its own policy forbids: charts
/// (value ± standard error on hover, curves to switch off, log or linear) and maps, tables of results,
/// pictures, verdicts, definitions with formulas in MathML, provenance. The same source gives the same bytes.
/// Names may hold anything: they are shown as they are.
std::string report_html(const ReportSource& source);

}  // namespace attngap
