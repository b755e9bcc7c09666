#include "experiments/verb_run_grids.hpp"

#include "estimators/error.hpp"
#include "estimators/names.hpp"

#include <array>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>

namespace attngap {
namespace {

struct OwnOption {
  std::string_view name;
  std::string_view default_value;
  std::string_view help;
};

constexpr std::array kOfPairs{
    OwnOption{"norms", "0.5,1,1.5,2", "kernel-variance: |x| = |y| of the scaled vectors x = q/d^¼"},
    OwnOption{"cosines", "-1,-0.75,-0.5,-0.25,0,0.25,0.5,0.75,0.9,1",
              "kernel-variance: cosines of the angle of x and y; write --cosines=-1,0,1"},
    OwnOption{"dims", "16,64", "kernel-variance: head dimensions d"},
    OwnOption{"map", "25",
              "kernel-variance: points a side of the map of closed forms over norm and cosine; 0: no map"},
    OwnOption{"map-over", "cosine",
              "kernel-variance: cosine, or angle: equal cells of angles 0 to π and norms from 0"},
};
constexpr std::array kOfTruncation{
    OwnOption{"radii", "0.5,1,2,3,4,6,8", "taylor-truncation: R of the ranges |x| <= R"},
    OwnOption{"degrees", "0,1,2,3,4,5,6,7,8,10,12,14,16,20,24",
              "taylor-truncation: degrees of the polynomial"},
};
constexpr std::array kOfLengths{
    OwnOption{"lengths", "256,1024,4096,16384", "gap-vs-length: numbers l of keys"},
    OwnOption{"subsample", "prefix",
              "gap-vs-length: prefix or stride, the first or evenly spaced tokens of a stored head"},
    OwnOption{"batches", "", "decoding-speed: numbers of sequences, instead of --queries"},
};

constexpr std::string_view kFeaturesOf = "features-of";
constexpr std::array<std::string_view, 2> kNotOfPairs{"data", "queries"};
constexpr std::array<std::string_view, 6> kNotOfTruncation{"estimators", "features", "replicates",
                                                           "against",    "force",    "precision"};

// One m, so that curves differ in the estimator.
constexpr std::string_view kLengthFeatures = "64";

// Draws of a single pair are cheap, and a variance needs many.
constexpr std::string_view kPairFeatures = "1,4,16,64";
constexpr std::string_view kPairReplicates = "4096";

std::vector<double> numbers(const VerbOptions& options, const std::string& name) {
  std::vector<double> values;
  for (const std::string& piece : split_at_commas(options.text(name)))
    values.push_back(parse_number("--" + name, piece));
  return values;
}

std::vector<Index> counts_in(const std::string& text, const std::string& option, long long minimum) {
  std::vector<Index> values;
  for (const std::string& piece : split_at_commas(text))
    values.push_back(static_cast<Index>(parse_count(option, piece, minimum)));
  return values;
}

std::vector<Index> counts(const VerbOptions& options, const std::string& name, long long minimum) {
  return counts_in(options.text(name), "--" + name, minimum);
}

// ra=1 lara=16,64
std::map<std::string, std::vector<Index>> counts_by_name(const std::vector<std::string>& words) {
  std::map<std::string, std::vector<Index>> found;
  for (const std::string& word : words) {
    const std::size_t equals = word.find('=');
    require(equals != std::string::npos && equals > 0,
            "--{}: {} is no estimator with its counts; write ra=1 or lara=16,64", kFeaturesOf, word);
    const std::string name = word.substr(0, equals);
    const bool first =
        found.emplace(name, counts_in(word.substr(equals + 1), fmt::format("--{} {}", kFeaturesOf, name), 1))
            .second;
    require(first, "--{}: {} stands there twice; give all its counts at once", kFeaturesOf, name);
  }
  return found;
}

// What only runs that measure time have.
void read_costs(const VerbOptions& options, const NamedExperiment& experiment, RunSpec& spec) {
  const bool decodes = experiment.name == "decoding-speed";
  require(decodes || !options.given("batches"), "--batches means nothing to {}; leave it out",
          experiment.name);
  require(!options.given("batches") || !options.given("queries"),
          "--batches and --queries both say how many sequences are decoded; give one of them");
  if (options.given("batches")) spec.lengths->batches = counts(options, "batches", 1);
  spec.lengths->own_features = counts_by_name(options.list(std::string(kFeaturesOf)));
  require(experiment.alone || spec.lengths->own_features.empty(), "--{} means nothing to {}; leave it out",
          kFeaturesOf, experiment.name);
}

bool was_given(const VerbOptions& options, std::string_view name) {
  const std::string option(name);
  return name == "force" ? options.flag(option) : options.given(option);
}

template <typename Names>
void refuse(const VerbOptions& options, const Names& names, const NamedExperiment& experiment) {
  for (const std::string_view name : names)
    require(!was_given(options, name), "--{} means nothing to {}; leave it out", name, experiment.name);
}

template <typename Rows>
std::vector<std::string_view> names_of(const Rows& rows) {
  std::vector<std::string_view> names;
  for (const OwnOption& row : rows) names.push_back(row.name);
  return names;
}

}  // namespace

void add_grid_options(VerbOptions& options) {
  for (const OwnOption& row : kOfLengths)
    options.add(std::string(row.name), std::string(row.default_value), std::string(row.help));
  options.add_list(std::string(kFeaturesOf),
                   "speed-vs-length, decoding-speed: NAME=M,M… the counts m of one estimator, instead of "
                   "--features");
  for (const OwnOption& row : kOfPairs)
    options.add(std::string(row.name), std::string(row.default_value), std::string(row.help));
  for (const OwnOption& row : kOfTruncation)
    options.add(std::string(row.name), std::string(row.default_value), std::string(row.help));
}

void read_grids(const VerbOptions& options, const NamedExperiment& experiment, RunSpec& spec) {
  if (experiment.workload != Workload::lengths) {
    refuse(options, names_of(kOfLengths), experiment);
    refuse(options, std::array{kFeaturesOf}, experiment);
  }
  if (experiment.workload != Workload::pairs) refuse(options, names_of(kOfPairs), experiment);
  if (experiment.workload != Workload::truncation) refuse(options, names_of(kOfTruncation), experiment);
  if (experiment.workload == Workload::lengths) {
    constexpr std::array<std::string_view, 2> kSubsamples{"prefix", "stride"};
    require_known("--subsample", options.text("subsample"), kSubsamples);
    const std::string features =
        options.given("features") ? options.text("features") : std::string(kLengthFeatures);
    spec.lengths = LengthGrid{counts(options, "lengths", 1), split_at_commas(features),
                              options.text("subsample") == "stride"};
    read_costs(options, experiment, spec);
  } else if (experiment.workload != Workload::pairs) {
    spec.features = options.features();
  }
  if (experiment.workload == Workload::pairs) {
    refuse(options, kNotOfPairs, experiment);
    constexpr std::array<std::string_view, 2> kOver{"cosine", "angle"};
    require_known("--map-over", options.text("map-over"), kOver);
    spec.pairs = PairGrid{numbers(options, "norms"), numbers(options, "cosines"), counts(options, "dims", 1),
                          static_cast<Index>(parse_count("--map", options.text("map"), 0)),
                          options.text("map-over") == "angle"};
    spec.features = options.features(kPairFeatures);
    if (!options.given("replicates")) spec.replicates = parse_count("--replicates", kPairReplicates);
  }
  if (experiment.workload == Workload::truncation) {
    refuse(options, kNotOfTruncation, experiment);
    spec.truncation = TruncationGrid{numbers(options, "radii"), counts(options, "degrees", 0)};
    spec.features.clear();
    spec.replicates = 1;
  }
}

}  // namespace attngap
