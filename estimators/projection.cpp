#include "estimators/projection.hpp"

#include "estimators/names.hpp"

#include <array>
#include <vector>

#include <Eigen/QR>

namespace attngap {
namespace {

// Row j of `rows` from numbers that are its own: a direction starts on a block of the stream.
void fill_normal_rows(const RandomStream& stream, Index first_row, Eigen::Ref<Matrix> rows) {
  const auto width = static_cast<std::uint64_t>(rows.cols() + rows.cols() % 2);
  for (Index j = 0; j < rows.rows(); ++j)
    stream.normals(static_cast<std::uint64_t>(first_row + j) * width,
                   {&rows(j, 0), static_cast<std::size_t>(rows.cols())});
}

class Independent final : public Projection {
 public:
  std::string_view name() const override { return "iid"; }
  Index block(Index) const override { return 1; }
  void draw(const StreamAddress& address, Matrix& Omega) const override {
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
  void draw(const StreamAddress& address, Matrix& Omega) const override {
    const RandomStream directions(address, Purpose::directions);
    const Index d = Omega.cols();
    Matrix gaussian(d, d);
    fill_normal_rows(RandomStream(address, Purpose::norms), 0, Omega);
    for (Index first = 0; first < Omega.rows(); first += d) {
      fill_normal_rows(directions, first, gaussian);
      const Eigen::HouseholderQR<Eigen::MatrixXd> qr(gaussian);
      const Eigen::MatrixXd Q = qr.householderQ();
      for (Index j = 0; j < std::min(d, Omega.rows() - first); ++j) {
        const double sign = qr.matrixQR()(j, j) < 0 ? -1.0 : 1.0;
        const double norm = Omega.row(first + j).norm();
        Omega.row(first + j) = sign * norm * Q.col(j).transpose();
      }
    }
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
