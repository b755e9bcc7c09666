#include "estimators/randomized_attention.hpp"

#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/exact_attention.hpp"
#include "estimators/key_stream.hpp"
#include "estimators/proposals.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <utility>

namespace attngap {
namespace {

enum class Center { sampled, mean, expected };

struct Options {
  Center center = Center::sampled;
  bool released_noise = false;
};

constexpr Index kQueryBlock = 64;

// [k̃ −|k̃|²/2].
Matrix posterior_keys(const Matrix& K, double scale) {
  Matrix augmented(K.rows(), K.cols() + 1);
  if (K.rows() == 0) return augmented;  // nothing has no address
  augmented.leftCols(K.cols()) = K * std::sqrt(scale);
  augmented.col(K.cols()) = -0.5 * augmented.leftCols(K.cols()).rowwise().squaredNorm();
  return augmented;
}

// A stream whose keys, or values, are made from those of another.
class DerivedStream final : public KeyStream {
 public:
  using Change = std::function<void(Matrix& K, Matrix& V)>;
  DerivedStream(const KeyStream& source, Change change) : source_(source), change_(std::move(change)) {}
  Index keys() const override { return source_.keys(); }
  void read(Segment tokens, Matrix& K, Matrix& V) const override {
    source_.read(tokens, K, V);
    change_(K, V);
  }

 private:
  const KeyStream& source_;
  Change change_;
};

std::unique_ptr<KeyStream> derived(const AttentionProblem& problem, DerivedStream::Change change) {
  if (problem.stream == nullptr) return nullptr;
  return std::make_unique<DerivedStream>(*problem.stream, std::move(change));
}

// f(w) = Σ_m softmax_m(w·k_m − |k_m|²/2) v_m is softmax attention of the queries [w 1] over the keys
// [k −|k|²/2].
AttentionProblem posterior_problem(const AttentionProblem& problem, const KeyStream* stream) {
  AttentionProblem augmented;
  augmented.Q = Matrix::Ones(problem.queries(), problem.head_dim() + 1);
  augmented.K = posterior_keys(problem.K, problem.scale);
  augmented.V = problem.V;
  augmented.scale = 1.0;
  augmented.mask = problem.mask;
  augmented.positions = problem.positions;
  augmented.stream = stream;
  return augmented;
}

// E[k̃ | q] under softmax attention whose queries are `Q`: with Q = 0 the mean of the visible keys.
Matrix attended_keys(const AttentionProblem& problem, const Matrix& Q) {
  const double root = std::sqrt(problem.scale);
  const auto stream = derived(problem, [&](const Matrix& K, Matrix& V) { V = K * root; });
  AttentionProblem keys_as_values = problem;
  keys_as_values.Q = Q;
  keys_as_values.V = problem.K * root;
  keys_as_values.stream = stream.get();
  return exact_attention(keys_as_values).output;
}

// What all draws share.
struct Prepared {
  Prepared(const AttentionProblem& whole, Options choices)
      : options(choices),
        problem(whole),
        Q(whole.scaled_queries()),
        K(whole.scaled_keys()),
        deviation(noise_deviation(options.released_noise, whole.scale)),
        log_normalizer(exact_attention(whole).log_normalizer),
        stream(derived(whole,
                       [scale = whole.scale](Matrix& keys, Matrix&) { keys = posterior_keys(keys, scale); })),
        posterior(posterior_problem(whole, stream.get())) {
    if (options.center == Center::mean) Q += attended_keys(whole, Matrix::Zero(Q.rows(), Q.cols()));
    if (options.center == Center::expected) Q += attended_keys(whole, whole.Q);
  }

  Options options;
  const AttentionProblem& problem;
  Matrix Q;  // with the centre's key already added where it is not sampled
  Matrix K;  // of a stored problem
  double deviation;
  Vector log_normalizer;
  std::unique_ptr<KeyStream> stream;
  AttentionProblem posterior;  // its Q is written by each draw
};

// S draws of directions for all queries.
class DirectionDraws {
 public:
  DirectionDraws(const Prepared& shared, Index draws, const StreamAddress& address)
      : shared_(shared), address_(address) {
    if (shared.options.center == Center::sampled) sample_keys(draws);
  }

  // w_ns of every query n, n×d.
  Matrix directions(Index s) const {
    const Index n = shared_.Q.rows();
    Matrix W = shared_.deviation * proposal_noise(address_, {s * n, (s + 1) * n}, shared_.Q.cols());
    W += shared_.Q;
    if (shared_.options.center != Center::sampled) return W;
    if (shared_.problem.stream != nullptr) return W + chosen_.middleRows(s * n, n);
    for (Index i = 0; i < n; ++i) W.row(i) += shared_.K.row(keys_(s, i));
    return W;
  }

 private:
  // m ~ Categorical(π_i) for every query and draw by inversion of the distribution function.
  void sample_keys(Index draws) {
    const Index n = shared_.Q.rows();
    const Index stride = n + n % 2;  // a draw starts on a pair of the stream
    Matrix uniforms(draws, stride);
    RandomStream(address_, Purpose::keys)
        .uniforms(0, {uniforms.data(), static_cast<std::size_t>(uniforms.size())});
    keys_.resize(draws, n);
    if (shared_.problem.stream == nullptr) {
      Vector before = Vector::Zero(n);
      return find_keys(shared_.K, 0, uniforms, before);
    }
    chosen_.resize(draws * n, shared_.Q.cols());
    Vector before = Vector::Zero(n);
    Matrix K, V;
    for (Index begin = 0; begin < shared_.problem.keys(); begin += kStreamedTokens) {
      shared_.problem.stream->read({begin, std::min(begin + kStreamedTokens, shared_.problem.keys())}, K, V);
      find_keys(K * std::sqrt(shared_.problem.scale), begin, uniforms, before);
    }
  }

  // Among the keys first …, whose probabilities follow `before`: those at which the distribution function
  // passes a uniform number, or the last visible one if rounding keeps it from getting there.
  void find_keys(const Matrix& K, Index first_key, const Matrix& uniforms, Vector& before) {
    Matrix weights;
    for (Index first = 0; first < shared_.Q.rows(); first += kQueryBlock) {
      const Index count = std::min(kQueryBlock, shared_.Q.rows() - first);
      weights.noalias() = shared_.Q.middleRows(first, count) * K.transpose();
      for (Index i = first; i < first + count; ++i) {
        const Index seen = std::clamp<Index>(shared_.problem.visible_keys(i) - first_key, 0, K.rows());
        if (seen == 0) continue;
        auto row = weights.row(i - first).head(seen);
        row = (row.array() - shared_.log_normalizer(i)).exp();
        row(0) += before(i);
        for (Index m = 1; m < seen; ++m) row(m) += row(m - 1);
        const bool last = first_key + seen == shared_.problem.visible_keys(i);
        for (Index s = 0; s < keys_.rows(); ++s) {
          const double u = uniforms(s, i);
          if (u < before(i) || (u >= row(seen - 1) && !last)) continue;
          const double* begin = &weights(i - first, 0);
          const auto place = std::upper_bound(begin, begin + seen, u) - begin;
          keys_(s, i) = first_key + std::min<Index>(place, seen - 1);
          if (chosen_.rows() > 0) chosen_.row(s * shared_.Q.rows() + i) = K.row(keys_(s, i) - first_key);
        }
        before(i) = row(seen - 1);
      }
    }
  }

  const Prepared& shared_;
  StreamAddress address_;
  Eigen::Matrix<Index, Eigen::Dynamic, Eigen::Dynamic> keys_;  // S×n
  Matrix chosen_;                                              // of a streamed problem: their rows, Sn×d
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
  bool reads_streams() const override { return true; }

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
