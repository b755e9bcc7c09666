#pragma once

#include "estimators/key_weights.hpp"

#include <span>
#include <string_view>
#include <vector>

namespace attngap {

/// How the coefficients β_m of the control variates h_m are chosen. From nothing to everything, the path from
/// importance sampling over RFA and EVA to softmax:
///
///  - zero: β = 0, plain importance sampling, unbiased;
///  - oracle: β = A, the exact output, shared by all keys, unbiased;
///  - ratio: β = g/h, shared, RFA's ratio estimator, biased by −Cov(g/h, h);
///  - regression: β = Cov(g, h)/Var(h), the best shared one, from the closed-form covariance, unbiased;
///  - estimated: the same from the draw's own directions, biased by O(1/m), without a variance below four of
///  them;
///    the ratio where h is no random number (RA);
///  - group: β_c = g_c/h_c in each of C groups of keys, EVA;
///  - key: β_m = v_m, softmax, without bias and without variance.
enum class Coefficient { zero, oracle, ratio, regression, estimated, group, key };

/// A row of the table of coefficient policies.
struct NamedCoefficient {
  std::string_view name;
  Coefficient coefficient;
  std::string_view meaning;
};

/// Every policy, from nothing to everything.
std::span<const NamedCoefficient> coefficients();

/// The policy of that name; throws BadInput with the nearest names otherwise.
Coefficient coefficient_named(std::string_view name);

/// One query's estimate as a sum over keys: estimate = Σ_m (g_m − β_m h_m + β_m π_m), with g_m = h_m v_m.
///
/// Zheng et al., "Efficient Attention via Control Variates", ICLR 2023, section 3.
struct Decomposition {
  Vector pi;                 ///< E[h_m]
  Vector h;                  ///< h_m
  Matrix g;                  ///< l×p: h_m v_m
  Matrix beta;               ///< l×p
  Matrix term;               ///< l×p: g_m − β_m h_m + β_m π_m
  Matrix error;              ///< l×p: (h_m − π_m)(v_m − β_m), what each key adds to estimate − exact
  std::vector<Index> group;  ///< of each key; −1: with its own coefficient
  Vector estimate;           ///< p: Σ_m term_m
  Vector exact;              ///< p: Σ_m π_m v_m
};

/// What a policy may need beyond the draw.
struct CoefficientInputs {
  Coefficient coefficient = Coefficient::ratio;
  Index groups = 1;  ///< group: contiguous, as equal as possible, unless the weights bring their own
  const Vector* regression = nullptr;  ///< regression: its p numbers, from `regression_coefficient`
};

/// The decomposition of a draw; V holds the values of the same keys, l×p.
///
/// Throws BadInput when a policy lacks what it needs: regression its coefficient, estimated at least two
/// single directions, group at least one group. "Unbiased" holds where E[h_m] = π_m.
Decomposition decompose(const KeyWeights& weights, const Eigen::Ref<const Matrix>& V,
                        const CoefficientInputs& inputs);

/// The best shared coefficient Cov(g, h)/Var(h), p numbers, from C_mm' = E[h_m h_m'] of one direction.
Vector regression_coefficient(const Matrix& C, const Vector& pi, const Eigen::Ref<const Matrix>& V);

}  // namespace attngap
