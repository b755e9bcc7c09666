#include "analysis/moments.hpp"

#include <cmath>
#include <limits>

#include <Eigen/Core>

namespace attngap {
namespace {
constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
}

Moments Moments::of(std::span<const double> numbers) {
  Moments all;
  all.count_ = static_cast<std::int64_t>(numbers.size());
  if (numbers.empty()) return all;
  // A copy of Eigen's own, whose alignment and with it the order of summation are always the same.
  Eigen::ArrayXd deviations =
      Eigen::Map<const Eigen::ArrayXd>(numbers.data(), static_cast<Eigen::Index>(numbers.size()));
  const double about = deviations.mean();
  deviations -= about;
  const double rest = deviations.mean();  // what rounding left of a mean far from zero
  deviations -= rest;
  all.mean_ = about + rest;
  const Eigen::ArrayXd squares = deviations.square();
  all.sum2_ = squares.sum();
  all.sum3_ = (squares * deviations).sum();
  all.sum4_ = squares.square().sum();
  return all;
}

void Moments::add(double x) {
  Moments one;
  one.count_ = 1;
  one.mean_ = x;
  merge(one);
}

void Moments::merge(const Moments& other) {
  if (other.count_ == 0) return;
  if (count_ == 0) {
    *this = other;
    return;
  }
  const auto a = static_cast<double>(count_);
  const auto b = static_cast<double>(other.count_);
  const double n = a + b;
  const double delta = other.mean_ - mean_;
  const double step = delta / n;
  sum4_ += other.sum4_ + delta * step * step * step * a * b * (a * a - a * b + b * b) +
           6.0 * step * step * (a * a * other.sum2_ + b * b * sum2_) +
           4.0 * step * (a * other.sum3_ - b * sum3_);
  sum3_ += other.sum3_ + delta * step * step * a * b * (a - b) + 3.0 * step * (a * other.sum2_ - b * sum2_);
  sum2_ += other.sum2_ + delta * step * a * b;
  mean_ += step * b;
  count_ += other.count_;
}

double Moments::variance() const {
  return count_ < 2 ? kUndefined : sum2_ / static_cast<double>(count_ - 1);
}

double Moments::central_moment(int order) const {
  if (count_ == 0) return kUndefined;
  const double sum = order == 2 ? sum2_ : order == 3 ? sum3_ : order == 4 ? sum4_ : kUndefined;
  return sum / static_cast<double>(count_);
}

double Moments::standard_error_of_mean() const {
  return std::sqrt(variance() / static_cast<double>(count_));
}

double Moments::standard_error_of_variance() const {
  if (count_ < 4) return kUndefined;
  const auto n = static_cast<double>(count_);
  const double second = central_moment(2);
  return std::sqrt((central_moment(4) - second * second * (n - 3.0) / (n - 1.0)) / n);
}

}  // namespace attngap
