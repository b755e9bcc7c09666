#include "experiments/run_spec.hpp"

#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <nlohmann/json.hpp>

namespace attngap {

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

void RunSpec::validate() const {
  require(!data.empty(),
          "--data is missing; give a .npz or .safetensors with q, k, v, or synthetic:gaussian");
  require(!estimators.empty(), "--estimators is missing; `attngap list estimators` shows them");
  require_increasing(features);
  require(replicates >= 2, "--replicates = {}, must be at least 2 (a variance needs two)", replicates);
  require(replicates <= 0xffffffffLL, "--replicates = {}, must be at most 2^32 - 1 (one address each)",
          replicates);
}

std::string RunSpec::text(const std::vector<std::string>& data_hashes) const {
  nlohmann::ordered_json json;
  json["experiment"] = experiment;
  json["data"] = data;
  json["data_hashes"] = data_hashes;
  json["estimators"] = estimators;
  json["features"] = features;
  json["replicates"] = replicates;
  json["queries"] = queries == 0 ? nlohmann::ordered_json("all") : nlohmann::ordered_json(queries);
  json["seed"] = seed;
  json["precision"] = precision == Precision::float64 ? "double" : "float";
  json["against"] = against_softmax ? "softmax" : "target";
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
    : replicates_(replicates), count_(std::min<std::int64_t>(16, replicates)) {}

}  // namespace attngap
