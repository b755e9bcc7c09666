#include "estimators/gate.hpp"

#include "estimators/error.hpp"
#include "estimators/names.hpp"
#include "estimators/random_stream.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace attngap {
namespace {

// ln sigmoid(a) without overflow.
double log_sigmoid(double a) {
  return a >= 0.0 ? -std::log1p(std::exp(-a)) : a - std::log1p(std::exp(a));
}

}  // namespace

Gates given_gates(const Vector& keep) {
  for (Index t = 0; t < keep.size(); ++t)
    require((keep(t) > 0.0 || (t == 0 && keep(t) == 0.0)) && keep(t) < 1.0,
            "gate {} = {}, must be above 0 and below 1", t, keep(t));
  return {keep.array().log(), (-keep.array()).log1p()};
}

Gates linear_gates(const Matrix& keys, const Vector& weight, double bias) {
  const Vector logit = (keys * weight).array() + bias;
  return {logit.unaryExpr(&log_sigmoid), (-logit).unaryExpr(&log_sigmoid)};
}

Gates running_mean_gates(Index tokens) {
  Vector keep(tokens);
  for (Index t = 0; t < tokens; ++t) keep(t) = static_cast<double>(t) / static_cast<double>(t + 1);
  return given_gates(keep);
}

Vector log_unrolled_weights(const Gates& gates, Index t) {
  Vector weights(t + 1);
  double kept = 0.0;
  for (Index i = t; i >= 0; --i) {
    weights(i) = gates.log_take(i) + kept;
    kept += gates.log_keep(i);
  }
  return weights;
}

Vector log_relative_weights(const Gates& gates) {
  double kept = 0.0;
  return log_relative_weights(gates, 0, kept);
}

Vector log_relative_weights(const Gates& gates, Index first, double& kept) {
  Vector weights(gates.log_take.size());
  for (Index i = 0; i < weights.size(); ++i) {
    if (first + i > 0) kept += gates.log_keep(i);
    weights(i) = gates.log_take(i) - kept;
  }
  return weights;
}

GateRule::GateRule(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  constexpr std::array<std::string_view, 4> kNames{"none", "constant", "linear", "given"};
  require_known("gate", name, kNames);
  kind_ = static_cast<Kind>(std::find(kNames.begin(), kNames.end(), name) - kNames.begin());
  const bool needs_number = kind_ == Kind::constant || kind_ == Kind::linear;
  require(needs_number == (colon != std::string_view::npos), "gate={}: {}", text,
          needs_number ? "a number must follow, such as constant:0.9 or linear:1" : "takes no number");
  if (kind_ == Kind::constant) {
    constant_ = parse_number("gate=constant", text.substr(colon + 1));
    require(constant_ > 0.0 && constant_ < 1.0, "gate={}: must be above 0 and below 1", text);
  }
  if (kind_ == Kind::linear) seed_ = parse_seed("gate=linear", text.substr(colon + 1));
}

void GateRule::check(const AttentionProblem& problem) const {
  if (kind_ != Kind::given) return;
  require(problem.gates.size() == problem.keys(),
          "gate=given: the data have {} gates for {} keys; name an array of one gate a key with the data's "
          "gate=",
          problem.gates.size(), problem.keys());
  given_gates(problem.gates);
}

Gates GateRule::gates(const AttentionProblem& problem, Segment tokens, const Matrix& keys) const {
  if (kind_ == Kind::given) {
    check(problem);
    const Gates all = given_gates(problem.gates);
    return {all.log_keep.segment(tokens.begin, tokens.size()),
            all.log_take.segment(tokens.begin, tokens.size())};
  }
  if (kind_ == Kind::constant) return given_gates(Vector::Constant(keys.rows(), constant_));
  require(kind_ == Kind::linear, "gate=none has no gates");
  Vector drawn(keys.cols() + 1);
  RandomStream({seed_, 0, 0}, Purpose::gates)
      .normals(0, {drawn.data(), static_cast<std::size_t>(drawn.size())});
  const Vector weight = drawn.head(keys.cols()) / std::sqrt(static_cast<double>(keys.cols()));
  return linear_gates(keys, weight, drawn(keys.cols()));
}

}  // namespace attngap
