#include "estimators/estimator_table.hpp"

#include "estimators/baselines.hpp"
#include "estimators/elementwise.hpp"
#include "estimators/error.hpp"
#include "estimators/eva.hpp"
#include "estimators/feature_map.hpp"
#include "estimators/lara.hpp"
#include "estimators/randomized_attention.hpp"
#include "estimators/ratio_estimator.hpp"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

namespace attngap {
namespace {

const KeyHelp kProjection{"projection", "iid|orthogonal", "iid", "joint law of the directions"};
const KeyHelp kCenter{"center", "none|keys", "none",
                      "keys: take the mean key from all keys; softmax does not change"};

const KeyHelp kDenominator{"denominator", "none, clamp:C, epsilon:E, abs or floor:F", "none",
                           "what becomes of the denominator"};

const KeyHelp kNoise{"noise", "unit-covariance|released", "unit-covariance",
                     "released: deviation sqrt(scale) instead of 1, as in the released code"};
const KeyHelp kDeterministic{"deterministic", "off|on", "off",
                             "on: w is the proposal's mean, as in the released code at evaluation"};
const KeyHelp kProposal{"proposal", "sum|half|keys|zero", "sum",
                        "mean of a proposal, from the mean query and the mean key of its tokens"};

// The feature maps whose ratio is performer's, as alternatives.
std::string_view performer_features() {
  static const std::string names = [] {
    std::string joined;
    for (const NamedFeatureMap& map : feature_maps()) {
      if (map.estimator.starts_with("performer:features=")) joined += fmt::format("{}|", map.name);
    }
    return joined.substr(0, joined.size() - 1);
  }();
  return names;
}

const std::vector<NamedEstimator>& table() {
  static const std::vector<NamedEstimator> rows{
      {"exact", "softmax attention itself", "softmax", "Vaswani et al. 2017", {}, &make_exact},
      {"zero", "predicts 0: relative error one", "softmax", "baseline", {}, &make_zero},
      {"mean-value",
       "predicts the mean of the values: uniform attention",
       "softmax",
       "baseline",
       {},
       &make_mean_value},
      {"performer",
       "ratio of positive random features (FAVOR+)",
       "softmax",
       "Choromanski et al. 2021",
       {{"features", performer_features(), "positive", "feature map"}, kProjection, kCenter, kDenominator},
       &make_performer},
      {"rfa",
       "ratio of trigonometric or arccos random features",
       "softmax; of unit-normalised inputs; kernelised attention (arccos); gated",
       "Peng et al. 2021",
       {{"kernel", "gaussian|arccos", "gaussian", "arccos: ReLU features, a kernel of its own"},
        {"normalize", "none|unit", "none", "unit: q/|q| and k/|k| at temperature sigma, as in the paper"},
        {"sigma", "a positive number", "1", "temperature of unit-normalised inputs: exp(q·k/sigma²)"},
        {"gate", "none, constant:G, linear:SEED or given", "none",
         "forgetting gate of causal problems; given: the data's own gates (its key gate=)"},
        kProjection,
        kCenter,
        kDenominator},
       &make_rfa},
      {"rmfa",
       "ratio of random Maclaurin features",
       "softmax or kernelised attention, of inputs scaled by ppSBN if asked",
       "Guo et al. 2024; Kar and Karnick 2012",
       {{"kernel", "exp|inverse|log|sqrt|trigh|power10|polynomial10", "exp",
         "dot-product kernel; trigh equals exp; power10 is z^10, polynomial10 (1+z)^10"},
        {"directions", "rademacher|gaussian", "rademacher", "law of the directions of a feature"},
        {"degrees", "geometric, poisson, optimal or fixed", "geometric",
         "law of the degrees; optimal and fixed look at the data, fixed needs max-degree"},
        {"p", "a number above 1", "2", "geometric degrees have probability (p-1)/p^(n+1)"},
        {"lambda", "data or a positive number", "data", "mean of Poisson degrees; data: root of the mean m"},
        {"known", "none|constant|linear", "none", "degrees taken exactly: 0, or 0 and 1 (H0/1)"},
        {"max-degree", "none or a whole number", "none",
         "leaves higher degrees out, which biases the kernel"},
        {"ppsbn", "none|paper|code", "none",
         "paper: batch norm, then unit ball; code: (x - mean)/|x - mean|"},
        {"gamma", "a number", "1", "ppSBN: output gamma·sign(x)|x|^beta"},
        {"beta", "a positive number, or one a channel: B1/B2/…", "1", "ppSBN: output gamma·sign(x)|x|^beta"},
        {"force", "off|on", "off", "on: runs where the estimate has no mean or variance"},
        kCenter,
        kDenominator},
       &make_rmfa},
      {"ra",
       "Randomized Attention, unbiased; m counts draws",
       "softmax",
       "Zheng, Wang and Kong 2022",
       {{"proposal", "sampled|mean|expected", "sampled",
         "key the direction is centred on; the last two are the released num_samples = 0 and -1, biased"},
        kNoise},
       &make_randomized_attention},
      {"lara",
       "multiple importance sampling of Randomized Attention; m counts proposals",
       "softmax",
       "Zheng, Wang and Kong 2022",
       {kProposal,
        {"draws", "a positive number", "1", "draws a proposal"},
        {"weights", "balance|paper|optimal|constant", "balance", "how the proposals share the integrand"},
        {"coefficient", "a number", "1", "factor of the query affinity in weights=paper"},
        {"normalized", "self|none", "self", "none: divided by the exact normalizer, unbiased"},
        {"antithetic", "off|on", "off", "on: every draw is a pair mean +- noise"},
        kDenominator,
        kNoise,
        {"clamp", "off|on", "off", "on: weights raised to 1e-8, as in the released code"},
        kDeterministic,
        {"released-code", "off|on", "off", "on: noise=released, clamp=on, weights=paper"}},
       &make_lara},
      {"eva",
       "exact window and a coefficient a group of keys; m counts groups",
       "softmax",
       "Zheng, Yuan, Wang and Kong 2023",
       {{"window", "a number, 0 for none", "16", "tokens in a block, or side of a square of the grid"},
        {"overlap", "off|on", "off", "on: windows reach half a width beyond their block, causal ones back"},
        {"grid", "none or ROWSxCOLUMNS", "none", "tokens form a grid; windows are squares"},
        {"groups", "m or a number", "m", "a number: so many groups, and m counts draws a group"},
        {"draws", "a positive number", "1", "draws a group where m counts groups"},
        kProposal,
        {"mass", "exact|count-mean|mean|cumulant", "exact", "what stands for a group's sum of exp(q.k)"},
        {"cover", "complement|everything", "complement",
         "everything: groups keep the window's keys, which count twice, as in the released code"},
        kNoise,
        kDeterministic,
        {"released-code", "off|on", "off", "on: noise=released, cover=everything, mass=mean"}},
       &make_eva},
      {"elementwise",
       "per-channel Gaussian smoothing of the values, full or by a Taylor degree",
       "full element-wise attention",
       "Feng 2025",
       {{"degree", "none, or a whole number from 0", "none", "highest exponent; none: the full form"},
        {"terms", "none, or a whole number from 1", "none", "the paper's t: exponents 0 to t-1; degree=t-1"},
        {"accumulate", "double|float|compensated", "double", "arithmetic of the recurrent state"},
        kDenominator},
       &make_elementwise},
  };
  return rows;
}

const NamedEstimator* find_row(std::string_view name) {
  const auto& rows = table();
  const auto row = std::find_if(rows.begin(), rows.end(), [&](const auto& r) { return r.name == name; });
  return row == rows.end() ? nullptr : &*row;
}

// A value must be one of the alternatives where the key lists any.
void check_value(const NamedEstimator& row, const KeyHelp& key, std::string_view value) {
  if (key.values.find('|') == std::string_view::npos) return;
  std::vector<std::string_view> alternatives;
  for (std::size_t begin = 0; begin <= key.values.size();) {
    const std::size_t end = std::min(key.values.find('|', begin), key.values.size());
    alternatives.push_back(key.values.substr(begin, end - begin));
    begin = end + 1;
  }
  require_known(fmt::format("value of {}: {} =", row.name, key.key), value, alternatives);
}

}  // namespace

std::span<const NamedEstimator> estimator_table() {
  return table();
}

std::string_view option(const Spec& spec, std::string_view key) {
  const auto given = spec.options.find(std::string(key));
  if (given != spec.options.end()) return given->second;
  if (const NamedEstimator* row = find_row(spec.name))
    for (const KeyHelp& help : row->keys)
      if (help.key == key) return help.default_value;
  throw std::logic_error(fmt::format("{} has no key {}", spec.name, key));
}

std::unique_ptr<AttentionEstimator> make_estimator(std::string_view text) {
  Spec spec = parse_spec(text);
  std::vector<std::string_view> names;
  for (const NamedEstimator& row : table()) names.push_back(row.name);
  require_known("estimator", spec.name, names);
  const NamedEstimator& row = *find_row(spec.name);

  std::vector<std::string_view> keys;
  for (const KeyHelp& key : row.keys) keys.push_back(key.key);
  for (const auto& [key, value] : spec.options) {
    require(!keys.empty(), "estimator \"{}\" takes no keys, but {}={} is given", row.name, key, value);
    require_known(fmt::format("key of {}", row.name), key, keys);
  }
  for (const KeyHelp& key : row.keys) {
    const auto given = spec.options.find(std::string(key.key));
    if (given == spec.options.end()) continue;
    check_value(row, key, given->second);
    if (given->second == key.default_value) spec.options.erase(given);
  }
  return row.make(spec);
}

}  // namespace attngap
