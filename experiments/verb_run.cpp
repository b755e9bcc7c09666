#include "experiments/verb_run.hpp"

#include "estimators/elementwise.hpp"
#include "estimators/error.hpp"
#include "experiments/control_variates_run.hpp"
#include "experiments/data_source.hpp"
#include "experiments/experiment_table.hpp"
#include "experiments/gap_length_run.hpp"
#include "experiments/gap_run.hpp"
#include "experiments/gram_run.hpp"
#include "experiments/kernel_variance_run.hpp"
#include "experiments/memory_need.hpp"
#include "experiments/mpi_team.hpp"
#include "experiments/replicate_plan.hpp"
#include "experiments/result_table.hpp"
#include "experiments/verb.hpp"
#include "experiments/verb_options.hpp"
#include "experiments/verb_run_grids.hpp"
#include "experiments/verb_run_scale.hpp"
#include "plots/figures.hpp"

#include <algorithm>
#include <cmath>
#include <csignal>

#include <nlohmann/json.hpp>

namespace attngap {
namespace {

std::atomic<bool> interrupted{false};

// The first Ctrl-C asks the draws to stop; the second finds the default handler.
extern "C" void stop_at_next_replicate(int signal) {
  interrupted = true;
  std::signal(signal, SIG_DFL);
}

std::vector<std::string> experiment_names() {
  std::vector<std::string> names;
  for (const NamedExperiment& row : experiment_table())
    names.push_back(fmt::format("  {:<18} {}", row.name, row.meaning));
  return names;
}

}  // namespace

RunSpec read_spec(const VerbOptions& options) {
  const auto experiments = options.list("experiment");
  require(!experiments.empty(),
          "which experiment? name it right after run; `attngap list experiments` shows them");
  RunSpec spec;
  spec.experiment = experiment_named(experiments.front()).name;
  spec.data = options.list("data");
  spec.replicates = parse_count("--replicates (a variance needs two)", options.text("replicates"), 2);
  spec.queries = options.queries(experiment_named(spec.experiment).default_queries);
  spec.seed = options.seed();
  spec.precision = options.precision();
  constexpr std::array<std::string_view, 2> kAgainst{"target", "softmax"};
  require_known("--against", options.text("against"), kAgainst);
  spec.against_softmax = options.text("against") == "softmax";
  spec.predictions = !options.flag("no-predictions");
  std::vector<std::string> estimators;
  for (const std::string& written : options.list("estimators"))
    estimators.push_back(options.estimator(written));
  spec.estimators = estimators;
  read_grids(options, experiment_named(spec.experiment), spec);
  read_goal(options, experiment_named(spec.experiment), spec);
  spec.validate();
  if (spec.experiment == "control-variates") require_control_variates(spec);
  if (spec.truncation) return spec;
  spec.estimators.clear();
  const bool of_kernels = spec.pairs || spec.experiment == "gram-error";
  for (const auto& estimator :
       of_kernels ? make_kernel_estimators(estimators, spec.experiment) : make_estimators(estimators))
    spec.estimators.push_back(estimator->spec().text());
  return spec;
}

std::vector<std::string> check_data(const RunSpec& spec, int threads) {
  if (spec.lengths) return check_lengths(spec, threads);
  if (spec.experiment == "gram-error") return check_points(spec, threads);
  if (spec.pairs) require_pairs_fit(spec, threads);
  const auto estimators =
      spec.truncation ? std::vector<std::unique_ptr<AttentionEstimator>>{} : make_estimators(spec.estimators);
  std::vector<std::string> heads;
  std::vector<std::string> names;
  for (const std::string& argument : spec.data) {
    const Dataset dataset = load_dataset(argument);
    if (spec.truncation) {
      check_elementwise(dataset.problem);
    } else {
      require_run_fits(spec, dataset.problem, threads);
    }
    for (const auto& estimator : estimators)
      estimator->check(spec.queries == 0 ? dataset.problem : sample_queries(dataset.problem, spec.queries));
    for (const std::string& other : names)
      require(other != dataset.name, "--data: two heads are called {}; give one a name with name=…", other);
    names.push_back(dataset.name);
    heads.push_back(head_identity(dataset));
  }
  return heads;
}

namespace {

void write_results(const std::filesystem::path& directory, const RunSpec& spec, const RunStore& store) {
  write_whole_file(directory / "results.csv", rows_as_csv(store.rows()));
  write_whole_file(directory / "timings.csv", timings_as_csv(store.timings()));
  nlohmann::ordered_json provenance;
  provenance["attngap"] = ATTNGAP_VERSION;
  provenance["git"] = ATTNGAP_GIT_REVISION;
  provenance["compiler"] = ATTNGAP_COMPILER;
  provenance["flags"] = ATTNGAP_FLAGS;
  provenance["seed"] = spec.seed;
  provenance["specification"] = nlohmann::ordered_json::parse(store.specification());
  write_whole_file(directory / "run.json", provenance.dump(2) + "\n");
}

// Times and ratios to exact attention, a line an estimator and length.
void print_speed(const std::vector<ResultRow>& rows) {
  fmt::print("\n{:<28} {:>9}  {:<36} {:>6} {:>12}  times as fast as exact\n", "data", "keys", "estimator",
             "m", "seconds");
  std::string seconds;
  for (const ResultRow& row : rows) {
    if (row.metric == "seconds") seconds = fmt::format("{:.4g}", row.value);
    if (row.metric != "speedup") continue;
    const bool decoded = row.experiment == "decoding-speed";
    const std::string data = decoded ? fmt::format("{}, {} sequences", row.data, row.queries) : row.data;
    fmt::print("{:<28} {:>9}  {:<36} {:>6} {:>12}  {:.3g} ± {:.2g}\n", data, row.length, row.estimator,
               row.draws, seconds, row.value, row.std_error);
  }
}

// The gap at the largest count, a line an estimator and head.
void print_summary(const RunSpec& spec, const std::vector<ResultRow>& rows) {
  if (spec.pairs || spec.truncation) return;
  if (experiment_named(spec.experiment).alone) return print_speed(rows);
  std::string head;
  for (const ResultRow& row : rows) {
    const Index largest = spec.lengths ? spec.lengths->features_at(row.length).back() : spec.features.back();
    const bool last = row.draws == 0 || row.draws == largest;
    if (row.metric != "median_relative_error" || !last) continue;
    const std::string where = fmt::format("{} {}", row.data, row.length);
    if (where != head)
      fmt::print("\n{}: {} keys, d = {}, {} queries\n  {:<44} {:>6}  median |error|/|exact|\n", row.data,
                 row.length, row.head_dim, row.queries, "estimator", "m");
    head = where;
    const bool coupled = !row.projection.empty() && row.projection != "iid";
    fmt::print("  {:<44} {:>6}  {:.4g}{}\n", row.estimator + (coupled ? ", " + row.projection : ""),
               row.draws == 0 ? std::string("-") : fmt::format("{}", row.draws), row.value,
               std::isnan(row.std_error) ? "" : fmt::format(" ± {:.2g}", row.std_error));
  }
}

}  // namespace

int say_interrupted() {
  fmt::print(stderr,
             "attngap: interrupted; what is finished is kept. Run the same command again to resume.\n");
  return kInterrupted;
}

namespace {

// Rows that missed the precision asked for.
void print_not_reached(const RunSpec& spec, const std::vector<ResultRow>& rows) {
  if (!spec.goal) return;
  std::string missed;
  for (const ResultRow& row : rows)
    if (row.status == kNotReached)
      missed += fmt::format("  {}: {}, m = {}: {:.2g} after {} replicates\n", row.data, row.estimator,
                            row.draws, row.std_error / std::abs(row.value), row.replicates);
  if (!missed.empty())
    fmt::print("\n--target-rse {} was not reached ({}) by\n{}", spec.goal->rse, kNotReached, missed);
}

// What a shard says when it has drawn its share.
void print_shard(const std::filesystem::path& directory, const Shard& shard) {
  fmt::print(
      "part {} of {} is drawn into {}; when all parts are, join them:\n"
      "  attngap merge --out DIR SHARD…\n",
      shard.part, shard.of, directory.string());
}

void declare_options(VerbOptions& options) {
  options.positional("experiment", 1);
  options.add("out", "", "directory of the run; made if absent, resumed if it holds the same run");
  options.add_shared({"data", "force", "estimators", "features", "replicates", "queries", "seed", "precision",
                      "against", "threads", "formats", "quiet", "json"});
  options.add_switch("no-predictions",
                     "leave out what first-order theory predicts, which costs a pass over pairs of keys");
  add_scale_options(options);
  add_grid_options(options);
}

bool asks_for_mpi(const std::vector<std::string>& arguments) {
  const auto among = [&](const char* word) {
    return std::find(arguments.begin(), arguments.end(), word) != arguments.end();
  };
  return among("--mpi") && !among("--help") && !among("-h");
}

const std::atomic<bool>& watch_signals() {
  std::signal(SIGINT, &stop_at_next_replicate);
  std::signal(SIGTERM, &stop_at_next_replicate);
  return interrupted;
}

// A rank that owns no store.
int help_rank_0(VerbOptions& options, const std::vector<std::string>& arguments, MpiTeam& team) {
  RunSpec spec;
  RunControl control;
  control.interrupted = &watch_signals();
  return team.work(
      [&] {
        options.parse(arguments);
        spec = read_spec(options);
        control.threads = threads_of(options, team.on_this_machine());
        return MpiTeam::Job{spec.text(check_data(spec, control.threads * team.on_this_machine())), spec.seed,
                            experiment_named(spec.experiment).cells(spec)};
      },
      control);
}

void check_options(const VerbOptions& options, bool on_ranks) {
  const bool dry = options.flag("dry-run");
  require(dry || options.given("out"), "--out is missing; give a directory for the results");
  static_cast<void>(options.formats());  // a wrong one is found now
  require(!dry || !on_ranks,
          "--dry-run and --mpi exclude each other; one process is enough to try a few cells");
  require(on_ranks || !options.flag("mpi"), "--mpi: give it on the command line, not in a file");
}

RunOutcome measure(const RunSpec& spec, RunStore& store, RunControl control, bool quiet) {
  Progress progress("draws", replicates_to_draw(spec, control.shard), quiet);
  control.progress = &progress;
  control.interrupted = &watch_signals();
  return run_cells(spec, experiment_named(spec.experiment).cells(spec), store, control);
}

// Draws what the store of the run, or of its shard, does not have yet.
int carry_out(const VerbOptions& options, const RunSpec& spec, const std::string& text,
              const RunControl& control) {
  const std::filesystem::path directory = options.text("out");
  const bool quiet = options.flag("quiet") || options.flag("json");
  RunStore store =
      RunStore::open_or_create(directory, control.finish ? text : shard_specification(text, control.shard),
                               {command_of(options), spec.cells(), replicates_to_draw(spec, control.shard)});
  if (control.log != nullptr)
    control.log->run_started(ATTNGAP_VERSION, store.specification(), control.processes, control.threads);
  int code = kDone;
  if (measure(spec, store, control, quiet) == RunOutcome::interrupted) {
    code = say_interrupted();
  } else if (control.finish) {
    code = report_run(options, directory, spec, store);
  } else if (!quiet) {
    print_shard(directory, control.shard);
  }
  if (control.log != nullptr) code == kDone ? control.log->finished() : control.log->interrupted();
  return code;
}

}  // namespace

VerbOptions run_options() {
  VerbOptions options(
      "run EXPERIMENT --data F… --estimators E… --out DIR",
      fmt::format(
          "Measures, stores every finished block in DIR/run.sqlite, and writes DIR/results.csv and "
          "DIR/figures.\nThe same command on the same DIR resumes an interrupted run; the "
          "numbers do not depend on --threads.\n\nexperiments:\n{1}\n"
          "gap-vs-features adds what first-order theory predicts (`attngap predict`), up to {0} keys; where "
          "that would take\nminutes (lara, allocated degrees, many queries), at as many of the queries as a "
          "minute has time for, with the standard\nerror of that.\n"
          "gap-vs-length, speed-vs-length and decoding-speed take --lengths; --features (64 unless "
          "given) may hold sqrt and log\nthere. In decoding-speed --queries, or each of --batches, is the "
          "number of sequences that are decoded side by side.\n"
          "Beyond {0} tokens gap-vs-length makes a synthetic problem piece by piece and never holds it; "
          "the others\nhold it, as they time all tokens of a head that is there.\n"
          "kernel-variance takes pairs instead of --data (m = 1,4,16,64 and 4096 replicates unless "
          "given);\ntaylor-truncation takes no --estimators, and --data if there is any. gram-error "
          "takes the\nscaled keys of --data as points, --queries of them.",
          kPredictedKeys, fmt::join(experiment_names(), "\n")));
  declare_options(options);
  return options;
}

std::optional<FinishedRun> finished_run(const std::vector<std::string>& words, const FigureOrigin& origin) {
  VerbOptions options = run_options();
  require(options.parse(words), "a run is to be carried out, and --help is no run");
  check_options(options, false);
  const RunSpec spec = read_spec(options);
  RunControl control;
  control.threads = experiment_named(spec.experiment).alone ? 1 : threads_of(options, 1);
  const std::string text = spec.text(check_data(spec, control.threads));
  const std::filesystem::path directory = options.text("out");
  RunStore store = RunStore::open_or_create(
      directory, text, {command_of(options), spec.cells(), replicates_to_draw(spec, control.shard)});
  const std::size_t earlier = store.sessions().size();
  if (measure(spec, store, control, options.flag("quiet")) == RunOutcome::interrupted) return std::nullopt;
  write_results(directory, spec, store);
  FinishedRun run{store.rows(), spec.seed};
  for (const RunSession& session : store.sessions()) {
    run.seconds += session.last - session.started;
    run.finished = std::max(run.finished, session.last);
  }
  run.measured = store.sessions().size() > earlier;
  write_origin(origin, directory);
  draw_figures(run.rows, directory / "figures", options.formats(), &interrupted, origin);
  if (interrupted) return std::nullopt;
  return run;
}

int report_run(const VerbOptions& options, const std::filesystem::path& directory, const RunSpec& spec,
               const RunStore& store) {
  const auto formats = options.formats();
  write_results(directory, spec, store);
  const auto rows = store.rows();
  const auto drawn = formats.empty() ? std::vector<std::string>{}
                                     : draw_figures(rows, directory / "figures", formats, &interrupted,
                                                    read_origin(directory));
  if (interrupted) return say_interrupted();
  if (options.flag("json")) fmt::print("{}", rows_as_json(rows));
  if (options.flag("quiet") || options.flag("json")) return kDone;
  print_summary(spec, rows);
  print_not_reached(spec, rows);
  fmt::print("\nresults  {}\n", (directory / "results.csv").string());
  const auto is_file = [](const std::string& line) { return std::filesystem::exists(line); };
  if (std::any_of(drawn.begin(), drawn.end(), is_file))
    fmt::print("figures  {}\n", (directory / "figures").string());
  for (const std::string& line : drawn)
    if (!is_file(line)) fmt::print("{}\n", line);
  return kDone;
}

int verb_run(const std::vector<std::string>& arguments) {
  VerbOptions options = run_options();
  std::optional<MpiTeam> team;
  if (asks_for_mpi(arguments)) team.emplace();
  if (team && !team->owns_store()) return help_rank_0(options, arguments, *team);
  if (!options.parse(arguments)) return kDone;

  const RunSpec spec = read_spec(options);
  check_options(options, team.has_value());
  const int neighbours = team ? team->on_this_machine() : 1;
  RunControl control;
  control.shard = read_shard(options);
  control.finish = !options.given("shard");
  const bool alone = experiment_named(spec.experiment).alone;
  require(!alone || !team, "{}: measures time, which ranks would share; leave --mpi out", spec.experiment);
  control.threads = alone ? 1 : threads_of(options, neighbours);
  const std::string text = spec.text(check_data(spec, control.threads * neighbours));
  if (options.flag("dry-run")) {
    print_dry_run(options, spec, control.shard, control.threads);
    return kDone;
  }
  if (team) {
    team->require_ready(text);
    control.processes = team->size();
    control.serve = [&](BlockQueue& queue) { team->serve(queue); };
  }
  std::optional<RunLog> log;
  if (options.given("log")) log.emplace(options.text("log"));
  control.log = log ? &*log : nullptr;
  try {
    return carry_out(options, spec, text, control);
  } catch (const std::exception& error) {
    if (log) log->error(error.what());
    throw;
  }
}

}  // namespace attngap
