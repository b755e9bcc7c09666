#include "plots/mathml.hpp"

#include <cctype>
#include <stdexcept>

#include <fmt/format.h>

namespace attngap {
namespace {

// Reads a formula from left to right; every function returns what it read as MathML.
class FormulaReader {
 public:
  explicit FormulaReader(std::string_view text) : text_(text) {}

  std::string whole() {
    std::string result = row();
    if (at_ < text_.size()) fail("a } too many");
    return result;
  }

 private:
  // Up to the closing brace or the end.
  std::string row() {
    std::string result;
    for (skip_blanks(); at_ < text_.size() && text_[at_] != '}'; skip_blanks()) result += scripted();
    return result;
  }

  // An atom with what hangs on it.
  std::string scripted() {
    bool bounds = false;
    const std::string base = atom(bounds);
    std::string low;
    std::string high;
    for (skip_blanks(); at_ < text_.size() && (text_[at_] == '_' || text_[at_] == '^'); skip_blanks()) {
      std::string& script = text_[at_++] == '_' ? low : high;
      bool ignored = false;
      script = atom(ignored);
    }
    const std::string kind = bounds ? "under" : "sub";
    const std::string over = bounds ? "over" : "sup";
    if (low.empty() && high.empty()) return base;
    if (high.empty()) return fmt::format("<m{0}>{1}{2}</m{0}>", kind, base, low);
    if (low.empty()) return fmt::format("<m{0}>{1}{2}</m{0}>", over, base, high);
    return fmt::format("<m{0}{1}>{2}{3}{4}</m{0}{1}>", kind, over, base, low, high);
  }

  std::string atom(bool& bounds) {
    skip_blanks();
    if (at_ == text_.size()) fail("an argument is missing at the end");
    const char c = text_[at_];
    if (c == '{') return "<mrow>" + braced() + "</mrow>";
    if (c == '}' || c == '_' || c == '^') fail("an argument is missing");
    if (c == '\\') return command(bounds);
    if (std::isdigit(static_cast<unsigned char>(c)) != 0) return number();
    const std::string symbol = character();
    // Letters beyond ASCII that are used here are Greek or script; every other sign beyond it is an operator.
    const bool letter = std::isalpha(static_cast<unsigned char>(symbol[0])) != 0 ||
                        (symbol.size() == 2 && (symbol[0] == '\xCE' || symbol[0] == '\xCF'));
    if (letter) return fmt::format("<mi>{}</mi>", symbol);
    // Brackets of their own size: these do not know their partner, and would grow to the height of the row.
    const bool bracket = std::string_view("()[]").find(c) != std::string_view::npos;
    const std::string_view how = bracket    ? " stretchy=\"false\""
                                 : c == '|' ? " stretchy=\"false\" lspace=\"0\" rspace=\"0\""
                                            : "";
    return fmt::format("<mo{}>{}</mo>", how, escaped(symbol));
  }

  std::string command(bool& bounds) {
    std::string name;
    for (++at_; at_ < text_.size() && std::isalpha(static_cast<unsigned char>(text_[at_])) != 0; ++at_)
      name += text_[at_];
    bool ignored = false;
    if (name == "frac") {
      const std::string top = atom(ignored);
      return fmt::format("<mfrac>{}{}</mfrac>", top, atom(ignored));
    }
    if (name == "sqrt") return fmt::format("<msqrt>{}</msqrt>", atom(ignored));
    if (name == "hat") return fmt::format("<mover accent=\"true\">{}<mo>^</mo></mover>", atom(ignored));
    if (name == "text") return words();
    bounds = name == "sum" || name == "prod" || name == "max" || name == "sup";
    if (name == "sum") return "<mo>∑</mo>";
    if (name == "prod") return "<mo>∏</mo>";
    if (name.empty()) fail("a \\ without a name");
    if (name == "quad") return "<mspace width=\"1.2em\"/>";
    skip_blanks();
    const bool argument =
        at_ < text_.size() && std::string_view("([_^").find(text_[at_]) == std::string_view::npos;
    return fmt::format("<mi>{}</mi>{}", name, argument && !bounds ? "<mspace width=\"0.17em\"/>" : "");
  }

  std::string braced() {
    if (at_ == text_.size() || text_[at_] != '{') fail("a { is missing");
    ++at_;
    std::string result = row();
    if (at_ == text_.size()) fail("a } is missing");
    ++at_;
    return result;
  }

  std::string words() {
    const std::size_t end = text_.find('}', at_);
    if (at_ == text_.size() || text_[at_] != '{' || end == std::string_view::npos) fail("\\text needs {…}");
    const std::string_view inside = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return fmt::format("<mtext>{}</mtext>", escaped(inside));
  }

  std::string number() {
    std::string digits;
    for (; at_ < text_.size() &&
           (std::isdigit(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '.');
         ++at_)
      digits += text_[at_];
    return fmt::format("<mn>{}</mn>", digits);
  }

  // One character of UTF-8.
  std::string character() {
    const std::size_t begin = at_++;
    while (at_ < text_.size() && (static_cast<unsigned char>(text_[at_]) & 0xC0) == 0x80) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }

  void skip_blanks() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }

  [[noreturn]] void fail(const char* why) const {
    throw std::invalid_argument(fmt::format("formula '{}', character {}: {}", text_, at_, why));
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::string escaped(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\'':
        safe += "&#39;";
        break;
      default:
        safe += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
    }
  }
  return safe;
}

std::string mathml(std::string_view formula) {
  return fmt::format("<math display=\"block\"><mrow>{}</mrow></math>", FormulaReader(formula).whole());
}

}  // namespace attngap
