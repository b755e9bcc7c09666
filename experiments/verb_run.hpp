#pragma once

#include "experiments/run_spec.hpp"
#include "experiments/run_store.hpp"
#include "experiments/verb_options.hpp"

#include <filesystem>

namespace attngap {

struct FigureOrigin;

/// The options of `run`.
VerbOptions run_options();

/// What they ask to be measured. Throws BadInput on what cannot be.
RunSpec read_spec(const VerbOptions& options);

/// The identities of the heads. Reads each once before anything is written, so that a bad one is found now
/// and not after an hour.
std::vector<std::string> check_data(const RunSpec& spec, int threads);

/// Writes what a finished run leaves beside its store (results.csv, timings.csv, run.json, figures), prints
/// the summary, and returns the exit code.
int report_run(const VerbOptions& options, const std::filesystem::path& directory, const RunSpec& spec,
               const RunStore& store);

/// A run that is complete.
struct FinishedRun {
  std::vector<ResultRow> rows;
  std::uint64_t seed = 0;
  double seconds = 0.0;   ///< all processes that worked on it took, up to their last commit
  double finished = 0.0;  ///< the last commit, in seconds since 1970
  bool measured = false;  ///< by this process, at least in part; otherwise it was there
};

/// Carries out `run` with these words, as `run` stores it and draws its figures, without its summary; what
/// the store has already is not measured again. Its figures say `origin`. Nothing when it was interrupted.
std::optional<FinishedRun> finished_run(const std::vector<std::string>& words, const FigureOrigin& origin);

/// Says so, and how to go on; returns the exit code.
int say_interrupted();

}  // namespace attngap
