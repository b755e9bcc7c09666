#include "tests/snis_reference.hpp"

#include "estimators/denominator.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/proposals.hpp"

#include <cmath>
#include <numbers>

namespace attngap::testing_tools {

SnisReference::SnisReference(const AttentionProblem& problem)
    : Q(problem.scaled_queries()), K(problem.scaled_keys()), V(problem.V) {}

Vector SnisReference::softmax(Index n) const {
  const Vector weights = (K * Q.row(n).transpose()).array().exp();
  return weights / weights.sum();
}

double SnisReference::feature(const Vector& x, const Vector& w) {
  return std::exp(w.dot(x) - 0.5 * x.squaredNorm());
}

Vector SnisReference::integrand(const Vector& w, Index begin, Index end) const {
  Vector sum = Vector::Zero(V.cols());
  double mass = 0.0;
  for (Index m = begin; m < end; ++m) {
    const double weight = feature(K.row(m), w);
    sum += weight * V.row(m).transpose();
    mass += weight;
  }
  return sum / mass;
}

double SnisReference::importance(Index n, const Vector& w) const {
  double sum = 0.0, normalizer = 0.0;
  for (Index m = 0; m < K.rows(); ++m) {
    sum += feature(K.row(m), w);
    normalizer += std::exp(Q.row(n).dot(K.row(m)));
  }
  return feature(Q.row(n), w) * sum / normalizer;
}

Vector SnisReference::sampled_direction(const StreamAddress& address, Index s, Index n) const {
  const Index queries = Q.rows(), stride = queries + queries % 2;  // draws start on pairs of the stream
  std::vector<double> uniforms(static_cast<std::size_t>((s + 1) * stride));
  RandomStream(address, Purpose::keys).uniforms(0, uniforms);
  const Vector pi = softmax(n);
  Index m = 0;
  for (double below = pi(0); below < uniforms[static_cast<std::size_t>(s * stride + n)]; below += pi(++m)) {
  }
  return Q.row(n) + K.row(m) + proposal_noise(address, {0, (s + 1) * queries}, Q.cols()).row(s * queries + n);
}

Matrix SnisReference::random_feature_attention(const Matrix& W) const {
  Matrix output(Q.rows(), V.cols());
  for (Index n = 0; n < Q.rows(); ++n) {
    Vector numerator = Vector::Zero(V.cols());
    double denominator = 0.0;
    for (Index s = 0; s < W.rows(); ++s)
      for (Index m = 0; m < K.rows(); ++m) {
        const double kernel = feature(Q.row(n), W.row(s)) * feature(K.row(m), W.row(s));
        numerator += kernel * V.row(m).transpose();
        denominator += kernel;
      }
    output.row(n) = numerator / denominator;
  }
  return output;
}

Vector gaussian_expectation(const Vector& mean, double deviation,
                            const std::function<Vector(const Vector&)>& f) {
  // The trapezoid rule converges geometrically for analytic integrands that vanish at both ends.
  constexpr double step = 0.125, edge = 13.0;
  const Index points = static_cast<Index>(2.0 * edge / step) + 1, dims = mean.size();
  const Index total = dims == 1 ? points : points * points;
  Vector sum = f(mean) * 0.0;
  Vector w(dims);
  for (Index i = 0; i < total; ++i) {
    double weight = 1.0;
    for (Index j = 0, rest = i; j < dims; ++j, rest /= points) {
      const double g = -edge + step * static_cast<double>(rest % points);
      weight *= step * std::exp(-0.5 * g * g) / std::sqrt(2.0 * std::numbers::pi);
      w(j) = mean(j) + deviation * g;
    }
    if (weight > 1e-30) sum += weight * f(w);
  }
  return sum;
}

SimulatedMoments simulate(std::string_view estimator, const AttentionProblem& problem, Index count,
                          Index draws, const Matrix& exact) {
  const auto made = make_estimator(estimator);
  const std::vector<const AttentionEstimator*> group{made.get()};
  const auto plan = made->plan(problem, group, {count}, Precision::float64);
  const auto sampler = plan->sampler();
  SimulatedMoments moments{
      Matrix::Zero(exact.rows(), exact.cols()), Matrix::Zero(exact.rows(), exact.cols()), {}, 0.0, draws};
  for (Index r = 0; r < draws; ++r)
    sampler->draw({77, 5, static_cast<std::uint32_t>(r)},
                  [&](std::size_t, std::size_t, const AttentionEstimate& estimate) {
                    const Matrix output = attention_output(estimate, made->denominator());
                    const Matrix step = output - moments.mean;
                    moments.mean += step / static_cast<double>(r + 1);
                    moments.variance += step.cwiseProduct(output - moments.mean);
                    moments.mse += (output - exact).squaredNorm() / static_cast<double>(exact.size());
                  });
  moments.variance /= static_cast<double>(draws - 1);
  moments.std_error = (moments.variance / static_cast<double>(draws)).cwiseSqrt();
  moments.mse /= static_cast<double>(draws);
  return moments;
}

double worst_sigma(const SimulatedMoments& moments, const Matrix& expected) {
  return (moments.mean - expected).cwiseQuotient(moments.std_error).cwiseAbs().maxCoeff();
}

}  // namespace attngap::testing_tools
