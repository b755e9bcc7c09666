#pragma once

#include "estimators/attention_estimator.hpp"
#include "experiments/data_source.hpp"
#include "plots/figure.hpp"

#include <concepts>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

/// What the literate programs of this folder share. They are in the percent format: `// %% [markdown]` starts
/// a cell of prose, `// %%` one of code, and what makes a program of the cells is tagged "program" and left
/// out of the notebook. render.py turns a program and what it says into .ipynb and .html.
namespace attngap::notebook {

/// A format string that knows the line it stands on, by which an output finds its cell.
struct Words {
  std::string_view text;
  int line;

  template <std::convertible_to<std::string_view> Text>
  Words(const Text& words, int at = __builtin_LINE())
      : text(words), line(at) {}  // NOLINT: implicit on purpose
};

/// Reads the arguments: `--quick` (fewer draws), `--figures DIR` (where figures go; by default figures/ in
/// the working directory) and `--cells` (marks each output with its line, for render.py). Throws BadInput on
/// others.
void open(int count, const char* const* arguments);

/// The number of draws, or whatever costs time, in earnest and under `--quick`.
std::uint32_t effort(std::uint32_t in_earnest, std::uint32_t quick);

void say(int line, const std::string& text);

/// Prints as fmt does.
template <typename... Args>
void print(Words words, const Args&... args) {
  say(words.line, fmt::format(fmt::runtime(words.text), args...));
}

/// Draws a figure under this name.
void show(const Figure& figure, const std::string& name, int line = __builtin_LINE());

/// One of the heads bundled with the source, `NAME.npz:key=value,…`.
Dataset bundled(const std::string& head);

/// Calls `visit` with the output of each of the replicates at `draws` directions. Draws are nested and
/// addressed: the same seed gives every estimator the same directions.
using OutputVisitor = std::function<void(const AttentionEstimate& estimate, const Matrix& output)>;
void for_each_draw(const AttentionEstimator& estimator, const AttentionProblem& problem, Index draws,
                   std::uint32_t replicates, const OutputVisitor& visit);

/// ‖error‖/‖exact‖ of every query and replicate: their median, or NaN as the largest where one is no number.
double median_relative_error(const AttentionEstimator& estimator, const AttentionProblem& problem,
                             Index draws, std::uint32_t replicates);

/// Powers of two from `first` to `last`.
std::vector<Index> doublings(Index first, Index last);

/// The values as numbers of an axis.
std::vector<double> numbers(const std::vector<Index>& values);

/// A series, axes and a figure, for a program that has no more to say of them.
Series series(std::string label, std::vector<double> x, std::vector<double> y, std::size_t style,
              Look look = Look::curve);
Panel axes(std::string title, std::string x_title, std::string y_title, bool log_x = true, bool log_y = true);
Figure figure(std::string title, std::string subtitle, std::vector<Panel> panels);

}  // namespace attngap::notebook
