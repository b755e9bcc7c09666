#include "analysis/claim_numerics.hpp"

#include "estimators/random_stream.hpp"

#include <cmath>
#include <numbers>

#include <Eigen/Eigenvalues>
#include <boost/math/quadrature/gauss_kronrod.hpp>
#include <fmt/format.h>

namespace attngap {
namespace {

// Cells of the instances, apart from those of simulations.
constexpr std::uint32_t kInstanceCell = 1000;

// Σ_p φ_p(x)φ_p(y)/fold for each column of projections of x and y.
Vector feature_products(const FeatureMap& map, const RowMatrix<double>& projections) {
  const Index columns = projections.cols();
  RowMatrix<double> features(2, columns * map.per_direction());
  map.activate(projections, features);
  if (map.in_log_domain()) features = features.array().exp();
  Vector products = Vector::Zero(columns);
  for (Index j = 0; j < map.per_direction(); ++j)
    products += features.row(0)
                    .segment(j * columns, columns)
                    .cwiseProduct(features.row(1).segment(j * columns, columns))
                    .transpose();
  return products / map.fold();
}

}  // namespace

NormalQuadrature gauss_hermite(int n) {
  Vector off_diagonal(n - 1);
  for (int i = 1; i < n; ++i) off_diagonal(i - 1) = std::sqrt(static_cast<double>(i));
  Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver;
  solver.computeFromTridiagonal(Vector::Zero(n), off_diagonal, Eigen::EigenvaluesOnly);
  NormalQuadrature rule{solver.eigenvalues(), Vector(n)};
  for (int i = 0; i < n; ++i) {
    const double x = rule.nodes(i);
    double below = 0.0, here = 1.0, sum = 0.0;
    for (int k = 0; k < n; ++k) {
      sum += here * here;
      const double above = (x * here - std::sqrt(static_cast<double>(k)) * below) / std::sqrt(k + 1.0);
      below = here;
      here = above;
    }
    rule.weights(i) = 1.0 / sum;
  }
  return rule;
}

NormalQuadrature normal_trapezoid() {
  constexpr double step = 0.125;
  constexpr int half = 112;
  NormalQuadrature rule{Vector(2 * half + 1), Vector(2 * half + 1)};
  for (int i = -half; i <= half; ++i) {
    const double x = step * i;
    rule.nodes(i + half) = x;
    rule.weights(i + half) = step * std::exp(-0.5 * x * x) / std::sqrt(2.0 * std::numbers::pi);
  }
  return rule;
}

NormalGrid normal_grid(const NormalQuadrature& rule, Index dims) {
  const Index n = rule.nodes.size(), total = dims == 1 ? n : n * n;
  constexpr double kNegligible = 1e-40;
  NormalGrid grid{Matrix(total, dims), Vector(total)};
  Index kept = 0;
  for (Index i = 0; i < total; ++i) {
    double weight = 1.0;
    for (Index j = 0, rest = i; j < dims; ++j, rest /= n) {
      weight *= rule.weights(rest % n);
      grid.points(kept, j) = rule.nodes(rest % n);
    }
    if (weight <= kNegligible) continue;
    grid.weights(kept++) = weight;
  }
  grid.points.conservativeResize(kept, dims);
  grid.weights.conservativeResize(kept);
  return grid;
}

double integral(const std::function<double(double)>& f, double a, double b) {
  return boost::math::quadrature::gauss_kronrod<double, 61>::integrate(f, a, b, 8, 1e-12);
}

double feature_expectation(const FeatureMap& map, const Vector& x, const Vector& y, int power,
                           double deviation) {
  static const NormalGrid grid = normal_grid(gauss_hermite(72), 2);
  const double x_norm = x.norm(), along = x_norm > 0 ? x.dot(y) / x_norm : 0.0;
  const double across = std::sqrt(std::max(0.0, y.squaredNorm() - along * along));
  RowMatrix<double> projections(2, grid.points.rows());
  projections.row(0) = deviation * x_norm * grid.points.col(0).transpose();
  projections.row(1) = deviation * (along * grid.points.col(0) + across * grid.points.col(1)).transpose();
  const double factor = std::exp(0.5 * map.norm_exponent() * (x.squaredNorm() + y.squaredNorm()));
  const Vector products = factor * feature_products(map, projections);
  return products.array().pow(power).matrix().dot(grid.weights);
}

Matrix random_matrix(const ClaimSettings& settings, std::uint32_t which, Index rows, Index cols,
                     double spread) {
  Matrix matrix(rows, cols);
  RandomStream({settings.seed, kInstanceCell, which}, Purpose::data)
      .normals(0, {matrix.data(), static_cast<std::size_t>(matrix.size())});
  return spread * matrix;
}

AttentionProblem random_problem(const ClaimSettings& settings, std::uint32_t which,
                                const ProblemShape& shape) {
  const Matrix Q = random_matrix(settings, 3 * which, shape.queries, shape.head_dim, shape.spread);
  const Matrix K = random_matrix(settings, 3 * which + 1, shape.keys, shape.head_dim, shape.spread);
  const Matrix V = random_matrix(settings, 3 * which + 2, shape.keys, shape.value_dim);
  return make_problem(Q, K, V, shape.mask, 1.0, "a random instance");
}

std::vector<VectorPair> pairs_at_angles(const ClaimSettings& settings, std::uint32_t which, Index d,
                                        double radius, const std::vector<double>& degrees) {
  const Matrix plane = random_matrix(settings, which, 2, d);
  const Vector first = plane.row(0).transpose().normalized();
  const Vector second = (plane.row(1).transpose() - first.dot(plane.row(1)) * first).normalized();
  std::vector<VectorPair> pairs;
  for (const double degree : degrees) {
    const double angle = degree * std::numbers::pi / 180.0;
    pairs.push_back({fmt::format("d = {}, |x| = |y| = {:g}, angle {:g}°", d, radius, degree), radius * first,
                     radius * (std::cos(angle) * first + std::sin(angle) * second)});
  }
  return pairs;
}

void for_each_sign_vector(Index d, const std::function<void(const Vector&)>& f) {
  Vector omega(d);
  for (std::uint32_t bits = 0; bits < (std::uint32_t{1} << d); ++bits) {
    for (Index i = 0; i < d; ++i) omega(i) = (bits >> i) & 1U ? 1.0 : -1.0;
    f(omega);
  }
}

}  // namespace attngap
