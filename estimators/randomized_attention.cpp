#include "estimators/randomized_attention.hpp"

#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/exact_attention.hpp"
#include "estimators/proposals.hpp"

#include <algorithm>
#include <cmath>

namespace attngap {
namespace {

enum class Center { sampled, mean, expected };

struct Options {
  Center center = Center::sampled;
  bool released_noise = false;
};

constexpr Index kQueryBlock = 64;

// f(w) = Σ_m softmax_m(w·k_m − |k_m|²/2) v_m is softmax attention of the queries [w 1] over the keys
// [k −|k|²/2].
AttentionProblem posterior_problem(const AttentionProblem& problem) {
  const Index d = problem.head_dim();
  AttentionProblem augmented{Matrix::Ones(problem.queries(), d + 1),
                             Matrix(problem.keys(), d + 1),
                             problem.V,
                             1.0,
                             problem.mask,
                             problem.positions};
  augmented.K.leftCols(d) = problem.scaled_keys();
  augmented.K.col(d) = -0.5 * augmented.K.leftCols(d).rowwise().squaredNorm();
  return augmented;
}

Matrix mean_visible_keys(const AttentionProblem& problem, const Matrix& K) {
  Matrix means(problem.queries(), K.cols());
  Eigen::RowVectorXd sum = Eigen::RowVectorXd::Zero(K.cols());
  for (Index i = 0, summed = 0; i < problem.queries(); ++i) {
    for (; summed < problem.visible_keys(i); ++summed) sum += K.row(summed);
    means.row(i) = sum / static_cast<double>(summed);
  }
  return means;
}

Matrix expected_keys(const AttentionProblem& problem, const Matrix& K) {
  AttentionProblem keys_as_values = problem;
  keys_as_values.V = K;
  return exact_attention(keys_as_values).output;
}

// What all draws share.
struct Prepared {
  Prepared(const AttentionProblem& problem, Options choices)
      : options(choices),
        Q(problem.scaled_queries()),
        K(problem.scaled_keys()),
        deviation(noise_deviation(options.released_noise, problem.scale)),
        log_normalizer(exact_attention(problem).log_normalizer),
        posterior(posterior_problem(problem)) {
    if (options.center == Center::mean) Q += mean_visible_keys(problem, K);
    if (options.center == Center::expected) Q += expected_keys(problem, K);
  }

  Options options;
  Matrix Q;  // with the centre's key already added where it is not sampled
  Matrix K;
  double deviation;
  Vector log_normalizer;
  AttentionProblem posterior;  // its Q is written by each draw
};

// m ~ Categorical(π_i) for every query and draw by inversion of the distribution function, S×n.
Eigen::Matrix<Index, Eigen::Dynamic, Eigen::Dynamic> sample_keys(const Prepared& shared, Index draws,
                                                                 const StreamAddress& address) {
  const Index n = shared.Q.rows();
  const Index stride = n + n % 2;  // a draw starts on a pair of the stream
  Matrix uniforms(draws, stride);
  RandomStream(address, Purpose::keys)
      .uniforms(0, {uniforms.data(), static_cast<std::size_t>(uniforms.size())});
  Eigen::Matrix<Index, Eigen::Dynamic, Eigen::Dynamic> keys(draws, n);
  Matrix weights;
  for (Index first = 0; first < n; first += kQueryBlock) {
    const Index count = std::min(kQueryBlock, n - first);
    weights.noalias() = shared.Q.middleRows(first, count) * shared.K.transpose();
    for (Index i = 0; i < count; ++i) {
      auto row = weights.row(i).head(shared.posterior.visible_keys(first + i));
      row = (row.array() - shared.log_normalizer(first + i)).exp();
      for (Index m = 1; m < row.size(); ++m) row(m) += row(m - 1);
      const double* begin = &weights(i, 0);
      const double* end = begin + row.size();
      for (Index s = 0; s < draws; ++s) {
        const double* place = std::upper_bound(begin, end, uniforms(s, first + i) * *(end - 1));
        keys(s, first + i) = std::min<Index>(place - begin, row.size() - 1);
      }
    }
  }
  return keys;
}

// Draws first … of directions for all queries.
class DirectionDraws {
 public:
  DirectionDraws(const Prepared& shared, Index draws, const StreamAddress& address)
      : shared_(shared), address_(address) {
    if (shared.options.center == Center::sampled) keys_ = sample_keys(shared, draws, address);
  }

  // w_ns of every query n, n×d.
  Matrix directions(Index s) const {
    const Index n = shared_.Q.rows();
    Matrix W = shared_.deviation * proposal_noise(address_, {s * n, (s + 1) * n}, shared_.Q.cols());
    W += shared_.Q;
    if (shared_.options.center == Center::sampled)
      for (Index i = 0; i < n; ++i) W.row(i) += shared_.K.row(keys_(s, i));
    return W;
  }

 private:
  const Prepared& shared_;
  StreamAddress address_;
  Eigen::Matrix<Index, Eigen::Dynamic, Eigen::Dynamic> keys_;
};

class Plan final : public SamplerPlan {
 public:
  Plan(const AttentionProblem& problem, Options options, std::vector<Index> counts)
      : shared_(problem, options), counts_(std::move(counts)) {}
  std::unique_ptr<AttentionSampler> sampler() const override {
    return std::make_unique<Sampler>(shared_, counts_);
  }

 private:
  class Sampler final : public AttentionSampler {
   public:
    Sampler(const Prepared& shared, const std::vector<Index>& counts)
        : shared_(shared), counts_(counts), posterior_(shared.posterior) {}

    void draw(const StreamAddress& address, const EstimateVisitor& visit) override {
      AttentionEstimate estimate(posterior_.queries(), posterior_.value_dim());
      estimate.denominator.setOnes();
      estimate.log_scale = shared_.log_normalizer;
      const DirectionDraws draws(shared_, counts_.back(), address);
      Index drawn = 0;
      for (std::size_t c = 0; c < counts_.size(); ++c) {
        for (; drawn < counts_[c]; ++drawn) {
          posterior_.Q.leftCols(shared_.Q.cols()) = draws.directions(drawn);
          // A running mean, so that the prefix of every count is the estimate itself.
          const double share = 1.0 / static_cast<double>(drawn + 1);
          estimate.numerator += share * (exact_attention(posterior_).output - estimate.numerator);
        }
        visit(0, c, estimate);
      }
    }

   private:
    const Prepared& shared_;
    const std::vector<Index>& counts_;
    AttentionProblem posterior_;
  };

  Prepared shared_;
  std::vector<Index> counts_;
};

class RandomizedAttention final : public AttentionEstimator {
 public:
  RandomizedAttention(Spec spec, Options options) : AttentionEstimator(std::move(spec)), options_(options) {}

  Index dimension(Index draws) const override { return draws; }
  bool has_moments() const override { return true; }  // inside the hull of the values

  std::unique_ptr<SamplerPlan> plan(const AttentionProblem& problem,
                                    std::span<const AttentionEstimator* const>,
                                    const std::vector<Index>& counts, Precision) const override {
    require(!counts.empty() && counts.front() >= 1, "features: at least one count m of at least 1 is needed");
    return std::make_unique<Plan>(problem, options_, counts);
  }

  // h_m = (1/S) Σ_s softmax_m(w_s·k_m − |k_m|²/2), so Σ_m h_m = 1; E[h_m] = π_m for the faithful options.
  KeyWeights key_weights(const AttentionProblem& problem, Index query, Index draws,
                         const StreamAddress& address) const override {
    const Prepared shared(problem, options_);
    const Index visible = problem.visible_keys(query);
    const auto keys = shared.K.topRows(visible);
    const Vector half_norms = 0.5 * keys.rowwise().squaredNorm();
    const Vector q = problem.scaled_queries().row(query).transpose();
    KeyWeights weights{((keys * q).array() - shared.log_normalizer(query)).exp(),
                       Vector::Zero(visible),
                       Matrix::Ones(draws, problem.value_dim() + 1),
                       {}};
    const DirectionDraws direction_draws(shared, draws, address);
    for (Index s = 0; s < draws; ++s) {
      Vector h = keys * direction_draws.directions(s).row(query).transpose() - half_norms;
      h = (h.array() - h.maxCoeff()).exp();
      h /= h.sum();
      weights.drawn += h / static_cast<double>(draws);
      weights.direction_sums.row(s).head(problem.value_dim()) = h.transpose() * problem.V.topRows(visible);
    }
    return weights;
  }

 private:
  Options options_;
};

}  // namespace

std::unique_ptr<AttentionEstimator> make_randomized_attention(const Spec& spec) {
  const std::string_view center = option(spec, "proposal");
  return std::make_unique<RandomizedAttention>(spec, Options{center == "mean"       ? Center::mean
                                                             : center == "expected" ? Center::expected
                                                                                    : Center::sampled,
                                                             option(spec, "noise") == "released"});
}

}  // namespace attngap
