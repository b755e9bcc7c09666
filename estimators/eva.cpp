#include "estimators/eva.hpp"

#include "estimators/error.hpp"
#include "estimators/eva_groups.hpp"

#include <algorithm>
#include <cmath>

namespace attngap {
namespace {

// What does not depend on the draw.
struct Prepared {
  Prepared(const AttentionProblem& problem, const EvaOptions& choices, std::vector<Index> wanted)
      : options(choices),
        rows(problem),
        counts(std::move(wanted)),
        noise_scale(options.noise_scale(problem.scale)) {
    for (const Index count : counts)
      if (layouts.empty() || !options.groups)
        layouts.emplace_back(problem, rows, options.shape, options.chunks_at(count));
  }

  const EvaLayout& layout(std::size_t place) const { return layouts[options.groups ? 0 : place]; }

  EvaOptions options;
  PreparedRows<double> rows;
  std::vector<Index> counts;
  double noise_scale;
  std::vector<EvaLayout> layouts;
};

class Sampler final : public AttentionSampler {
 public:
  explicit Sampler(const Prepared& shared)
      : shared_(shared),
        drawn_(shared.rows, shared.noise_scale),
        estimate_(shared.rows.Q.rows(), shared.rows.V.cols()) {
    estimate_.denominator.setOnes();
  }

  void draw(const StreamAddress& address, const EstimateVisitor& visit) override {
    for (std::size_t c = 0; c < shared_.counts.size(); ++c) {
      const EvaLayout& layout = shared_.layout(c);
      const Index draws = shared_.options.draws_at(shared_.counts[c]);
      drawn_.draw(layout, draws, shared_.options.chunks_at(shared_.counts[c]), address);
      for (const EvaWindow& part : layout.windows) {
        const std::vector<Index>& queries = part.window.queries;
        estimate_.log_scale(queries) = part.log_total;
        if (queries.back() - queries.front() + 1 == std::ssize(queries)) {
          answer(part, draws, estimate_.numerator.middleRows(queries.front(), std::ssize(queries)));
        } else {  // a window of a grid
          output_.resize(std::ssize(queries), estimate_.numerator.cols());
          answer(part, draws, output_);
          estimate_.numerator(queries, Eigen::all) = output_;
        }
      }
      visit(0, c, estimate_);
    }
  }

 private:
  // exact + Σ_c mass_c β̂_c for the queries of a window.
  void answer(const EvaWindow& part, Index draws, Eigen::Ref<Matrix> output) {
    output = part.exact;
    if (draws == 1) {
      shared_values_.resize(part.mass.cols(), output.cols());
      for (Index c = 0; c < part.mass.cols(); ++c)
        shared_values_.row(c) = drawn_.values().row(part.groups[static_cast<std::size_t>(c)]);
      output.noalias() += part.mass * shared_values_;
      return;
    }
    queries_.resize(output.rows(), shared_.rows.Q.cols());
    for (Index i = 0; i < queries_.rows(); ++i)
      queries_.row(i) = shared_.rows.Q.row(part.window.queries[static_cast<std::size_t>(i)]);
    for (Index c = 0; c < part.mass.cols(); ++c) {
      const Index first = part.groups[static_cast<std::size_t>(c)] * draws;
      weights_.noalias() = queries_ * drawn_.directions().middleRows(first, draws).transpose();
      weights_.rowwise() += drawn_.log_ratio().segment(first, draws).transpose();
      for (Index i = 0; i < weights_.rows(); ++i) {
        auto row = weights_.row(i);
        row = (row.array() - row.maxCoeff()).exp();
        row *= part.mass(i, c) / row.sum();
      }
      output.noalias() += weights_ * drawn_.values().middleRows(first, draws);
    }
  }

  const Prepared& shared_;
  EvaGroupDraws drawn_;
  AttentionEstimate estimate_;
  Matrix output_, shared_values_, queries_, weights_;
};

class Plan final : public SamplerPlan {
 public:
  Plan(const AttentionProblem& problem, const EvaOptions& options, const std::vector<Index>& counts)
      : shared_(problem, options, counts) {}
  std::unique_ptr<AttentionSampler> sampler() const override { return std::make_unique<Sampler>(shared_); }

 private:
  Prepared shared_;
};

// The sum over keys of one query: its window's part of the layout, and the keys' exact weights.
struct QueryView {
  QueryView(const AttentionProblem& problem, const Prepared& shared, Index query)
      : rows(shared.rows), layout(shared.layout(0)), q(rows.Q.row(query).transpose()) {
    part = &*std::find_if(layout.windows.begin(), layout.windows.end(), [&](const EvaWindow& each) {
      return std::find(each.window.queries.begin(), each.window.queries.end(), query) !=
             each.window.queries.end();
    });
    const Vector logits = rows.K.topRows(problem.visible_keys(query)) * q;
    log_normalizer = logits.maxCoeff() + std::log((logits.array() - logits.maxCoeff()).exp().sum());
    pi = (logits.array() - log_normalizer).exp();
  }

  const EvaGroup& group(std::size_t c) const {
    return layout.groups[static_cast<std::size_t>(part->groups[c])];
  }

  // h_ms of a group's keys, |P|×S: N(w_s; 0, I)/(Z N(w_s; μ, I)) ξ(q, w_s) ξ(k_m, w_s).
  Matrix weights(std::size_t c, const Eigen::Ref<const Matrix>& W) const {
    const EvaGroup& own = group(c);
    const double constant = 0.5 * own.mean.squaredNorm() - 0.5 * q.squaredNorm() - log_normalizer;
    const Vector exponents = (W * (q - own.mean)).array() + constant;
    Matrix h(total_size(own.tokens), W.rows());
    Index place = 0;
    for (const Segment& tokens : own.tokens)
      for (Index m = tokens.begin; m < tokens.end; ++m)
        h.row(place++) =
            ((W * rows.K.row(m).transpose() + exponents).array() - rows.key_half_norms(m)).exp().transpose();
    return h;
  }

  const PreparedRows<double>& rows;
  const EvaLayout& layout;
  Vector q;
  const EvaWindow* part = nullptr;
  double log_normalizer = 0.0;
  Vector pi;
};

// Every key of a set of segments.
template <typename Visit>
void for_each_token(const std::vector<Segment>& tokens, const Visit& visit) {
  for (const Segment& part : tokens)
    for (Index m = part.begin; m < part.end; ++m) visit(m);
}

class Eva final : public AttentionEstimator {
 public:
  Eva(Spec spec, const EvaOptions& options) : AttentionEstimator(std::move(spec)), options_(options) {}

  // Not counted: the window's exact keys. A draw of a group is one feature.
  Index dimension(Index draws) const override { return options_.chunks_at(draws) * options_.draws_at(draws); }
  bool has_moments() const override { return true; }  // inside the hull of the values
  Coefficient own_coefficient() const override { return Coefficient::group; }
  bool reads_streams() const override { return true; }
  void check(const AttentionProblem& problem) const override {
    check_windows(problem, options_.shape.window);
  }

  std::unique_ptr<SamplerPlan> plan(const AttentionProblem& problem,
                                    std::span<const AttentionEstimator* const>,
                                    const std::vector<Index>& counts, Precision) const override {
    require(!counts.empty() && counts.front() >= 1, "features: at least one count m of at least 1 is needed");
    check(problem);
    return std::make_unique<Plan>(problem, options_, counts);
  }

  // Keys of E have h_m = π_m and group −1; then EVA_n = Σ_E π_m v_m + Σ_c Π_c (Σ_{P_c} h_m v_m)/(Σ_{P_c}
  // h_m).
  KeyWeights key_weights(const AttentionProblem& problem, Index query, Index draws,
                         const StreamAddress& address) const override {
    check(problem);
    require(options_.shape.mass == GroupMass::exact && !options_.shape.cover_all,
            "eva: only with mass=exact and cover=complement is it a sum of one term per key");
    const Prepared shared(problem, options_, {draws});
    const QueryView view(problem, shared, query);
    const Index each = options_.draws_at(draws), p = problem.value_dim();
    const Matrix W = eva_directions(view.layout, each, options_.chunks_at(draws), shared.rows.K.cols(),
                                    shared.noise_scale, address);
    KeyWeights weights{
        view.pi, view.pi, {}, std::vector<Index>(static_cast<std::size_t>(view.pi.size()), -1)};
    Matrix drawn = view.pi.replicate(1, each);  // h_ms; of E it is π_m
    for (std::size_t c = 0; c < view.part->groups.size(); ++c) {
      const Matrix h = view.weights(c, W.middleRows(view.part->groups[c] * each, each));
      Index place = 0;
      for_each_token(view.group(c).tokens, [&](Index m) {
        drawn.row(m) = h.row(place++);
        weights.group[static_cast<std::size_t>(m)] = static_cast<Index>(c);
      });
    }
    weights.drawn = drawn.rowwise().mean();
    weights.direction_sums.resize(each, p + 1);
    weights.direction_sums.leftCols(p) = drawn.transpose() * problem.V.topRows(view.pi.size());
    weights.direction_sums.col(p) = drawn.colwise().sum().transpose();
    return weights;
  }

  // Keys of E do not vary, and keys of different groups are independent.
  Vector best_shared_coefficient(const AttentionProblem& problem, Index query, Index draws) const override {
    check(problem);
    require(!options_.released_noise && !options_.deterministic && options_.shape.mass == GroupMass::exact &&
                !options_.shape.cover_all,
            "{}: coefficient \"regression\" is known in closed form for the faithful eva only",
            spec().text());
    const Prepared shared(problem, options_, {draws});
    const QueryView view(problem, shared, query);
    Matrix C = view.pi * view.pi.transpose();
    for (std::size_t c = 0; c < view.part->groups.size(); ++c) {
      std::vector<Index> keys;
      for_each_token(view.group(c).tokens, [&](Index m) { keys.push_back(m); });
      const Matrix own = log_pair_moments(view.q, view.rows.K(keys, Eigen::all), view.group(c).mean);
      C(keys, keys) = (own.array() - 2.0 * view.log_normalizer).exp();
    }
    return regression_coefficient(C, view.pi, problem.V.topRows(view.pi.size()));
  }

 private:
  EvaOptions options_;
};

}  // namespace

std::unique_ptr<AttentionEstimator> make_eva(const Spec& spec) {
  return std::make_unique<Eva>(spec, eva_options(spec));
}

}  // namespace attngap
