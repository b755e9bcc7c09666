#include "estimators/projection.hpp"

#include "estimators/names.hpp"

#include <array>
#include <vector>

#include <Eigen/Householder>

namespace attngap {
namespace {

// Row j of `rows` from numbers that are its own: a direction starts on a block of the stream.
void fill_normal_rows(const RandomStream& stream, Index first_row, Eigen::Ref<Matrix> rows) {
  const auto width = static_cast<std::uint64_t>(rows.cols() + rows.cols() % 2);
  for (Index j = 0; j < rows.rows(); ++j)
    stream.normals(static_cast<std::uint64_t>(first_row + j) * width,
                   {&rows(j, 0), static_cast<std::size_t>(rows.cols())});
}

// The same as columns of a matrix that is stored by columns.
void fill_normal_columns(const RandomStream& stream, Index first_row, Eigen::MatrixXd& columns) {
  const auto width = static_cast<std::uint64_t>(columns.rows() + columns.rows() % 2);
  for (Index j = 0; j < columns.cols(); ++j)
    stream.normals(static_cast<std::uint64_t>(first_row + j) * width,
                   {&columns(0, j), static_cast<std::size_t>(columns.rows())});
}

class Independent final : public Projection {
 public:
  std::string_view name() const override { return "iid"; }
  Index block(Index) const override { return 1; }
  void draw(const StreamAddress& address, Matrix& Omega, ProjectionMemory&) const override {
    fill_normal_rows(RandomStream(address, Purpose::directions), 0, Omega);
  }
};

// Blocks of d orthogonal rows: Q of a Gaussian matrix G = QR with diag R > 0 is Haar distributed (Mezzadri
// 2007); a raw LAPACK Q is not, and biases positive features. The norms are chi(d), independent of the
// directions.
class Orthogonal final : public Projection {
 public:
  std::string_view name() const override { return "orthogonal"; }
  Index block(Index head_dim) const override { return head_dim; }
  void draw(const StreamAddress& address, Matrix& Omega, ProjectionMemory& memory) const override {
    const RandomStream directions(address, Purpose::directions);
    const Index d = Omega.cols();
    memory.row.resize(d);
    memory.factors.resize(d, d);
    fill_normal_rows(RandomStream(address, Purpose::norms), 0, Omega);
    for (Index first = 0; first < Omega.rows(); first += d) {
      fill_normal_columns(directions, first, memory.factors);
      memory.factors.transposeInPlace();
      orthogonalise(memory);
      for (Index j = 0; j < std::min(d, Omega.rows() - first); ++j) {
        const double sign = memory.factors(j, j) < 0 ? -1.0 : 1.0;
        const double norm = Omega.row(first + j).norm();
        Omega.row(first + j) = sign * norm * memory.basis.col(j).transpose();
      }
    }
  }

 private:
  // G = QR of `factors` by Householder's reflections, one by one: R comes to lie in its upper triangle, Q in
  // `basis`. Eigen's HouseholderQR asks for memory in every call.
  static void orthogonalise(ProjectionMemory& memory) {
    auto& [factors, basis, coefficients, row] = memory;
    const Index d = factors.rows();
    coefficients.resize(d);
    for (Index k = 0; k < d; ++k) {
      double beta = 0.0;
      factors.col(k).tail(d - k).makeHouseholderInPlace(coefficients(k), beta);
      factors(k, k) = beta;
      factors.bottomRightCorner(d - k, d - k - 1)
          .applyHouseholderOnTheLeft(factors.col(k).tail(d - k - 1), coefficients(k), row.data());
    }
    basis.setIdentity(d, d);
    for (Index k = d - 1; k >= 0; --k)
      basis.bottomRightCorner(d - k, d - k)
          .applyHouseholderOnTheLeft(factors.col(k).tail(d - k - 1), coefficients(k), row.data());
  }
};

const Projection& independent() {
  static const Independent law;
  return law;
}
const Projection& orthogonal() {
  static const Orthogonal law;
  return law;
}

constexpr std::array kProjections{
    NamedProjection{"iid", "independent N(0, I) directions", "Rahimi and Recht 2007", &independent},
    NamedProjection{"orthogonal", "Haar-orthogonal blocks of d directions with independent chi(d) norms",
                    "Yu et al. 2016; Choromanski et al. 2021", &orthogonal},
};

}  // namespace

double coupled_pairs(Index draws, Index block) {
  const Index rest = draws % block;
  return static_cast<double>(draws / block * block * (block - 1) + rest * (rest - 1));
}

std::span<const NamedProjection> projections() {
  return kProjections;
}

const Projection& projection_named(std::string_view name) {
  std::vector<std::string_view> names;
  for (const auto& entry : kProjections) {
    if (entry.name == name) return entry.get();
    names.push_back(entry.name);
  }
  require_known("projection", name, names);
  return independent();
}

}  // namespace attngap
