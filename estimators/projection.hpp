#pragma once

#include "estimators/matrix.hpp"
#include "estimators/random_stream.hpp"

#include <memory>
#include <span>
#include <string_view>

namespace attngap {

/// Memory a law uses in every draw; the next one finds it large enough.
struct ProjectionMemory {
  Eigen::MatrixXd factors, basis;
  Vector coefficients, row;
};

/// The joint law of the m random directions w_1 … w_m in R^d; each alone is N(0, I_d).
///
/// Prefix-stable: the first m' rows of a draw of m are the draw of m' at the same address.
class Projection {
 public:
  virtual ~Projection() = default;
  virtual std::string_view name() const = 0;

  /// Directions come in independent blocks of this many coupled ones (1 when all are independent).
  virtual Index block(Index head_dim) const = 0;

  /// Fills the m×d matrix Ω, a direction a row.
  virtual void draw(const StreamAddress& address, Matrix& Omega, ProjectionMemory& memory) const = 0;
  /// The same with memory of its own.
  void draw(const StreamAddress& address, Matrix& Omega) const {
    ProjectionMemory memory;
    draw(address, Omega, memory);
  }
};

/// Ordered pairs among m directions that share a block of b: ⌊m/b⌋ b(b−1) + r(r−1), r = m mod b.
double coupled_pairs(Index draws, Index block);

/// A row of the table of projections.
struct NamedProjection {
  std::string_view name;
  std::string_view meaning;
  std::string_view source;
  const Projection& (*get)();
};

/// Every projection the toolkit knows.
std::span<const NamedProjection> projections();

/// The projection of that name; throws BadInput with the nearest names otherwise.
const Projection& projection_named(std::string_view name);

}  // namespace attngap
