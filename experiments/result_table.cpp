#include "experiments/result_table.hpp"

#include "estimators/error.hpp"

#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace attngap {
namespace {

std::string csv_text(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

std::string csv_number(double value) {
  return std::isnan(value) ? std::string{} : fmt::format("{}", value);
}

}  // namespace

std::string rows_as_csv(const std::vector<ResultRow>& rows) {
  std::string csv =
      "experiment,data,estimator,projection,target,draws,dimension,length,head_dim,queries,replicates,metric,"
      "value,"
      "std_error,ci_low,ci_high,status\n";
  for (const ResultRow& row : rows)
    fmt::format_to(std::back_inserter(csv), "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n",
                   csv_text(row.experiment), csv_text(row.data), csv_text(row.estimator),
                   csv_text(row.projection), csv_text(row.target), row.draws, row.dimension, row.length,
                   row.head_dim, row.queries, row.replicates, csv_text(row.metric), csv_number(row.value),
                   csv_number(row.std_error), csv_number(row.ci_low), csv_number(row.ci_high),
                   csv_text(row.status));
  return csv;
}

std::string rows_as_json(const std::vector<ResultRow>& rows) {
  auto array = nlohmann::ordered_json::array();
  for (const ResultRow& row : rows)
    array.push_back({{"experiment", row.experiment},
                     {"data", row.data},
                     {"estimator", row.estimator},
                     {"projection", row.projection},
                     {"target", row.target},
                     {"draws", row.draws},
                     {"dimension", row.dimension},
                     {"length", row.length},
                     {"head_dim", row.head_dim},
                     {"queries", row.queries},
                     {"replicates", row.replicates},
                     {"metric", row.metric},
                     {"value", row.value},
                     {"std_error", row.std_error},
                     {"ci_low", row.ci_low},
                     {"ci_high", row.ci_high},
                     {"status", row.status}});
  return array.dump(1) + "\n";
}

std::string timings_as_csv(const std::vector<CellTiming>& timings) {
  std::string csv = "data,replicates,exact_seconds,draw_seconds\n";
  for (const CellTiming& timing : timings)
    fmt::format_to(std::back_inserter(csv), "{},{},{:.6f},{:.6f}\n", csv_text(timing.data), timing.replicates,
                   timing.exact_seconds, timing.draw_seconds);
  return csv;
}

void write_whole_file(const std::filesystem::path& path, const std::string& text) {
  const std::filesystem::path beside = path.string() + ".part";
  std::ofstream file(beside, std::ios::binary);
  file << text;
  file.close();
  std::error_code error;
  if (file) std::filesystem::rename(beside, path, error);
  if (file && !error) return;
  const std::string reason = error ? error.message() : std::strerror(errno);
  std::filesystem::remove(beside, error);
  throw BadInput(
      fmt::format("{}: cannot be written ({}); free space or choose another place", path.string(), reason));
}

}  // namespace attngap
