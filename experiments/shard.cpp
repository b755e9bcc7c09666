#include "experiments/shard.hpp"

#include "estimators/error.hpp"
#include "estimators/names.hpp"

#include <nlohmann/json.hpp>

namespace attngap {
namespace {

using Json = nlohmann::ordered_json;

}  // namespace

std::string Shard::text() const {
  return fmt::format("{}/{}", part, of);
}

Shard parse_shard(const std::string& text) {
  const std::size_t slash = text.find('/');
  require(slash != std::string::npos, "--shard {}: write k/n, part k of n, such as 1/4", text);
  const Shard shard{parse_count("--shard (k of k/n)", text.substr(0, slash)),
                    parse_count("--shard (n of k/n)", text.substr(slash + 1))};
  require(shard.part <= shard.of, "--shard {}: there is no part {} of {}; k is from 1 to n", text, shard.part,
          shard.of);
  return shard;
}

std::string shard_specification(const std::string& whole, const Shard& shard) {
  Json json = Json::parse(whole);
  json["shard"] = shard.text();
  return json.dump(2);
}

ShardSpecification split_specification(const std::string& specification) {
  Json json = Json::parse(specification, nullptr, false);
  if (!json.is_object() || !json.contains("shard") || !json["shard"].is_string()) return {specification};
  ShardSpecification parts;
  parts.is_shard = true;
  parts.shard = parse_shard(json["shard"].get<std::string>());
  json.erase("shard");
  parts.whole = json.dump(2);
  return parts;
}

}  // namespace attngap
