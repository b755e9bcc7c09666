#include "estimators/decoding_state.hpp"

#include "estimators/error.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace attngap {
namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();

}  // namespace

DecodingState::DecodingState(const FeatureMap& map, std::shared_ptr<DirectionSource<double>> source,
                             std::vector<DirectionPanel> panels, Index value_dim)
    : map_(&map), source_(std::move(source)), panels_(std::move(panels)) {
  Index total = 0;
  for (const DirectionPanel& panel : panels_)
    ends_.push_back(total += source_->columns(panel) * map.per_direction());
  shift_ = Vector::Constant(map.in_log_domain() ? total : 1, kNever);
  sums_.setZero(total, value_dim + 1);
}

DecodingState::DecodingState(const FeatureMap& map, const Matrix& Omega, Index value_dim)
    : DecodingState(map, given_directions(Omega), {DirectionPanel{0, Omega.rows()}}, value_dim) {}

// ψ of one vector, or ln ψ, without the norm factor.
Eigen::RowVectorXd DecodingState::features(const Vector& x) const {
  Eigen::RowVectorXd result(sums_.rows());
  const Matrix row = x.transpose();
  Index begin = 0;
  for (std::size_t i = 0; i < panels_.size(); ++i) {
    Matrix projections(1, source_->columns(panels_[i]));
    source_->project(panels_[i], 0, row, projections);
    Matrix panel(1, ends_[i] - begin);
    map_->activate(projections, panel);
    result.segment(begin, panel.cols()) = panel.row(0);
    begin = ends_[i];
  }
  return result;
}

// Brings a shift up to an exponent that exceeds it; the sums it governs follow.
void DecodingState::raise(Index slot, double exponent) {
  if (exponent <= shift_(slot)) return;
  const double kept = std::exp(shift_(slot) - exponent);
  if (map_->in_log_domain())
    sums_.row(slot) *= kept;
  else
    sums_ *= kept;
  shift_(slot) = exponent;
}

void DecodingState::push(const Vector& key, const Vector& value, const TokenGate& gate) {
  const Index p = sums_.cols() - 1;
  require(value.size() == p, "push: the value has {} entries, the state keeps {}", value.size(), p);
  const double common = 0.5 * map_->norm_exponent() * key.squaredNorm() + gate.log_take;
  Eigen::RowVectorXd phi = features(key);
  if (!empty_) shift_.array() += gate.log_keep;
  empty_ = false;
  if (map_->in_log_domain()) {
    for (Index f = 0; f < phi.size(); ++f) {
      raise(f, phi(f) + common);
      phi(f) = std::exp(phi(f) + common - shift_(f));
    }
  } else {
    raise(0, common);
    phi *= std::exp(common - shift_(0));
  }
  sums_.leftCols(p).noalias() += phi.transpose() * value.transpose();
  sums_.col(p) += phi.transpose();
}

AttentionEstimate DecodingState::read(const Vector& query) const {
  return read(query, panels_.back().first + panels_.back().count);
}

AttentionEstimate DecodingState::read(const Vector& query, Index draws) const {
  require(!empty_, "read: no key has been pushed yet");
  const auto panel = std::find_if(panels_.begin(), panels_.end(), [&](const DirectionPanel& each) {
    return each.first + each.count == draws;
  });
  require(panel != panels_.end(), "read: no panel of directions ends at {}", draws);
  const Index used = ends_[static_cast<std::size_t>(panel - panels_.begin())];
  Eigen::RowVectorXd phi = features(query).head(used);
  double log_scale = 0.5 * map_->norm_exponent() * query.squaredNorm();
  if (map_->in_log_domain()) {
    phi += shift_.head(used).transpose();
    const double highest = phi.maxCoeff();
    phi = (phi.array() - highest).exp();
    log_scale += highest;
  } else {
    log_scale += shift_(0);
  }
  const Index p = sums_.cols() - 1;
  const Eigen::RowVectorXd answer = phi * sums_.topRows(used);
  AttentionEstimate estimate(1, p);
  estimate.numerator = answer.head(p);
  estimate.denominator(0) = answer(p);
  estimate.log_scale(0) = log_scale - std::log(static_cast<double>(draws) * map_->fold());
  return estimate;
}

std::vector<double> DecodingState::save() const {
  std::vector<double> saved{empty_ ? 0.0 : 1.0};
  saved.insert(saved.end(), shift_.data(), shift_.data() + shift_.size());
  saved.insert(saved.end(), sums_.data(), sums_.data() + sums_.size());
  return saved;
}

void DecodingState::restore(std::span<const double> saved) {
  const auto shifts = static_cast<std::size_t>(shift_.size());
  const std::size_t expected = 1 + shifts + static_cast<std::size_t>(sums_.size());
  require(saved.size() == expected, "restore: {} numbers were saved, this state has {}", saved.size(),
          expected);
  empty_ = saved[0] == 0.0;
  std::copy_n(saved.begin() + 1, shifts, shift_.data());
  std::copy(saved.begin() + 1 + static_cast<std::ptrdiff_t>(shifts), saved.end(), sums_.data());
}

}  // namespace attngap
