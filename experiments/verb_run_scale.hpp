#pragma once

#include "experiments/experiment_table.hpp"
#include "experiments/verb_options.hpp"

namespace attngap {

/// The options of `run` that make it precise instead of long, or large: --target-rse with --max-replicates
/// and
/// --budget, --shard, --mpi, --log, --dry-run.
void add_scale_options(VerbOptions& options);

/// Reads the precision goal into `spec`. Throws BadInput where it means nothing to the experiment or to the
/// other options.
void read_goal(const VerbOptions& options, const NamedExperiment& experiment, RunSpec& spec);

/// The part of the run that --shard asks for; the whole run when it is absent.
Shard read_shard(const VerbOptions& options);

/// The words that make the same numbers again, as a JSON array: without the options that do not matter to
/// them.
std::string command_of(const VerbOptions& options);

/// --dry-run: prints the cells of the run, in their order, and what they would cost on so many threads.
void print_dry_run(const VerbOptions& options, const RunSpec& spec, const Shard& shard, int threads);

/// --threads of one of `processes` on this machine; 0: its share of the machine's.
int threads_of(const VerbOptions& options, int processes);

}  // namespace attngap
