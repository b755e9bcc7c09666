#include "estimators/truncation_certificate.hpp"

#include "estimators/elementwise.hpp"

#include <algorithm>
#include <limits>

namespace attngap {
namespace {

// Smallest and largest of numbers seen so far.
struct Extremes {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void add(double x) {
    low = std::min(low, x);
    high = std::max(high, x);
  }
  double width() const { return high - low; }
};

ChannelCertificate certify(const AttentionProblem& problem, Index channel, int degree) {
  Extremes keys, values, exponents;
  Index seen = 0;
  for (Index i = 0; i < problem.queries(); ++i) {
    for (; seen < problem.visible_keys(i); ++seen) {
      keys.add(problem.K(seen, channel));
      values.add(problem.V(seen, channel));
    }
    const double q = problem.Q(i, channel);
    exponents.add(2.0 * q * keys.low);
    exponents.add(2.0 * q * keys.high);
  }
  const auto [log_spread, total_variation] = truncation_certificate(degree, exponents.low, exponents.high);
  const bool positive = total_variation <= 1.0;
  const double output = positive ? total_variation * values.width() : total_variation;
  return {exponents.low, exponents.high, positive, log_spread, total_variation, output};
}

}  // namespace

std::vector<ChannelCertificate> channel_certificates(const AttentionProblem& problem, int degree) {
  check_elementwise(problem);
  std::vector<ChannelCertificate> channels;
  for (Index c = 0; c < problem.head_dim(); ++c) channels.push_back(certify(problem, c, degree));
  return channels;
}

}  // namespace attngap
