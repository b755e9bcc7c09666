#include "estimators/eva_layout.hpp"

#include "estimators/key_pool.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace attngap {
namespace {

constexpr Index kKeyBlock = 256;
constexpr std::size_t kQueryBlock = 512;

Matrix gather_rows(const Matrix& source, const std::vector<Index>& places) {
  Matrix rows(static_cast<Index>(places.size()), source.cols());
  for (std::size_t i = 0; i < places.size(); ++i) rows.row(static_cast<Index>(i)) = source.row(places[i]);
  return rows;
}

// Tokens of a chunk that a window's group holds.
std::vector<Segment> group_tokens(const Segment& chunk, const Window& window, const EvaShape& shape,
                                  const PreparedRows<double>& rows) {
  if (shape.cover_all) return {chunk};
  if (rows.mask == Mask::none) return without(chunk, window.keys);
  return without(chunk, std::vector<Segment>{{window.keys.front().begin, rows.keys}});
}

// Tokens of the queries that go with a group: its own where positions are places of keys, as they are
// wherever there are windows; else those at the same fraction of the queries' tokens.
std::vector<Segment> query_tokens(std::vector<Segment> tokens, const EvaShape& shape,
                                  const PreparedRows<double>& rows) {
  if (shape.window.width > 0) return tokens;
  const Index keys = rows.keys, queries = rows.positions.back() + 1;
  for (Segment& part : tokens) part = {part.begin * queries / keys, part.end * queries / keys};
  return tokens;
}

// ln of a group's mass for some queries.
Vector log_mass(const PreparedRows<double>& rows, GroupMass kind, const Eigen::Ref<const Matrix>& queries,
                const EvaGroup& group) {
  if (kind == GroupMass::exact) {
    KeyPool pool(rows, KeyPool::Bias::logits);
    pool.start(queries);
    for (const Segment& part : group.tokens) pool.absorb(part);
    return pool.log_mass();
  }
  const double count = static_cast<double>(total_size(group.tokens));
  Vector result = queries * group.key_mean;
  if (kind == GroupMass::cumulant) {
    Vector squares = Vector::Zero(queries.rows());
    RowReader reader(rows);
    for (const Segment& part : group.tokens)
      for (Index begin = part.begin; begin < part.end; begin += kKeyBlock) {
        const Index end = std::min(begin + kKeyBlock, part.end);
        const Matrix logits = queries * reader.read({begin, end}, part.end).K.transpose();
        squares += (logits.colwise() - result).rowwise().squaredNorm();
      }
    result += squares / (2.0 * count);
  }
  if (kind != GroupMass::mean) result.array() += std::log(count);
  return result;
}

// ln of the masses of every window's groups. A group that many windows share is gone through once for all
// their queries, and not once a window, which would cost l² however few the groups are.
void find_log_masses(const PreparedRows<double>& rows, GroupMass kind, const std::vector<EvaGroup>& groups,
                     std::vector<EvaWindow>& windows) {
  struct Place {
    std::size_t window;
    Index row, column;
  };
  std::vector<std::vector<Place>> places(groups.size());
  for (std::size_t w = 0; w < windows.size(); ++w) {
    EvaWindow& part = windows[w];
    const auto queries = static_cast<Index>(part.window.queries.size());
    part.mass.resize(queries, static_cast<Index>(part.groups.size()));
    for (Index c = 0; c < part.mass.cols(); ++c)
      for (Index i = 0; i < queries; ++i)
        places[static_cast<std::size_t>(part.groups[static_cast<std::size_t>(c)])].push_back({w, i, c});
  }
  for (std::size_t g = 0; g < groups.size(); ++g)
    for (std::size_t first = 0; first < places[g].size(); first += kQueryBlock) {
      const std::size_t past = std::min(first + kQueryBlock, places[g].size());
      std::vector<Index> queries;
      for (std::size_t i = first; i < past; ++i) {
        const Place& place = places[g][i];
        queries.push_back(windows[place.window].window.queries[static_cast<std::size_t>(place.row)]);
      }
      const Vector masses = log_mass(rows, kind, gather_rows(rows.Q, queries), groups[g]);
      for (std::size_t i = first; i < past; ++i) {
        const Place& place = places[g][i];
        windows[place.window].mass(place.row, place.column) = masses(static_cast<Index>(i - first));
      }
    }
}

// Softmax over the exact set: average and ln mass of each of the window's queries.
void attend_exactly(const PreparedRows<double>& rows, const Matrix& queries, EvaWindow& part,
                    Vector& log_exact) {
  const bool causal = rows.mask == Mask::causal;
  KeyPool pool(rows, KeyPool::Bias::logits);
  log_exact.resize(queries.rows());
  part.exact.resize(queries.rows(), rows.V.cols());
  const Index step = causal ? 1 : queries.rows();
  for (Index i = 0; i < queries.rows(); i += step) {
    pool.start(queries.middleRows(i, step));
    const Index visible =
        causal
            ? rows.positions[static_cast<std::size_t>(part.window.queries[static_cast<std::size_t>(i)])] + 1
            : rows.keys;
    for (const Segment& keys : part.window.keys) pool.absorb({keys.begin, std::min(keys.end, visible)});
    part.exact.middleRows(i, step) = pool.average();
    log_exact.segment(i, step) = pool.log_mass();
  }
}

// The released causal code: a chunk is seen by the queries of later chunks, whether or not their window holds
// it too.
void hide_own_and_later_chunks(const PreparedRows<double>& rows, std::span<const Segment> chunks,
                               const std::vector<EvaGroup>& groups, EvaWindow& part) {
  for (Index i = 0; i < part.mass.rows(); ++i) {
    const Index row = part.window.queries[static_cast<std::size_t>(i)];
    const Index token = rows.positions[static_cast<std::size_t>(row)];
    for (std::size_t c = 0; c < part.groups.size(); ++c) {
      const EvaGroup& group = groups[static_cast<std::size_t>(part.groups[c])];
      if (chunks[static_cast<std::size_t>(group.chunk)].end > token)
        part.mass(i, static_cast<Index>(c)) = -std::numeric_limits<double>::infinity();
    }
  }
}

// Exact part of a window, and its masses from their logarithms.
void weigh(const PreparedRows<double>& rows, const EvaShape& shape, std::span<const Segment> chunks,
           const std::vector<EvaGroup>& groups, EvaWindow& part) {
  const Matrix queries = gather_rows(rows.Q, part.window.queries);
  Vector log_exact;
  attend_exactly(rows, queries, part, log_exact);
  if (shape.cover_all && rows.mask == Mask::causal) hide_own_and_later_chunks(rows, chunks, groups, part);

  Vector maximum = log_exact;
  if (part.mass.cols() > 0) maximum = maximum.cwiseMax(part.mass.rowwise().maxCoeff());
  part.mass = (part.mass.colwise() - maximum).array().exp();
  Vector kept = (log_exact - maximum).array().exp();
  const Vector total = kept + part.mass.rowwise().sum();
  part.mass.array().colwise() /= total.array();
  kept.array() /= total.array();
  part.exact.array().colwise() *= kept.array();
  part.log_total = maximum.array() + total.array().log();
}

}  // namespace

EvaLayout::EvaLayout(const AttentionProblem& problem, const PreparedRows<double>& rows, const EvaShape& shape,
                     Index chunk_count) {
  const std::vector<Segment> chunks = equal_segments(problem.keys(), std::min(chunk_count, problem.keys()));
  const auto add_group = [&](std::vector<Segment> tokens, std::size_t chunk) {
    const Vector keys = mean_key(rows, tokens);
    const Vector mean =
        proposal_mean(shape.proposal, mean_query(rows, query_tokens(tokens, shape, rows)), keys);
    groups.push_back({std::move(tokens), static_cast<Index>(chunk), keys, mean});
    return static_cast<Index>(groups.size()) - 1;
  };
  std::vector<std::optional<Index>> whole(chunks.size());  // the group that is all of a chunk
  for (Window& window : make_windows(problem, shape.window)) {
    EvaWindow part{std::move(window), {}, {}, {}, {}};
    for (std::size_t c = 0; c < chunks.size(); ++c) {
      std::vector<Segment> tokens = group_tokens(chunks[c], part.window, shape, rows);
      if (tokens.empty()) continue;
      if (total_size(tokens) < chunks[c].size()) {
        part.groups.push_back(add_group(std::move(tokens), c));
        continue;
      }
      if (!whole[c]) whole[c] = add_group(std::move(tokens), c);
      part.groups.push_back(*whole[c]);
    }
    windows.push_back(std::move(part));
  }
  find_log_masses(rows, shape.mass, groups, windows);
  for (EvaWindow& part : windows) weigh(rows, shape, chunks, groups, part);
}

}  // namespace attngap
