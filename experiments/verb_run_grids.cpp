#include "experiments/verb_run_grids.hpp"

#include "estimators/error.hpp"
#include "estimators/names.hpp"

#include <array>

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
};
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

std::vector<Index> counts(const VerbOptions& options, const std::string& name, long long minimum) {
  std::vector<Index> values;
  for (const std::string& piece : split_at_commas(options.text(name)))
    values.push_back(static_cast<Index>(parse_count("--" + name, piece, minimum)));
  return values;
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
  for (const OwnOption& row : kOfPairs)
    options.add(std::string(row.name), std::string(row.default_value), std::string(row.help));
  for (const OwnOption& row : kOfTruncation)
    options.add(std::string(row.name), std::string(row.default_value), std::string(row.help));
}

void read_grids(const VerbOptions& options, const NamedExperiment& experiment, RunSpec& spec) {
  if (experiment.workload != Workload::lengths) refuse(options, names_of(kOfLengths), experiment);
  if (experiment.workload != Workload::pairs) refuse(options, names_of(kOfPairs), experiment);
  if (experiment.workload != Workload::truncation) refuse(options, names_of(kOfTruncation), experiment);
  if (experiment.workload == Workload::lengths) {
    constexpr std::array<std::string_view, 2> kSubsamples{"prefix", "stride"};
    require_known("--subsample", options.text("subsample"), kSubsamples);
    const std::string features =
        options.given("features") ? options.text("features") : std::string(kLengthFeatures);
    spec.lengths = LengthGrid{counts(options, "lengths", 1), split_at_commas(features),
                              options.text("subsample") == "stride"};
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
