#include "experiments/synthetic_stream.hpp"

#include "estimators/error.hpp"
#include "estimators/random_stream.hpp"
#include "experiments/memory_need.hpp"

#include <algorithm>
#include <cmath>
#include <new>
#include <utility>

namespace attngap {
namespace {

// One address per array. The values are part of the numbers; never renumber.
enum class Part : std::uint32_t {
  queries,
  keys,
  values,
  value_map,
  centres,
  query_labels,
  key_labels,
  query_radii,
  key_radii
};

RandomStream stream_of(const SyntheticSpec& spec, Part part) {
  return RandomStream({spec.seed, static_cast<std::uint32_t>(part), 0}, Purpose::data);
}

// Rows of an endless table of normals. A stream is read from even places only.
Matrix normals(const SyntheticSpec& spec, Part part, Segment rows, Index cols) {
  const auto first = static_cast<std::uint64_t>(rows.begin) * static_cast<std::uint64_t>(cols);
  Matrix result(rows.size(), cols);
  const std::span<double> numbers(result.data(), static_cast<std::size_t>(result.size()));
  if (first % 2 == 0) {
    stream_of(spec, part).normals(first, numbers);
    return result;
  }
  std::vector<double> from_even(numbers.size() + 1);
  stream_of(spec, part).normals(first - 1, from_even);
  std::copy(from_even.begin() + 1, from_even.end(), numbers.begin());
  return result;
}

void normalise_rows(Matrix& matrix) {
  for (Index i = 0; i < matrix.rows(); ++i) {
    const double norm = matrix.row(i).norm();
    if (norm > 0)
      matrix.row(i) /= norm;
    else
      matrix.row(i) = Matrix::Identity(1, matrix.cols());
  }
}

// One number of (0, 1) a token.
std::vector<double> uniforms_of(const SyntheticSpec& spec, Part part, Segment tokens) {
  const Index even = tokens.begin - tokens.begin % 2;
  std::vector<double> uniforms(static_cast<std::size_t>(tokens.end - even));
  stream_of(spec, part).uniforms(static_cast<std::uint64_t>(even), uniforms);
  uniforms.erase(uniforms.begin(), uniforms.begin() + (tokens.begin - even));
  return uniforms;
}

std::vector<Index> labels(const SyntheticSpec& spec, Part part, Segment tokens) {
  std::vector<Index> result;
  for (const double u : uniforms_of(spec, part, tokens)) {
    result.push_back(std::min(static_cast<Index>(u * static_cast<double>(spec.clusters)), spec.clusters - 1));
  }
  return result;
}

Part part_of(TokenSequence::Side side) {
  return side == TokenSequence::Side::queries ? Part::queries : Part::keys;
}

double per_coordinate(const SyntheticSpec& spec) {
  return spec.norm / std::sqrt(static_cast<double>(spec.dim));
}

// x̃ → q: what the scale 1/√d undoes.
double unscale(const SyntheticSpec& spec) {
  return std::pow(static_cast<double>(spec.dim), 0.25);
}

// Goes on from the state of the token before; `rows` holds zₜ and becomes x̃ₜ before scaling.
void recur(const SyntheticSpec& spec, Eigen::RowVectorXd state, bool first, Matrix& rows) {
  const double innovation = std::sqrt(1.0 - spec.rho * spec.rho);
  for (Index t = 0; t < rows.rows(); ++t) {
    if (!(first && t == 0)) rows.row(t) = spec.rho * state + innovation * rows.row(t);
    state = rows.row(t);
  }
}

}  // namespace

TokenSequence::TokenSequence(SyntheticSpec spec, Side side) : spec_(std::move(spec)), side_(side) {
  if (spec_.kind == "clustered") {
    centres_ = normals(spec_, Part::centres, {0, spec_.clusters}, spec_.dim);
    normalise_rows(centres_);
    centres_ *= spec_.norm * std::sqrt(1.0 - spec_.spread * spec_.spread);
  }
  if (spec_.kind != "ar1") return;
  for (Index begin = 0; begin + kStreamedTokens < spec_.length; begin += kStreamedTokens) {
    Matrix rows = normals(spec_, part_of(side_), {begin, begin + kStreamedTokens}, spec_.dim);
    recur(spec_, states_.empty() ? Eigen::RowVectorXd() : states_.back(), begin == 0, rows);
    states_.emplace_back(rows.row(rows.rows() - 1));
  }
}

Matrix TokenSequence::read(Segment tokens) const {
  if (spec_.kind == "ar1") return read_ar1(tokens);
  Matrix rows = normals(spec_, part_of(side_), tokens, spec_.dim);
  if (spec_.kind == "sphere") {
    normalise_rows(rows);
    return rows * spec_.norm;
  }
  if (spec_.kind == "ball") {
    normalise_rows(rows);
    scale_to_ball(tokens, rows);
    return rows;
  }
  if (spec_.kind == "clustered") {
    rows *= per_coordinate(spec_) * spec_.spread;
    add_centres(tokens, rows);
    return rows;
  }
  return rows * per_coordinate(spec_);
}

Matrix TokenSequence::read_ar1(Segment tokens) const {
  const auto known = static_cast<std::size_t>(tokens.begin / kStreamedTokens);
  const Index start = static_cast<Index>(known) * kStreamedTokens;
  Matrix rows = normals(spec_, part_of(side_), {start, tokens.end}, spec_.dim);
  recur(spec_, known == 0 ? Eigen::RowVectorXd() : states_[known - 1], start == 0, rows);
  return rows.bottomRows(tokens.size()) * per_coordinate(spec_);
}

void TokenSequence::add_centres(Segment tokens, Matrix& rows) const {
  const std::vector<Index> label =
      labels(spec_, side_ == Side::queries ? Part::query_labels : Part::key_labels, tokens);
  for (Index t = 0; t < tokens.size(); ++t) rows.row(t) += centres_.row(label[static_cast<std::size_t>(t)]);
}

// The share uᵈ of the volume of a ball lies within u of its radius.
void TokenSequence::scale_to_ball(Segment tokens, Matrix& directions) const {
  const auto dim = static_cast<double>(spec_.dim);
  const double radius = spec_.norm * std::sqrt((dim + 2.0) / dim);
  const std::vector<double> shares =
      uniforms_of(spec_, side_ == Side::queries ? Part::query_radii : Part::key_radii, tokens);
  for (Index t = 0; t < tokens.size(); ++t)
    directions.row(t) *= radius * std::pow(shares[static_cast<std::size_t>(t)], 1.0 / dim);
}

SyntheticStream::SyntheticStream(SyntheticSpec spec)
    : spec_(std::move(spec)),
      queries_(spec_, TokenSequence::Side::queries),
      keys_(spec_, TokenSequence::Side::keys) {
  if (!spec_.linear_values) return;
  value_map_ = normals(spec_, Part::value_map, {0, spec_.value_dim}, spec_.dim);
  normalise_rows(value_map_);
  value_map_ *= std::sqrt(static_cast<double>(spec_.dim)) / spec_.norm;
}

void SyntheticStream::read(Segment tokens, Matrix& K, Matrix& V) const {
  K = keys_.read(tokens);
  if (spec_.linear_values) {
    V.resize(tokens.size(), spec_.value_dim);
    // Row by row: a blocked product may round a row differently when the length changes.
    for (Index t = 0; t < tokens.size(); ++t)
      V.row(t).noalias() = (value_map_ * K.row(t).transpose()).transpose();
  } else {
    V = normals(spec_, Part::values, tokens, spec_.value_dim);
  }
  K *= unscale(spec_);
}

AttentionProblem SyntheticStream::queries(Index count) const {
  AttentionProblem problem{{},
                           Matrix(0, spec_.dim),
                           Matrix(0, spec_.value_dim),
                           1.0 / std::sqrt(static_cast<double>(spec_.dim)),
                           spec_.mask,
                           {},
                           {}};
  problem.positions = spread_queries(spec_.length, count == 0 ? spec_.length : count);
  problem.Q.resize(static_cast<Index>(problem.positions.size()), spec_.dim);
  for (std::size_t i = 0; i < problem.positions.size();) {
    // Queries that lie within a segment are made with it.
    const Index begin = problem.positions[i] - problem.positions[i] % kStreamedTokens;
    const Matrix rows = queries_.read({begin, std::min(begin + kStreamedTokens, spec_.length)});
    for (; i < problem.positions.size() && problem.positions[i] < begin + kStreamedTokens; ++i)
      problem.Q.row(static_cast<Index>(i)) = rows.row(problem.positions[i] - begin) * unscale(spec_);
  }
  return problem;
}

AttentionProblem make_synthetic(const SyntheticSpec& spec, std::string_view mend) {
  const std::string source = "synthetic:" + spec.kind;
  // Q, K and V, and the scaled copies they are made from.
  require_memory(static_cast<double>(sizeof(double)) * static_cast<double>(spec.length) *
                     static_cast<double>(4 * spec.dim + 2 * spec.value_dim),
                 fmt::format("{}: length = {}", source, spec.length), mend);
  try {
    const SyntheticStream stream(spec);
    Matrix K, V;
    stream.read({0, spec.length}, K, V);
    return make_problem(stream.queries(0).Q, std::move(K), std::move(V), spec.mask, std::nullopt, source);
  } catch (const std::bad_alloc&) {
    throw BadInput(fmt::format("{}: length = {} does not fit the memory of this machine; {}", source,
                               spec.length, mend));
  }
}

}  // namespace attngap
