#include "analysis/claim_snis.hpp"

#include "analysis/inference.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/exact_attention.hpp"
#include "estimators/proposals.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

#include <boost/math/tools/roots.hpp>
#include <fmt/format.h>

namespace attngap {

Snis::Snis(const AttentionProblem& problem)
    : rows_(problem),
      pool_(rows_, KeyPool::Bias::features),
      log_normalizer_(exact_attention(problem).log_normalizer) {}

Matrix Snis::integrand(const Matrix& W) {
  pool_.start(W);
  pool_.absorb({0, rows_.K.rows()});
  return pool_.average();
}

Vector Snis::importance(Index n, const Matrix& W) {
  pool_.start(W);
  pool_.absorb({0, rows_.K.rows()});
  const Vector exponent = W * rows_.Q.row(n).transpose() + pool_.log_mass();
  return (exponent.array() - rows_.query_half_norms(n) - log_normalizer_(n)).exp();
}

Vector Snis::softmax(Index n) const {
  return ((rows_.K * rows_.Q.row(n).transpose()).array() - log_normalizer_(n)).exp();
}

Matrix one_output(const AttentionEstimator& estimator, const AttentionProblem& problem, Index draws,
                  const StreamAddress& address) {
  const std::array<const AttentionEstimator*, 1> group{&estimator};
  const auto plan = estimator.plan(problem, group, {draws}, Precision::float64);
  Matrix output;
  plan->sampler()->draw(address, [&](std::size_t, std::size_t, const AttentionEstimate& estimate) {
    output = attention_output(estimate, estimator.denominator(), estimator.post_scaling());
  });
  return output;
}

Matrix ra_direction(const AttentionProblem& problem, const Vector& pi, Index n,
                    const StreamAddress& address) {
  std::vector<double> uniforms(static_cast<std::size_t>(problem.queries()));
  RandomStream(address, Purpose::keys).uniforms(0, uniforms);
  Index m = 0;
  for (double below = pi(0); below < uniforms[static_cast<std::size_t>(n)] && m + 1 < pi.size();
       below += pi(++m)) {
  }
  return problem.scaled_queries().row(n) + problem.scaled_keys().row(m) +
         proposal_noise(address, {n, n + 1}, problem.head_dim());
}

LineRatio::LineRatio(const AttentionProblem& problem, double proposal_mean) {
  const NormalGrid grid = normal_grid(normal_trapezoid(), 1);
  const Matrix W = grid.points.array() + proposal_mean;
  Snis snis(problem);
  weights_ = grid.weights;
  const Vector log_ratio = (proposal_mean * W.col(0).array()) - 0.5 * proposal_mean * proposal_mean;
  h_ = snis.importance(0, W).array() * (-log_ratio.array()).exp();
  g_ = h_.cwiseProduct(snis.integrand(W).col(0));
}

double LineRatio::limit_of_scaled_bias(double exact) const {
  std::vector<double> table;
  for (int S = 128; S <= 4096; S *= 2) {
    table.push_back(S * (mean(S) - exact));
    double factor = 1.0;
    for (auto j = static_cast<std::ptrdiff_t>(table.size()) - 2; j >= 0; --j) {
      factor *= 2.0;
      const auto at = static_cast<std::size_t>(j);
      table[at] = (factor * table[at + 1] - table[at]) / (factor - 1.0);
    }
  }
  return table.front();
}

double LineRatio::mean(int S) const {
  if (S == 1) return weights_.dot(g_.cwiseQuotient(h_));
  constexpr double step = 0.04;
  double sum = 0.0;
  for (double u = -45.0; u <= 25.0; u += step) {
    const double t = std::exp(u);
    const Eigen::ArrayXd kept = (-t * h_.array()).exp();
    // 1 − E e^{−th} without cancellation, so that its S-th power is right too.
    const double lost =
        (weights_.array() * -(-t * h_.array()).unaryExpr([](double x) { return std::expm1(x); })).sum();
    if (lost >= 1.0) break;
    const double power = std::exp((S - 1) * std::log1p(-lost));
    sum += step * t * power * (weights_.array() * g_.array() * kept).sum();
  }
  return S * sum;
}

AttentionProblem mild_line(const ClaimSettings& settings, std::uint32_t which, const ProblemShape& shape) {
  AttentionProblem problem = random_problem(settings, which, shape);
  problem.Q *= 0.4 / problem.Q.cwiseAbs().maxCoeff();
  problem.K *= 0.6 / problem.K.cwiseAbs().maxCoeff();
  return problem;
}

double TrigonometricLine::numerator(double w) const {
  double sum = 0.0;
  for (Index m = 0; m < problem_.keys(); ++m)
    sum += problem_.V(m, 0) * std::exp(0.5 * std::pow(problem_.K(m, 0), 2)) *
           std::cos(w * (problem_.Q(0, 0) - problem_.K(m, 0)));
  return sum;
}

double TrigonometricLine::denominator(double w) const {
  double sum = 0.0;
  for (Index m = 0; m < problem_.keys(); ++m)
    sum +=
        std::exp(0.5 * std::pow(problem_.K(m, 0), 2)) * std::cos(w * (problem_.Q(0, 0) - problem_.K(m, 0)));
  return sum;
}

double TrigonometricLine::zero_of_denominator() const {
  double high = 0.0;
  while (denominator(high) > 0.0) high += 0.01;
  const auto [left, right] = boost::math::tools::bisect([&](double w) { return denominator(w); }, high - 0.01,
                                                        high, boost::math::tools::eps_tolerance<double>(50));
  return 0.5 * (left + right);
}

double TrigonometricLine::truncated_second_moment(double zero, double epsilon) const {
  const auto density = [&](double log_distance, double side) {
    const double distance = std::exp(log_distance), w = zero + side * distance;
    const double ratio = numerator(w) / denominator(w);
    return distance * ratio * ratio * std::exp(-0.5 * w * w) / std::sqrt(2.0 * std::numbers::pi);
  };
  const double from = std::log(epsilon), to = std::log(0.1);
  return integral([&](double u) { return density(u, 1.0) + density(u, -1.0); }, from, to);
}

std::string trigonometric_simulation(const ClaimSettings& settings) {
  const AttentionProblem problem =
      random_problem(settings, 250, {.queries = 1, .keys = 9, .head_dim = 4, .value_dim = 1, .spread = 0.6});
  const auto rfa = make_estimator("rfa");
  const double exact = exact_attention(problem).output(0, 0);
  const std::array<const AttentionEstimator*, 1> group{rfa.get()};
  const auto plan = rfa->plan(problem, group, {4}, Precision::float64);
  const auto sampler = plan->sampler();
  std::vector<double> errors;
  int negative = 0;
  const auto add = [&](std::size_t, std::size_t, const AttentionEstimate& estimate) {
    negative += estimate.denominator(0) < 0 ? 1 : 0;
    errors.push_back(std::pow(estimate.numerator(0, 0) / estimate.denominator(0) - exact, 2));
  };
  std::string told;
  for (const std::size_t reps : {std::size_t{500}, std::size_t{20000}}) {
    while (errors.size() < reps)
      sampler->draw({settings.seed, 250, static_cast<std::uint32_t>(errors.size())}, add);
    double sum = 0.0;
    for (const double error : errors) sum += error;
    std::vector<double> sorted = errors;
    std::sort(sorted.begin(), sorted.end());
    told += fmt::format("{} draws of rfa at m = 4: sample MSE {:.3g}, median {:.3g}, P(den < 0) = {:.1f} %{}",
                        reps, sum / static_cast<double>(reps), sorted_quantile(sorted, 0.5),
                        100.0 * negative / static_cast<double>(reps), reps < 1000 ? "; " : "");
  }
  return told;
}

}  // namespace attngap
