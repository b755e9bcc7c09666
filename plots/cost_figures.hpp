#pragma once

#include "plots/gap_figure.hpp"

#include <optional>
#include <span>

namespace attngap {

/// One figure a head (`speed_DATA`) from rows of speed-vs-length: seconds of one head, its speed relative to
/// exact attention, and memory, against the length. The note names where a curve crosses exact attention.
std::vector<NamedFigure> speed_figures(const std::vector<ResultRow>& rows);

/// One figure a head (`relative_cost_DATA`) from the same rows: the time of a whole head over that of exact
/// attention in the same repetition, and its peak memory over that of exact attention, against the length.
std::vector<NamedFigure> relative_cost_figures(const std::vector<ResultRow>& rows);

/// As `speed_figures` from rows of decoding-speed (`decoding_DATA`; of several batches `decoding_DATA_N`, of
/// N sequences): seconds a token of all sequences, and the memory of their caches or states.
std::vector<NamedFigure> decoding_figures(const std::vector<ResultRow>& rows);

/// One figure a head (`decoding_batch_DATA`) from those of several batches: the same against the number of
/// sequences, at the shortest and at the longest length.
std::vector<NamedFigure> decoding_batch_figures(const std::vector<ResultRow>& rows);

/// The length at which a curve of speedups (increasing lengths) first passes 1 from below for good, by
/// interpolation on logarithms; none if it does not.
std::optional<double> crossover_length(std::span<const double> lengths, std::span<const double> speedups);

}  // namespace attngap
