#pragma once

#include "plots/axes.hpp"
#include "plots/figures.hpp"
#include "plots/gnuplot.hpp"
#include "plots/gnuplot_script.hpp"
#include "plots/layout.hpp"
#include "plots/placement.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

namespace attngap::testing {

namespace fs = std::filesystem;

inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

inline std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The fields of one line of CSV, quotes undone.
inline std::vector<std::string> fields(const std::string& line) {
  std::vector<std::string> result{""};
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '"' && quoted && i + 1 < line.size() && line[i + 1] == '"') {
      result.back() += line[++i];
    } else if (line[i] == '"') {
      quoted = !quoted;
    } else if (line[i] == ',' && !quoted) {
      result.emplace_back();
    } else {
      result.back() += line[i];
    }
  }
  return result;
}

inline std::vector<std::vector<std::string>> table(const std::string& csv) {
  std::vector<std::vector<std::string>> rows;
  std::istringstream lines(csv);
  for (std::string line; std::getline(lines, line);) rows.push_back(fields(line));
  return rows;
}

inline std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

// The point marks of gnuplot's svg, the legend's included.
inline std::size_t marks(const fs::path& svg) {
  return count(read(svg), "' transform='translate(");
}

// What stands between `before` and `after`, every time they follow each other in one line of `text`.
inline std::vector<std::string> between(const std::string& text, const std::string& before,
                                        const std::string& after) {
  std::vector<std::string> found;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t start = line.find(before);
    if (start == std::string::npos) continue;
    const std::size_t from = start + before.size();
    const std::size_t end = line.find(after, from);
    if (end != std::string::npos) found.push_back(line.substr(from, end - from));
  }
  return found;
}

inline ResultRow row(const std::string& data, const std::string& estimator, std::int64_t draws,
                     const std::string& metric, double value) {
  ResultRow r;
  r.experiment = "gap-vs-features";
  r.data = data;
  r.estimator = estimator;
  r.projection = draws > 0 ? "iid" : "";
  r.target = "softmax";
  r.draws = r.dimension = draws;
  r.length = 7;
  r.head_dim = 5;
  r.queries = 3;
  r.replicates = 11;
  r.metric = metric;
  r.value = value;
  r.std_error = r.ci_low = r.ci_high = kNaN;
  r.status = "ok";
  return r;
}

inline void add_estimator(std::vector<ResultRow>& rows, const std::string& data, const std::string& estimator,
                          const std::string& mse_status) {
  for (const std::int64_t m : {16, 32, 64, 128}) {
    const double error = 2 / std::sqrt(static_cast<double>(m));
    rows.push_back(row(data, estimator, m, "median_relative_error", error));
    rows.push_back(row(data, estimator, m, "q25_relative_error", error / 1.5));
    rows.push_back(row(data, estimator, m, "q75_relative_error", error * 1.5));
    rows.push_back(row(data, estimator, m, "relative_mse", error * error));
    rows.back().ci_low = error * error / 1.2;
    rows.back().ci_high = error * error * 1.2;
    rows.back().status = mse_status;
  }
}

inline std::vector<ResultRow> head_rows(const std::string& data) {
  std::vector<ResultRow> rows;
  for (const std::string baseline : {"zero", "mean-value"}) {
    const double value = baseline == "zero" ? 1 : 0.75;
    rows.push_back(row(data, baseline, 0, "median_relative_error", value));
    rows.push_back(row(data, baseline, 0, "relative_mse", value * value));
  }
  add_estimator(rows, data, "performer", "ok");
  add_estimator(rows, data, "rfa", "no-moment");
  return rows;
}

inline Figure small_figure() {
  Figure figure;
  figure.title = "a title";
  Panel panel;
  panel.name = "error";
  panel.x_title = "m";
  panel.y_title = "error";
  panel.series.push_back({"rfa", {16, 32, 64, 128}, {1, 0.5, 0.25, 0.125}, {}, {}, 0});
  figure.panels.push_back(panel);
  return figure;
}

class PlotsTest : public ::testing::Test {
 protected:
  PlotsTest() {
    std::string pattern = (fs::temp_directory_path() / "plots it's \"here\" XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
    const char* path = std::getenv("PATH");
    path_ = path == nullptr ? "" : path;
  }
  ~PlotsTest() override {
    setenv("PATH", path_.c_str(), 1);
    fs::remove_all(directory_);
  }

  // A PATH whose gnuplot is this shell script.
  void install_gnuplot(const std::string& script) const {
    const fs::path program = directory_ / "bin" / "gnuplot";
    fs::create_directories(program.parent_path());
    std::ofstream(program) << "#!/bin/sh\n" << script;
    fs::permissions(program, fs::perms::owner_all);
    setenv("PATH", program.parent_path().c_str(), 1);
  }

  fs::path directory_;
  std::string path_;
};

}  // namespace attngap::testing
