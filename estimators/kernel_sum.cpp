#include "estimators/kernel_sum.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace attngap {

KernelSum::KernelSum(Index queries, Index value_dim) : sum_(queries, value_dim) {
  sum_.log_scale.setConstant(-std::numeric_limits<double>::infinity());
}

void KernelSum::add(const AttentionEstimate& part, Index first) {
  for (Index row = 0; row < part.denominator.size(); ++row) {
    const Index i = first + row;
    const double scale = std::max(sum_.log_scale(i), part.log_scale(row));
    const double kept = std::exp(sum_.log_scale(i) - scale), added = std::exp(part.log_scale(row) - scale);
    sum_.numerator.row(i) = kept * sum_.numerator.row(i) + added * part.numerator.row(row);
    sum_.denominator(i) = kept * sum_.denominator(i) + added * part.denominator(row);
    sum_.log_scale(i) = scale;
  }
}

}  // namespace attngap
