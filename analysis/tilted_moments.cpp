#include "analysis/tilted_moments.hpp"

#include "estimators/error.hpp"

#include <cmath>
#include <functional>
#include <vector>

namespace attngap {
namespace {

// ln Σ exp, relative to the largest.
double log_sum_exp(const Vector& logs) {
  const double largest = logs.maxCoeff();
  return largest + std::log((logs.array() - largest).exp().sum());
}

// ln φ(x)·φ(y) of one direction w, by the map's own features.
double log_product(const FeatureMap& map, const Vector& w, const Vector& x, const Vector& y) {
  Matrix projections(2, 1), features(2, map.per_direction());
  projections << w.dot(x), w.dot(y);
  map.activate(projections, features);
  const Vector logs = features.colwise().sum().transpose();
  return log_sum_exp(logs) + 0.5 * map.norm_exponent() * (x.squaredNorm() + y.squaredNorm()) -
         std::log(map.fold());
}

// A mixture of N(μ_i, I) with weights ∝ exp(|μ_i|²/2); the rows of `tilts` are the μ_i.
class TiltedNormals {
 public:
  explicit TiltedNormals(Matrix tilts)
      : tilts_(std::move(tilts)), log_weights_(0.5 * tilts_.rowwise().squaredNorm()) {}

  // Draw r has replicate r of the address: its first uniform chooses the component, normals from the second
  // block on are the point.
  Vector draw(StreamAddress address, std::int64_t which) const {
    address.replicate += static_cast<std::uint32_t>(which);
    const RandomStream stream(address, Purpose::proposals);
    double chosen[2];
    stream.uniforms(0, chosen);
    Vector w(tilts_.cols() + tilts_.cols() % 2);
    stream.normals(2, {w.data(), static_cast<std::size_t>(w.size())});
    const double total = log_sum_exp(log_weights_);
    Index component = 0;
    for (double left = chosen[0]; component + 1 < tilts_.rows(); ++component) {
      left -= std::exp(log_weights_(component) - total);
      if (left < 0.0) break;
    }
    return w.head(tilts_.cols()) + tilts_.row(component).transpose();
  }

  // ln of the density of N(0, I) over that of the mixture.
  double log_ratio(const Vector& w) const {
    const Vector exponents = tilts_ * w;
    return log_sum_exp(log_weights_) - log_sum_exp(exponents);
  }

 private:
  Matrix tilts_;
  Vector log_weights_;
};

Moments weights(const TiltedNormals& law, std::int64_t draws, const StreamAddress& address,
                const std::function<double(const Vector&)>& log_integrand) {
  Moments moments;
  for (std::int64_t i = 0; i < draws; ++i) {
    const Vector w = law.draw(address, i);
    moments.add(std::exp(log_integrand(w) + law.log_ratio(w)));
  }
  return moments;
}

// Whether the map is the hyperbolic one; throws for one whose optimal tilts are not known.
bool is_hyperbolic(const FeatureMap& map) {
  require(map.name() == "positive" || map.name() == "hyperbolic",
          "tilted moments of {} features: only positive and hyperbolic ones are sums of exponentials of w",
          map.name());
  return map.name() == "hyperbolic";
}

}  // namespace

Moments tilted_kernel_mean(const FeatureMap& map, const Vector& x, const Vector& y, std::int64_t draws,
                           const StreamAddress& address) {
  require(x.size() == y.size(), "tilted moments of vectors of {} and {} entries; give equal lengths",
          x.size(), y.size());
  const Vector z = x + y;
  Matrix tilts(is_hyperbolic(map) ? 2 : 1, z.size());
  tilts.row(0) = z.transpose();
  if (tilts.rows() == 2) tilts.row(1) = -z.transpose();
  return weights(TiltedNormals(tilts), draws, address,
                 [&](const Vector& w) { return log_product(map, w, x, y) - x.dot(y); });
}

Moments tilted_pair_moment(const FeatureMap& map, const Vector& q, const Vector& k1, const Vector& k2,
                           std::int64_t draws, const StreamAddress& address) {
  require(q.size() == k1.size() && q.size() == k2.size(),
          "tilted moments of vectors of {}, {} and {} entries; give equal lengths", q.size(), k1.size(),
          k2.size());
  const Vector sum = 2.0 * q + k1 + k2, difference = k1 - k2;
  Matrix tilts(is_hyperbolic(map) ? 4 : 1, q.size());
  tilts.row(0) = sum.transpose();
  if (tilts.rows() == 4) {
    tilts.row(1) = -sum.transpose();
    tilts.row(2) = difference.transpose();
    tilts.row(3) = -difference.transpose();
  }
  const double log_kernels = q.dot(k1) + q.dot(k2);
  return weights(TiltedNormals(tilts), draws, address, [&](const Vector& w) {
    return log_product(map, w, q, k1) + log_product(map, w, q, k2) - log_kernels;
  });
}

}  // namespace attngap
