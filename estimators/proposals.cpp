#include "estimators/proposals.hpp"

#include "estimators/names.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace attngap {

ProposalMean proposal_mean_named(std::string_view name) {
  constexpr std::array<std::string_view, 4> names{"sum", "half", "keys", "zero"};
  require_known("proposal", name, names);
  return static_cast<ProposalMean>(std::find(names.begin(), names.end(), name) - names.begin());
}

Vector proposal_mean(ProposalMean kind, const Vector& mean_query, const Vector& mean_key) {
  switch (kind) {
    case ProposalMean::sum:
      return mean_query + mean_key;
    case ProposalMean::half:
      return 0.5 * (mean_query + mean_key);
    case ProposalMean::keys:
      return mean_key;
    case ProposalMean::zero:
      break;
  }
  return Vector::Zero(mean_key.size());
}

Vector mean_key(const PreparedRows<double>& rows, std::span<const Segment> tokens) {
  Vector sum = Vector::Zero(rows.K.cols());
  RowReader reader(rows);
  const Index step = rows.stream == nullptr ? rows.keys : kStreamedTokens;
  for (const Segment& part : tokens)
    for (Index begin = part.begin; begin < part.end; begin += step) {
      const Segment piece{begin, std::min(begin + step, part.end)};
      sum += reader.read(piece, part.end).K.colwise().sum().transpose();
    }
  return sum / static_cast<double>(total_size(tokens));
}

Vector mean_query(const PreparedRows<double>& rows, std::span<const Segment> tokens) {
  const auto row_at = [&](Index position) {  // first row at or after a position
    return std::lower_bound(rows.positions.begin(), rows.positions.end(), position) - rows.positions.begin();
  };
  Vector sum = Vector::Zero(rows.Q.cols());
  Index count = 0;
  for (const Segment& part : tokens) {
    const Index first = row_at(part.begin), past = row_at(part.end);
    sum += rows.Q.middleRows(first, past - first).colwise().sum().transpose();
    count += past - first;
  }
  if (count > 0) return sum / static_cast<double>(count);
  return rows.Q.row(std::max<Index>(row_at(tokens.back().end) - 1, 0)).transpose();
}

Matrix proposal_noise(const StreamAddress& address, Segment rows, Index head_dim) {
  const RandomStream stream(address, Purpose::proposals);
  const Index width = head_dim + head_dim % 2;  // a row starts on a pair of the stream
  Matrix padded(rows.size(), width);
  stream.normals(static_cast<std::uint64_t>(rows.begin * width),
                 {padded.data(), static_cast<std::size_t>(padded.size())});
  return padded.leftCols(head_dim);
}

double noise_deviation(bool released, double scale) {
  return released ? std::sqrt(scale) : 1.0;
}

Matrix log_proposal_ratios(const Eigen::Ref<const Matrix>& W, const Matrix& means) {
  Matrix ratios = W * means.transpose();
  ratios.rowwise() -= 0.5 * means.rowwise().squaredNorm().transpose();
  return ratios;
}

Matrix log_pair_moments(const Vector& q, const Matrix& keys, const Vector& mean) {
  const Vector along = 2.0 * q - mean;
  const Vector logits = keys * along;
  Matrix moments = keys * keys.transpose();
  moments.colwise() += logits;
  moments.rowwise() += logits.transpose();
  moments.array() += 0.5 * along.squaredNorm() + 0.5 * mean.squaredNorm() - q.squaredNorm();
  return moments;
}

}  // namespace attngap
