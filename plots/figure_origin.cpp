#include "plots/figure_origin.hpp"

#include <fstream>
#include <stdexcept>

#include <fmt/format.h>

namespace attngap {
namespace {

constexpr const char* kFile = "origin.txt";

std::string one_line(std::string text) {
  for (char& c : text)
    if (c == '\n' || c == '\r') c = ' ';
  return text;
}

}  // namespace

void write_origin(const FigureOrigin& origin, const std::filesystem::path& directory) {
  if (origin.heading.empty()) return;
  std::ofstream file(directory / kFile, std::ios::binary);
  file << one_line(origin.heading) << '\n' << one_line(origin.source) << '\n';
  file.close();
  if (!file)
    throw std::runtime_error(fmt::format("{}: cannot be written; free space or choose another place",
                                         (directory / kFile).string()));
}

FigureOrigin read_origin(const std::filesystem::path& directory) {
  std::ifstream file(directory / kFile, std::ios::binary);
  FigureOrigin origin;
  std::getline(file, origin.heading);
  std::getline(file, origin.source);
  return origin;
}

}  // namespace attngap
