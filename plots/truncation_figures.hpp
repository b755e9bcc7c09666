#pragma once

#include "plots/gap_figure.hpp"

namespace attngap {

/// `taylor_polynomials`: exp and its polynomials of up to degree 8 over x, and their relative errors.
std::vector<NamedFigure> taylor_polynomials(const std::vector<ResultRow>& rows);

/// `taylor_error` from rows of taylor-truncation: what the Taylor polynomial of exp does on |x| ≤ R against
/// its degree, a curve a range: largest error relative to e^R, largest relative error, and the bound on the
/// total variation of weights (even degrees only where an odd one is not positive).
std::vector<NamedFigure> taylor_error_figures(const std::vector<ResultRow>& rows);

/// One figure a head (`truncation_DATA`): total variation of the weights and error of the outputs of
/// element-wise attention against the degree, with what the certificates allow. Nothing of a run without
/// heads.
std::vector<NamedFigure> truncation_figures(const std::vector<ResultRow>& rows);

}  // namespace attngap
