#pragma once

#include "estimators/error.hpp"

#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <boost/math/distributions/normal.hpp>

namespace attngap::testing {

/// A directory of the test's own, removed with everything in it.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "attngap-data-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary directory");
    path_ = pattern;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::vector<std::byte> read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

inline void write_bytes(const std::string& path, std::span<const std::byte> bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

inline void write_text(const std::string& path, const std::string& text) {
  write_bytes(path, std::as_bytes(std::span(text)));
}

/// The sentence of the BadInput that `call` throws, or "" if it throws none.
template <typename Call>
std::string bad_input(Call call) {
  try {
    call();
  } catch (const BadInput& error) {
    return error.what();
  }
  return "";
}

/// What the shell command prints, and whether it ended with 0.
struct Printed {
  std::string text;
  bool done = false;
};

inline Printed run_command(const std::string& command) {
  Printed printed;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return printed;
  std::array<char, 4096> buffer{};
  for (std::size_t got = 0; (got = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    printed.text.append(buffer.data(), got);
  printed.done = pclose(pipe) == 0;
  return printed;
}

/// An interpreter that can import numpy. A test that needs numpy fails without one: reading numpy's own files
/// is what the readers are for, and a skipped test would not say so.
inline std::string python_with_numpy() {
  for (const char* candidate : {"python3", "/usr/bin/python3", "/usr/local/bin/python3"})
    if (run_command(std::string(candidate) + " -c 'import numpy' 2>/dev/null").done) return candidate;
  throw std::runtime_error("no python3 can import numpy: install python3-numpy");
}

/// Runs a Python script in `directory`; `numpy as np` is imported.
inline Printed run_numpy(const TemporaryDirectory& directory, const std::string& script) {
  static const std::string python = python_with_numpy();
  write_text(directory / "script.py", "import numpy as np\n" + script);
  return run_command("cd '" + directory.path().string() + "' && " + python + " script.py 2>&1");
}

/// The limit on |z| that a true claim exceeds with probability 1e-6: about 4.89.
inline double z_limit() {
  constexpr double kFalseAlarm = 1e-6;
  return boost::math::quantile(boost::math::complement(boost::math::normal{}, kFalseAlarm / 2));
}

/// Whether a Gaussian mean `sample` of known standard deviation is compatible with `expected`.
inline bool mean_is(double sample, double expected, double standard_deviation) {
  return std::abs(sample - expected) <= z_limit() * standard_deviation;
}

}  // namespace attngap::testing
