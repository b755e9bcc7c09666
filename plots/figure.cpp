#include "plots/figure.hpp"

#include "plots/gnuplot.hpp"
#include "plots/gnuplot_script.hpp"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <limits>
#include <stdexcept>
#include <system_error>

#include <fmt/format.h>
#include <stdlib.h>

namespace attngap {
namespace {

// A directory beside the final files, so that a rename is one step of the same file system.
class ScratchDirectory {
 public:
  explicit ScratchDirectory(const std::filesystem::path& parent) {
    std::string pattern = (parent / ".figure-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) {
      throw std::runtime_error(fmt::format("cannot write figures into '{}': {}", parent.string(),
                                           std::generic_category().message(errno)));
    }
    path_ = pattern;
  }
  ~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

void write_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file)
    throw std::runtime_error(fmt::format("cannot write '{}' ({}); free space or choose another place",
                                         path.string(), std::generic_category().message(errno)));
}

void check_formats(const std::vector<std::string>& formats) {
  const auto& known = known_formats();
  for (const auto& format : formats) {
    if (std::find(known.begin(), known.end(), format) == known.end()) {
      throw std::runtime_error(
          fmt::format("unknown image format '{}'; known are {}", format, fmt::join(known, ", ")));
    }
  }
}

void check_name(const std::string& name) {
  const auto unusable = [](char c) { return c == '/' || static_cast<unsigned char>(c) < 0x20; };
  if (name.empty() || std::any_of(name.begin(), name.end(), unusable)) {
    throw std::runtime_error(fmt::format("'{}' cannot name a figure's files", name));
  }
}

double at(const std::vector<double>& values, std::size_t i) {
  return i < values.size() ? values[i] : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

const std::vector<std::string>& known_formats() {
  static const std::vector<std::string> formats{"svg", "png", "pdf"};
  return formats;
}

std::string figure_csv(const Figure& figure) {
  const bool heat = std::any_of(figure.panels.begin(), figure.panels.end(), [](const Panel& panel) {
    return std::any_of(panel.series.begin(), panel.series.end(),
                       [](const Series& series) { return series.look == Look::heat; });
  });
  std::string csv = heat ? "panel,series,x,y,low,high,value\n" : "panel,series,x,y,low,high\n";
  for (const auto& panel : figure.panels) {
    const std::string name = csv_field(panel.name);
    for (const auto& series : panel.series) {
      const std::string label = csv_field(series.label + (series.look == Look::line ? ", closed form" : ""));
      for (std::size_t i = 0; i < series.x.size(); ++i) {
        csv += fmt::format("{},{},{},{},{},{}", name, label, series.x[i], at(series.y, i), at(series.low, i),
                           at(series.high, i));
        csv += heat ? fmt::format(",{}\n", at(series.value, i)) : "\n";
      }
    }
    for (const auto& baseline : panel.baselines) {
      csv += fmt::format("{},{},nan,{},nan,nan{}\n", name, csv_field(baseline.label), baseline.y,
                         heat ? ",nan" : "");
    }
  }
  return csv;
}

WrittenFigure write_figure(const Figure& figure, const std::filesystem::path& directory,
                           const std::string& name, const std::vector<std::string>& formats) {
  check_formats(formats);
  check_name(name);
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error)
    throw std::runtime_error(
        fmt::format("cannot write figures into '{}' ({}); move what is in the way, or draw elsewhere",
                    directory.string(), error.message()));
  const ScratchDirectory scratch(directory);
  WrittenFigure written;
  const auto publish = [&](const std::string& suffix) {
    const std::string file = name + suffix;
    std::filesystem::rename(scratch.path() / file, directory / file);
    written.paths.push_back(directory / file);
  };

  write_text(scratch.path() / (name + ".csv"), figure_csv(figure));
  write_text(scratch.path() / (name + ".gp"), gnuplot_script(figure, name, formats));
  const auto gnuplot = find_program("gnuplot");
  std::string failure;
  if (gnuplot && !formats.empty()) {
    try {
      run_gnuplot(*gnuplot, scratch.path(), name + ".gp");
    } catch (const std::runtime_error& failed) {
      failure = failed.what();
    }
  }
  // The data and the script are worth having even where the images failed: they show what went wrong.
  publish(".csv");
  publish(".gp");
  if (!failure.empty()) throw std::runtime_error(failure);
  if (!gnuplot && !formats.empty()) {
    written.message = missing_gnuplot_message(directory, {name});
    return written;
  }
  for (const auto& format : formats) publish("." + format);
  return written;
}

std::string missing_gnuplot_message(const std::filesystem::path& directory,
                                    const std::vector<std::string>& names) {
  std::string scripts;
  for (const auto& name : names) {
    const bool plain = name.find_first_of(" '\"$`\\&|;<>(){}*?!#~%") == std::string::npos;
    scripts += plain ? fmt::format(" {}.gp", name) : fmt::format(" \"{}.gp\"", name);
  }
  return fmt::format(
      "no pictures: gnuplot is not on the PATH; install it (package gnuplot-nox), then run in {}: gnuplot{}",
      directory.string(), scripts);
}

}  // namespace attngap
