#include "estimators/lara.hpp"

#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/exact_attention.hpp"
#include "estimators/key_pool.hpp"
#include "estimators/mis_weights.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

namespace attngap {
namespace {

constexpr Index kQueryBlock = 64;
constexpr double kReleasedClamp = 1e-8;

// Mean query of the tokens of each chunk, C×d.
Matrix mean_queries(const PreparedRows<double>& rows, Index count) {
  const auto chunks = equal_segments(rows.positions.back() + 1, count);
  Matrix means(count, rows.K.cols());
  for (Index c = 0; c < count; ++c)
    means.row(c) = mean_query(rows, {&chunks[static_cast<std::size_t>(c)], 1});
  return means;
}

// The proposals of one count C, and what their weights need to know of the queries.
struct Proposals {
  Proposals(const PreparedRows<double>& rows, Index count, const LaraOptions& options)
      : means(lara_means(rows, count, options.proposal)) {
    if (options.weights == MisWeights::paper)
      tilt = query_tilt(rows, mean_queries(rows, count), options.coefficient);
    if (options.weights == MisWeights::optimal) optimal.emplace(rows, means);
  }

  Matrix means;                              // C×d
  Matrix tilt;                               // n×C, weights=paper
  std::optional<OptimalMisWeights> optimal;  // weights=optimal
};

// What does not depend on the draw.
struct Prepared {
  Prepared(const AttentionProblem& problem, const LaraOptions& choices, const std::vector<Index>& counts)
      : options(choices), rows(problem), deviation(noise_deviation(options.released_noise, problem.scale)) {
    if (!options.self_normalized || options.weights == MisWeights::optimal)
      log_normalizer = exact_attention(problem).log_normalizer;
    for (const Index count : counts) proposals.emplace_back(rows, count, options);
  }

  LaraOptions options;
  PreparedRows<double> rows;
  double deviation;
  Vector log_normalizer;  // ln Z_n, where it is needed
  std::vector<Proposals> proposals;
};

// The R = C·T directions of one draw; direction r belongs to proposal r mod C.
struct Directions {
  Directions(const Prepared& shared, const Proposals& proposals, const StreamAddress& address) {
    const LaraOptions& options = shared.options;
    const Index count = proposals.means.rows(), repeats = options.directions();
    Matrix noise = proposal_noise(address, {0, count * options.draws}, proposals.means.cols());
    noise *= options.deterministic ? 0.0 : shared.deviation;
    W.resize(count * repeats, noise.cols());
    for (Index t = 0; t < repeats; ++t) {
      const bool mirrored = options.antithetic && t % 2 == 1;
      const Index source = options.antithetic ? t / 2 : t;
      W.middleRows(t * count, count) =
          proposals.means + (mirrored ? -1.0 : 1.0) * noise.middleRows(source * count, count);
    }
    const Matrix log_ratios = log_proposal_ratios(W, proposals.means);
    const Matrix all_balance = balance_heuristic(log_ratios);
    own_log_ratio.resize(W.rows());
    balance.resize(W.rows());
    for (Index r = 0; r < W.rows(); ++r) {
      own_log_ratio(r) = log_ratios(r, r % count);
      balance(r) = all_balance(r, r % count);
    }
    excess = 1.0 - all_balance.colwise().sum().transpose().array() / static_cast<double>(repeats);
  }

  Matrix W;
  Vector own_log_ratio;  // ln q_c(w)/N(w; 0, I) of a direction's own proposal
  Vector balance;        // q_c/Q of it
  Vector excess;         // C: 1 − Σ_c (q_c'/Q)(w_c)
};

// α_nc of queries first … first+count−1 at each direction, count×R.
Matrix shares(const Prepared& shared, const Proposals& proposals, const Directions& draw, Index first,
              Index count) {
  const Index of_each = proposals.means.rows();
  Matrix alpha(count, draw.W.rows());
  if (shared.options.weights == MisWeights::constant)
    alpha.setConstant(1.0 / static_cast<double>(of_each));
  else
    alpha.rowwise() = draw.balance.transpose();
  if (shared.options.weights == MisWeights::paper)
    for (Index r = 0; r < alpha.cols(); ++r)
      alpha.col(r) += proposals.tilt.col(r % of_each).segment(first, count);
  if (shared.options.clamp) alpha = alpha.cwiseMax(kReleasedClamp);
  return alpha;
}

// W_nr of a block of queries: g_n = exp(log_scale_n) Σ_r W_nr f(w_r), h_n = exp(log_scale_n) Σ_r W_nr.
struct BlockWeights {
  BlockWeights(const Prepared& shared, const Proposals& proposals, const Directions& draw,
               const Vector& log_mass, Index first, Index count) {
    const auto queries = shared.rows.Q.middleRows(first, count);
    weights.noalias() = queries * draw.W.transpose();
    weights.rowwise() += (log_mass - draw.own_log_ratio).transpose();
    weights.colwise() -= shared.rows.query_half_norms.segment(first, count);
    log_scale = weights.rowwise().maxCoeff();
    if (shared.log_normalizer.size() > 0)
      log_scale = log_scale.cwiseMax(shared.log_normalizer.segment(first, count));
    weights = (weights.colwise() - log_scale).array().exp();
    weights.array() *= shares(shared, proposals, draw, first, count).array();
    weights /= static_cast<double>(shared.options.directions());
  }

  Matrix weights;
  Vector log_scale;
};

class Sampler final : public AttentionSampler {
 public:
  explicit Sampler(const Prepared& shared) : shared_(shared), pool_(shared.rows, KeyPool::Bias::features) {}

  void draw(const StreamAddress& address, const EstimateVisitor& visit) override {
    AttentionEstimate estimate(shared_.rows.Q.rows(), shared_.rows.V.cols());
    for (std::size_t c = 0; c < shared_.proposals.size(); ++c) {
      const Proposals& proposals = shared_.proposals[c];
      const Directions draw(shared_, proposals, address);
      pool_.start(draw.W);
      if (shared_.rows.mask == Mask::causal)
        walk_causally(proposals, draw, estimate);
      else
        walk(proposals, draw, estimate);
      visit(0, c, estimate);
    }
  }

 private:
  void walk(const Proposals& proposals, const Directions& draw, AttentionEstimate& estimate) {
    pool_.absorb({0, shared_.rows.keys});
    const Vector log_mass = pool_.log_mass();
    const Matrix& values = pool_.average();
    for (Index first = 0; first < shared_.rows.Q.rows(); first += kQueryBlock)
      answer(proposals, draw, log_mass, values, first, std::min(kQueryBlock, shared_.rows.Q.rows() - first),
             estimate);
  }

  // Keys come in the order of the queries that first see them.
  void walk_causally(const Proposals& proposals, const Directions& draw, AttentionEstimate& estimate) {
    for (Index i = 0, seen = 0; i < shared_.rows.Q.rows(); ++i) {
      const Index visible = shared_.rows.positions[static_cast<std::size_t>(i)] + 1;
      pool_.absorb({seen, visible});
      seen = visible;
      answer(proposals, draw, pool_.log_mass(), pool_.average(), i, 1, estimate);
    }
  }

  void answer(const Proposals& proposals, const Directions& draw, const Vector& log_mass,
              const Matrix& values, Index first, Index count, AttentionEstimate& estimate) const {
    const BlockWeights block(shared_, proposals, draw, log_mass, first, count);
    estimate.numerator.middleRows(first, count).noalias() = block.weights * values;
    estimate.denominator.segment(first, count) = block.weights.rowwise().sum();
    estimate.log_scale.segment(first, count) = block.log_scale;
    if (shared_.log_normalizer.size() == 0) return;
    const Vector normalizer = (shared_.log_normalizer.segment(first, count) - block.log_scale).array().exp();
    if (proposals.optimal) {
      const Matrix pilot = proposals.optimal->pilot_coefficients(draw.excess, {first, first + count});
      estimate.numerator.middleRows(first, count) +=
          normalizer.asDiagonal() * (pilot * proposals.optimal->average());
      estimate.denominator.segment(first, count).array() +=
          normalizer.array() * pilot.rowwise().sum().array();
    }
    if (!shared_.options.self_normalized) estimate.denominator.segment(first, count) = normalizer;
  }

  const Prepared& shared_;
  KeyPool pool_;
};

class Plan final : public SamplerPlan {
 public:
  Plan(const AttentionProblem& problem, const LaraOptions& options, const std::vector<Index>& counts)
      : shared_(problem, options, counts) {}
  std::unique_ptr<AttentionSampler> sampler() const override { return std::make_unique<Sampler>(shared_); }

 private:
  Prepared shared_;
};

class Lara final : public AttentionEstimator {
 public:
  Lara(Spec spec, const LaraOptions& options, DenominatorPolicy policy)
      : AttentionEstimator(std::move(spec)), options_(options), policy_(policy) {}

  Index dimension(Index draws) const override { return draws * options_.directions(); }
  DenominatorPolicy denominator() const override { return policy_; }
  bool reads_streams() const override { return true; }
  Coefficient own_coefficient() const override {
    return options_.self_normalized ? Coefficient::ratio : Coefficient::zero;
  }
  bool has_moments() const override {
    return !options_.self_normalized || !options_.signed_weights() || policy_.bounds_away_from_zero();
  }

  void check(const AttentionProblem& problem) const override {
    require(problem.mask == Mask::none || options_.weights != MisWeights::optimal,
            "lara: weights=optimal is not offered under a causal mask; choose balance or paper");
  }

  std::unique_ptr<SamplerPlan> plan(const AttentionProblem& problem,
                                    std::span<const AttentionEstimator* const>,
                                    const std::vector<Index>& counts, Precision) const override {
    require(!counts.empty() && counts.front() >= 1, "features: at least one count m of at least 1 is needed");
    check(problem);
    return std::make_unique<Plan>(problem, options_, counts);
  }

  // h_m = (1/Z) Σ_r W_r softmax_m(w_r·k_m − |k_m|²/2), so E[h_m] = π_m unless the noise, the clamp or
  // deterministic directions say otherwise. With normalized=none the estimate is Σ h_m v_m itself.
  KeyWeights key_weights(const AttentionProblem& problem, Index query, Index draws,
                         const StreamAddress& address) const override;

 private:
  LaraOptions options_;
  DenominatorPolicy policy_;
};

// Σ_r c_r softmax_m(w_r·k_m − |k_m|²/2) for every key m.
Vector spread_over_keys(const Matrix& W, const Vector& coefficients, const Eigen::Ref<const Matrix>& keys) {
  Vector h = Vector::Zero(keys.rows());
  const Vector half_norms = 0.5 * keys.rowwise().squaredNorm();
  for (Index r = 0; r < W.rows(); ++r) {
    const Vector logits = keys * W.row(r).transpose() - half_norms;
    const Vector weights = (logits.array() - logits.maxCoeff()).exp();
    h += weights * (coefficients(r) / weights.sum());
  }
  return h;
}

KeyWeights Lara::key_weights(const AttentionProblem& problem, Index query, Index draws,
                             const StreamAddress& address) const {
  check(problem);
  const Prepared shared(problem, options_, {draws});
  const Proposals& proposals = shared.proposals.front();
  const Directions draw(shared, proposals, address);
  const Index visible = problem.visible_keys(query);
  const auto keys = shared.rows.K.topRows(visible);
  const Vector logits = keys * shared.rows.Q.row(query).transpose();
  const double log_normalizer =
      logits.maxCoeff() + std::log((logits.array() - logits.maxCoeff()).exp().sum());

  KeyPool pool(shared.rows, KeyPool::Bias::features);
  pool.start(draw.W);
  pool.absorb({0, visible});
  const BlockWeights block(shared, proposals, draw, pool.log_mass(), query, 1);
  const double units = std::exp(block.log_scale(0) - log_normalizer);
  KeyWeights weights{(logits.array() - log_normalizer).exp(),
                     spread_over_keys(draw.W, units * block.weights.row(0).transpose(), keys),
                     {},
                     {}};
  if (!proposals.optimal && !options_.antithetic) {  // the proposals' draws t are independent and alike
    const Index repeats = options_.directions(), count = draw.W.rows() / repeats, p = problem.value_dim();
    const Matrix& values = pool.average();
    weights.direction_sums.resize(repeats, p + 1);
    for (Index t = 0; t < repeats; ++t) {
      const Eigen::RowVectorXd of_draw =
          static_cast<double>(repeats) * units * block.weights.row(0).segment(t * count, count);
      weights.direction_sums.row(t) << of_draw * values.middleRows(t * count, count), of_draw.sum();
    }
  }
  if (proposals.optimal)
    weights.drawn += spread_over_keys(
        proposals.optimal->pilot(),
        proposals.optimal->pilot_coefficients(draw.excess, {query, query + 1}).row(0).transpose(), keys);
  return weights;
}

MisWeights weights_named(std::string_view name) {
  return name == "paper"      ? MisWeights::paper
         : name == "optimal"  ? MisWeights::optimal
         : name == "constant" ? MisWeights::constant
                              : MisWeights::balance;
}

}  // namespace

Matrix lara_means(const PreparedRows<double>& rows, Index count, ProposalMean proposal) {
  const auto chunks = equal_segments(rows.keys, count);
  Matrix means = mean_queries(rows, count);
  for (Index c = 0; c < count; ++c) {
    const Vector query = means.row(c);
    means.row(c) = proposal_mean(proposal, query, mean_key(rows, {&chunks[static_cast<std::size_t>(c)], 1}));
  }
  return means;
}

LaraOptions lara_options(const Spec& spec) {
  const auto is = [&](std::string_view key, std::string_view value) { return option(spec, key) == value; };
  LaraOptions options;
  options.proposal = proposal_mean_named(option(spec, "proposal"));
  options.weights = weights_named(option(spec, "weights"));
  options.coefficient = parse_number("lara: coefficient", option(spec, "coefficient"));
  options.draws = static_cast<Index>(parse_count("lara: draws", option(spec, "draws")));
  options.self_normalized = is("normalized", "self");
  options.antithetic = is("antithetic", "on");
  options.released_noise = is("noise", "released");
  options.clamp = is("clamp", "on");
  options.deterministic = is("deterministic", "on");
  if (is("released-code", "on")) {
    options.weights = MisWeights::paper;
    options.released_noise = options.clamp = true;
  }
  return options;
}

std::unique_ptr<AttentionEstimator> make_lara(const Spec& spec) {
  const LaraOptions options = lara_options(spec);
  const DenominatorPolicy policy(option(spec, "denominator"));
  require(policy.is_none() || options.self_normalized,
          "lara: normalized=none divides by the exact normalizer; it takes no denominator policy");
  return std::make_unique<Lara>(spec, options, policy);
}

}  // namespace attngap
