#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace attngap {

/// The formulas that define an estimator, a metric or a figure's quantity, in the notation of `mathml`; none
/// for a name that is explained by words alone.
std::vector<std::string_view> formulas_of(std::string_view name);

}  // namespace attngap
