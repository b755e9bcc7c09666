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
  text += line("|q|/d^(1/4)", fmt::format("mean {:.2f}, max {:.2f}", s.query_norm_mean, s.query_norm_max));
  text += line("|k|/d^(1/4)", fmt::format("mean {:.2f}, max {:.2f}; {:.2f} about the mean key",
                                          s.key_norm_mean, s.key_norm_max, s.centred_key_norm_mean));
  text += line("logits", fmt::format("mean {:.2f}, sd {:.2f}, from {:.1f} to {:.1f}", s.logit_mean,
                                     s.logit_sd, s.logit_min, s.logit_max));
  // A row with one visible key has ln 1 = 0 to compare with.
  const std::string ratio = std::isnan(s.entropy_ratio_mean)
                                ? std::string()
                                : fmt::format("; {:.2f} of ln(visible keys)", s.entropy_ratio_mean);
  text += line("entropy of a row (nats)", fmt::format("mean {:.2f}, from {:.2f} to {:.2f}{}", s.entropy_mean,
                                                      s.entropy_min, s.entropy_max, ratio));
  text += line("largest weight of a row", fmt::format("mean {:.3f}", s.largest_weight_mean));
  text += line("R^2 = mean |q+k|^2",
               fmt::format("{:.1f} by attention weight; {:.1f} with the mean key subtracted",
                           s.pair_norm2_mean, s.centred_pair_norm2_mean));
  text += line("|q+k|^2, all pairs alike",
               fmt::format("5 % {:.1f}, 25 % {:.1f}, 50 % {:.1f}, 75 % {:.1f}, 95 % {:.1f}", q[0], q[1], q[2],
                           q[3], q[4]));
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
