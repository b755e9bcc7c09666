#include "plots/gnuplot_words.hpp"

#include <fmt/format.h>

namespace attngap {

std::string literal(const std::string& text) {
  std::string result = "'";
  for (const char c : text) {
    if (c == '\'') result += '\'';  // gnuplot's single quotes know no other escape
    result += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return result + "'";
}

std::string literal_lines(const std::vector<std::string>& lines) {
  std::vector<std::string> parts;
  for (const auto& line : lines) parts.push_back(literal(line));
  return parts.empty() ? "''" : fmt::format("{}", fmt::join(parts, ".\"\\n\"."));
}

void say(std::string& script, const std::string& line) {
  script += "  " + line + "\n";
}

std::string page_label(const Layout& layout, const std::string& text, double x, double y,
                       const std::string& how) {
  return fmt::format("set label {} at screen {:.5f},{:.5f} noenhanced {}", text, x / layout.width,
                     y / layout.height, how);
}

std::string tick_list(const std::vector<Tick>& ticks) {
  std::vector<std::string> parts;
  for (const auto& tick : ticks) {
    parts.push_back(
        fmt::format("{} {:.10g}{}", literal(tick.label), tick.at, tick.label.empty() ? " 1" : ""));
  }
  return fmt::format("({})", fmt::join(parts, ", "));
}

}  // namespace attngap
