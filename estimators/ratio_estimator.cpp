#include "estimators/ratio_estimator.hpp"

#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/projection.hpp"

#include <cmath>

namespace attngap {
namespace {

template <typename Scalar>
class RatioPlan final : public SamplerPlan {
 public:
  RatioPlan(const RatioEstimator& first, const AttentionProblem& problem,
            std::span<const AttentionEstimator* const> group, const std::vector<Index>& counts)
      : first_(first), problem_(problem) {
    typename FeaturePass<Scalar>::Plan pass;
    pass.rows = std::make_shared<PreparedRows<Scalar>>(first.prepared_rows<Scalar>(problem));
    pass.panel_width = first.panel_width();
    for (const AttentionEstimator* member : group) {
      const FeatureMap& map = dynamic_cast<const RatioEstimator&>(*member).map();
      pass.maps.push_back(&map);
      pass.weighted.push_back(std::make_shared<WeightedValues<Scalar>>(*pass.rows, map));
    }
    pass.counts = counts;
    if (first.nested()) {
      passes_.push_back(pass);
      return;
    }
    for (const Index count : counts) {
      pass.counts = {count};
      passes_.push_back(pass);
    }
  }

  std::unique_ptr<AttentionSampler> sampler() const override {
    auto sampler = std::make_unique<Sampler>();
    for (const auto& pass : passes_) sampler->add(pass, first_.directions(Scalar{}, problem_, pass.counts));
    return sampler;
  }

 private:
  // One pass for all counts, or one for each.
  class Sampler final : public AttentionSampler {
   public:
    void add(const typename FeaturePass<Scalar>::Plan& plan,
             std::unique_ptr<DirectionSource<Scalar>> source) {
      passes_.push_back(std::make_unique<FeaturePass<Scalar>>(plan, std::move(source)));
    }
    void draw(const StreamAddress& address, const EstimateVisitor& visit) override {
      for (std::size_t first = 0; first < passes_.size(); ++first)
        passes_[first]->draw(address,
                             [&](std::size_t map, std::size_t count, const AttentionEstimate& estimate) {
                               visit(map, first + count, estimate);
                             });
    }

   private:
    std::vector<std::unique_ptr<FeaturePass<Scalar>>> passes_;
  };

  const RatioEstimator& first_;
  const AttentionProblem& problem_;
  std::vector<typename FeaturePass<Scalar>::Plan> passes_;
};

}  // namespace

RatioEstimator::RatioEstimator(Spec spec)
    : AttentionEstimator(std::move(spec)),
      center_keys_(option(this->spec(), "center") == "keys"),
      denominator_(option(this->spec(), "denominator")) {}

std::shared_ptr<const FeatureMap> RatioEstimator::map_on(const AttentionProblem&) const {
  return {std::shared_ptr<const FeatureMap>(), &map()};
}

AttentionProblem RatioEstimator::prepared(const AttentionProblem& problem) const {
  AttentionProblem prepared = transformed(problem);
  if (center_keys_) prepared.K.rowwise() -= center_of(prepared);
  return prepared;
}

std::unique_ptr<AttentionEstimator> RatioEstimator::fitted(const AttentionProblem& whole) const {
  return fitted_ratio(whole);
}

std::unique_ptr<RatioEstimator> RatioEstimator::fitted_ratio(const AttentionProblem& whole) const {
  if (is_fitted_ || !takes_all_keys()) return nullptr;
  auto fitted = copy();
  fitted->fit(whole);
  fitted->is_fitted_ = true;
  return fitted;
}

void RatioEstimator::fit(const AttentionProblem& whole) {
  if (!center_keys_) return;
  AttentionProblem part;
  part.scale = whole.scale;
  part.Q.resize(0, whole.head_dim());
  Eigen::RowVectorXd sum = Eigen::RowVectorXd::Zero(whole.head_dim());
  for_each_piece(whole, [&](const Matrix& K, const Matrix&, Index) {
    part.K = K;
    sum += transformed(part).K.colwise().sum();
  });
  mean_key_ = sum / static_cast<double>(whole.keys());
}

Eigen::RowVectorXd RatioEstimator::center_of(const AttentionProblem& seen) const {
  if (!center_keys_) return {};
  if (mean_key_.size() > 0) return mean_key_;
  Eigen::RowVectorXd sum = Eigen::RowVectorXd::Zero(seen.head_dim());
  for_each_piece(seen, [&](const Matrix& K, const Matrix&, Index) { sum += K.colwise().sum(); });
  return sum / static_cast<double>(seen.keys());
}

DecodingState RatioEstimator::decoding_state(const AttentionProblem& problem,
                                             const std::vector<Index>& counts,
                                             const StreamAddress& address) const {
  std::shared_ptr<DirectionSource<double>> source = directions(double{}, problem, counts);
  source->draw(address);
  return {map(), std::move(source), cut_panels(counts, panel_width()), problem.value_dim()};
}

std::unique_ptr<SamplerPlan> RatioEstimator::plan(const AttentionProblem& problem,
                                                  std::span<const AttentionEstimator* const> group,
                                                  const std::vector<Index>& counts,
                                                  Precision precision) const {
  require(!counts.empty() && counts.front() >= 1, "features: at least one count m of at least 1 is needed");
  if (precision == Precision::float32)
    return std::make_unique<RatioPlan<float>>(*this, problem, group, counts);
  return std::make_unique<RatioPlan<double>>(*this, problem, group, counts);
}

namespace {

// The l×columns table of products φ(q)φ(k_j) of one panel, without norm factors (but in the log domain with
// all of them); features of a direction stand `columns` apart.
Matrix panel_products(const FeatureMap& map, DirectionSource<double>& source, const DirectionPanel& panel,
                      const Matrix& keys, const Matrix& query, const Vector& exponents) {
  const Index columns = source.columns(panel);
  Matrix key_projections(keys.rows(), columns), query_projections(1, columns);
  source.project(panel, 0, keys, key_projections);
  source.project(panel, 0, query, query_projections);
  Matrix products(keys.rows(), columns * map.per_direction()), query_features(1, products.cols());
  map.activate(key_projections, products);
  map.activate(query_projections, query_features);
  if (map.in_log_domain()) {
    products.rowwise() += query_features.row(0);
    return (products.colwise() + exponents).array().exp();
  }
  products.array().rowwise() *= query_features.row(0).array();
  return exponents.array().exp().matrix().asDiagonal() * products;
}

// [Σ_j h_j v_j, Σ_j h_j] of each column of a panel.
Matrix column_sums(const Matrix& products, Index per_direction, const Matrix& values) {
  const Index columns = products.cols() / per_direction;
  Matrix h = products.leftCols(columns);
  for (Index f = 1; f < per_direction; ++f) h += products.middleCols(f * columns, columns);
  Matrix sums(columns, values.cols() + 1);
  sums.leftCols(values.cols()).noalias() = h.transpose() * values;
  sums.rightCols(1) = h.colwise().sum().transpose();
  return sums;
}

}  // namespace

Vector RatioEstimator::key_factors(const AttentionProblem& problem, Index query) const {
  const Index keys = problem.visible_keys(query);
  const Vector log_weights = log_key_weights(problem);
  if (log_weights.size() == 0) return Vector::Zero(keys);
  return log_weights.head(keys).array() - log_weights.head(keys).maxCoeff();
}

KeyWeights RatioEstimator::key_weights(const AttentionProblem& problem, Index query, Index draws,
                                       const StreamAddress& address) const {
  const PreparedRows<double> rows = prepared_rows<double>(problem);
  const Index keys = problem.visible_keys(query);
  const Vector shift = key_factors(problem, query);
  const Vector exponents =
      map().norm_exponent() * (rows.key_half_norms.head(keys).array() + rows.query_half_norms(query)) +
      shift.array();

  KeyWeights weights{Vector(keys), Vector::Zero(keys), Matrix(draws, problem.value_dim() + 1), {}};
  const auto law = map_on(problem);
  const Vector q = rows.Q.row(query);
  for (Index j = 0; j < keys; ++j) weights.expected(j) = law->kernel(q, rows.K.row(j)) * std::exp(shift(j));
  const double normalizer = weights.expected.sum();
  require(std::isfinite(normalizer) && normalizer > 0,
          "query {}: the kernel sums to {}, beyond the range of a double; choose another query or a smaller "
          "scale",
          query, normalizer);
  weights.expected /= normalizer;

  const std::vector<Index> counts{draws};
  const auto source = directions(double{}, problem, counts);
  source->draw(address);
  for (const DirectionPanel& panel : cut_panels(counts, panel_width())) {
    Matrix products =
        panel_products(map(), *source, panel, rows.K.topRows(keys), rows.Q.row(query), exponents);
    products /= normalizer * map().fold();
    weights.drawn += products.rowwise().sum();
    source->split_columns(panel, column_sums(products, map().per_direction(), problem.V.topRows(keys)),
                          weights.direction_sums.middleRows(panel.first, panel.count));
  }
  weights.drawn /= static_cast<double>(draws);
  return weights;
}

double RatioEstimator::target_kernel(const Vector& x, const Vector& y) const {
  return std::exp(x.dot(y));
}

KernelMoments RatioEstimator::kernel_moments(const AttentionProblem& problem, Index draws) const {
  const AttentionProblem seen = prepared(problem);
  const Vector x = seen.scaled_queries().row(0), y = seen.scaled_keys().row(0);
  const auto law = map_on(problem);
  const Index block = projection_named(projection()).block(x.size());
  return {target_kernel(x, y), law->kernel(x, y), kernel_variance(*law, x, y, draws, block),
          kernel_kurtosis(*law, x, y, draws, block)};
}

Matrix RatioEstimator::key_covariance(const AttentionProblem& problem, Index query) const {
  const PreparedRows<double> rows = prepared_rows<double>(problem);
  const Vector factors = key_factors(problem, query).array().exp();
  const auto law = map_on(problem);
  const Vector q = rows.Q.row(query);
  const Index keys = factors.size();
  double normalizer = 0.0;
  for (Index m = 0; m < keys; ++m) normalizer += factors(m) * law->kernel(q, rows.K.row(m));
  Matrix C(keys, keys);
  for (Index m = 0; m < keys; ++m) {
    const Vector k = rows.K.row(m);
    for (Index other = 0; other <= m; ++other)
      C(m, other) = C(other, m) =
          factors(m) * factors(other) * law->pair_moment(q, k, rows.K.row(other)) / (normalizer * normalizer);
  }
  require(C.allFinite(),
          "{}: query {}: the second moment of its kernel estimate is infinite or beyond a double",
          spec().text(), query);
  return C;
}

}  // namespace attngap
