#pragma once

#include "experiments/cell_runner.hpp"

namespace attngap {

/// How far estimates of a Gram matrix are from it, against m: experiment `gram-error`. The points are the
/// scaled keys x = √scale k of a head, at most --queries of them, evenly spread; estimators are ratios of
/// random features, whose unnormalised kernel estimates of all pairs are held against the kernel of their
/// target. One cell a head, one series an estimator and count, metrics as of `gram_metrics`.
CellMaker gram_error_cells(const RunSpec& spec);

/// Loads every head and checks it; returns the identities. Throws BadInput when a Gram matrix is more than is
/// held or than this machine's memory, or an estimator has no finite mean or variance on the points.
std::vector<std::string> check_points(const RunSpec& spec, int threads);

}  // namespace attngap
