#include "analysis/claims.hpp"

#include "analysis/claim_families.hpp"
#include "estimators/names.hpp"

#include <vector>

#include <fmt/format.h>

namespace attngap {
namespace {

const std::vector<Claim>& table() {
  static const std::vector<Claim> rows = [] {
    std::vector<Claim> all;
    for (const auto family : {feature_claims(), concentration_claims(), attention_claims(), lara_claims(),
                              control_variate_claims(), maclaurin_claims(), macformer_claims(),
                              sketch_claims(), elementwise_claims()})
      all.insert(all.end(), family.begin(), family.end());
    return all;
  }();
  return rows;
}

}  // namespace

std::string_view verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::proven:
      return "PROVEN";
    case Verdict::equivalent:
      return "EQUIVALENT";
    case Verdict::refuted:
      return "REFUTED";
    case Verdict::undecided:
      break;
  }
  return "UNDECIDED";
}

std::string verdict_text(const Finding& finding) {
  if (finding.verdict != Verdict::equivalent) return std::string(verdict_name(finding.verdict));
  return fmt::format("EQUIVALENT({:g})", finding.margin);
}

std::span<const Claim> claims() {
  return table();
}

const Claim& claim_named(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Claim& claim : table()) {
    if (claim.name == name) return claim;
    names.push_back(claim.name);
  }
  require_known("claim", name, names);
  return table().front();
}

bool has_tag(const Claim& claim, std::string_view tag) {
  for (std::string_view rest = claim.tags; !rest.empty();) {
    const auto comma = rest.find(',');
    if (rest.substr(0, comma) == tag) return true;
    rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
  }
  return false;
}

}  // namespace attngap
