#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace attngap {

/// A dot-product kernel f(x·y) = Σ_n a_n (x·y)ⁿ with a_n ≥ 0, so that it is a kernel in every dimension.
struct MaclaurinKernel {
  std::string_view name;
  std::string_view formula;
  std::string_view source;
  double (*coefficient)(int n);     ///< a_n
  double (*value)(double z);        ///< f(z); NaN or infinite where f is not defined
  double (*squared_sum)(double x);  ///< Σ_n a_n² xⁿ, infinite where it diverges
  double radius;                    ///< of convergence of both series
  std::optional<int> degree = {};   ///< of a polynomial; none where the series does not end
};

/// The kernels of Macformer (Guo et al. 2024), exp, inverse, log, sqrt, and trigh, which equals exp; and the
/// polynomials of Kar and Karnick 2012, power10 and polynomial10.
std::span<const MaclaurinKernel> maclaurin_kernels();

/// The kernel of that name; throws BadInput with the nearest names otherwise.
const MaclaurinKernel& maclaurin_kernel_named(std::string_view name);

/// Whether f(z) = exp(z), so that attention with it is softmax.
bool is_exponential(const MaclaurinKernel& kernel);

/// f_T(z) = Σ_{n≤T} a_n zⁿ.
double maclaurin_sum(const MaclaurinKernel& kernel, int highest, double z);

/// The truncation bias f(z) − f_T(z) without cancellation: for exp e^z P(T+1, z) at every real z, for a
/// polynomial its higher terms, for the others the tail of the series inside its radius, the plain difference
/// where f goes on outside.
double truncation_bias(const MaclaurinKernel& kernel, int highest, double z);

/// Σ_{n≥lowest} a_n² xⁿ without cancellation for small x: what the second moments of geometric degrees need
/// once the lowest degrees are taken exactly.
double squared_tail(const MaclaurinKernel& kernel, int lowest, double x);

}  // namespace attngap
