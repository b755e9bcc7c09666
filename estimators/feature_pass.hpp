#pragma once

#include "estimators/attention_estimator.hpp"
#include "estimators/direction_source.hpp"
#include "estimators/feature_map.hpp"
#include "estimators/prepared_rows.hpp"

#include <memory>
#include <vector>

namespace attngap {

/// Memory that starts on a vector register's boundary. Eigen computes what lies before the first boundary one
/// by one, and its scalar and vector exp differ in the last bit: elsewhere, bits would depend on the
/// allocator.
template <typename Scalar>
using AlignedBuffer = std::vector<Scalar, Eigen::aligned_allocator<Scalar>>;

/// One draw after another of several feature maps that share their directions:
///
///   numerator_i = Σ_s φ_s(q_i) Σ_j φ_s(k_j) v_j,   denominator_i = Σ_s φ_s(q_i) Σ_j φ_s(k_j)
///
/// walked in panels of directions × blocks of rows, so that one pass yields the estimate at every count and
/// nothing of size l×m is stored. The product with Ω is formed once for all maps. Time O((n + l) m (d + p)) a
/// map, memory O(n p + m d + block). Positive maps are exponentiated relative to a shift per feature (over
/// keys) and per query, both raised only when needed; both cancel in the ratio and are reported in
/// `log_scale`.
template <typename Scalar>
class FeaturePass {
 public:
  /// What the passes of all threads share.
  struct Plan {
    std::shared_ptr<const PreparedRows<Scalar>> rows;
    std::vector<const FeatureMap*> maps;
    std::vector<std::shared_ptr<const WeightedValues<Scalar>>> weighted;  ///< one a map
    std::vector<Index> counts;
    Index panel_width = 0;
  };

  /// `plan` must outlive the pass.
  FeaturePass(const Plan& plan, std::unique_ptr<DirectionSource<Scalar>> source);
  ~FeaturePass();

  /// Visits (position in the list of maps, position in the list of counts, estimate).
  void draw(const StreamAddress& address, const EstimateVisitor& visit);

 private:
  class MapPass;

  void walk_keys(const DirectionPanel& panel);
  void walk_inside(const DirectionPanel& panel, Index first_key, Index keys);
  void walk_queries(const DirectionPanel& panel);

  const Plan& plan_;
  std::unique_ptr<DirectionSource<Scalar>> source_;
  std::vector<DirectionPanel> panels_;
  std::vector<std::unique_ptr<MapPass>> maps_;
  AlignedBuffer<Scalar> key_projections_, query_projections_, affine_key_sums_;
};

}  // namespace attngap
