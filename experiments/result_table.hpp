#pragma once

#include "experiments/result_row.hpp"
#include "experiments/run_store.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace attngap {

/// results.csv: a header and one line a row, RFC 4180 quoting, numbers with the fewest digits that read back
/// exactly, an empty field for a number that does not exist.
std::string rows_as_csv(const std::vector<ResultRow>& rows);

/// The same as a JSON array of objects; a number that does not exist or is infinite is null.
std::string rows_as_json(const std::vector<ResultRow>& rows);

/// timings.csv, apart from the results because it differs from run to run.
std::string timings_as_csv(const std::vector<CellTiming>& timings);

/// Writes a file whole or not at all (beside it, then renamed). Throws BadInput when the place cannot be
/// written.
void write_whole_file(const std::filesystem::path& path, const std::string& text);

}  // namespace attngap
