#include "estimators/direction_source.hpp"

#include "estimators/projection.hpp"

#include <algorithm>
#include <cmath>

namespace attngap {

std::vector<DirectionPanel> cut_panels(std::span<const Index> counts, Index width) {
  std::vector<DirectionPanel> panels;
  Index done = 0;
  for (const Index count : counts) {
    while (done < count) {
      const Index next = std::min(count, (done / width + 1) * width);
      panels.push_back({done, next - done});
      done = next;
    }
  }
  return panels;
}

namespace {

template <typename Scalar>
class GaussianDirections final : public DirectionSource<Scalar> {
 public:
  GaussianDirections(const Projection& projection, Index head_dim, Index draws, bool fixed_norm)
      : projection_(projection), fixed_norm_(fixed_norm), drawn_(draws, head_dim), Omega_(draws, head_dim) {}

  void draw(const StreamAddress& address) override {
    projection_.draw(address, drawn_, memory_);
    if (fixed_norm_) {
      const double norm = std::sqrt(static_cast<double>(drawn_.cols()));
      for (Index j = 0; j < drawn_.rows(); ++j) drawn_.row(j) *= norm / drawn_.row(j).norm();
    }
    Omega_ = drawn_.template cast<Scalar>();
  }

  Index columns(const DirectionPanel& panel) const override { return panel.count; }

  void project(const DirectionPanel& panel, Index first_column,
               const Eigen::Ref<const RowMatrix<Scalar>>& rows,
               Eigen::Ref<RowMatrix<Scalar>> projections) override {
    projections.noalias() =
        rows * Omega_.middleRows(panel.first + first_column, panel.count - first_column).transpose();
  }

 private:
  const Projection& projection_;
  bool fixed_norm_;
  Matrix drawn_;
  ProjectionMemory memory_;
  RowMatrix<Scalar> Omega_;
};

class GivenDirections final : public DirectionSource<double> {
 public:
  explicit GivenDirections(Matrix Omega) : Omega_(std::move(Omega)) {}
  void draw(const StreamAddress&) override {}
  Index columns(const DirectionPanel& panel) const override { return panel.count; }
  void project(const DirectionPanel& panel, Index first_column, const Eigen::Ref<const Matrix>& rows,
               Eigen::Ref<Matrix> projections) override {
    projections.noalias() =
        rows * Omega_.middleRows(panel.first + first_column, panel.count - first_column).transpose();
  }

 private:
  Matrix Omega_;
};

}  // namespace

std::unique_ptr<DirectionSource<double>> given_directions(Matrix Omega) {
  return std::make_unique<GivenDirections>(std::move(Omega));
}

template <typename Scalar>
std::unique_ptr<DirectionSource<Scalar>> gaussian_directions(const Projection& projection, Index head_dim,
                                                             Index draws, bool fixed_norm) {
  return std::make_unique<GaussianDirections<Scalar>>(projection, head_dim, draws, fixed_norm);
}

template std::unique_ptr<DirectionSource<double>> gaussian_directions(const Projection&, Index, Index, bool);
template std::unique_ptr<DirectionSource<float>> gaussian_directions(const Projection&, Index, Index, bool);

}  // namespace attngap
