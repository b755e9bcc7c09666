#pragma once

#include "analysis/gap_statistics.hpp"
#include "estimators/attention_estimator.hpp"

#include <optional>
#include <vector>

namespace attngap {

/// First-order theory of a softmax ratio as the number l of keys grows, for scaled keys k̃ ~ N(0, τ² I),
/// independent, at a fixed scaled query q: to leading order in 1/l, of one direction.
///
/// The covariance of two terms of a row is a sum of Gaussian functions of the two keys,
///
///   E[φ(q)φ(k)·φ(q)φ(k')] = Σ_s w_s exp(σ_s (|q|² + k·k') + t_s q·(k + k')),
///
/// so that every limit is a Gaussian integral. With π the softmax weights, A the exact output and
/// c(k) = Σ_l C_jl/π_j (k = k_j) the limits are
///
///   E[W²]               → w = E₁ c                                finite iff τ < 1
///   l · variance        → e^{τ²|q|²} (E₂[C_jj/π_j²] − 2 E₂ c + w)  values N(0, 1): finite iff τ² < ½
///   l · bias²           → e^{τ²|q|²} E₂ (c − w)²                   values N(0, 1)
///   variance, bias      → a plateau                               values linear in the keys, v = M k̃
///
/// with E₁, E₂ over k ~ N(τ² q, τ² I) and N(2τ² q, τ² I). While |A|² itself falls like e^{τ²|q|²}/l where
/// values know nothing of the keys, the relative gap has a limit exactly if τ² < ½; beyond, a few keys rule
/// the sum and the relative gap grows with length. Delta method as in `RatioPrediction`, of which these are
/// the limits; E[W²] as in Zheng, Wang and Kong 2022's importance-sampling view.
class LengthLaw {
 public:
  /// For `performer` (positive, hyperbolic) and trigonometric `rfa` with iid directions; none otherwise.
  /// `norm2` is E|k̃|² = τ² d.
  static std::optional<LengthLaw> of(const AttentionEstimator& estimator, double norm2, Index dim);

  /// lim E[W²] at |q̃|²; infinity for τ ≥ 1.
  double ew2(double query_norm2) const;

  /// lim l·variance and lim l·bias² per channel of values N(0, 1) that are independent of the keys.
  double independent_variance(double query_norm2) const;
  double independent_bias2(double query_norm2) const;

  /// lim variance and lim bias of a channel v = r·k̃.
  double linear_variance(double query_norm2, double r_norm2, double r_dot_query) const;
  double linear_bias(double query_norm2, double r_dot_query) const;

  /// The predicted rows at l keys and m directions, averaged over queries and channels (Q̃ n×d; M p×d, empty
  /// for independent values): names and states as those of `predicted_metrics`; `exact` (n×p) is what the
  /// relative one is relative to. Of independent values beyond τ² = ½ there is no limit: infinite-variance.
  std::vector<Metric> metrics(const Matrix& scaled_queries, const Matrix& value_map, const Matrix& exact,
                              Index keys, Index draws) const;

 private:
  // w exp(σ (|q|² + k·k') + t q·(k + k')), σ = ±1.
  struct Term {
    double weight;
    double sigma;
    double tilt;
  };

  // Where exp(α q·k + s|k|²/2) is averaged over k ~ N(μ q, τ² I): its mean, and the factor of q in the mean
  // of k under that tilt.
  struct Tilted {
    double value;
    double mean;
  };
  Tilted tilted(double mu, double alpha, double s, double query_norm2) const;

  // c(k) = Σ_s exp(log_factor) exp(slope q·k + τ²|k|²/2).
  struct Exponential {
    double log_factor;
    double slope;
  };
  Exponential row_sum(const Term& term, double query_norm2) const;

  LengthLaw(std::vector<Term> terms, double tau2, Index dim, bool has_moments)
      : terms_(std::move(terms)), tau2_(tau2), dim_(static_cast<double>(dim)), has_moments_(has_moments) {}

  std::vector<Term> terms_;
  double tau2_;
  double dim_;
  bool has_moments_;
};

}  // namespace attngap
