#include "estimators/denominator.hpp"

#include "estimators/error.hpp"
#include "estimators/names.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace attngap {

DenominatorPolicy::DenominatorPolicy(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  constexpr std::array<std::string_view, 5> kNames{"none", "clamp", "epsilon", "abs", "floor"};
  require_known("denominator policy", name, kNames);
  kind_ = static_cast<Kind>(std::find(kNames.begin(), kNames.end(), name) - kNames.begin());
  const bool needs_bound = kind_ != Kind::none && kind_ != Kind::absolute;
  require(needs_bound == (colon != std::string_view::npos), "denominator={}: {}", text,
          needs_bound ? "a number must follow, such as clamp:0.01" : "takes no number");
  if (!needs_bound) return;
  bound_ = parse_number(fmt::format("denominator={}", name), text.substr(colon + 1));
  require(bound_ > 0, "denominator={}: the number must be positive", text);
}

double DenominatorPolicy::apply(double scaled_denominator, double log_scale) const {
  const double bound = bound_ == 0.0 ? 0.0 : bound_ * std::exp(-log_scale);
  switch (kind_) {
    case Kind::none:
      return scaled_denominator;
    case Kind::clamp:
      return std::max(scaled_denominator, bound);
    case Kind::epsilon:
      return scaled_denominator + bound;
    case Kind::absolute:
      return std::abs(scaled_denominator);
    case Kind::floor:
      return std::copysign(std::max(std::abs(scaled_denominator), bound), scaled_denominator);
  }
  return scaled_denominator;
}

Matrix attention_output(const AttentionEstimate& estimate, const DenominatorPolicy& policy,
                        const PostScaling& post) {
  Matrix output = estimate.numerator;
  for (Index i = 0; i < output.rows(); ++i)
    output.row(i) *= 1.0 / policy.apply(estimate.denominator(i), estimate.log_scale(i));
  post.apply(output);
  return output;
}

}  // namespace attngap
