#include "analysis/kernel_sampling.hpp"

#include "estimators/error.hpp"
#include "estimators/radial_kernel.hpp"
#include "estimators/random_stream.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace attngap {
namespace {

constexpr double kLargestSeriesRadius = 4.0;
constexpr double kRemainder = 1e-12;
constexpr Index kReplicatesTogether = 256;
constexpr Index kPairsTogether = 512;

// Terms of Σ_k r^k/√k! after which the rest is below the remainder; at r ≤ 4 they fall from k = r² on.
int terms_at(double radius) {
  std::vector<double> sizes{1.0};
  for (int k = 1; k < 400; ++k) sizes.push_back(sizes.back() * radius / std::sqrt(static_cast<double>(k)));
  double rest = 0.0;
  auto last =
      std::find_if(sizes.rbegin(), sizes.rend(), [&](double size) { return (rest += size) > kRemainder; });
  return static_cast<int>(sizes.rend() - last);
}

// h_k/√k! of one replicate: He_k/√k! = a_k by a_{k+1} = (g a_k − √k a_{k−1})/√(k+1).
void hermite_means(const Eigen::ArrayXd& g, Eigen::Ref<Vector> means) {
  Eigen::ArrayXd before = Eigen::ArrayXd::Zero(g.size()), now = Eigen::ArrayXd::Ones(g.size()), next = now;
  for (Index k = 0; k < means.size(); ++k) {
    means(k) = now.mean();
    next = (g * now - std::sqrt(static_cast<double>(k)) * before) / std::sqrt(static_cast<double>(k + 1));
    before.swap(now);
    now.swap(next);
  }
}

// Adds a column of estimates a pair to its running mean and squared deviations (Welford, by whole columns).
class Running {
 public:
  explicit Running(Index pairs) : mean_(Vector::Zero(pairs)), squares_(Vector::Zero(pairs)) {}

  void add(Index first, const Eigen::Ref<const Vector>& estimates, double count) {
    auto mean = mean_.segment(first, estimates.size()).array();
    for (Index i = 0; i < estimates.size(); ++i) {
      const double deviation = estimates(i) - mean(i);
      mean(i) += deviation / count;
      squares_(first + i) += deviation * (estimates(i) - mean(i));
    }
  }
  PairMoments moments(std::int64_t count) const { return {mean_, squares_ / static_cast<double>(count - 1)}; }

 private:
  Vector mean_, squares_;
};

// Estimates of many pairs from the same normals.
class PairEstimates {
 public:
  PairEstimates(const RadialKernel& kernel, const Matrix& X, const Matrix& Y)
      : kernel_(kernel), radii_(X.rows()) {
    for (Index i = 0; i < X.rows(); ++i) radii_(i) = kernel.radius(X.row(i), Y.row(i));
    const Vector in_series = (radii_.array() <= kLargestSeriesRadius).select(radii_, 0.0);
    const int terms = terms_at(in_series.size() == 0 ? 0.0 : in_series.maxCoeff());
    powers_.setOnes(X.rows(), terms);
    for (Index k = 1; k < terms; ++k)
      powers_.col(k) = powers_.col(k - 1).cwiseProduct(in_series) / std::sqrt(static_cast<double>(k));
    for (int k = 0; k < terms; ++k) powers_.col(k) *= kernel.coefficient(k);
  }

  Index terms() const { return powers_.cols(); }

  // K̂/K of pairs first … first+count−1, one column a column of `normals`, whose Hermite means are given.
  const Eigen::MatrixXd& of(Index first, Index count, const Eigen::Ref<const Eigen::MatrixXd>& normals,
                            const Eigen::Ref<const Eigen::MatrixXd>& means) {
    estimates_.noalias() = powers_.middleRows(first, count) * means;
    const auto draws = static_cast<std::size_t>(normals.rows());
    ratios_.resize(normals.rows());
    for (Index i = 0; i < count; ++i)
      for (Index r = 0; radii_(first + i) > kLargestSeriesRadius && r < normals.cols(); ++r) {
        kernel_.ratios(radii_(first + i), {normals.col(r).data(), draws}, {ratios_.data(), draws});
        estimates_(i, r) = ratios_.mean();
      }
    return estimates_;
  }

 private:
  const RadialKernel& kernel_;
  Vector radii_, ratios_;
  Eigen::MatrixXd powers_, estimates_;  // c_k r^k/√k!, by columns: a block of pairs is a block of rows
};

}  // namespace

PairMoments sample_pair_moments(const FeatureMap& map, const Matrix& X, const Matrix& Y, Index draws,
                                std::int64_t replicates, std::uint64_t seed) {
  const auto kernel = RadialKernel::of(map);
  require(kernel.has_value(), "{}: the product of its features is no function of one projection", map.name());
  require(replicates >= 2, "replicates = {}, must be at least 2 (a variance needs two)", replicates);
  require(X.rows() == Y.rows() && X.cols() == Y.cols(), "x is {}x{} and y {}x{}, they must be pairs",
          X.rows(), X.cols(), Y.rows(), Y.cols());

  PairEstimates estimates(*kernel, X, Y);
  Running running(X.rows());
  Eigen::MatrixXd normals(draws, kReplicatesTogether), means(estimates.terms(), kReplicatesTogether);
  for (std::int64_t first = 0; first < replicates; first += kReplicatesTogether) {
    const Index together = std::min<Index>(kReplicatesTogether, replicates - first);
    for (Index r = 0; r < together; ++r) {
      const RandomStream stream({seed, 0, static_cast<std::uint32_t>(first + r)}, Purpose::directions);
      stream.normals(0, {&normals(0, r), static_cast<std::size_t>(draws)});
      hermite_means(normals.col(r).array(), means.col(r));
    }
    for (Index pair = 0; pair < X.rows(); pair += kPairsTogether) {
      const Index count = std::min(kPairsTogether, X.rows() - pair);
      const auto& columns = estimates.of(pair, count, normals.leftCols(together), means.leftCols(together));
      for (Index r = 0; r < together; ++r)
        running.add(pair, columns.col(r), static_cast<double>(first + r + 1));
    }
  }
  return running.moments(replicates);
}

}  // namespace attngap
