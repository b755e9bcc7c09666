#pragma once

#include "plots/axes.hpp"
#include "plots/layout.hpp"

#include <string>
#include <vector>

namespace attngap {

/// A text in gnuplot's single quotes; control characters as blanks.
std::string literal(const std::string& text);

/// Lines as one text with line breaks.
std::string literal_lines(const std::vector<std::string>& lines);

/// Marks of an axis, as `set xtics` takes them.
std::string tick_list(const std::vector<Tick>& ticks);

/// Adds a sentence to the drawing part of a script, where everything is inside the loop over formats.
void say(std::string& script, const std::string& line);

/// Text at a place of the page; both in points.
std::string page_label(const Layout& layout, const std::string& text, double x, double y,
                       const std::string& how);

}  // namespace attngap
