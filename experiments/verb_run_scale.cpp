#include "experiments/verb_run_scale.hpp"

#include "estimators/error.hpp"
#include "estimators/names.hpp"
#include "experiments/calibration.hpp"
#include "experiments/progress.hpp"
#include "experiments/replicate_plan.hpp"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

namespace attngap {
namespace {

constexpr std::string_view kMostReplicates = "4096";

// What a run's numbers do not depend on.
constexpr std::array<std::string_view, 10> kWithoutEffect{"out",    "threads", "formats", "quiet", "json",
                                                          "config", "shard",   "mpi",     "log",   "dry-run"};

constexpr double kPatience = 10.0;

std::string seconds_text(double seconds) {
  return seconds < 60.0 ? fmt::format("{:.2g} s", seconds) : clock_text(seconds);
}

double parse_seconds(const std::string& text) {
  const std::size_t unit = text.find_last_of("smh");
  require(unit != std::string::npos && unit + 1 == text.size(),
          "--budget {}: give a time with its unit, such as 90s, 10m or 2h", text);
  const double number = parse_number("--budget", text.substr(0, unit));
  require(number > 0.0, "--budget {}: must be above 0", text);
  return number * (text[unit] == 'h' ? 3600.0 : text[unit] == 'm' ? 60.0 : 1.0);
}

}  // namespace

void add_scale_options(VerbOptions& options) {
  options.add("target-rse", "",
              "instead of --replicates: draw each head (or pair) until the relative standard error of every "
              "median_relative_error (of pairs: kernel_variance) that can get there is about this; 32 "
              "replicates of a pilot say how many fresh ones that takes, and the rows come from those alone. "
              "Not for speed-vs-length (times), distributions (shapes), taylor-truncation (draws nothing)");
  options.add("max-replicates", std::string(kMostReplicates),
              "with --target-rse: of a head, and what a head of which no row can get there draws; rows that "
              "would need more carry the status rse-not-reached");
  options.add("budget", "",
              "with --target-rse: 90s, 10m or 2h for the run, shared among the heads that have no count yet; "
              "the counts then depend on this machine's speed, and are stored");
  options.add("shard", "",
              "k/n: draw part k of n only, into an --out of its own; `attngap merge` joins the parts");
  options.add("log", "", "append what happens to this file, one JSON object a line");
  options.add_switch("dry-run",
                     "print the cells, and the time and memory a short calibration promises; write nothing");
  options.add_switch("mpi", "draw on all processes of `mpirun -n N attngap run …`; --threads is of each");
}

void read_goal(const VerbOptions& options, const NamedExperiment& experiment, RunSpec& spec) {
  if (!options.given("target-rse")) {
    for (const char* name : {"max-replicates", "budget"})
      require(!options.given(name), "--{} means nothing without --target-rse; give both, or --replicates",
              name);
    return;
  }
  require(!experiment.planned.empty(), "--target-rse means nothing to {}: it {}{}", experiment.name,
          experiment.unplanned,
          experiment.workload == Workload::truncation ? "; leave it out" : "; give --replicates");
  require(!options.given("replicates"), "--replicates and --target-rse exclude each other; give one");
  PrecisionGoal goal;
  goal.rse = parse_number("--target-rse", options.text("target-rse"));
  require(goal.rse > 0.0 && goal.rse < 1.0, "--target-rse = {}, must be above 0 and below 1, such as 0.02",
          goal.rse);
  goal.most = parse_count("--max-replicates (a variance needs two)", options.text("max-replicates"), 2);
  require(goal.most <= kFirstPilotReplicate,
          "--max-replicates = {}, must be at most {} (the pilot comes after)", goal.most,
          kFirstPilotReplicate);
  if (options.given("budget")) goal.budget_seconds = parse_seconds(options.text("budget"));
  goal.metric = experiment.planned;
  spec.goal = goal;
  spec.replicates = goal.most;
}

Shard read_shard(const VerbOptions& options) {
  return options.given("shard") ? parse_shard(options.text("shard")) : Shard{};
}

std::string command_of(const VerbOptions& options) {
  return nlohmann::json(options.words(kWithoutEffect)).dump();
}

int threads_of(const VerbOptions& options, int processes) {
  const int threads = options.threads();
  const bool own = options.text("threads") != "0";
  return own ? threads : std::max(1, threads / processes);
}

void print_dry_run(const VerbOptions& options, const RunSpec& spec, const Shard& shard, int threads) {
  const RunCost cost = calibrate(spec, experiment_named(spec.experiment).cells(spec), kPatience, threads);
  const double seconds = cost.seconds(spec, shard, threads);
  const auto tried =
      std::count_if(cost.cells.begin(), cost.cells.end(), [](const CellCost& cell) { return cell.tried; });
  if (options.flag("json")) {
    nlohmann::ordered_json json;
    for (const CellCost& cell : cost.cells)
      json["cells"].push_back({{"cell", cell.cell},
                               {"name", cell.name},
                               {"tried", cell.tried},
                               {"seconds", cost.seconds(cell, spec, shard, threads)}});
    json["replicates"] = spec.replicates;
    json["threads"] = threads;
    json["seconds"] = seconds;
    json["bytes"] = cost.bytes(threads);
    fmt::print("{}\n", json.dump(2));
    return;
  }
  for (const CellCost& cell : cost.cells)
    fmt::print("{:>6}  {:<60} {:>8}\n", cell.cell, cell.name,
               seconds_text(cost.seconds(cell, spec, shard, threads)));
  fmt::print(
      "\n{} cells of {}{} replicates on {} threads: about {} and {:.0f} MB of memory, by trying {} of them\n",
      cost.cells.size(), spec.goal ? "at most " : "", spec.replicates, threads, seconds_text(seconds),
      cost.bytes(threads) / 1e6, tried);
}

}  // namespace attngap
