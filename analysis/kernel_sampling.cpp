#include "analysis/kernel_sampling.hpp"

#include "estimators/error.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace attngap {
namespace {

constexpr double kRemainder = 1e-12;
constexpr Index kReplicatesTogether = 256;
constexpr Index kPairsTogether = 512;

// `visit(count, mean)` with the mean of the first counts[count] of the numbers, one walk for all counts.
template <typename Numbers, typename Visit>
void for_each_mean(const std::vector<Index>& counts, const Numbers& numbers, const Visit& visit) {
  double sum = 0.0;
  Index done = 0;
  for (std::size_t count = 0; count < counts.size(); done = counts[count++]) {
    sum += numbers.segment(done, counts[count] - done).sum();
    visit(count, sum / static_cast<double>(counts[count]));
  }
}

// Mean and squared deviations of growing columns of estimates, a column a pair. Chan, Golub and LeVeque 1983.
class Running {
 public:
  explicit Running(Index pairs) : mean_(Vector::Zero(pairs)), squares_(Vector::Zero(pairs)) {}

  // `before`: how many each of these pairs has seen.
  void add(Index first, const Eigen::Ref<const Eigen::MatrixXd>& estimates, std::int64_t before) {
    const auto n = static_cast<double>(estimates.rows()), old = static_cast<double>(before);
    for (Index i = 0; i < estimates.cols(); ++i) {
      const double mean = estimates.col(i).mean();
      const double delta = mean - mean_(first + i);
      squares_(first + i) +=
          (estimates.col(i).array() - mean).square().sum() + delta * delta * old * n / (old + n);
      mean_(first + i) += delta * n / (old + n);
    }
  }
  PairMoments moments(std::int64_t count) const { return {mean_, squares_ / static_cast<double>(count - 1)}; }

 private:
  Vector mean_, squares_;
};

}  // namespace

HermiteDraws::HermiteDraws(std::vector<Index> counts, Index terms)
    : counts_(std::move(counts)), terms_(terms), means_(counts_.size()) {}

// The terms of Σ_k r^k/√k! fall from k = r² on.
Index HermiteDraws::terms_for(double radius) {
  std::vector<double> sizes{1.0};
  for (int k = 1; k < 400; ++k) sizes.push_back(sizes.back() * radius / std::sqrt(static_cast<double>(k)));
  double rest = 0.0;
  auto last =
      std::find_if(sizes.rbegin(), sizes.rend(), [&](double size) { return (rest += size) > kRemainder; });
  return static_cast<Index>(sizes.rend() - last);
}

// He_k/√k! = a_k by a_{k+1} = (g a_k − √k a_{k−1})/√(k+1).
void HermiteDraws::draw(const StreamAddress& first, Index replicates) {
  normals_.resize(counts_.back(), replicates);
  for (auto& means : means_) means.resize(replicates, terms_);
  Eigen::ArrayXd before(counts_.back()), now(counts_.back()), next(counts_.back());
  for (Index r = 0; r < replicates; ++r) {
    StreamAddress address = first;
    address.replicate += static_cast<std::uint32_t>(r);
    RandomStream(address, Purpose::directions)
        .normals(0, {&normals_(0, r), static_cast<std::size_t>(counts_.back())});
    const auto g = normals_.col(r).array();
    before.setZero();
    now.setOnes();
    for (Index k = 0; k < terms_; ++k) {
      for_each_mean(counts_, now, [&](std::size_t count, double mean) { means_[count](r, k) = mean; });
      const double root = std::sqrt(static_cast<double>(k)),
                   over = 1.0 / std::sqrt(static_cast<double>(k + 1));
      next = (g * now - root * before) * over;
      before.swap(now);
      now.swap(next);
    }
  }
}

RadialEstimates::RadialEstimates(const RadialKernel& kernel, Vector radii, Index terms)
    : kernel_(kernel), radii_(std::move(radii)), powers_(terms, radii_.size()) {
  const Eigen::RowVectorXd in_series =
      (radii_.array() <= HermiteDraws::kLargestSeriesRadius).select(radii_, 0.0).transpose();
  powers_.row(0).setOnes();
  for (Index k = 1; k < powers_.rows(); ++k)
    powers_.row(k) = powers_.row(k - 1).cwiseProduct(in_series) / std::sqrt(static_cast<double>(k));
  for (int k = 0; k < powers_.rows(); ++k) powers_.row(k) *= kernel.coefficient(k);
}

void RadialEstimates::evaluate(const HermiteDraws& draws, Index first, Index pairs,
                               std::span<Eigen::Ref<Eigen::MatrixXd>> estimates) const {
  for (std::size_t count = 0; count < estimates.size(); ++count)
    estimates[count].noalias() = draws.means(count) * powers_.middleCols(first, pairs);
  const Eigen::MatrixXd& normals = draws.normals();
  const auto size = static_cast<std::size_t>(normals.rows());
  Vector ratios(normals.rows());
  for (Index i = 0; i < pairs; ++i) {
    if (radii_(first + i) <= HermiteDraws::kLargestSeriesRadius) continue;
    for (Index r = 0; r < normals.cols(); ++r) {
      kernel_.ratios(radii_(first + i), {normals.col(r).data(), size}, {ratios.data(), size});
      for_each_mean(draws.counts(), ratios,
                    [&](std::size_t count, double mean) { estimates[count](r, i) = mean; });
    }
  }
}

PairMoments sample_pair_moments(const FeatureMap& map, const Matrix& X, const Matrix& Y, Index draws,
                                std::int64_t replicates, std::uint64_t seed) {
  const auto kernel = RadialKernel::of(map);
  require(kernel.has_value(), "{}: the product of its features is no function of one projection", map.name());
  require(replicates >= 2, "replicates = {}, must be at least 2 (a variance needs two)", replicates);
  require(X.rows() == Y.rows() && X.cols() == Y.cols(), "x is {}x{} and y {}x{}, they must be pairs",
          X.rows(), X.cols(), Y.rows(), Y.cols());

  Vector radii(X.rows());
  for (Index i = 0; i < X.rows(); ++i) radii(i) = kernel->radius(X.row(i), Y.row(i));
  const double largest = radii.size() == 0 ? 0.0 : radii.maxCoeff();
  const Index terms = HermiteDraws::terms_for(std::min(largest, HermiteDraws::kLargestSeriesRadius));
  const RadialEstimates pairs(*kernel, std::move(radii), terms);
  HermiteDraws normals({draws}, terms);
  Running running(pairs.pairs());
  Eigen::MatrixXd estimates(kReplicatesTogether, kPairsTogether);
  for (std::int64_t first = 0; first < replicates; first += kReplicatesTogether) {
    const Index together = std::min<Index>(kReplicatesTogether, replicates - first);
    normals.draw({seed, 0, static_cast<std::uint32_t>(first)}, together);
    for (Index pair = 0; pair < pairs.pairs(); pair += kPairsTogether) {
      const Index count = std::min(kPairsTogether, pairs.pairs() - pair);
      Eigen::Ref<Eigen::MatrixXd> block = estimates.topLeftCorner(together, count);
      pairs.evaluate(normals, pair, count, {&block, 1});
      running.add(pair, block, first);
    }
  }
  return running.moments(replicates);
}

}  // namespace attngap
