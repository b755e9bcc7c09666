#include "estimators/elementwise.hpp"

#include "estimators/constant_plan.hpp"
#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/key_stream.hpp"
#include "estimators/taylor.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

namespace attngap {
namespace {

// Calls `read(i, state)` for each query with the keys it sees in the state.
template <typename Read>
void stream(const AttentionProblem& problem, ElementwiseState& state, const Read& read) {
  Index next = 0;
  for_each_piece(problem, [&](const Matrix& K, const Matrix& V, Index first) {
    for (Index j = 0; j < K.rows(); ++j) {
      state.push(K.row(j), V.row(j));
      for (; next < problem.queries() && problem.visible_keys(next) == first + j + 1; ++next)
        read(next, std::as_const(state));
    }
  });
}

// One row: numerator, denominator and log_scale of each channel, one a row.
AttentionEstimate channels_of(const Eigen::RowVectorXd& numerator, const Eigen::RowVectorXd& denominator,
                              const Eigen::RowVectorXd& log_scale) {
  AttentionEstimate channels;
  channels.numerator = numerator.transpose();
  channels.denominator = denominator.transpose();
  channels.log_scale = log_scale.transpose();
  return channels;
}

// The Taylor form under a denominator policy. Every channel has a denominator of its own; what the estimate
// shows as one is 1, or −1 where that of some channel is negative, so that such queries are counted.
AttentionEstimate taylor_estimate(const AttentionProblem& problem, Index degree, Accumulation accumulation,
                                  const DenominatorPolicy& policy) {
  AttentionEstimate estimate(problem.queries(), problem.value_dim());
  ElementwiseState state(problem.head_dim(), degree, accumulation);
  stream(problem, state, [&](Index i, const ElementwiseState& seen) {
    const ElementwiseReadout readout = seen.read_degrees(problem.Q.row(i));
    // In units of the kernel exp(−(q−k)²): the state leaves exp(−q²) out.
    const Eigen::RowVectorXd log_scale = readout.log_unit.row(degree) - problem.Q.row(i).cwiseAbs2();
    const AttentionEstimate channels =
        channels_of(readout.numerator.row(degree), readout.denominator.row(degree), log_scale);
    estimate.denominator(i) = (channels.denominator.array() < 0.0).any() ? -1.0 : 1.0;
    const Eigen::RowVectorXd output =
        policy.is_none() ? seen.read(problem.Q.row(i))  // divides in the state's own arithmetic
                         : Eigen::RowVectorXd(attention_output(channels, policy).transpose());
    estimate.numerator.row(i) = estimate.denominator(i) * output;
  });
  return estimate;
}

class Elementwise final : public AttentionEstimator {
 public:
  Elementwise(Spec spec, std::optional<Index> degree, Accumulation accumulation)
      : AttentionEstimator(std::move(spec)),
        degree_(degree),
        accumulation_(accumulation),
        policy_(option(this->spec(), "denominator")) {
    require(degree_ || policy_.is_none(),
            "elementwise: the full form's denominators are positive; denominator= belongs to degree=");
  }

  bool random() const override { return false; }
  Index dimension(Index) const override { return degree_ ? *degree_ + 1 : 0; }
  bool has_moments() const override { return true; }
  bool reads_streams() const override { return true; }
  void check(const AttentionProblem& problem) const override { check_elementwise(problem); }
  std::string target_name() const override { return "full element-wise attention"; }
  Matrix target(const AttentionProblem& problem) const override { return elementwise_attention(problem); }

  std::unique_ptr<SamplerPlan> plan(const AttentionProblem& problem,
                                    std::span<const AttentionEstimator* const>, const std::vector<Index>&,
                                    Precision) const override {
    check(problem);
    if (degree_) return constant_plan(taylor_estimate(problem, *degree_, accumulation_, policy_));
    AttentionEstimate full(problem.queries(), problem.value_dim());
    full.numerator = target(problem);
    full.denominator.setOnes();
    return constant_plan(std::move(full));
  }

  // π_m ∝ exp(−(q−k_m)²) and h_m the same with e^{2qk} replaced by T_t(2qk), over the exact normaliser.
  KeyWeights key_weights(const AttentionProblem& problem, Index query, Index,
                         const StreamAddress&) const override {
    require(problem.head_dim() == 1 && problem.value_dim() == 1,
            "elementwise weighs every channel on its own; choose one of the {} with --channel",
            problem.head_dim());
    require(policy_.is_none(), "elementwise: denominator= is no sum of control variates; leave it out");
    const Index keys = problem.visible_keys(query);
    const Eigen::ArrayXd exponents = -(problem.K.col(0).head(keys).array() - problem.Q(query, 0)).square();
    KeyWeights weights;
    weights.expected = (exponents - exponents.maxCoeff()).exp();
    weights.expected /= weights.expected.sum();
    weights.drawn = weights.expected;
    if (degree_)
      for (Index m = 0; m < keys; ++m)
        weights.drawn(m) *=
            taylor_ratio(static_cast<int>(*degree_), 2.0 * problem.Q(query, 0) * problem.K(m, 0));
    return weights;
  }

 private:
  std::optional<Index> degree_;
  Accumulation accumulation_;
  DenominatorPolicy policy_;
};

std::optional<Index> degree_of(const Spec& spec) {
  const std::string_view degree = option(spec, "degree"), terms = option(spec, "terms");
  require(degree == "none" || terms == "none",
          "elementwise: degree={} and terms={} are both given; terms counts the exponents 0 to degree, give "
          "one",
          degree, terms);
  if (degree == "none" && terms == "none") return std::nullopt;
  const Index value = terms == "none" ? parse_count("degree of elementwise", degree, 0)
                                      : parse_count("terms of elementwise", terms, 1) - 1;
  require(value <= ElementwiseState::kMaxDegree, "degree of elementwise = {}, must be at most {}", value,
          ElementwiseState::kMaxDegree);
  return value;
}

}  // namespace

void check_elementwise(const AttentionProblem& problem) {
  require(problem.head_dim() == problem.value_dim(),
          "element-wise attention weighs each channel of v by the same channel of q and k, but they have {} "
          "channels and v has {}; choose a head with as many",
          problem.head_dim(), problem.value_dim());
}

Matrix elementwise_attention(const AttentionProblem& problem) {
  check_elementwise(problem);
  using Row = Eigen::Array<double, 1, Eigen::Dynamic>;
  const Index n = problem.queries(), d = problem.head_dim();
  const auto visible = [&](Index i, const Matrix& K, Index first) {
    return std::clamp<Index>(problem.visible_keys(i) - first, 0, K.rows());
  };
  Matrix nearest = Matrix::Constant(n, d, std::numeric_limits<double>::infinity());
  for_each_piece(problem, [&](const Matrix& K, const Matrix&, Index first) {
    for (Index i = 0; i < n; ++i)
      for (Index j = 0; j < visible(i, K, first); ++j)
        nearest.row(i) = nearest.row(i).array().min((problem.Q.row(i) - K.row(j)).array().square());
  });
  Matrix mass = Matrix::Zero(n, d), sum = Matrix::Zero(n, d);
  for_each_piece(problem, [&](const Matrix& K, const Matrix& V, Index first) {
    Row weight(d);
    for (Index i = 0; i < n; ++i)
      for (Index j = 0; j < visible(i, K, first); ++j) {
        weight = (nearest.row(i).array() - (problem.Q.row(i) - K.row(j)).array().square()).exp();
        mass.row(i).array() += weight;
        sum.row(i).array() += weight * V.row(j).array();
      }
  });
  return sum.cwiseQuotient(mass);
}

Matrix elementwise_taylor(const AttentionProblem& problem, Index degree, Accumulation accumulation) {
  check_elementwise(problem);
  Matrix output(problem.queries(), problem.value_dim());
  ElementwiseState state(problem.head_dim(), degree, accumulation);
  stream(problem, state,
         [&](Index i, const ElementwiseState& seen) { output.row(i) = seen.read(problem.Q.row(i)); });
  return output;
}

ElementwiseByDegree elementwise_by_degree(const AttentionProblem& problem, Index degree,
                                          Accumulation accumulation) {
  check_elementwise(problem);
  ElementwiseState state(problem.head_dim(), degree, accumulation);
  const auto degrees = static_cast<std::size_t>(degree) + 1;
  ElementwiseByDegree result{std::vector<Matrix>(degrees, Matrix(problem.queries(), problem.value_dim())),
                             std::vector<Index>(degrees, 0)};
  stream(problem, state, [&](Index i, const ElementwiseState& seen) {
    const ElementwiseReadout readout = seen.read_degrees(problem.Q.row(i));
    for (std::size_t t = 0; t < degrees; ++t) {
      const auto denominator = readout.denominator.row(static_cast<Index>(t)).array();
      result.output[t].row(i) = readout.numerator.row(static_cast<Index>(t)).array() / denominator;
      result.nonpositive_denominators[t] += denominator.size() - (denominator > 0).count();
    }
  });
  return result;
}

std::unique_ptr<AttentionEstimator> make_elementwise(const Spec& spec) {
  const std::optional<Index> degree = degree_of(spec);
  const Accumulation accumulation = accumulation_named(option(spec, "accumulate"));
  require(degree || accumulation == Accumulation::float64,
          "elementwise: accumulate={} is the arithmetic of the Taylor form's state; give degree= too",
          option(spec, "accumulate"));
  Spec canonical = spec;  // terms=t is degree=t−1: one estimator, one name
  canonical.options.erase("terms");
  if (degree) canonical.options["degree"] = std::to_string(*degree);
  return std::make_unique<Elementwise>(canonical, degree, accumulation);
}

std::optional<ElementwiseState> elementwise_state(const Spec& spec, Index channels) {
  const std::optional<Index> degree = degree_of(spec);
  if (!degree) return std::nullopt;
  return ElementwiseState(channels, *degree, accumulation_named(option(spec, "accumulate")));
}

}  // namespace attngap
