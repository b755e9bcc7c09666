#pragma once

#include "experiments/experiment_table.hpp"
#include "experiments/verb_options.hpp"

namespace attngap {

/// The options of experiments that measure on a grid of their own instead of heads: --norms, --cosines,
/// --dims and --map of kernel-variance, --radii and --degrees of taylor-truncation.
void add_grid_options(VerbOptions& options);

/// Reads the grid the experiment asks for into `spec`, with the defaults of --features and --replicates that
/// go with it. Throws BadInput on an option that means nothing to the experiment, and on what is no number.
void read_grids(const VerbOptions& options, const NamedExperiment& experiment, RunSpec& spec);

}  // namespace attngap
