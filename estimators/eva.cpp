#include "estimators/eva.hpp"

#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/eva_layout.hpp"
#include "estimators/exact_attention.hpp"
#include "estimators/key_pool.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

namespace attngap {
namespace {

struct Options {
  EvaShape shape;
  std::optional<Index> groups;  // then m counts draws
  Index draws = 1;
  bool released_noise = false;
  bool deterministic = false;

  Index chunks_at(Index count) const { return groups.value_or(count); }
  Index draws_at(Index count) const { return groups ? count : draws; }
};

// What does not depend on the draw.
struct Prepared {
  Prepared(const AttentionProblem& problem, const Options& choices, std::vector<Index> wanted)
      : options(choices),
        rows(problem),
        counts(std::move(wanted)),
        noise_scale(options.deterministic ? 0.0 : noise_deviation(options.released_noise, problem.scale)) {
    for (const Index count : counts)
      if (layouts.empty() || !options.groups)
        layouts.emplace_back(problem, rows, options.shape, options.chunks_at(count));
  }

  const EvaLayout& layout(std::size_t place) const { return layouts[options.groups ? 0 : place]; }

  Options options;
  PreparedRows<double> rows;
  std::vector<Index> counts;
  double noise_scale;
  std::vector<EvaLayout> layouts;
};

// S directions of every group, row g·S + s, and what the keys of the group make of them.
struct GroupDraws {
  Matrix W;          // w_gs
  Matrix values;     // f_g(w_gs)
  Vector log_ratio;  // ln Σ_{m∈P_g} ξ(k_m, w_gs) − w_gs·μ_g
};

Matrix directions(const Prepared& shared, const EvaLayout& layout, Index draws, Index chunks,
                  const StreamAddress& address) {
  const Matrix noise =
      shared.noise_scale * proposal_noise(address, {0, draws * chunks}, shared.rows.K.cols());
  Matrix W(static_cast<Index>(layout.groups.size()) * draws, noise.cols());
  for (std::size_t g = 0; g < layout.groups.size(); ++g)
    for (Index s = 0; s < draws; ++s)
      W.row(static_cast<Index>(g) * draws + s) =
          layout.groups[g].mean.transpose() + noise.row(s * chunks + layout.groups[g].chunk);
  return W;
}

class Sampler final : public AttentionSampler {
 public:
  explicit Sampler(const Prepared& shared) : shared_(shared), pool_(shared.rows, KeyPool::Bias::features) {}

  void draw(const StreamAddress& address, const EstimateVisitor& visit) override {
    AttentionEstimate estimate(shared_.rows.Q.rows(), shared_.rows.V.cols());
    estimate.denominator.setOnes();
    for (std::size_t c = 0; c < shared_.counts.size(); ++c) {
      const EvaLayout& layout = shared_.layout(c);
      const Index draws = shared_.options.draws_at(shared_.counts[c]);
      draw_groups(layout, draws, shared_.options.chunks_at(shared_.counts[c]), address);
      for (const EvaWindow& part : layout.windows) {
        answer(part, draws);
        for (std::size_t i = 0; i < part.window.queries.size(); ++i) {
          estimate.numerator.row(part.window.queries[i]) = output_.row(static_cast<Index>(i));
          estimate.log_scale(part.window.queries[i]) = part.log_total(static_cast<Index>(i));
        }
      }
      visit(0, c, estimate);
    }
  }

 private:
  void draw_groups(const EvaLayout& layout, Index draws, Index chunks, const StreamAddress& address) {
    drawn_.W = directions(shared_, layout, draws, chunks, address);
    drawn_.values.resize(drawn_.W.rows(), shared_.rows.V.cols());
    drawn_.log_ratio.resize(drawn_.W.rows());
    for (std::size_t g = 0; g < layout.groups.size(); ++g) {
      const Index first = static_cast<Index>(g) * draws;
      const auto W = drawn_.W.middleRows(first, draws);
      pool_.start(W);
      for (const Segment& part : layout.groups[g].tokens) pool_.absorb(part);
      drawn_.values.middleRows(first, draws) = pool_.average();
      drawn_.log_ratio.segment(first, draws) = pool_.log_mass() - W * layout.groups[g].mean;
    }
  }

  // exact + Σ_c mass_c β̂_c for the queries of a window.
  void answer(const EvaWindow& part, Index draws) {
    output_ = part.exact;
    if (draws == 1) {
      shared_values_.resize(part.mass.cols(), output_.cols());
      for (Index c = 0; c < part.mass.cols(); ++c)
        shared_values_.row(c) = drawn_.values.row(part.groups[static_cast<std::size_t>(c)]);
      output_.noalias() += part.mass * shared_values_;
      return;
    }
    queries_.resize(output_.rows(), shared_.rows.Q.cols());
    for (Index i = 0; i < queries_.rows(); ++i)
      queries_.row(i) = shared_.rows.Q.row(part.window.queries[static_cast<std::size_t>(i)]);
    for (Index c = 0; c < part.mass.cols(); ++c) {
      const Index first = part.groups[static_cast<std::size_t>(c)] * draws;
      weights_.noalias() = queries_ * drawn_.W.middleRows(first, draws).transpose();
      weights_.rowwise() += drawn_.log_ratio.segment(first, draws).transpose();
      for (Index i = 0; i < weights_.rows(); ++i) {
        auto row = weights_.row(i);
        row = (row.array() - row.maxCoeff()).exp();
        row *= part.mass(i, c) / row.sum();
      }
      output_.noalias() += weights_ * drawn_.values.middleRows(first, draws);
    }
  }

  const Prepared& shared_;
  KeyPool pool_;
  GroupDraws drawn_;
  Matrix output_, shared_values_, queries_, weights_;
};

class Plan final : public SamplerPlan {
 public:
  Plan(const AttentionProblem& problem, const Options& options, const std::vector<Index>& counts)
      : shared_(problem, options, counts) {}
  std::unique_ptr<AttentionSampler> sampler() const override { return std::make_unique<Sampler>(shared_); }

 private:
  Prepared shared_;
};

// h_m of a group's keys at directions W: (1/S) Σ_s N(w_s; 0, I)/(Z N(w_s; μ, I)) ξ(q, w_s) ξ(k_m, w_s).
void fill_group(const PreparedRows<double>& rows, const EvaGroup& group, const Eigen::Ref<const Matrix>& W,
                const Vector& q, double log_normalizer, Vector& h) {
  const double constant = 0.5 * group.mean.squaredNorm() - 0.5 * q.squaredNorm() - log_normalizer;
  const Vector exponents = (W * (q - group.mean)).array() + constant;
  for (const Segment& part : group.tokens)
    for (Index m = part.begin; m < part.end; ++m)
      h(m) = (W * rows.K.row(m).transpose() + exponents).array().exp().mean() *
             std::exp(-rows.key_half_norms(m));
}

class Eva final : public AttentionEstimator {
 public:
  Eva(Spec spec, const Options& options) : AttentionEstimator(std::move(spec)), options_(options) {}

  // Not counted: the window's exact keys. A draw of a group is one feature.
  Index dimension(Index draws) const override { return options_.chunks_at(draws) * options_.draws_at(draws); }
  bool has_moments() const override { return true; }  // inside the hull of the values
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
    const EvaLayout& layout = shared.layout(0);
    const auto part = std::find_if(layout.windows.begin(), layout.windows.end(), [&](const EvaWindow& w) {
      return std::find(w.window.queries.begin(), w.window.queries.end(), query) != w.window.queries.end();
    });
    const Vector q = shared.rows.Q.row(query).transpose();
    const Index visible = problem.visible_keys(query);
    const Vector logits = shared.rows.K.topRows(visible) * q;
    const double log_normalizer =
        logits.maxCoeff() + std::log((logits.array() - logits.maxCoeff()).exp().sum());
    KeyWeights weights{(logits.array() - log_normalizer).exp(), {}, {}, {}};
    weights.drawn = weights.expected;
    weights.group.assign(static_cast<std::size_t>(visible), -1);
    const Index each = options_.draws_at(draws);
    const Matrix W = directions(shared, layout, each, options_.chunks_at(draws), address);
    for (std::size_t c = 0; c < part->groups.size(); ++c) {
      const EvaGroup& group = layout.groups[static_cast<std::size_t>(part->groups[c])];
      fill_group(shared.rows, group, W.middleRows(part->groups[c] * each, each), q, log_normalizer,
                 weights.drawn);
      for (const Segment& tokens : group.tokens)
        std::fill(weights.group.begin() + tokens.begin, weights.group.begin() + tokens.end,
                  static_cast<Index>(c));
    }
    return weights;
  }

 private:
  Options options_;
};

GroupMass mass_named(std::string_view name) {
  return name == "count-mean" ? GroupMass::count_mean
         : name == "mean"     ? GroupMass::mean
         : name == "cumulant" ? GroupMass::cumulant
                              : GroupMass::exact;
}

// `RxC`, or `none`.
void read_grid(std::string_view text, WindowShape& window) {
  if (text == "none") return;
  const std::size_t cross = text.find('x');
  require(cross != std::string_view::npos, "eva: grid = \"{}\", must be ROWSxCOLUMNS or none", text);
  window.grid_rows = static_cast<Index>(parse_count("eva: rows of grid", text.substr(0, cross)));
  window.grid_cols = static_cast<Index>(parse_count("eva: columns of grid", text.substr(cross + 1)));
  require(window.width > 0, "eva: grid={} needs the side of a window: window= of at least 1", text);
}

}  // namespace

std::unique_ptr<AttentionEstimator> make_eva(const Spec& spec) {
  const auto is = [&](std::string_view key, std::string_view value) { return option(spec, key) == value; };
  Options options;
  options.shape.window.width = static_cast<Index>(parse_count("eva: window", option(spec, "window"), 0));
  options.shape.window.overlap = is("overlap", "on");
  read_grid(option(spec, "grid"), options.shape.window);
  options.shape.proposal = proposal_mean_named(option(spec, "proposal"));
  options.shape.mass = mass_named(option(spec, "mass"));
  options.shape.cover_all = is("cover", "everything");
  if (!is("groups", "m"))
    options.groups = static_cast<Index>(parse_count("eva: groups", option(spec, "groups")));
  options.draws = static_cast<Index>(parse_count("eva: draws", option(spec, "draws")));
  require(!options.groups || options.draws == 1,
          "eva: with groups={} m counts the draws, so draws={} cannot be given as well",
          options.groups.value_or(0), options.draws);
  options.released_noise = is("noise", "released");
  options.deterministic = is("deterministic", "on");
  if (is("released-code", "on")) {
    options.released_noise = options.shape.cover_all = true;
    options.shape.mass = GroupMass::mean;
  }
  return std::make_unique<Eva>(spec, options);
}

}  // namespace attngap
