#include "estimators/elementwise_state.hpp"

#include "estimators/error.hpp"
#include "estimators/names.hpp"

#include <array>
#include <cmath>

namespace attngap {
namespace {

using Row = Eigen::Ref<const Eigen::RowVectorXd>;

template <typename Scalar>
Scalar root_of_two_over(double n) {
  return static_cast<Scalar>(std::sqrt(2.0 / n));
}
template <>
DoubleDouble root_of_two_over<DoubleDouble>(double n) {
  return double_double_sqrt(2.0 * n) / DoubleDouble(n);  // 2n is exact, 2/n is not
}

template <typename Scalar>
ElementwiseState::Sums<Scalar> empty_sums(Index channels, Index degree) {
  const auto size = static_cast<std::size_t>(channels * (degree + 1));
  ElementwiseState::Sums<Scalar> sums{std::vector<Scalar>(size), std::vector<Scalar>(size), {}};
  for (Index n = 0; n <= degree; ++n)
    sums.step.push_back(n == 0 ? Scalar(1) : root_of_two_over<Scalar>(static_cast<double>(n)));
  return sums;
}

// e^{−k²}. The double-double takes it as a double: its error weighs a key alike at every degree and is not
// amplified.
template <typename Scalar>
Scalar gaussian(Scalar k) {
  return std::exp(-k * k);
}
template <>
DoubleDouble gaussian(DoubleDouble k) {
  return DoubleDouble(std::exp(-k.high * k.high));
}

template <typename Scalar>
std::vector<Scalar> cast(const Row& row) {
  std::vector<Scalar> result;
  for (const double x : row) result.push_back(static_cast<Scalar>(x));
  return result;
}

template <typename Scalar>
void add_token(ElementwiseState::Sums<Scalar>& sums, const Row& key, const Row& value) {
  const auto k = cast<Scalar>(key);
  const auto v = cast<Scalar>(value);
  const std::size_t channels = k.size();
  std::vector<Scalar> feature(channels);  // √c_n kⁿ e^{−k²}
  for (std::size_t c = 0; c < channels; ++c) feature[c] = gaussian(k[c]);
  for (std::size_t n = 0; n < sums.step.size(); ++n) {
    Scalar* values = &sums.values[n * channels];
    Scalar* mass = &sums.mass[n * channels];
    const Scalar step = sums.step[n];
    for (std::size_t c = 0; c < channels; ++c) {
      if (n > 0) feature[c] = feature[c] * (k[c] * step);
      values[c] = values[c] + feature[c] * v[c];
      mass[c] = mass[c] + feature[c];
    }
  }
}

// Σ_n ψ_n (√c_n S_n) and the same with Z, ψ_n = √c_n qⁿ, in units of the largest |ψ| so far: |ψ_n| first
// grows and then falls with n. `visit` gets the degree and both sums after each.
template <typename Scalar, typename Visit>
void sum_degrees(const ElementwiseState::Sums<Scalar>& sums, const Row& query, const Visit& visit) {
  const auto q = cast<Scalar>(query);
  const std::size_t channels = q.size();
  const Scalar zero(0), one(1);
  std::vector<Scalar> numerator(channels), denominator(channels);
  std::vector<Scalar> coefficient(channels, one);  // ψ_n over the unit
  std::vector<double> log_unit(channels, 0.0);
  for (std::size_t n = 0; n < sums.step.size(); ++n) {
    const Scalar* values = &sums.values[n * channels];
    const Scalar* mass = &sums.mass[n * channels];
    for (std::size_t c = 0; c < channels; ++c) {
      if (n > 0) {
        const Scalar ratio = q[c] * sums.step[n];
        const Scalar magnitude = ratio < zero ? -ratio : ratio;
        if (one < magnitude) {  // the unit grows
          coefficient[c] = ratio < zero ? -coefficient[c] : coefficient[c];
          log_unit[c] += std::log(static_cast<double>(magnitude));
          numerator[c] = numerator[c] / magnitude;
          denominator[c] = denominator[c] / magnitude;
        } else {
          coefficient[c] = coefficient[c] * ratio;
        }
      }
      numerator[c] = numerator[c] + coefficient[c] * values[c];
      denominator[c] = denominator[c] + coefficient[c] * mass[c];
    }
    visit(static_cast<Index>(n), numerator, denominator, log_unit);
  }
}

constexpr std::array<std::string_view, 3> kAccumulations{"double", "float", "compensated"};

}  // namespace

Accumulation accumulation_named(std::string_view name) {
  require_known("accumulation", name, kAccumulations);
  if (name == "double") return Accumulation::float64;
  return name == "float" ? Accumulation::float32 : Accumulation::compensated;
}

ElementwiseState::ElementwiseState(Index channels, Index degree, Accumulation accumulation)
    : channels_(channels), degree_(degree) {
  require(channels >= 1, "element-wise state: channels = {}, must be at least 1", channels);
  require(degree >= 0 && degree <= kMaxDegree,
          "element-wise attention: degree = {}, must be between 0 and {} (terms = degree + 1)", degree,
          kMaxDegree);
  if (accumulation == Accumulation::float64) sums_ = empty_sums<double>(channels, degree);
  if (accumulation == Accumulation::float32) sums_ = empty_sums<float>(channels, degree);
  if (accumulation == Accumulation::compensated) sums_ = empty_sums<DoubleDouble>(channels, degree);
}

void ElementwiseState::push(const Row& k, const Row& v) {
  require(k.size() == channels_ && v.size() == channels_,
          "element-wise state of {} channels: k has {} entries and v has {}", channels_, k.size(), v.size());
  std::visit([&](auto& sums) { add_token(sums, k, v); }, sums_);
  ++pushed_;
}

Eigen::RowVectorXd ElementwiseState::read(const Row& q) const {
  require(q.size() == channels_, "element-wise state of {} channels: q has {} entries", channels_, q.size());
  Eigen::RowVectorXd output(channels_);
  const auto keep_last = [&](Index n, const auto& numerator, const auto& denominator, const auto&) {
    if (n < degree_) return;
    for (Index c = 0; c < channels_; ++c) {
      const auto place = static_cast<std::size_t>(c);
      output(c) = static_cast<double>(numerator[place] / denominator[place]);
    }
  };
  std::visit([&](const auto& sums) { sum_degrees(sums, q, keep_last); }, sums_);
  return output;
}

ElementwiseReadout ElementwiseState::read_degrees(const Row& q) const {
  require(q.size() == channels_, "element-wise state of {} channels: q has {} entries", channels_, q.size());
  ElementwiseReadout readout{Matrix(degree_ + 1, channels_), Matrix(degree_ + 1, channels_),
                             Matrix(degree_ + 1, channels_)};
  const auto keep = [&](Index n, const auto& numerator, const auto& denominator, const auto& log_unit) {
    for (Index c = 0; c < channels_; ++c) {
      const auto place = static_cast<std::size_t>(c);
      readout.numerator(n, c) = static_cast<double>(numerator[place]);
      readout.denominator(n, c) = static_cast<double>(denominator[place]);
      readout.log_unit(n, c) = log_unit[place];
    }
  };
  std::visit([&](const auto& sums) { sum_degrees(sums, q, keep); }, sums_);
  return readout;
}

std::size_t ElementwiseState::bytes() const {
  return std::visit(
      [](const auto& sums) { return (sums.values.size() + sums.mass.size()) * sizeof(sums.values[0]); },
      sums_);
}

}  // namespace attngap
