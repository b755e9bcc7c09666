#pragma once

#include "plots/figure.hpp"
#include "plots/layout.hpp"

#include <string>

namespace attngap {

/// The titles of a page, above its panels, and those that small multiples share.
std::string page_titles(const Figure& figure, const Layout& layout);

/// The legend: a plot of its own over the whole page, in points.
std::string legend(const Figure& figure, const Layout& layout);

/// The line style of every series of a figure: gnuplot's number is one above ours.
std::string style_lines(const Figure& figure, const Layout& layout);

}  // namespace attngap
