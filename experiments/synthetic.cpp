#include "experiments/synthetic.hpp"

#include "estimators/error.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace attngap {
namespace {

constexpr std::array kArKeys{
    KeyHelp{"rho", "a number in (-1, 1)", "0.95", "correlation of neighbouring tokens"}};
constexpr std::array kClusterKeys{
    KeyHelp{"clusters", "a whole number", "16", "centres, shared by queries and keys"},
    KeyHelp{"spread", "a number in [0, 1]", "0.3", "share of the norm that is noise about the centre"}};

// Clusters make rows of attention spiky only when logits within a cluster, norm² (1 − spread²), tower over
// the others; hence the larger norm.
constexpr std::array kKinds{
    SyntheticKind{"gaussian", "independent Gaussian tokens", {}, 1.0},
    SyntheticKind{"sphere", "independent tokens of one norm, uniform in direction", {}, 1.0},
    SyntheticKind{"ball", "independent tokens uniform in a ball of radius norm·√((d+2)/d)", {}, 1.0},
    SyntheticKind{"ar1", "Gaussian tokens correlated along the sequence", kArKeys, 1.0},
    SyntheticKind{"clustered", "tokens about a few centres: spiky attention", kClusterKeys, 3.0}};

constexpr std::array kKeys{KeyHelp{"length", "a whole number", "1024", "tokens: queries, and keys"},
                           KeyHelp{"dim", "a whole number", "64", "head dimension d"},
                           KeyHelp{"value-dim", "a whole number", "dim", "dimension of the values"},
                           KeyHelp{"norm", "a positive number", "1 (clustered: 3)",
                                   "root mean square of |q|/d^(1/4) and |k|/d^(1/4)"},
                           KeyHelp{"seed", "a whole number", "1", "which draw of the data"},
                           KeyHelp{"values", "independent|linear", "independent",
                                   "values independent of the keys, or linear in them"},
                           KeyHelp{"mask", "none|causal", "none", "causal: token i sees tokens 0 to i"},
                           KeyHelp{"name", "a word", "the kind and what was set", "short name in results"}};

constexpr long long kMaxTokens = 1LL << 28;
constexpr long long kMaxDim = 1LL << 16;
constexpr long long kMaxEntries = 1LL << 28;

const SyntheticKind& kind_of(std::string_view name) {
  std::vector<std::string_view> names;
  for (const SyntheticKind& kind : kKinds) names.push_back(kind.name);
  require_known("synthetic kind", name, names);
  return *std::find_if(kKinds.begin(), kKinds.end(), [&](const SyntheticKind& k) { return k.name == name; });
}

void require_known_keys(const Spec& text, const SyntheticKind& kind) {
  std::vector<std::string_view> known;
  for (const KeyHelp& help : kKeys) known.push_back(help.key);
  for (const KeyHelp& help : kind.keys) known.push_back(help.key);
  for (const auto& [key, value] : text.options)
    require_known(fmt::format("key of synthetic:{}", kind.name), key, known);
}

// The options of one synthetic problem, each with its message.
class Options {
 public:
  explicit Options(const Spec& spec) : spec_(spec) {}

  const std::string* find(const std::string& key) const {
    const auto found = spec_.options.find(key);
    return found == spec_.options.end() ? nullptr : &found->second;
  }

  std::string label(const std::string& key) const { return fmt::format("synthetic:{}: {}", spec_.name, key); }

  Index count(const std::string& key, Index fallback, long long maximum) const {
    const std::string* text = find(key);
    if (!text) return fallback;
    const long long value = parse_count(label(key), *text);
    require(value <= maximum, "{} = {}, must be at most {}", label(key), value, maximum);
    return static_cast<Index>(value);
  }

  double number(const std::string& key, double fallback) const {
    const std::string* text = find(key);
    return text ? parse_number(label(key), *text) : fallback;
  }

  bool choice(const std::string& key, std::string_view off, std::string_view on) const {
    const std::string* text = find(key);
    if (!text) return false;
    const std::array known{off, on};
    require_known(fmt::format("value of {}", label(key)), *text, known);
    return *text == on;
  }

 private:
  const Spec& spec_;
};

std::string default_name(const Spec& text) {
  std::string name = text.name;
  for (const auto& [key, value] : text.options) {
    const bool word = std::isalpha(static_cast<unsigned char>(value.front())) != 0;
    name += fmt::format("_{}{}{}", key, word ? "-" : "", value);
  }
  return name;
}

void check(const SyntheticSpec& spec, const Options& options) {
  require(spec.norm > 0 && spec.norm <= 1e6, "{} = {}, must be positive and at most 1e6",
          options.label("norm"), spec.norm);
  require(std::abs(spec.rho) < 1, "{} = {}, must lie between -1 and 1, or the sequence is not stationary",
          options.label("rho"), spec.rho);
  require(spec.spread >= 0 && spec.spread <= 1, "{} = {}, must lie in [0, 1]", options.label("spread"),
          spec.spread);
  const long long widest = std::max(spec.dim, spec.value_dim);
  require(spec.length <= kMaxEntries / widest,
          "{} = {} times dimension {} is {} numbers an array, at most {} are made", options.label("length"),
          spec.length, widest, spec.length * widest, kMaxEntries);
}

}  // namespace

std::span<const SyntheticKind> synthetic_kinds() {
  return kKinds;
}

std::span<const KeyHelp> synthetic_keys() {
  return kKeys;
}

SyntheticSpec parse_synthetic(std::string_view text) {
  require(!text.empty(), "synthetic: needs a kind; write synthetic:gaussian, or see attngap list");
  std::string colon_form(text);
  const std::size_t comma = colon_form.find(',');
  if (comma != std::string::npos) colon_form[comma] = ':';
  const Spec given = parse_spec(colon_form);
  const SyntheticKind& kind = kind_of(given.name);
  require_known_keys(given, kind);
  const Options options(given);

  SyntheticSpec spec;
  spec.kind = given.name;
  spec.length = options.count("length", spec.length, kMaxTokens);
  spec.length_given = options.find("length") != nullptr;
  spec.dim = options.count("dim", spec.dim, kMaxDim);
  spec.value_dim = options.count("value-dim", spec.dim, kMaxDim);
  spec.norm = options.number("norm", kind.default_norm);
  if (const std::string* seed = options.find("seed")) spec.seed = parse_seed(options.label("seed"), *seed);
  spec.linear_values = options.choice("values", "independent", "linear");
  spec.mask = options.choice("mask", "none", "causal") ? Mask::causal : Mask::none;
  spec.rho = options.number("rho", spec.rho);
  spec.clusters = options.count("clusters", spec.clusters, kMaxTokens / kMaxDim);
  spec.spread = options.number("spread", spec.spread);
  const std::string* name = options.find("name");
  spec.name = name ? *name : default_name(given);
  check(spec, options);
  return spec;
}

}  // namespace attngap
