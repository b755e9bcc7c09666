#include "estimators/arccos_rows.hpp"

#include "estimators/error.hpp"
#include "estimators/gauss_jacobi.hpp"
#include "estimators/projection.hpp"
#include "tests/house_problem.hpp"
#include "tests/quadrature.hpp"
#include "tests/statistical_assertions.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include <boost/math/special_functions/beta.hpp>
#include <gtest/gtest.h>

namespace attngap {
namespace {

using namespace testing_tools;

constexpr double kPi = 3.14159265358979323846;

const FeatureMap& arccos() {
  return feature_map_named("arccos");
}

// The covariances of all pairs of keys, with the weights of a ratio.
Matrix covariances(const Vector& q, const Matrix& keys) {
  const auto rows = arccos_orthogonal_rows(q.size());
  Vector kernels(keys.rows());
  for (Index m = 0; m < keys.rows(); ++m) kernels(m) = arccos().kernel(q, keys.row(m));
  rows->start(q, keys, Vector::Constant(keys.rows(), 1.0 / kernels.sum()));
  return rows->covariances(0, keys.rows());
}

// |a||b| J₁(θ)/2π from the squares and the product.
double kernel_of(double aa, double bb, double ab) {
  const double norms = std::sqrt(std::max(0.0, aa) * std::max(0.0, bb));
  if (norms == 0.0) return 0.0;
  const double theta = std::acos(std::clamp(ab / norms, -1.0, 1.0));
  return norms * (std::sin(theta) + (kPi - theta) * std::cos(theta)) / (2.0 * kPi);
}

// E ReLU(v·q)ReLU(v·k) given u, v uniform across u: the kernel of what u leaves of q and k, over d − 1. With
// the unit vector q and k by their coordinates in their first dimensions, where u is known.
double given(const Eigen::Vector3d& u, const Eigen::Vector3d& q, const Eigen::Vector3d& k, double d) {
  const double a = u.dot(q), b = u.dot(k);
  return kernel_of(q.squaredNorm() - a * a, k.squaredNorm() - b * b, q.dot(k) - a * b) / (d - 1.0);
}

double relu(double x) {
  return std::max(0.0, x);
}

// q, k and k' in one plane, q along its first axis: the definition, by adaptive quadrature over u there,
// √(1−τ²)(cos α, sin α) with τ of the density (d − 2)τ^{d−3}.
double coplanar(double d, const Eigen::Vector3d& q, const Eigen::Vector3d& k, const Eigen::Vector3d& other) {
  const auto polar = [](const Eigen::Vector3d& x) { return std::atan2(x(1), x(0)); };
  std::vector<double> ends{-0.5 * kPi, 0.5 * kPi};
  for (const double kink : {0.0, polar(k) - 0.5 * kPi, polar(k) + 0.5 * kPi, polar(other), polar(other) + kPi,
                            polar(other) - kPi})
    if (std::abs(kink) < 0.5 * kPi) ends.push_back(kink);
  std::sort(ends.begin(), ends.end());
  const auto at = [&](double tau, double alpha) {
    const double r = std::sqrt(1.0 - tau * tau);
    const Eigen::Vector3d u(r * std::cos(alpha), r * std::sin(alpha), 0.0);
    return relu(u.dot(q)) * relu(u.dot(k)) * given(u, q, other, d);
  };
  const auto over_angles = [&](double tau) {
    double sum = 0.0;
    for (std::size_t i = 1; i < ends.size(); ++i)
      if (ends[i] - ends[i - 1] > 1e-12)
        sum += integral([&](double alpha) { return at(tau, alpha); }, ends[i - 1], ends[i]);
    return (d - 2.0) * std::pow(tau, d - 3.0) * sum / (2.0 * kPi);
  };
  return d * d * integral(over_angles, 0.0, 1.0);
}

// The same with k' anywhere: u in the ball of three dimensions, in spherical coordinates round the edge of
// the wedge where f lives. Where d is large the density vanishes at r = 1 to high order, and so do the cones
// of what u leaves of q and k'.
double in_space(double d, const Eigen::Vector3d& q, const Eigen::Vector3d& k, const Eigen::Vector3d& other) {
  const QuadratureRule rule = gauss_jacobi(0.0, 40);
  const double gamma = std::atan2(k(1), k(0));
  const double low = std::max(-0.5, gamma / kPi - 0.5) * kPi, high = std::min(0.5, gamma / kPi + 0.5) * kPi;
  const double density = 2.0 / boost::math::beta(1.5, 0.5 * (d - 3.0));
  double sum = 0.0;
  for (Index i = 0; i < 40; ++i)
    for (Index j = 0; j < 40; ++j)
      for (Index l = 0; l < 40; ++l) {
        const double r = rule.nodes(i), eta = kPi * (rule.nodes(j) - 0.5);
        const double psi = low + (high - low) * rule.nodes(l);
        const Eigen::Vector3d u =
            r * Eigen::Vector3d(std::cos(eta) * std::cos(psi), std::cos(eta) * std::sin(psi), std::sin(eta));
        const double mass = density * r * r * std::pow(1.0 - r * r, 0.5 * (d - 5.0)) * rule.weights(i) * 0.5 *
                            kPi * std::cos(eta) * rule.weights(j) * (high - low) / (2.0 * kPi) *
                            rule.weights(l);
        sum += mass * relu(u.dot(q)) * relu(u.dot(k)) * given(u, q, other, d);
      }
  return d * d * sum;
}

Vector embedded(const Eigen::Vector3d& x, Index d) {
  Vector result = Vector::Zero(d);
  result.head(std::min<Index>(d, 3)) = x.head(std::min<Index>(d, 3));
  return result;
}

// q twice: u₁² and v₁² are Dirichlet(½, ½, (d−2)/2), so E ReLU(u₁)²ReLU(v₁)² = 1/(4d(d+2)).
TEST(ArccosRows, OfTheQueryItselfAreTheMomentsOfDirichlet) {
  for (const Index d : {2, 3, 4, 5, 8, 33, 64, 256}) {
    const Vector q = Vector::Constant(d, 0.7);
    const double K = 0.5 * q.squaredNorm(), exact = -2.0 * K * K / (static_cast<double>(d) + 2.0);
    EXPECT_NEAR(covariances(q, q.transpose())(0, 0), exact, 1e-12 * std::abs(exact)) << "d = " << d;
  }
}

struct Corner {
  Eigen::Vector3d q, k, other;
};

const std::vector<Corner>& corners() {
  static const std::vector<Corner> all{{{1.2, 0.0, 0.0}, {0.3, 0.8, 0.0}, {0.9, -0.4, 0.0}},
                                       {{0.7, 0.0, 0.0}, {-0.4, 0.5, 0.0}, {0.2, 1.1, 0.0}},
                                       {{0.7, 0.0, 0.0}, {0.8, 0.1, 0.0}, {0.8, 0.1, 0.0}}};
  return all;
}

TEST(ArccosRows, AreTheQuadratureOverThePlaneOfTheirVectors) {
  for (const Index d : {3, 4, 5, 8, 64})
    for (const Corner& corner : corners()) {
      const Vector q = embedded(corner.q, d), k = embedded(corner.k, d), other = embedded(corner.other, d);
      Matrix keys(2, d);
      keys << k.transpose(), other.transpose();
      const Matrix found = covariances(q, keys);
      const double means = arccos().kernel(q, k) * arccos().kernel(q, other);
      const double moment = coplanar(static_cast<double>(d), corner.q, corner.k, corner.other);
      EXPECT_NEAR(found(0, 1) + means, moment, 1e-10 * moment) << "d = " << d;
      EXPECT_NEAR(found(0, 1), found(1, 0), 1e-14 * means);
    }
}

TEST(ArccosRows, AreTheQuadratureOverTheSpaceOfTheirVectors) {
  for (const Index d : {13, 21})
    for (Corner corner : corners()) {
      corner.other(2) = 0.6;
      const Vector q = embedded(corner.q, d), k = embedded(corner.k, d), other = embedded(corner.other, d);
      Matrix keys(2, d);
      keys << k.transpose(), other.transpose();
      const double means = arccos().kernel(q, k) * arccos().kernel(q, other);
      const double moment = in_space(static_cast<double>(d), corner.q, corner.k, corner.other);
      const double found = covariances(q, keys)(0, 1) + means;
      EXPECT_NEAR(found, moment, 1e-10 * moment) << "d = " << d;
      corner.other(2) = -0.7;  // the quadrature sees how far k' is out of the plane
      EXPECT_GT(std::abs(found - in_space(static_cast<double>(d), corner.q, corner.k, corner.other)),
                1e-5 * moment);
    }
}

// d = 2: v is u turned by a right angle, and E r² = 2 for each length.
TEST(ArccosRows, OfTwoDimensionsAreTheMeanOverTheCircle) {
  const Matrix keys = normal_matrix(311, 0, 4, 2);
  const Vector q = normal_matrix(312, 0, 1, 2).row(0).transpose();
  const Matrix found = covariances(q, keys);
  const auto product = [&](double alpha, Index m) {
    const Eigen::Vector2d u(std::cos(alpha), std::sin(alpha));
    return relu(u.dot(q)) * relu(u.dot(keys.row(m)));
  };
  std::vector<double> kinks;
  for (int quarter = 0; quarter < 4; ++quarter) {
    const auto add = [&](double angle) {
      kinks.push_back(std::remainder(angle + 0.5 * kPi * quarter, 2.0 * kPi));
    };
    add(std::atan2(q(1), q(0)));
    for (Index m = 0; m < 4; ++m) add(std::atan2(keys(m, 1), keys(m, 0)));
  }
  std::sort(kinks.begin(), kinks.end());
  kinks.push_back(kinks.front() + 2.0 * kPi);
  for (Index m = 0; m < 4; ++m)
    for (Index other = 0; other < 4; ++other) {
      double sum = 0.0;
      for (std::size_t i = 1; i < kinks.size(); ++i)
        if (kinks[i] - kinks[i - 1] > 1e-12)
          sum += integral(
              [&](double a) {
                return product(a, m) * (product(a + 0.5 * kPi, other) + product(a - 0.5 * kPi, other));
              },
              kinks[i - 1], kinks[i]);
      const double moment = 4.0 * sum / (4.0 * kPi);
      const double means = arccos().kernel(q, keys.row(m)) * arccos().kernel(q, keys.row(other));
      EXPECT_NEAR(found(m, other) + means, moment, 1e-11 * means) << m << " " << other;
    }
}

// One key twice, as the map has it for the variance of a kernel estimate.
TEST(ArccosRows, OnTheDiagonalAreThePairMomentOfTheMap) {
  for (const Index d : {2, 3, 4, 5, 8, 17, 64})
    for (std::uint32_t which = 0; which < 4; ++which) {
      const Vector q = normal_matrix(313, which, 1, d).row(0).transpose();
      const Vector k = normal_matrix(314, which, 1, d).row(0).transpose();
      const double K = arccos().kernel(q, k), moment = arccos().orthogonal_pair_moment(q, k);
      EXPECT_NEAR(covariances(q, k.transpose())(0, 0) + K * K, moment,
                  1e-10 * moment + 1e-15 * q.squaredNorm() * k.squaredNorm())
          << "d = " << d;
    }
}

// Blocks of d directions with two keys out of the plane of the first: the mean over the ordered pairs.
TEST(ArccosRows, AreWhatOrthogonalDirectionsDo) {
  for (const Index d : {3, 5}) {
    const Vector q = embedded({0.9, 0.0, 0.0}, d);
    Matrix keys(2, d);
    keys << embedded({0.6, 0.5, 0.0}, d).transpose(), embedded({0.5, -0.2, 0.6}, d).transpose();
    const double exact = covariances(q, keys)(0, 1);
    const double means = arccos().kernel(q, keys.row(0)) * arccos().kernel(q, keys.row(1));
    Moments found;
    Matrix Omega(d, d);
    for (std::uint32_t r = 0; r < 60'000; ++r) {
      projection_named("orthogonal").draw({315, 0, r}, Omega);
      const Vector wq = (Omega * q).cwiseMax(0.0);
      const Vector a = wq.cwiseProduct((Omega * keys.row(0).transpose()).cwiseMax(0.0));
      const Vector b = wq.cwiseProduct((Omega * keys.row(1).transpose()).cwiseMax(0.0));
      found.add((a.sum() * b.sum() - a.dot(b)) / static_cast<double>(d * (d - 1)) - means);
    }
    EXPECT_TRUE(mean_is(found, exact));
    EXPECT_FALSE(mean_is(found, 0.0));  // independent directions
    EXPECT_FALSE(mean_is(found, -exact));
    EXPECT_FALSE(mean_is(found, 1.5 * exact));
  }
}

TEST(ArccosRows, ComeInBlocksAndVanishWithAKey) {
  for (const Index d : {2, 5}) {
    Matrix keys = normal_matrix(316, 0, 7, d);
    keys.row(3).setZero();
    const Vector q = normal_matrix(317, 0, 1, d).row(0).transpose();
    const Matrix all = covariances(q, keys);
    EXPECT_EQ(all.row(3).norm(), 0.0);
    const auto rows = arccos_orthogonal_rows(d);
    rows->start(q, keys, Vector::Constant(7, 1.0));
    EXPECT_LT((rows->covariances(4, 2) - rows->covariances(0, 7).block(4, 0, 2, 6)).norm(), 1e-14);
  }
}

// Keys opposite to the query see a wedge too thin for the harmonics of three dimensions, but not for those of
// 64, and not where another key carries the sum.
TEST(ArccosRows, AreUnknownWhereTheRestCannotBeBounded) {
  for (const Index d : {3, 64}) {
    const Vector q = embedded({1.0, 0.0, 0.0}, d);
    Matrix keys(2, d);
    keys << embedded({-1.0, 0.01, 0.0}, d).transpose(), q.transpose();
    EXPECT_EQ(covariances(q, keys.topRows(1)).hasNaN(), d == 3);
    EXPECT_FALSE(covariances(q, keys).hasNaN());
  }
  EXPECT_THROW(arccos_orthogonal_rows(1), BadInput);
}

}  // namespace
}  // namespace attngap
