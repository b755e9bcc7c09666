#pragma once

#include "estimators/matrix.hpp"

namespace attngap {

/// What a direction's kernel estimate is of its projection w·z, beside a constant factor.
enum class ProjectedProduct {
  exponential,  ///< exp(w·z)
  even,         ///< cosh(w·z), and cos(w·z) where S is negative
  fixed_norm    ///< exp(w·z) of a direction stretched to |w| = √d
};

/// μ₄/μ₂² of the mean over `draws` directions in independent blocks of `block` ≤ d orthogonal ones
/// (Projection::block), |z|² = |S|. The coordinates of z in a block's frame are those of a uniform direction,
/// so that with multiplicities n_i
///
///   E exp(Σ_i n_i w_i·z) = Σ_N [x^N] Π_i (1 − n_i² x S/2)^{−d/2} / (d/2)_N     independent chi(d) norms
///                        = ₀F₁(; d/2; Σ_i n_i² d S/4)                           norms √d
///
/// gives every mixed moment of a block; cumulants of blocks add. In fifty or a hundred digits where the
/// moments nearly cancel. NaN where nothing varies, and for cosines beyond S = −4,
/// whose series cancel further; infinite where a moment is beyond a double. The first formula is ₁F₁(d; d/2;
/// S/2) for two directions, in the literature (Yu et al. 2016); for more it is ours.
double coupled_kurtosis(ProjectedProduct product, Index d, double S, Index draws, Index block);

}  // namespace attngap
