#pragma once

#include "plots/figure.hpp"

#include <span>
#include <string>
#include <vector>

namespace attngap {

/// A mark on an axis; without a label it is a minor one.
struct Tick {
  double at = 0;
  std::string label;
};

/// True for a value an axis can show.
bool drawable(double value, bool logarithmic);

/// What the x axis of a panel has to span, its curves and ticks, with a margin at both ends.
Range x_range(const Panel& panel);

/// What one y axis for all these panels has to span: curves, bands and baselines.
Range y_range(std::span<const Panel> panels);

/// The x that were used, or as many of them as `most` labels leave room for; powers of two come first.
std::vector<Tick> x_ticks(const Panel& panel, std::size_t most);

/// Marks of a logarithmic axis: decades, and 2, 5 or 3 between them while the range is short.
std::vector<Tick> log_ticks(Range range);

/// Where a value lies in a range: 0 at its low end, 1 at its high end.
double fraction(double value, Range range, bool logarithmic);

/// The inverse of `fraction`.
double at_fraction(double fraction, Range range, bool logarithmic);

}  // namespace attngap
