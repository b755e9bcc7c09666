#pragma once

#include "estimators/double_double.hpp"
#include "estimators/matrix.hpp"

#include <string_view>
#include <variant>
#include <vector>

namespace attngap {

/// In what arithmetic the sums of element-wise attention are held.
///
/// The terms of T_t(2qk) alternate where 2qk < 0, so a relative error u of each becomes u e^{2|2qk|}, and the
/// sums over keys are formed per degree first, so no identity for e^{−|x|} can help. Compensating the sums
/// alone would leave the roundings of the powers kⁿ, which are amplified as much; `compensated` therefore
/// carries powers, sums and coefficients as double-doubles (106 bits) and is the reference for the other two.
enum class Accumulation { float64, float32, compensated };

/// The accumulation named double, float or compensated; throws BadInput with the nearest names otherwise.
Accumulation accumulation_named(std::string_view name);

/// What a state says of a query at every degree up to its own, one row a degree.
struct ElementwiseReadout {
  Matrix numerator;    ///< (t+1)×d: Σ_{n≤row} c_n qⁿ S_n
  Matrix denominator;  ///< (t+1)×d: Σ_{n≤row} c_n qⁿ Z_n, both divided by exp(log_unit)
  Matrix log_unit;     ///< (t+1)×d
};

/// The recurrent form of element-wise attention at degree t: O(t d) numbers, whatever the number of keys.
///
///   y = Σ_{n≤t} c_n qⁿ S_n / Σ_{n≤t} c_n qⁿ Z_n,   c_n = 2ⁿ/n!        per channel
///   S_n = Σ_j k_jⁿ e^{−k_j²} v_j,   Z_n = Σ_j k_jⁿ e^{−k_j²}
///
/// A value: copy it to branch, keep it to carry on with the next segment of a stream. It holds √c_n S_n and
/// √c_n Z_n, because √c_n |k|ⁿ e^{−k²} ≤ (2πn)^{−1/4} < 1 while kⁿ alone leaves the range of a float; and
/// reads in units of the largest √c_n |q|ⁿ, so that no q overflows. A channel whose keys all have |k| > 27 (9
/// in float) has no weight left and reads NaN. Feng, "Element-wise attention is all you need", 2025, eqs.
/// (7)–(11), where t counts the terms.
class ElementwiseState {
 public:
  /// An empty state. Throws BadInput unless channels ≥ 1 and 0 ≤ degree ≤ kMaxDegree.
  ElementwiseState(Index channels, Index degree, Accumulation accumulation = Accumulation::float64);

  /// A bound on the degree that no use comes near, so that a slip of the pen is a message.
  static constexpr Index kMaxDegree = 10000;

  Index channels() const { return channels_; }
  Index degree() const { return degree_; }
  Index pushed() const { return pushed_; }

  /// What the sums take: 2 (t + 1) d numbers of the arithmetic.
  std::size_t bytes() const;

  /// Takes in one token; k and v have d entries, else BadInput.
  void push(const Eigen::Ref<const Eigen::RowVectorXd>& k, const Eigen::Ref<const Eigen::RowVectorXd>& v);

  /// The d outputs at q over all tokens pushed so far; NaN before the first. Throws BadInput on another size.
  Eigen::RowVectorXd read(const Eigen::Ref<const Eigen::RowVectorXd>& q) const;

  /// The same at every degree 0 … t, in one pass over the degrees.
  ElementwiseReadout read_degrees(const Eigen::Ref<const Eigen::RowVectorXd>& q) const;

  /// The sums in one arithmetic, row n of d entries after another.
  template <typename Scalar>
  struct Sums {
    std::vector<Scalar> values;  ///< √c_n S_n
    std::vector<Scalar> mass;    ///< √c_n Z_n
    std::vector<Scalar> step;    ///< √(2/n), the ratio of √c_n to the one before
  };

 private:
  Index channels_;
  Index degree_;
  Index pushed_ = 0;
  std::variant<Sums<double>, Sums<float>, Sums<DoubleDouble>> sums_;
};

}  // namespace attngap
