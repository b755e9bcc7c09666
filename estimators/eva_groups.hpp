#pragma once

#include "estimators/eva_layout.hpp"
#include "estimators/key_pool.hpp"
#include "estimators/names.hpp"

#include <optional>

namespace attngap {

/// What an `eva` specification asks for (the keys are explained in eva.hpp).
struct EvaOptions {
  EvaShape shape;
  std::optional<Index> groups;  ///< a given number of chunks; then m counts draws a group
  Index draws = 1;              ///< draws a group where m counts chunks
  bool released_noise = false;
  bool deterministic = false;

  Index chunks_at(Index count) const { return groups.value_or(count); }
  Index draws_at(Index count) const { return groups ? count : draws; }

  /// Standard deviation of the directions about their proposal's mean.
  double noise_scale(double scale) const {
    return deterministic ? 0.0 : noise_deviation(released_noise, scale);
  }
};

/// Reads the keys of an `eva` specification. Throws BadInput on a value that cannot be used.
EvaOptions eva_options(const Spec& spec);

/// S directions w_gs ~ N(μ_g, I) of every group of a layout, and what the group's keys make of them: all of
/// EVA that is random. For S = 1 the estimate is linear in `values`: EVA_n = exact_n + Σ_c Π_nc β̂_c, β̂_c =
/// values of group c.
class EvaGroupDraws {
 public:
  /// `rows` must outlive the object. Groups of one chunk share their noise.
  EvaGroupDraws(const PreparedRows<double>& rows, double noise_scale)
      : rows_(rows), noise_scale_(noise_scale), pool_(rows, KeyPool::Bias::features) {}

  /// Draws anew; `chunks` is the number of chunks the layout was cut from.
  void draw(const EvaLayout& layout, Index draws, Index chunks, const StreamAddress& address);

  const Matrix& directions() const { return W_; }         ///< w_gs in row g·S + s
  const Matrix& values() const { return values_; }        ///< f_g(w_gs), GS×p
  const Vector& log_ratio() const { return log_ratio_; }  ///< ln Σ_{m∈P_g} ξ(k_m, w_gs) − w_gs·μ_g, GS

 private:
  const PreparedRows<double>& rows_;
  double noise_scale_;
  KeyPool pool_;
  Matrix W_, values_;
  Vector log_ratio_;
};

/// The directions alone.
Matrix eva_directions(const EvaLayout& layout, Index draws, Index chunks, Index head_dim, double noise_scale,
                      const StreamAddress& address);

}  // namespace attngap
