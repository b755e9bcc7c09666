#pragma once

#include "estimators/feature_pass.hpp"
#include "estimators/random_stream.hpp"
#include "estimators/segments.hpp"

#include <span>
#include <string_view>

namespace attngap {

/// Where the Gaussian proposals N(μ_c, I) of LARA and EVA are centred, from the mean query q̃_c and the mean
/// key k̃_c of a set of tokens (identity pooling; the released code learns a linear map of these means):
///
///   sum   μ_c = q̃_c + k̃_c       LARA (Zheng, Wang and Kong, ICML 2022); causal EVA in the released code
///   half  μ_c = (q̃_c + k̃_c)/2   EVA's vision and translation encoders in the released code
///   keys  μ_c = k̃_c
///   zero  μ_c = 0                the proposal of RFA and Performer
enum class ProposalMean { sum, half, keys, zero };

/// The policy of that name; throws BadInput with the nearest names otherwise.
ProposalMean proposal_mean_named(std::string_view name);

/// μ of a mean query and a mean key.
Vector proposal_mean(ProposalMean kind, const Vector& mean_query, const Vector& mean_key);

/// Mean of the scaled keys in disjoint segments, at least one token.
Vector mean_key(const PreparedRows<double>& rows, std::span<const Segment> tokens);

/// Mean of the given scaled queries whose token position lies in the segments. Where only a sample of the
/// queries is given there may be none: then the nearest given query at or before the last token, else the
/// first. The mean thus never looks past the segments under a causal mask.
Vector mean_query(const PreparedRows<double>& rows, std::span<const Segment> tokens);

/// Rows `rows` of the standard normal noise ε of a draw's proposals, w = μ + ε; a row has head_dim numbers
/// and is a function of the address and its place alone.
Matrix proposal_noise(const StreamAddress& address, Segment rows, Index head_dim);

/// Standard deviation of the proposals' noise, in units of scaled queries and keys: 1. The released code adds
/// unit noise ŵ = μ̂ + ε in variables ŵ = w/√scale of the feature exp(scale(ŵ·x − |x|²/2)), so here √scale =
/// d^(−1/4): too narrow, while its importance weights are those of the right width.
double noise_deviation(bool released, double scale);

/// ln N(w_r; μ_c, I) − ln N(w_r; 0, I) = w_r·μ_c − |μ_c|²/2, R×C.
Matrix log_proposal_ratios(const Eigen::Ref<const Matrix>& W, const Matrix& means);

/// ln E[h_m h_m'] of one direction w ~ N(μ, I) for the control variates h_m = N(w; 0, I)/N(w; μ, I) ξ(q, w)
/// ξ(k_m, w), ξ(x, w) = exp(w·x − |x|²/2), of the rows k_m of `keys`; E h_m = exp(q·k_m). l×l:
///
///   |2q − μ|²/2 + |μ|²/2 − |q|² + (2q − μ)·(k_m + k_m') + k_m·k_m'
Matrix log_pair_moments(const Vector& q, const Matrix& keys, const Vector& mean);

}  // namespace attngap
