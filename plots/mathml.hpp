#pragma once

#include <string>
#include <string_view>

namespace attngap {

/// A text as HTML and XML show it literally: & < > " and ' escaped, control characters as blanks.
std::string escaped(std::string_view text);

/// A formula as a MathML element, which browsers draw without a library. The notation is a small part of
/// TeX's: `x_i`, `x^2`, `{…}`, `\frac{a}{b}`, `\sqrt{a}`, `\hat{K}`, `\text{words}`, `\sum` and `\prod` with
/// bounds, `\quad` for a gap; any other `\name` is an upright name (`\exp`), every other letter a variable,
/// and blanks mean nothing. Throws std::invalid_argument on braces that do not match or an argument that is
/// missing.
std::string mathml(std::string_view formula);

}  // namespace attngap
