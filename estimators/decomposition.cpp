#include "estimators/decomposition.hpp"

#include "estimators/error.hpp"
#include "estimators/names.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace attngap {
namespace {

constexpr std::array kCoefficients{
    NamedCoefficient{"zero", Coefficient::zero, "β = 0: plain importance sampling, unbiased"},
    NamedCoefficient{"oracle", Coefficient::oracle, "β = the exact output, shared: unbiased"},
    NamedCoefficient{"ratio", Coefficient::ratio, "β = g/h, shared: the ratio estimator (RFA)"},
    NamedCoefficient{"regression", Coefficient::regression,
                     "β = Cov(g,h)/Var(h), shared, closed form: unbiased"},
    NamedCoefficient{"estimated", Coefficient::estimated, "the same from the draw's own directions"},
    NamedCoefficient{"group", Coefficient::group, "β = g/h within each group of keys (EVA)"},
    NamedCoefficient{"key", Coefficient::key, "β = the key's own value: softmax, zero variance"},
};

// Sample covariance of g with h over sample variance of h, over single directions; the ratio g/h where h does
// not vary beyond rounding, as then every coefficient is as good.
Vector estimated_coefficient(const Matrix& direction_sums) {
  require(direction_sums.rows() >= 2,
          "coefficient \"estimated\" needs at least two single directions (of eva: draws a group; of lara: "
          "draws a "
          "proposal); raise --features or draws=");
  const Eigen::RowVectorXd mean = direction_sums.colwise().mean();
  const Matrix centred = direction_sums.rowwise() - mean;
  const Index p = direction_sums.cols() - 1;
  const double spread = centred.col(p).norm() / std::sqrt(static_cast<double>(direction_sums.rows()));
  if (spread <= 1e-12 * std::abs(mean(p))) return mean.head(p).transpose() / mean(p);
  return centred.leftCols(p).transpose() * centred.col(p) / centred.col(p).squaredNorm();
}

// Contiguous groups as equal as possible.
std::vector<Index> contiguous_groups(Index keys, Index groups) {
  require(groups >= 1, "groups = {}, must be at least 1", groups);
  std::vector<Index> group(static_cast<std::size_t>(keys));
  for (Index m = 0; m < keys; ++m) group[static_cast<std::size_t>(m)] = m * std::min(groups, keys) / keys;
  return group;
}

// β_c = Σ_{P_c} h_m v_m / Σ_{P_c} h_m; a key outside all groups has its own value.
Matrix group_coefficients(const Vector& h, const Eigen::Ref<const Matrix>& V,
                          const std::vector<Index>& group) {
  const Index groups = 1 + *std::max_element(group.begin(), group.end());
  Matrix numerator = Matrix::Zero(groups, V.cols());
  Vector denominator = Vector::Zero(groups);
  Matrix beta = V;
  for (Index m = 0; m < h.size(); ++m) {
    const Index c = group[static_cast<std::size_t>(m)];
    if (c < 0) continue;
    numerator.row(c) += h(m) * V.row(m);
    denominator(c) += h(m);
  }
  for (Index m = 0; m < h.size(); ++m) {
    const Index c = group[static_cast<std::size_t>(m)];
    if (c >= 0) beta.row(m) = numerator.row(c) / denominator(c);
  }
  return beta;
}

}  // namespace

std::span<const NamedCoefficient> coefficients() {
  return kCoefficients;
}

Coefficient coefficient_named(std::string_view name) {
  std::vector<std::string_view> names;
  for (const NamedCoefficient& row : kCoefficients) {
    if (row.name == name) return row.coefficient;
    names.push_back(row.name);
  }
  require_known("coefficient", name, names);
  return Coefficient::ratio;
}

Vector regression_coefficient(const Matrix& C, const Vector& pi, const Eigen::Ref<const Matrix>& V) {
  // Of one direction: Cov(g, h) = Σ_mm' (C_mm' − π_m π_m') v_m and Var(h) = Σ_mm' (C_mm' − π_m π_m').
  const Vector rows = C.rowwise().sum() - pi * pi.sum();
  return V.transpose() * rows / rows.sum();
}

Decomposition decompose(const KeyWeights& weights, const Eigen::Ref<const Matrix>& V,
                        const CoefficientInputs& inputs) {
  const Index keys = weights.drawn.size();
  Decomposition parts;
  parts.pi = weights.expected;
  parts.h = weights.drawn;
  parts.g = parts.h.asDiagonal() * V;
  parts.exact = V.transpose() * parts.pi;
  parts.group = weights.group;
  if (parts.group.empty() && inputs.coefficient == Coefficient::group)
    parts.group = contiguous_groups(keys, inputs.groups);
  if (parts.group.empty()) parts.group.assign(static_cast<std::size_t>(keys), 0);

  const auto shared = [&](const Vector& beta) { parts.beta = beta.transpose().replicate(keys, 1); };
  switch (inputs.coefficient) {
    case Coefficient::zero:
      shared(Vector::Zero(V.cols()));
      break;
    case Coefficient::oracle:
      shared(parts.exact);
      break;
    case Coefficient::ratio:
      shared(V.transpose() * parts.h / parts.h.sum());
      break;
    case Coefficient::regression:
      require(inputs.regression != nullptr, "coefficient \"regression\" needs the closed-form coefficient");
      shared(*inputs.regression);
      break;
    case Coefficient::estimated:
      shared(estimated_coefficient(weights.direction_sums));
      break;
    case Coefficient::group:
      parts.beta = group_coefficients(parts.h, V, parts.group);
      break;
    case Coefficient::key:
      parts.beta = V;
      break;
  }
  parts.term = parts.g - (parts.h - parts.pi).asDiagonal() * parts.beta;
  parts.error = (parts.h - parts.pi).asDiagonal() * (V - parts.beta);
  parts.estimate = parts.term.colwise().sum().transpose();
  return parts;
}

}  // namespace attngap
