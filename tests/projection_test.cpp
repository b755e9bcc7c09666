#include "estimators/projection.hpp"

#include "estimators/error.hpp"
#include "tests/statistical_assertions.hpp"

#include <cmath>
#include <vector>

#include <Eigen/QR>
#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/normal.hpp>
#include <gtest/gtest.h>

namespace attngap {
namespace {

using testing_tools::are_uncorrelated;
using testing_tools::frequency_is;
using testing_tools::is_distributed_as;
using testing_tools::mean_is;
using testing_tools::variance_is;

constexpr Index kDim = 5;
constexpr Index kDraws = 11;
constexpr std::uint32_t kReplicates = 10'000;

Matrix draw(std::string_view law, Index m, Index d, const StreamAddress& address) {
  Matrix Omega(m, d);
  projection_named(law).draw(address, Omega);
  return Omega;
}

// The same Gaussian blocks with the Q of a raw Householder QR, whose diag R is not made positive.
Matrix raw_qr(Index d, const StreamAddress& address) {
  Matrix gaussian(d, d);
  RandomStream(address, Purpose::directions).normals(0, {gaussian.data(), static_cast<std::size_t>(d * d)});
  const Eigen::HouseholderQR<Eigen::MatrixXd> qr(gaussian);
  return Matrix(qr.householderQ()).transpose();
}

class EveryProjection : public testing::TestWithParam<std::string_view> {};

TEST_P(EveryProjection, IsPrefixStableBitForBit) {
  for (const Index d : {1, 2, 5, 8}) {
    const Matrix all = draw(GetParam(), 23, d, {3, 1, 4});
    for (const Index m : {1, 2, 4, 5, 6, 11, 22})
      EXPECT_EQ(draw(GetParam(), m, d, {3, 1, 4}), all.topRows(m)) << "m = " << m << ", d = " << d;
  }
}

TEST_P(EveryProjection, DrawsAnewAtEachAddress) {
  const Matrix home = draw(GetParam(), kDraws, kDim, {3, 1, 4});
  EXPECT_EQ(home, draw(GetParam(), kDraws, kDim, {3, 1, 4}));
  for (const StreamAddress& other : {StreamAddress{4, 1, 4}, {3, 2, 4}, {3, 1, 5}})
    EXPECT_GT((draw(GetParam(), kDraws, kDim, other) - home).cwiseAbs().minCoeff(), 0.0);
}

// Each direction alone is N(0, I): coordinates, their products, and the squared norm chi²(d), for the first
// and last direction of a block and one in a cut block.
TEST_P(EveryProjection, HasStandardNormalDirections) {
  const boost::math::normal normal;
  const boost::math::chi_squared chi2(static_cast<double>(kDim));
  const std::vector<Index> chosen{0, kDim - 1, kDraws - 1};
  std::vector<std::vector<std::vector<double>>> coordinates(3, std::vector<std::vector<double>>(5));
  std::vector<std::vector<double>> squares(3);
  for (std::uint32_t r = 0; r < kReplicates; ++r) {
    const Matrix Omega = draw(GetParam(), kDraws, kDim, {5, 0, r});
    for (std::size_t i = 0; i < 3; ++i) {
      for (std::size_t c = 0; c < 5; ++c)
        coordinates[i][c].push_back(Omega(chosen[i], static_cast<Index>(c)));
      squares[i].push_back(Omega.row(chosen[i]).squaredNorm());
    }
  }
  for (std::size_t i = 0; i < 3; ++i) {
    Moments norms;
    for (const double square : squares[i]) norms.add(square);
    EXPECT_TRUE(mean_is(norms, 5.0, 10.0));
    EXPECT_TRUE(variance_is(norms, 10.0, 12.0 * 5.0 * (5.0 + 4.0)));
    EXPECT_TRUE(is_distributed_as(squares[i], [&](double x) { return cdf(chi2, x); }));
    for (const auto& coordinate : coordinates[i])
      EXPECT_TRUE(is_distributed_as(coordinate, [&](double x) { return cdf(normal, x); }));
    EXPECT_TRUE(are_uncorrelated(coordinates[i][0], coordinates[i][1]));
  }
}

TEST_P(EveryProjection, HasIndependentBlocks) {
  std::vector<double> a, b, squares_a, squares_b;
  for (std::uint32_t r = 0; r < kReplicates; ++r) {
    const Matrix Omega = draw(GetParam(), kDraws, kDim, {6, 0, r});
    a.push_back(Omega(0, 0));
    b.push_back(Omega(kDim, 0));
    squares_a.push_back(a.back() * a.back());
    squares_b.push_back(b.back() * b.back());
  }
  EXPECT_TRUE(are_uncorrelated(a, b));
  EXPECT_TRUE(are_uncorrelated(squares_a, squares_b));
}

INSTANTIATE_TEST_SUITE_P(Table, EveryProjection, testing::ValuesIn([] {
                           std::vector<std::string_view> names;
                           for (const auto& row : projections()) names.push_back(row.name);
                           return names;
                         }()),
                         [](const auto& law) { return std::string(law.param); });

TEST(OrthogonalProjection, HasOrthogonalDirectionsWithinABlock) {
  for (const Index d : {2, 5, 8, 64}) {
    const Index m = 2 * d + 1;
    const Matrix Omega = draw("orthogonal", m, d, {7, 0, 0});
    for (Index a = 0; a < m; ++a)
      for (Index b = 0; b < a; ++b) {
        const double cosine = Omega.row(a).dot(Omega.row(b)) / (Omega.row(a).norm() * Omega.row(b).norm());
        if (a / d == b / d)
          EXPECT_LT(std::abs(cosine), 1e-12) << "directions " << a << " and " << b << " at d = " << d;
        else
          EXPECT_GT(std::abs(cosine), 1e-9) << "directions " << a << " and " << b << " at d = " << d;
      }
  }
}

// The golden test of the Haar law, and what raw LAPACK-style QR does instead: w_j[j] has one sign always.
TEST(OrthogonalProjection, PointsIntoTheFirstHalfSpaceHalfTheTime) {
  for (const Index j : {Index{0}, Index{1}, kDim - 1}) {
    std::size_t positive = 0;
    for (std::uint32_t r = 0; r < kReplicates; ++r)
      positive += draw("orthogonal", kDim, kDim, {8, 0, r})(j, j) > 0.0 ? 1 : 0;
    EXPECT_TRUE(frequency_is(positive, kReplicates, 0.5)) << "direction " << j;
  }
}

TEST(OrthogonalProjectionControl, RejectsRawQrWithoutItsSigns) {
  std::size_t positive = 0;
  for (std::uint32_t r = 0; r < kReplicates; ++r) positive += raw_qr(kDim, {8, 0, r})(0, 0) > 0.0 ? 1 : 0;
  EXPECT_FALSE(frequency_is(positive, kReplicates, 0.5));
}

TEST(OrthogonalProjection, HasNormsIndependentOfDirectionsAndOfEachOther) {
  std::vector<double> first, second, cosine_squared;
  for (std::uint32_t r = 0; r < kReplicates; ++r) {
    const Matrix Omega = draw("orthogonal", kDim, kDim, {9, 0, r});
    first.push_back(Omega.row(0).squaredNorm());
    second.push_back(Omega.row(1).squaredNorm());
    cosine_squared.push_back(Omega(0, 0) * Omega(0, 0) / first.back());
  }
  EXPECT_TRUE(are_uncorrelated(first, second));
  EXPECT_TRUE(are_uncorrelated(first, cosine_squared));
}

// Norms taken from the rows of the very Gaussian block that is orthogonalised are coupled to its directions.
TEST(OrthogonalProjectionControl, RejectsNormsTakenFromTheOrthogonalisedBlock) {
  std::vector<double> norms, cosine_squared;
  for (std::uint32_t r = 0; r < kReplicates; ++r) {
    Matrix gaussian(kDim, kDim);
    RandomStream({9, 0, r}, Purpose::directions).normals(0, {gaussian.data(), 25});
    const Eigen::HouseholderQR<Eigen::MatrixXd> qr(gaussian);
    const Matrix Q = Matrix(qr.householderQ()).transpose();
    norms.push_back(gaussian.row(0).squaredNorm());
    cosine_squared.push_back(Q(0, 0) * Q(0, 0));
  }
  EXPECT_FALSE(are_uncorrelated(norms, cosine_squared));
}

TEST(ProjectionControl, RejectsSquaredNormsTenPercentTooLong) {
  std::vector<double> squares;
  Moments norms;
  for (std::uint32_t r = 0; r < kReplicates; ++r) {
    const double square = draw("iid", 1, kDim, {5, 0, r}).squaredNorm();
    squares.push_back(square * 1.1);
    norms.add(squares.back());
  }
  const boost::math::chi_squared chi2(static_cast<double>(kDim));
  EXPECT_FALSE(mean_is(norms, 5.0, 10.0));
  EXPECT_FALSE(variance_is(norms, 10.0, 12.0 * 5.0 * 9.0));
  EXPECT_FALSE(is_distributed_as(squares, [&](double x) { return cdf(chi2, x); }));
}

TEST(ProjectionControl, RejectsBlocksThatShareATenth) {
  std::vector<double> a, b;
  for (std::uint32_t r = 0; r < kReplicates; ++r) {
    const Matrix Omega = draw("iid", 2, kDim, {6, 0, r});
    a.push_back(Omega(0, 0));
    b.push_back(0.1 * Omega(0, 0) + Omega(1, 0));
  }
  EXPECT_FALSE(are_uncorrelated(a, b));
}

TEST(ProjectionTable, OffersTheNearestName) {
  EXPECT_EQ(projection_named("orthogonal").block(kDim), kDim);
  EXPECT_EQ(projection_named("iid").block(kDim), 1);
  EXPECT_THROW(projection_named("ortogonal"), BadInput);
}

}  // namespace
}  // namespace attngap
