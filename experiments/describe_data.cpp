#include "experiments/describe_data.hpp"

#include "analysis/head_summary.hpp"

#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace attngap {
namespace {

std::string mask_name(Mask mask) {
  return mask == Mask::causal ? "causal" : "none";
}

// Two or three decimals as long as they say something; beyond that an exponent instead of hundreds of digits.
std::string number(double value, int decimals) {
  if (!std::isfinite(value)) return "beyond a double";
  return std::abs(value) < 1e7 ? fmt::format("{:.{}f}", value, decimals) : fmt::format("{:.4g}", value);
}

std::string line(std::string_view label, const std::string& text) {
  return fmt::format("  {:<26}{}\n", label, text);
}

}  // namespace

std::string describe(const Dataset& dataset) {
  const HeadSummary s = summarize_head(dataset.problem);
  const auto& q = s.pair_norm2_quantiles;
  std::string text = fmt::format("{}  ({}, {})\n", dataset.name, dataset.source, dataset.content_hash);
  text += line("shape", fmt::format("{} queries, {} keys, d = {}, values p = {}, mask {}, scale {:.6g}",
                                    s.queries, s.keys, s.head_dim, s.value_dim, mask_name(s.mask), s.scale));
  text += line("|q|/d^(1/4)",
               fmt::format("mean {}, max {}", number(s.query_norm_mean, 2), number(s.query_norm_max, 2)));
  text +=
      line("|k|/d^(1/4)", fmt::format("mean {}, max {}; {} about the mean key", number(s.key_norm_mean, 2),
                                      number(s.key_norm_max, 2), number(s.centred_key_norm_mean, 2)));
  text += line("logits", fmt::format("mean {}, sd {}, from {} to {}", number(s.logit_mean, 2),
                                     number(s.logit_sd, 2), number(s.logit_min, 1), number(s.logit_max, 1)));
  // A row with one visible key has ln 1 = 0 to compare with.
  const std::string ratio = std::isnan(s.entropy_ratio_mean)
                                ? std::string()
                                : fmt::format("; {:.2f} of ln(visible keys)", s.entropy_ratio_mean);
  text +=
      line("entropy of a row (nats)", fmt::format("mean {}, from {} to {}{}", number(s.entropy_mean, 2),
                                                  number(s.entropy_min, 2), number(s.entropy_max, 2), ratio));
  text += line("largest weight of a row", fmt::format("mean {}", number(s.largest_weight_mean, 3)));
  text += line("R^2 = mean |q+k|^2",
               fmt::format("{} by attention weight; {} with the mean key subtracted",
                           number(s.pair_norm2_mean, 1), number(s.centred_pair_norm2_mean, 1)));
  text += line("|q+k|^2, all pairs alike",
               fmt::format("5 % {}, 25 % {}, 50 % {}, 75 % {}, 95 % {}", number(q[0], 1), number(q[1], 1),
                           number(q[2], 1), number(q[3], 1), number(q[4], 1)));
  return text + line("hardness", hardness_sentence(s));
}

nlohmann::json describe_json(const Dataset& dataset) {
  const HeadSummary s = summarize_head(dataset.problem);
  const auto& q = s.pair_norm2_quantiles;
  return {{"name", dataset.name},
          {"source", dataset.source},
          {"hash", dataset.content_hash},
          {"queries", s.queries},
          {"keys", s.keys},
          {"head_dim", s.head_dim},
          {"value_dim", s.value_dim},
          {"mask", mask_name(s.mask)},
          {"scale", s.scale},
          {"query_norm", {{"mean", s.query_norm_mean}, {"max", s.query_norm_max}}},
          {"key_norm",
           {{"mean", s.key_norm_mean}, {"max", s.key_norm_max}, {"centred_mean", s.centred_key_norm_mean}}},
          {"logit", {{"min", s.logit_min}, {"mean", s.logit_mean}, {"sd", s.logit_sd}, {"max", s.logit_max}}},
          {"entropy",
           {{"mean", s.entropy_mean},
            {"min", s.entropy_min},
            {"max", s.entropy_max},
            {"ratio_mean", s.entropy_ratio_mean}}},
          {"largest_weight_mean", s.largest_weight_mean},
          {"pair_norm2",
           {{"attention_mean", s.pair_norm2_mean},
            {"centred_attention_mean", s.centred_pair_norm2_mean},
            {"q05", q[0]},
            {"q25", q[1]},
            {"q50", q[2]},
            {"q75", q[3]},
            {"q95", q[4]},
            {"pairs", s.quantile_pairs}}},
          {"hardness", hardness_sentence(s)}};
}

}  // namespace attngap
