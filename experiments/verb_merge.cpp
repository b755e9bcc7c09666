#include "estimators/error.hpp"
#include "experiments/block_queue.hpp"
#include "experiments/experiment_table.hpp"
#include "experiments/merge_shards.hpp"
#include "experiments/verb.hpp"
#include "experiments/verb_run.hpp"

#include <nlohmann/json.hpp>
#include <tbb/global_control.h>

namespace attngap {
namespace {

// The run the shards are of, from the words that made it.
RunSpec run_of(const ShardSet& shards, int threads, std::string& text) {
  VerbOptions options = run_options();
  const auto words = nlohmann::json::parse(shards.command(), nullptr, false);
  require(words.is_array(), "the parts do not say what made them; draw them again with this attngap");
  options.parse(words.get<std::vector<std::string>>());
  const RunSpec spec = read_spec(options);
  text = spec.text(check_data(spec, threads));
  const std::string difference = specification_difference(shards.specification(), text);
  require(difference.empty(), "the data are not those of the parts any more ({}); give merge the same files",
          difference);
  return spec;
}

}  // namespace

int verb_merge(const std::vector<std::string>& arguments) {
  VerbOptions options(
      "merge --out DIR SHARD…",
      "Joins the parts of a run that `attngap run … --shard k/n --out SHARD` drew, in any order, into the "
      "run "
      "DIR:\nthe same bytes as of one process. It reads the heads again, from where the parts read them. "
      "Parts that are\nincomplete, missing, double or of another run are refused.");
  options.positional("shards", -1);
  options.add("out", "", "directory of the run; made if absent");
  options.add_shared({"threads", "formats", "quiet", "json"});
  if (!options.parse(arguments)) return kDone;
  require(options.given("out"), "--out is missing; give a directory for the results");
  const std::filesystem::path directory = options.text("out");
  static_cast<void>(options.formats());  // a wrong one is found now
  const auto names = options.list("shards");
  const ShardSet shards({names.begin(), names.end()});
  std::string text;
  const RunSpec spec = run_of(shards, options.threads(), text);
  shards.require_complete(spec);

  const tbb::global_control allowed(tbb::global_control::max_allowed_parallelism,
                                    static_cast<std::size_t>(options.threads()));
  const bool is_new = !std::filesystem::exists(directory);
  try {
    RunStore store = RunStore::open_or_create(directory, text,
                                              {shards.command(), spec.cells(), replicates_to_draw(spec, {})});
    merge_cells(shards, spec, experiment_named(spec.experiment).cells(spec), store);
    return report_run(options, directory, spec, store);
  } catch (...) {
    std::error_code ignored;
    if (is_new) std::filesystem::remove_all(directory, ignored);  // half of a run is of no use
    throw;
  }
}

}  // namespace attngap
