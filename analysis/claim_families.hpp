#pragma once

#include "analysis/claims.hpp"

#include <span>

namespace attngap {

/// The claims, one file a family: what `claims()` joins.
std::span<const Claim> feature_claims();          ///< kernels and their features, claims_features.cpp
std::span<const Claim> concentration_claims();    ///< tail and uniform bounds, claims_concentration.cpp
std::span<const Claim> attention_claims();        ///< RFA, Performer and RA, claims_attention.cpp
std::span<const Claim> lara_claims();             ///< claims_lara.cpp
std::span<const Claim> control_variate_claims();  ///< EVA's view, claims_control_variates.cpp
std::span<const Claim> maclaurin_claims();        ///< Kar and Karnick's features, claims_maclaurin.cpp
std::span<const Claim> macformer_claims();        ///< RMFA and ppSBN, claims_macformer.cpp
std::span<const Claim> sketch_claims();           ///< polynomial sketches, claims_sketches.cpp
std::span<const Claim> elementwise_claims();      ///< Taylor truncation, claims_elementwise.cpp

}  // namespace attngap
