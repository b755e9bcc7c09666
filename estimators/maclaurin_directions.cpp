#include "estimators/feature_pass.hpp"
#include "estimators/maclaurin.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace attngap {
namespace {

// The features of a panel in the order they are computed: all of degree zero merged into one constant column,
// then degree one, then the others by falling degree, so that each further factor multiplies a prefix of the
// columns. Known degrees are columns too, √(count·a_0) and √(count·a_1)·x: they are affine, cost no pass over
// the keys, and the 1/m of the estimate makes them exact.
template <typename Scalar>
class MaclaurinDirections final : public DirectionSource<Scalar> {
 public:
  MaclaurinDirections(const RandomMaclaurin& law, Index head_dim, Index draws,
                      std::vector<DirectionPanel> panels)
      : kernel_(law.kernel()),
        options_(law.options()),
        weights_(law.weights(draws)),
        head_dim_(head_dim),
        panels_(std::move(panels)),
        layouts_(panels_.size()) {
    if (law.allocation()) schedule_ = law.allocation()->degrees(draws);
    double total = 0.0;
    for (const double q : law.degrees().probability) cumulative_.push_back(total += q);
  }

  void draw(const StreamAddress& address) override {
    const RandomStream degrees(address, Purpose::degrees);
    const bool gaussian = options_.direction == MaclaurinDirection::gaussian;
    const RandomStream factors(address, gaussian ? Purpose::directions : Purpose::signs);
    for (std::size_t i = 0; i < panels_.size(); ++i) lay_out(panels_[i], degrees, factors, layouts_[i]);
  }

  Index columns(const DirectionPanel& panel) const override { return layout(panel).columns(); }
  Index affine_columns(const DirectionPanel& panel) const override { return layout(panel).affine(); }

  void project(const DirectionPanel& panel, Index first_column,
               const Eigen::Ref<const RowMatrix<Scalar>>& rows,
               Eigen::Ref<RowMatrix<Scalar>> projections) override {
    const Layout& plan = layout(panel);
    const Index skipped = first_column - plan.constants;  // factors of the first layer that are not asked for
    const bool with_constant = first_column == 0 && plan.constants == 1;
    if (with_constant) projections.col(0).setConstant(plan.constant);
    const Index from = with_constant ? 0 : skipped;
    const Index products = plan.layers.front().rows - from;
    auto first_factors = projections.rightCols(products);
    first_factors.noalias() = rows * plan.factors(0, head_dim_).bottomRows(products).transpose();
    for (std::size_t layer = 1; layer < plan.used; ++layer) {
      const auto Omega = plan.factors(layer, head_dim_);
      const auto size = static_cast<std::size_t>(rows.rows() * Omega.rows());
      if (factor_.size() < size) factor_.resize(size);
      Eigen::Map<RowMatrix<Scalar>> factor(factor_.data(), rows.rows(), Omega.rows());
      factor.noalias() = rows * Omega.transpose();
      projections.middleCols(plan.affine() - first_column, Omega.rows()).array() *= factor.array();
    }
  }

  void affine_key_sums(const DirectionPanel& panel, const RowMatrix<Scalar>& affine_sums,
                       Eigen::Ref<RowMatrix<Scalar>> key_sums) const override {
    const Layout& plan = layout(panel);
    if (plan.constants == 1) key_sums.row(0) = plan.constant * affine_sums.row(0);
    key_sums.bottomRows(plan.linear).noalias() =
        plan.factors(0, head_dim_).topRows(plan.linear) * affine_sums.bottomRows(head_dim_);
  }

  void split_columns(const DirectionPanel& panel, const Matrix& sums,
                     Eigen::Ref<Matrix> direction_sums) const override {
    const Layout& plan = layout(panel);
    const Index exact = plan.known_constant + plan.known_linear;
    const Eigen::RowVectorXd shared = sums.topRows(exact).colwise().sum() / static_cast<double>(panel.count);
    direction_sums.rowwise() = shared;
    const auto random = static_cast<Index>(plan.order.size()) - plan.zeros;
    for (Index j = 0; j < random; ++j)
      direction_sums.row(plan.order[static_cast<std::size_t>(j)]) += sums.row(sums.rows() - random + j);
    for (auto s = plan.order.begin() + random; s != plan.order.end(); ++s)
      direction_sums.row(*s) += sums.row(0) / static_cast<double>(plan.zeros);
  }

 private:
  struct Layout {
    Index zeros = 0;           // features of degree zero
    Index known_constant = 0;  // 1 when degree zero is exact
    Index known_linear = 0;    // d when degree one is exact
    Index constants = 0;       // 1 when there is a constant column
    Index linear = 0;          // columns of degree one
    Scalar constant = 0;
    std::vector<Index> order;  // features in the order of their columns, those of degree zero last
    // Layer j: factor j+1 of all columns that have one; the weight is in layer 0. Its memory, and that of
    // layers a draw does not need, stays for the next draw.
    struct Layer {
      AlignedBuffer<Scalar> factors;
      Index rows = 0;
    };
    std::vector<Layer> layers;
    std::size_t used = 0;  // layers of this draw

    Index affine() const { return constants + linear; }
    Index columns() const { return constants + layers.front().rows; }
    Eigen::Map<const RowMatrix<Scalar>> factors(std::size_t layer, Index head_dim) const {
      return {layers[layer].factors.data(), layers[layer].rows, head_dim};
    }
  };

  const Layout& layout(const DirectionPanel& panel) const {
    const auto place = std::find_if(panels_.begin(), panels_.end(),
                                    [&](const DirectionPanel& p) { return p.first == panel.first; });
    return layouts_[static_cast<std::size_t>(place - panels_.begin())];
  }

  Index with_degree_at_least(int n) const {
    return std::count_if(degrees_.begin(), degrees_.end(), [&](int degree) { return degree >= n; });
  }
  int degree_of(Index s) const { return degrees_[static_cast<std::size_t>(s)]; }

  void lay_out(const DirectionPanel& panel, const RandomStream& degree_stream,
               const RandomStream& factor_stream, Layout& plan) {
    choose_degrees(panel, degree_stream);
    // Degree one ahead of the falling degrees: compare with one counted as the highest of all.
    const auto rank = [&](Index s) { return degree_of(s) == 1 ? kMaxDegree : degree_of(s); };
    std::sort(order_.begin(), order_.end(),
              [&](Index a, Index b) { return rank(a) != rank(b) ? rank(a) > rank(b) : a < b; });

    plan.order = order_;
    plan.zeros = panel.count - with_degree_at_least(1);
    plan.known_constant = options_.known > 0 ? 1 : 0;
    plan.known_linear = options_.known > 1 ? head_dim_ : 0;
    plan.constants = plan.zeros > 0 ? 1 : plan.known_constant;
    const double squared_constant = plan.zeros > 0
                                        ? static_cast<double>(plan.zeros) * weights_[0]
                                        : static_cast<double>(panel.count) * kernel_.coefficient(0);
    plan.constant = static_cast<Scalar>(std::sqrt(squared_constant));
    const Index random_linear = with_degree_at_least(1) - with_degree_at_least(2);
    plan.linear = plan.known_linear + random_linear;
    draw_layers(panel, factor_stream, random_linear, plan);
  }

  void draw_layers(const DirectionPanel& panel, const RandomStream& stream, Index random_linear,
                   Layout& plan) {
    const int highest = std::max(1, *std::max_element(degrees_.begin(), degrees_.end()));
    plan.used = static_cast<std::size_t>(highest);
    if (plan.layers.size() < plan.used) plan.layers.resize(plan.used);
    for (int layer = 0; layer < highest; ++layer) {
      auto& kept = plan.layers[static_cast<std::size_t>(layer)];
      const Index exact = layer == 0 ? plan.known_linear : 0;
      const Index skip = layer == 0 ? 0 : random_linear;
      kept.rows = exact + with_degree_at_least(layer + 1);
      const auto size = static_cast<std::size_t>(kept.rows * head_dim_);
      if (kept.factors.size() < size) kept.factors.resize(size);
      Eigen::Map<RowMatrix<Scalar>> Omega(kept.factors.data(), kept.rows, head_dim_);
      Omega.topRows(exact).setZero();
      for (Index i = 0; i < exact; ++i)
        Omega(i, i) =
            static_cast<Scalar>(std::sqrt(static_cast<double>(panel.count) * kernel_.coefficient(1)));
      for (Index j = exact; j < Omega.rows(); ++j) {
        const Index s = order_[static_cast<std::size_t>(skip + j - exact)];
        const double weight = layer == 0 ? std::sqrt(weights_[static_cast<std::size_t>(degree_of(s))]) : 1.0;
        fill_factor(stream, panel.first + s, layer, weight, &Omega(j, 0));
      }
    }
  }

  // Degrees of the features of a panel, from the schedule or by inversion, and their order before sorting.
  void choose_degrees(const DirectionPanel& panel, const RandomStream& stream) {
    const auto count = static_cast<std::size_t>(panel.count);
    uniforms_.resize(count + 1);
    degrees_.resize(count);
    order_.resize(count);
    std::iota(order_.begin(), order_.end(), Index{0});
    if (!schedule_.empty()) {
      std::copy_n(schedule_.begin() + panel.first, count, degrees_.begin());
      return;
    }
    // Uniforms come in pairs: start at the even number at or below the first feature.
    const auto first = static_cast<std::uint64_t>(panel.first);
    stream.uniforms(first - first % 2, uniforms_);
    // Beyond this degree the cumulated law no longer grows, and nothing is ever drawn.
    const auto last = std::lower_bound(cumulative_.begin(), cumulative_.end(), cumulative_.back());
    for (std::size_t s = 0; s < count; ++s) {
      const auto above = std::upper_bound(cumulative_.begin(), cumulative_.end(), uniforms_[s + first % 2]);
      degrees_[s] = static_cast<int>(std::min(above, last) - cumulative_.begin());
    }
  }

  // weight·ω of the factor at (feature, layer).
  void fill_factor(const RandomStream& stream, Index feature, int layer, double weight, Scalar* row) {
    if (options_.direction == MaclaurinDirection::rademacher)
      fill_signs(stream, feature, layer, static_cast<Scalar>(weight), row);
    else
      fill_normals(stream, feature, layer, weight, row);
  }

  void fill_normals(const RandomStream& stream, Index feature, int layer, double weight, Scalar* row) {
    const auto width = static_cast<std::uint64_t>(head_dim_ + head_dim_ % 2);
    normals_.resize(static_cast<std::size_t>(head_dim_));
    stream.normals(
        (static_cast<std::uint64_t>(feature) * kMaxDegree + static_cast<std::uint64_t>(layer)) * width,
        normals_);
    for (Index i = 0; i < head_dim_; ++i)
      row[i] = static_cast<Scalar>(weight * normals_[static_cast<std::size_t>(i)]);
  }

  // ±weight from the bits at the address of (feature, layer).
  void fill_signs(const RandomStream& stream, Index feature, int layer, Scalar weight, Scalar* row) {
    const auto words = static_cast<std::size_t>((head_dim_ + 127) / 128 * 4);
    words_.resize(words);
    stream.words(
        (static_cast<std::uint64_t>(feature) * kMaxDegree + static_cast<std::uint64_t>(layer)) * words,
        words_);
    for (Index i = 0; i < head_dim_; ++i)
      row[i] = (words_[static_cast<std::size_t>(i / 32)] >> (i % 32)) & 1U ? weight : -weight;
  }

  const MaclaurinKernel& kernel_;
  MaclaurinOptions options_;
  std::vector<double> weights_;
  std::vector<int> schedule_;
  Index head_dim_;
  std::vector<DirectionPanel> panels_;
  std::vector<Layout> layouts_;
  std::vector<double> cumulative_, uniforms_, normals_;
  std::vector<int> degrees_;
  std::vector<Index> order_;
  std::vector<std::uint32_t> words_;
  AlignedBuffer<Scalar> factor_;
};

}  // namespace

template <typename Scalar>
std::unique_ptr<DirectionSource<Scalar>> RandomMaclaurin::directions(Index head_dim,
                                                                     std::span<const Index> counts,
                                                                     Index panel_width) const {
  return std::make_unique<MaclaurinDirections<Scalar>>(*this, head_dim, counts.back(),
                                                       cut_panels(counts, panel_width));
}

template std::unique_ptr<DirectionSource<double>> RandomMaclaurin::directions(Index, std::span<const Index>,
                                                                              Index) const;
template std::unique_ptr<DirectionSource<float>> RandomMaclaurin::directions(Index, std::span<const Index>,
                                                                             Index) const;

}  // namespace attngap
