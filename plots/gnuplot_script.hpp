#pragma once

#include "plots/figure.hpp"

#include <string>
#include <vector>

namespace attngap {

/// A text as one field of a CSV file: quoted where it must be, line breaks replaced by blanks.
std::string csv_field(const std::string& text);

/// The script that draws `figure` from ./NAME.csv (as written by `figure_csv`) into ./NAME.FORMAT for every
/// format. The same figure gives the same text.
std::string gnuplot_script(const Figure& figure, const std::string& name,
                           const std::vector<std::string>& formats);

}  // namespace attngap
