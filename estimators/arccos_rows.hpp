#pragma once

#include "estimators/feature_map.hpp"

#include <memory>

namespace attngap {

/// Arccos features, φ(x) = ReLU(w·x), of two directions of one orthogonal block along a row of attention.
///
/// Lengths factor out: E|w|² E|w'|² = d². Of the directions u and v alone, averaging g over the sphere of u's
/// complement multiplies its spherical harmonics of degree n by λ_n, zero for odd n and
///
///   λ_{2j} = (−1)^j (½)_j / ((d−1)/2)_j
///
/// so that for f(u) = ReLU(u·q)ReLU(u·k) and g(v) = ReLU(v·q)ReLU(v·k')
///
///   E f(u) g(v) = Σ_n λ_n ⟨f_n, g_n⟩ = Σ_n λ_n Σ_{j≤n} F_nj(k) F_nj(k') P_j(e·e')
///
/// with e, e' the unit parts of k, k' across q, P_j the Gegenbauer polynomial of R^{d−1} that is 1 at 1, and
/// F_nj(k) the component of f along sin^j ϑ C_{n−j}^{(j+(d−2)/2)}(cos ϑ) P_j(cos φ), ϑ measured from q and φ
/// from e. The term n = 0 is the product of the means. As f(u)f(−u) = 0, half of E f² is of even degree; what
/// the degrees up to N leave of it bounds the rest of the sum, and N grows until the second
/// moment of a full block is known to 1e-10 of that of one direction. It ends at 1024, with more than 2 keys
/// before that and with more than 37 at 256, where 1e-8 may do: that is met only with d ≤ 5. More is needed
/// only of a handful of dimensions with all keys nearly opposite to the query. With d = 2, v is u
/// turned by a right angle: elementary integrals.
///
/// Throws BadInput unless d ≥ 2. The series is ours; λ_n is that of Funk and Hecke (Müller 1966).
std::unique_ptr<OrthogonalRows> arccos_orthogonal_rows(Index d);

}  // namespace attngap
