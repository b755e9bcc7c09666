#include "experiments/run_spec.hpp"

#include "estimators/elementwise_state.hpp"
#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"
#include "estimators/names.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <nlohmann/json.hpp>

namespace attngap {
namespace {

using Json = nlohmann::ordered_json;

std::string shown(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return value.dump();
  std::string list;
  for (const Json& entry : value) list += fmt::format("{}{}", list.empty() ? "" : " ", shown(entry));
  return list;
}

// "--seed is 1 there, 2 here". Of lists of equal length the first entry that differs says enough.
std::string difference(const std::string& key, const Json& stored, const Json& asked) {
  const std::string option = key == "experiment" ? key : key == "heads" ? "--data" : "--" + key;
  const bool lists = stored.is_array() && asked.is_array() && stored.size() == asked.size();
  for (std::size_t i = 0; lists && i < stored.size(); ++i)
    if (stored[i] != asked[i])
      return fmt::format("{} has {} there, {} here", option, shown(stored[i]), shown(asked[i]));
  return fmt::format("{} is {} there, {} here", option, shown(stored), shown(asked));
}

}  // namespace

std::string specification_difference(const std::string& stored, const std::string& asked) {
  if (stored == asked) return {};
  const Json there = Json::parse(stored, nullptr, false);
  const Json here = Json::parse(asked, nullptr, false);
  if (!there.is_object() || !here.is_object()) return "its specification is not one of attngap run";
  for (const auto& [key, value] : here.items()) {
    const auto found = there.find(key);
    const Json old = found == there.end() ? Json("not set") : *found;
    if (key != "data" && old != value) return difference(key, old, value);
  }
  for (const auto& [key, value] : there.items())
    if (!here.contains(key)) return difference(key, value, "not set");
  return {};
}

void require_increasing(const std::vector<Index>& features) {
  require(!features.empty(), "--features is empty; give counts m such as 16,64,256");
  for (std::size_t i = 0; i < features.size(); ++i) {
    require(features[i] >= 1, "--features: {} is not a count; every m must be at least 1", features[i]);
    require(i == 0 || features[i] > features[i - 1],
            "--features: {} follows {}; counts must increase, each given once", features[i],
            features[i - (i > 0)]);
  }
  require(features.back() <= (Index{1} << 24), "--features: {} is beyond 2^24 directions; give a smaller m",
          features.back());
}

namespace {

void require_different(std::string_view option, const std::vector<double>& numbers) {
  for (std::size_t i = 1; i < numbers.size(); ++i)
    require(numbers[i] > numbers[i - 1], "{}: {} follows {}; values must increase, each given once", option,
            numbers[i], numbers[i - 1]);
}

// Closed forms at norm 10 reach exp(600): further out they leave the range of a double.
constexpr double kLargestNorm = 10.0;
constexpr Index kLargestMap = 200;
constexpr Index kLongest = Index{1} << 28;

// k̂ needs 25 numbers.
constexpr std::int64_t kFewestPairReplicates = 25;

void validate_pairs(const PairGrid& pairs, std::int64_t replicates, std::string_view given) {
  for (const double norm : pairs.norms)
    require(norm > 0.0 && norm <= kLargestNorm, "--norms: {} must be above 0 and at most {}", norm,
            kLargestNorm);
  for (const double cosine : pairs.cosines)
    require(std::abs(cosine) <= 1.0, "--cosines: {} must be from -1 to 1", cosine);
  for (const Index dim : pairs.dims)
    require(dim >= 2 && dim <= 4096, "--dims: {} must be from 2 to 4096 (a pair spans a plane)", dim);
  require_different("--norms", pairs.norms);
  require_different("--cosines", pairs.cosines);
  require_different("--dims", {pairs.dims.begin(), pairs.dims.end()});
  require(pairs.map == 0 || (pairs.map >= 2 && pairs.map <= kLargestMap),
          "--map = {}, must be 0 (no map) or from 2 to {} points a side", pairs.map, kLargestMap);
  require(replicates >= kFewestPairReplicates,
          "--{} = {}, must be at least {} (the tail of a variance is judged from them)", given, replicates,
          kFewestPairReplicates);
}

void validate_truncation(const TruncationGrid& truncation) {
  for (const double radius : truncation.radii)
    require(radius > 0.0 && radius <= 100.0, "--radii: {} must be above 0 and at most 100", radius);
  require_different("--radii", truncation.radii);
  for (const Index degree : truncation.degrees)
    require(degree >= 0 && degree <= ElementwiseState::kMaxDegree, "--degrees: {} must be from 0 to {}",
            degree, ElementwiseState::kMaxDegree);
  require_different("--degrees", {truncation.degrees.begin(), truncation.degrees.end()});
}

void validate_counts(std::string_view option, const std::vector<Index>& counts) {
  for (const Index count : counts)
    require(count >= 1 && count <= (Index{1} << 24), "{}: {} must be from 1 to 2^24", option, count);
  require_different(option, {counts.begin(), counts.end()});
}

void validate_lengths(const LengthGrid& grid, const std::vector<std::string>& estimators) {
  require(!grid.lengths.empty(), "--lengths is empty; give lengths such as 1024,4096,16384");
  for (const Index length : grid.lengths)
    require(length >= 1 && length <= kLongest, "--lengths: {} must be from 1 to 2^28", length);
  require_different("--lengths", {grid.lengths.begin(), grid.lengths.end()});
  for (const Index length : grid.lengths) require_increasing(grid.features_at(length));
  validate_counts("--batches", grid.batches);
  for (const auto& [name, counts] : grid.own_features) {
    validate_counts(fmt::format("--features-of {}", name), counts);
    const bool asked = std::any_of(estimators.begin(), estimators.end(), [&, own = name](const auto& text) {
      return text == own || text.starts_with(own + ":");
    });
    require(asked, "--features-of: {} is none of the estimators of this run; add it, or leave it out here",
            name);
  }
}

}  // namespace

std::vector<Index> LengthGrid::features_at(Index length) const {
  const auto l = static_cast<double>(length);
  std::vector<Index> counts;
  for (const std::string& rule : features) {
    // Of a square both roundings of its root are exact, and so are powers of two under log2.
    if (rule == "sqrt") {
      counts.push_back(static_cast<Index>(std::ceil(std::sqrt(l))));
    } else if (rule == "log") {
      counts.push_back(std::max<Index>(1, static_cast<Index>(std::ceil(std::log2(l)))));
    } else {
      counts.push_back(static_cast<Index>(parse_count("--features (a count, sqrt or log)", rule)));
    }
  }
  std::sort(counts.begin(), counts.end());
  counts.erase(std::unique(counts.begin(), counts.end()), counts.end());
  return counts;
}

std::int64_t PairGrid::pairs() const {
  return static_cast<std::int64_t>(norms.size() * cosines.size());
}

std::int64_t RunSpec::pairs_a_cell() const {
  constexpr std::int64_t kNumbersOfASeries = 1 << 19;
  if (goal) return 1;
  return std::clamp<std::int64_t>(kNumbersOfASeries / replicates, 1, pairs->pairs());
}

std::int64_t RunSpec::cells_of_dimension() const {
  const std::int64_t a_cell = pairs_a_cell();
  return (pairs->pairs() + a_cell - 1) / a_cell + (pairs->map > 0 ? 1 : 0);
}

std::int64_t RunSpec::cells() const {
  if (pairs) return static_cast<std::int64_t>(pairs->dims.size()) * cells_of_dimension();
  if (lengths) return static_cast<std::int64_t>(data.size()) * cells_of_head();
  return static_cast<std::int64_t>(data.size()) + (truncation ? 1 : 0);
}

namespace {

std::size_t batches_of(const LengthGrid& grid) {
  return std::max<std::size_t>(1, grid.batches.size());
}

}  // namespace

RunSpec RunSpec::at_length(std::int64_t cell) const {
  RunSpec spec = *this;
  spec.data = {data[static_cast<std::size_t>(cell / cells_of_head())]};
  spec.features = lengths->features_at(length_of(cell));
  if (!lengths->batches.empty())
    spec.queries = lengths->batches[static_cast<std::size_t>(cell) % lengths->batches.size()];
  return spec;
}

Index RunSpec::length_of(std::int64_t cell) const {
  return lengths->lengths[static_cast<std::size_t>(cell) / batches_of(*lengths) % lengths->lengths.size()];
}

std::int64_t RunSpec::cells_of_head() const {
  return static_cast<std::int64_t>(lengths->lengths.size() * batches_of(*lengths));
}

void RunSpec::validate() const {
  if (truncation) return validate_truncation(*truncation);
  require(!data.empty() || pairs,
          "--data is missing; give a .npz or .safetensors with q, k, v, or synthetic:gaussian");
  require(!estimators.empty(), "--estimators is missing; `attngap list estimators` shows them");
  if (pairs) validate_pairs(*pairs, replicates, goal ? "max-replicates" : "replicates");
  if (lengths) {
    validate_lengths(*lengths, estimators);
  } else {
    require_increasing(features);
  }
  require(replicates >= 2, "--replicates = {}, must be at least 2 (a variance needs two)", replicates);
  require(replicates <= 0xffffffffLL, "--replicates = {}, must be at most 2^32 - 1 (one address each)",
          replicates);
}

std::string RunSpec::text(const std::vector<std::string>& heads) const {
  nlohmann::ordered_json json;
  json["experiment"] = experiment;
  json["data"] = data;
  json["heads"] = heads;
  json["estimators"] = estimators;
  json["features"] = features;
  if (goal) {
    json["target-rse"] = goal->rse;
    json["max-replicates"] = goal->most;
    if (goal->budget_seconds > 0.0) json["budget"] = goal->budget_seconds;
  } else {
    json["replicates"] = replicates;
  }
  json["queries"] = queries == 0 ? nlohmann::ordered_json("all") : nlohmann::ordered_json(queries);
  json["seed"] = seed;
  json["precision"] = precision == Precision::float64 ? "double" : "float";
  json["against"] = against_softmax ? "softmax" : "target";
  if (!predictions) json["predictions"] = false;
  if (pairs) {
    json["pairs"] = {
        {"norms", pairs->norms}, {"cosines", pairs->cosines}, {"dims", pairs->dims}, {"map", pairs->map}};
    if (pairs->map_over_angles) json["pairs"]["map-over"] = "angle";
  }
  if (lengths) {
    json["features"] = lengths->features;
    json["lengths"] = lengths->lengths;
    json["subsample"] = lengths->strided ? "stride" : "prefix";
    if (!lengths->own_features.empty()) json["features-of"] = lengths->own_features;
    if (!lengths->batches.empty()) json["batches"] = lengths->batches;
  }
  if (truncation) json["truncation"] = {{"radii", truncation->radii}, {"degrees", truncation->degrees}};
  return json.dump(2);
}

std::vector<std::unique_ptr<AttentionEstimator>> make_estimators(const std::vector<std::string>& names) {
  std::map<std::string, std::unique_ptr<AttentionEstimator>> by_text;
  for (const std::string& name : names) {
    auto estimator = make_estimator(name);
    const std::string text = estimator->spec().text();
    by_text[text] = std::move(estimator);
  }
  for (const char* baseline : {"zero", "mean-value"}) by_text[baseline] = make_estimator(baseline);
  std::vector<std::unique_ptr<AttentionEstimator>> ordered;
  for (const NamedEstimator& row : estimator_table())
    for (auto& [text, estimator] : by_text)
      if (estimator && estimator->spec().name == row.name) ordered.push_back(std::move(estimator));
  return ordered;
}

ReplicateBlocks::ReplicateBlocks(std::int64_t replicates)
    : replicates_(replicates), count_(std::min<std::int64_t>(kMost, replicates)) {}

}  // namespace attngap
