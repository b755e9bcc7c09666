#include "estimators/feature_pass.hpp"

#include "estimators/vector_math.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <type_traits>
#include <utility>

namespace attngap {
namespace {

// Rows × columns that fit the second-level cache together with their features.
constexpr Index kBlockRows = 128;

// How far an exponent may rise above its shift before the shift follows. Two such factors and a sum over keys
// stay far from overflow, and a shift that follows rarely costs nothing.
template <typename Scalar>
constexpr Scalar kSlack = std::is_same_v<Scalar, double> ? Scalar{200} : Scalar{20};

template <typename Scalar>
using View = Eigen::Map<RowMatrix<Scalar>>;

template <typename Scalar>
View<Scalar> view(AlignedBuffer<Scalar>& buffer, Index rows, Index columns) {
  const auto needed = static_cast<std::size_t>(rows * columns);
  if (buffer.size() < needed) buffer.resize(needed);
  return View<Scalar>(buffer.data(), rows, columns);
}

// Where sums are formed that are read in double: there, or in a matrix of their own.
template <typename Scalar>
decltype(auto) sums_for(Matrix& answers) {
  if constexpr (std::is_same_v<Scalar, double>)
    return (answers);
  else
    return RowMatrix<Scalar>(answers.rows(), answers.cols());
}

}  // namespace

// One feature map within a pass: its key sums for the current panel, and its answers so far.
template <typename Scalar>
class FeaturePass<Scalar>::MapPass {
 public:
  using Column = typename PreparedRows<Scalar>::Column;
  using Row = Eigen::Array<Scalar, 1, Eigen::Dynamic>;

  MapPass(const PreparedRows<Scalar>& rows, const FeatureMap& map, const WeightedValues<Scalar>& weighted)
      : rows_(rows),
        map_(map),
        weighted_(weighted),
        values_(weighted.V.size() == 0 ? rows.V.data() : weighted.V.data(), rows.V.rows(), rows.V.cols()),
        estimate_(rows.Q.rows(), rows.V.cols()),
        numerator_(sums_for<Scalar>(estimate_.numerator)),
        denominator_(rows.Q.rows()),
        row_shift_(rows.Q.rows()) {}

  void start_draw() {
    numerator_.setZero();
    denominator_.setZero();
    row_shift_.setConstant(-std::numeric_limits<Scalar>::infinity());
  }

  // Starts a panel of `columns` projections; the key sums of the first `affine` are given.
  void start_panel(Index columns, Index affine, const View<Scalar>& affine_key_sums) {
    width_ = columns * map_.per_direction();
    skipped_ = affine;
    key_sums().setZero();
    key_mass().setZero();
    column_shift().setConstant(-std::numeric_limits<Scalar>::infinity());
    if (affine == 0) return;
    key_sums().topRows(affine) = affine_key_sums.leftCols(rows_.V.cols());
    key_mass().head(affine) = affine_key_sums.col(rows_.V.cols());
  }

  // Where the projections of a block of keys, or of queries, may lie if no other map reads them: where their
  // features will.
  View<Scalar> key_place(Index rows) { return view(key_features_, rows, width_ - skipped_); }
  View<Scalar> query_place(Index rows) { return view(query_features_, rows, width_); }
  bool in_place() const { return map_.per_direction() == 1; }

  // Features of a block of keys from their projections; of a map in the log domain, still their logarithms.
  void activate_keys(const View<Scalar>& projections) {
    auto features = key_place(projections.rows());
    map_.activate(projections, features);
  }

  // Features of the activated block of keys first … relative to the shifts.
  void evaluate_keys(Index first, Index count) {
    if (!map_.in_log_domain()) return;
    auto features = view(key_features_, count, width_ - skipped_);
    follow_keys(features, first);
    for (Index i = 0; i < features.rows(); ++i) {
      features.row(i).array() -= rows_.key_half_norms(first + i) + column_shift();
      exponentiate(features, i);
    }
  }

  // The same for keys `done` … of a block, as many as stay within the slack of what the first of them and
  // those before it set: a query among them must not lose the keys it sees to a later one. Returns how many.
  Index evaluate_next_keys(Index first, Index done, Index count) {
    if (!map_.in_log_domain()) return count - done;
    auto features = view(key_features_, count, width_);
    follow_keys(View<Scalar>(&features(done, 0), 1, width_), first + done);
    for (Index i = done; i < count; ++i) {
      highest() = features.row(i).array() - rows_.key_half_norms(first + i) - column_shift();
      if (i > done && highest().maxCoeff() > kSlack<Scalar>) return i - done;
      features.row(i) = highest();
      exponentiate(features, i);
    }
    return count - done;
  }

  // Adds evaluated keys first …, which lie in the block from row `done` on, to the key sums.
  void absorb_keys(Index first, Index count, Index done = 0) {
    const View<Scalar> features = evaluated_keys(done, count);
    key_sums().bottomRows(width_ - skipped_).noalias() +=
        features.transpose() * values_.middleRows(first, count);
    key_mass().tail(width_ - skipped_).noalias() +=
        features.transpose() * weighted_.mass.segment(first, count);
  }

  // Features of queries first … from their projections.
  void evaluate_queries(const View<Scalar>& projections, Index first) {
    auto features = query_place(projections.rows());
    map_.activate(projections, features);
    if (!map_.in_log_domain()) return;
    for (Index i = 0; i < features.rows(); ++i) {
      auto row = features.row(i).array();
      row += column_shift() - rows_.query_half_norms(first + i);
      const Scalar highest = row.maxCoeff();
      if (highest > row_shift_(first + i) + kSlack<Scalar>) {
        const Scalar kept = std::exp(row_shift_(first + i) - highest);
        numerator_.row(first + i) *= kept;
        denominator_(first + i) *= kept;
        row_shift_(first + i) = highest;
      }
      row -= row_shift_(first + i);
      exponentiate(features, i);
    }
  }

  // Adds to the evaluated queries' answers what the key sums hold.
  void answer_queries(Index first, Index count) {
    const auto features = view(query_features_, count, width_);
    numerator_.middleRows(first, count).noalias() += features * key_sums();
    denominator_.segment(first, count).noalias() += features * key_mass();
  }

  // Adds the evaluated keys first_key …, which lie in the block from row `done` on, themselves, each query
  // seeing those up to its own position.
  void answer_inside(Index first, Index count, Index first_key, Index keys, Index done) {
    const auto query_features = view(query_features_, count, width_);
    const View<Scalar> key_features = evaluated_keys(done, keys);
    auto weights = view(inside_weights_, count, keys);
    weights.noalias() = query_features * key_features.transpose();
    for (Index i = 0; i < count; ++i) {
      const Index visible = rows_.positions[static_cast<std::size_t>(first + i)] + 1 - first_key;
      weights.row(i).tail(keys - visible).setZero();
    }
    numerator_.middleRows(first, count).noalias() += weights * values_.middleRows(first_key, keys);
    denominator_.segment(first, count).noalias() += weights * weighted_.mass.segment(first_key, keys);
  }

  const AttentionEstimate& estimate(Index draws) {
    if constexpr (!std::is_same_v<Scalar, double>) estimate_.numerator = numerator_.template cast<double>();
    estimate_.denominator = denominator_.template cast<double>();
    if (map_.in_log_domain()) {
      estimate_.log_scale = row_shift_.template cast<double>();
    } else {
      estimate_.log_scale = map_.norm_exponent() * rows_.query_half_norms.template cast<double>();
      estimate_.log_scale.array() += weighted_.log_shift;
    }
    estimate_.log_scale.array() -= std::log(static_cast<double>(draws) * map_.fold());
    return estimate_;
  }

 private:
  static void exponentiate(View<Scalar>& features, Index row) {
    vector_exp(std::span<Scalar>(&features(row, 0), static_cast<std::size_t>(features.cols())));
  }

  View<Scalar> evaluated_keys(Index done, Index count) {
    const Index width = width_ - skipped_;
    return View<Scalar>(key_features_.data() + done * width, count, width);
  }

  // Raises the shifts of those features whose exponents have risen past the slack; their sums follow.
  void follow_keys(const View<Scalar>& features, Index first) {
    highest() = features.row(0).array() - rows_.key_half_norms(first);
    for (Index i = 1; i < features.rows(); ++i)
      highest() = highest().max(features.row(i).array() - rows_.key_half_norms(first + i));
    if ((highest() <= column_shift() + kSlack<Scalar>).all()) return;
    for (Index f = 0; f < width_; ++f) {
      if (highest()(f) <= column_shift()(f) + kSlack<Scalar>) continue;
      const Scalar kept = std::exp(column_shift()(f) - highest()(f));
      key_sums().row(f) *= kept;
      key_mass()(f) *= kept;
      column_shift()(f) = highest()(f);
    }
  }

  const PreparedRows<Scalar>& rows_;
  const FeatureMap& map_;
  const WeightedValues<Scalar>& weighted_;
  const Eigen::Map<const RowMatrix<Scalar>> values_;

  // What a panel needs, of its own width; the memory stays when the width changes.
  View<Scalar> key_sums() { return view(key_sums_, width_, rows_.V.cols()); }
  Eigen::Map<Column> key_mass() { return {view(key_mass_, 1, width_).data(), width_}; }
  Eigen::Map<Row> column_shift() { return {view(column_shift_, 1, width_).data(), width_}; }
  Eigen::Map<Row> highest() { return {view(highest_, 1, width_).data(), width_}; }

  Index width_ = 0;
  Index skipped_ = 0;
  AlignedBuffer<Scalar> key_sums_, key_mass_, column_shift_, highest_;
  AlignedBuffer<Scalar> key_features_, query_features_, inside_weights_;

  AttentionEstimate estimate_;
  decltype(sums_for<Scalar>(std::declval<Matrix&>())) numerator_;
  Column denominator_, row_shift_;
};

template <typename Scalar>
FeaturePass<Scalar>::FeaturePass(const Plan& plan, std::unique_ptr<DirectionSource<Scalar>> source)
    : plan_(plan), source_(std::move(source)), panels_(cut_panels(plan.counts, plan.panel_width)) {
  for (std::size_t i = 0; i < plan.maps.size(); ++i)
    maps_.push_back(std::make_unique<MapPass>(*plan.rows, *plan.maps[i], *plan.weighted[i]));
}

template <typename Scalar>
FeaturePass<Scalar>::~FeaturePass() = default;

template <typename Scalar>
void FeaturePass<Scalar>::draw(const StreamAddress& address, const EstimateVisitor& visit) {
  source_->draw(address);
  for (auto& map : maps_) map->start_draw();
  std::size_t next_count = 0;
  for (const DirectionPanel& panel : panels_) {
    walk_keys(panel);
    if (plan_.rows->mask == Mask::none) walk_queries(panel);
    if (panel.first + panel.count != plan_.counts[next_count]) continue;
    for (std::size_t i = 0; i < maps_.size(); ++i)
      visit(i, next_count, maps_[i]->estimate(plan_.counts[next_count]));
    ++next_count;
  }
}

template <typename Scalar>
void FeaturePass<Scalar>::walk_keys(const DirectionPanel& panel) {
  const PreparedRows<Scalar>& rows = *plan_.rows;
  const Index columns = source_->columns(panel);
  const Index affine = rows.mask == Mask::none ? source_->affine_columns(panel) : 0;
  auto affine_sums = view(affine_key_sums_, affine, rows.V.cols() + 1);
  if (affine > 0) source_->affine_key_sums(panel, rows.affine_sums, affine_sums);
  for (auto& map : maps_) map->start_panel(columns, affine, affine_sums);
  if (affine == columns) return;

  const bool alone = maps_.size() == 1 && maps_.front()->in_place();
  for (Index first = 0; first < rows.K.rows(); first += kBlockRows) {
    const Index count = std::min(kBlockRows, rows.K.rows() - first);
    auto projections =
        alone ? maps_.front()->key_place(count) : view(key_projections_, count, columns - affine);
    source_->project(panel, affine, rows.K.middleRows(first, count), projections);
    for (auto& map : maps_) map->activate_keys(projections);
    if (rows.mask == Mask::causal) {
      walk_inside(panel, first, count);
      continue;
    }
    for (auto& map : maps_) {
      map->evaluate_keys(first, count);
      map->absorb_keys(first, count);
    }
  }
}

template <typename Scalar>
void FeaturePass<Scalar>::walk_inside(const DirectionPanel& panel, Index first_key, Index keys) {
  const PreparedRows<Scalar>& rows = *plan_.rows;
  const auto query_at = [&](Index position) {
    return std::lower_bound(rows.positions.begin(), rows.positions.end(), position) - rows.positions.begin();
  };
  const Index first = query_at(first_key);
  const Index count = query_at(first_key + keys) - first;
  const Index columns = source_->columns(panel);
  auto projections = view(query_projections_, count, columns);
  if (count > 0) source_->project(panel, 0, rows.Q.middleRows(first, count), projections);
  for (auto& map : maps_) {
    for (Index done = 0; done < keys;) {
      const Index next = map->evaluate_next_keys(first_key, done, keys);
      const Index from = query_at(first_key + done);
      const Index queries = query_at(first_key + done + next) - from;
      if (queries > 0) {
        map->evaluate_queries(View<Scalar>(&projections(from - first, 0), queries, columns), from);
        map->answer_queries(from, queries);
        map->answer_inside(from, queries, first_key + done, next, done);
      }
      map->absorb_keys(first_key + done, next, done);
      done += next;
    }
  }
}

template <typename Scalar>
void FeaturePass<Scalar>::walk_queries(const DirectionPanel& panel) {
  const PreparedRows<Scalar>& rows = *plan_.rows;
  const bool alone = maps_.size() == 1 && maps_.front()->in_place();
  for (Index first = 0; first < rows.Q.rows(); first += kBlockRows) {
    const Index count = std::min(kBlockRows, rows.Q.rows() - first);
    auto projections =
        alone ? maps_.front()->query_place(count) : view(query_projections_, count, source_->columns(panel));
    source_->project(panel, 0, rows.Q.middleRows(first, count), projections);
    for (auto& map : maps_) {
      map->evaluate_queries(projections, first);
      map->answer_queries(first, count);
    }
  }
}

template class FeaturePass<double>;
template class FeaturePass<float>;

}  // namespace attngap
