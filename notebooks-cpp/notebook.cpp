#include "notebooks-cpp/notebook.hpp"

#include "analysis/inference.hpp"
#include "estimators/error.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <span>
#include <utility>

namespace attngap::notebook {
namespace {

struct Settings {
  bool quick = false;
  bool cells = false;
  std::string figures = "figures";
};

Settings& settings() {
  static Settings chosen;
  return chosen;
}

// Record separator, which no text of ours holds: the renderer cuts the output at it.
void mark(const char* kind, int line) {
  if (settings().cells) fmt::print("\x1e{} {}\n", kind, line);
}

}  // namespace

void open(int count, const char* const* arguments) {
  const std::span<const char* const> words(arguments, static_cast<std::size_t>(count));
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (word == "--quick") {
      settings().quick = true;
    } else if (word == "--cells") {
      settings().cells = true;
    } else if (word == "--figures" && i + 1 < words.size()) {
      settings().figures = words[++i];
    } else {
      throw BadInput(
          fmt::format("unknown argument '{}'; this takes --quick, --figures DIR and --cells", word));
    }
  }
}

std::uint32_t effort(std::uint32_t in_earnest, std::uint32_t quick) {
  return settings().quick ? quick : in_earnest;
}

void say(int line, const std::string& text) {
  mark("text", line);
  fmt::print("{}", text);
}

void show(const Figure& figure, const std::string& name, int line) {
  const WrittenFigure written = write_figure(figure, settings().figures, name, {"svg"});
  mark("figure", line);
  if (settings().cells) {
    fmt::print("{}\n", name);
  } else {
    fmt::print("[{}] {}\n", (std::filesystem::path(settings().figures) / (name + ".svg")).string(),
               written.message);
  }
}

Dataset bundled(const std::string& head) {
  return load_dataset(std::string(ATTNGAP_DATA_DIR "/") + head);
}

void for_each_draw(const AttentionEstimator& estimator, const AttentionProblem& problem, Index draws,
                   std::uint32_t replicates, const OutputVisitor& visit) {
  const std::array<const AttentionEstimator*, 1> group{&estimator};
  const auto plan = estimator.plan(problem, group, {draws}, Precision::float64);
  const auto sampler = plan->sampler();
  const auto pass_on = [&](std::size_t, std::size_t, const AttentionEstimate& estimate) {
    visit(estimate, attention_output(estimate, estimator.denominator(), estimator.post_scaling()));
  };
  for (std::uint32_t r = 0; r < replicates; ++r) sampler->draw({1, 0, r}, pass_on);
}

double median_relative_error(const AttentionEstimator& estimator, const AttentionProblem& problem,
                             Index draws, std::uint32_t replicates) {
  const Matrix exact = estimator.target(problem);
  std::vector<double> errors;
  for_each_draw(estimator, problem, draws, replicates, [&](const AttentionEstimate&, const Matrix& output) {
    for (Index i = 0; i < exact.rows(); ++i) {
      const double error = (output.row(i) - exact.row(i)).norm() / exact.row(i).norm();
      errors.push_back(std::isfinite(error) ? error : std::numeric_limits<double>::infinity());
    }
  });
  std::sort(errors.begin(), errors.end());
  return sorted_quantile(errors, 0.5);
}

std::vector<Index> doublings(Index first, Index last) {
  std::vector<Index> counts;
  for (Index m = first; m <= last; m *= 2) counts.push_back(m);
  return counts;
}

std::vector<double> numbers(const std::vector<Index>& values) {
  return {values.begin(), values.end()};
}

Series series(std::string label, std::vector<double> x, std::vector<double> y, std::size_t style, Look look) {
  Series made;
  made.label = std::move(label);
  made.x = std::move(x);
  made.y = std::move(y);
  made.style = style;
  made.look = look;
  return made;
}

Panel axes(std::string title, std::string x_title, std::string y_title, bool log_x, bool log_y) {
  Panel made;
  made.name = "panel";
  made.title = std::move(title);
  made.x_title = std::move(x_title);
  made.y_title = std::move(y_title);
  made.log_x = log_x;
  made.log_y = log_y;
  return made;
}

Figure figure(std::string title, std::string subtitle, std::vector<Panel> panels) {
  Figure made;
  made.title = std::move(title);
  made.subtitle = std::move(subtitle);
  made.panels = std::move(panels);
  for (std::size_t i = 0; i < made.panels.size(); ++i) made.panels[i].name += fmt::format("_{}", i + 1);
  return made;
}

}  // namespace attngap::notebook
