#include "estimators/error.hpp"
#include "experiments/progress.hpp"
#include "experiments/run_status.hpp"
#include "experiments/verb.hpp"
#include "experiments/verb_options.hpp"

#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace attngap {
namespace {

nlohmann::ordered_json number_or_null(double number) {
  return std::isfinite(number) ? nlohmann::ordered_json(number) : nlohmann::ordered_json(nullptr);
}

std::string as_json(const RunStatus& status) {
  nlohmann::ordered_json json;
  json["experiment"] = status.experiment;
  if (!status.shard.empty()) json["shard"] = status.shard;
  json["state"] = status.state;
  json["cells"] = status.cells;
  json["cells_done"] = status.cells_done;
  json["replicates"] = status.replicates;
  json["replicates_done"] = status.replicates_done;
  json["elapsed_seconds"] = status.elapsed;
  json["replicates_per_second"] = status.rate;
  json["seconds_left"] = number_or_null(status.left);
  json["seconds_since_last_commit"] = number_or_null(status.since_last_commit);
  return json.dump(2) + "\n";
}

void print_status(const RunStatus& status) {
  const auto clock = [](double seconds) {
    return std::isfinite(seconds) ? clock_text(seconds) : std::string("not known");
  };
  const double share = status.replicates > 0 ? 100.0 * static_cast<double>(status.replicates_done) /
                                                   static_cast<double>(status.replicates)
                                             : 0.0;
  fmt::print("experiment   {}{}\n", status.experiment,
             status.shard.empty() ? "" : fmt::format(", part {}", status.shard));
  fmt::print("state        {}\n", status.state);
  if (status.shard.empty()) fmt::print("cells        {} of {}\n", status.cells_done, status.cells);
  fmt::print("replicates   {} of {} ({:.0f} %)\n", status.replicates_done, status.replicates, share);
  fmt::print("elapsed      {}\n", clock(status.elapsed));
  if (status.rate > 0.0) fmt::print("rate         {:.3g} replicates/s\n", status.rate);
  fmt::print("time left    {}\n", clock(status.left));
  if (std::isfinite(status.since_last_commit))
    fmt::print("last commit  {} ago\n", clock(status.since_last_commit));
}

}  // namespace

int verb_status(const std::vector<std::string>& arguments) {
  VerbOptions options("status DIR",
                      "Says how far the run in DIR has come, also while another process writes it. Times and "
                      "rates are of\nthe process that wrote last; with --target-rse the replicates of heads "
                      "that have no count yet are a guess.");
  options.positional("directory", 1);
  options.add_shared({"json"});
  if (!options.parse(arguments)) return kDone;
  const auto directories = options.list("directory");
  require(directories.size() == 1, "which run? give the --out directory of one run");
  const RunStatus status = read_status(directories.front());
  if (options.flag("json")) {
    fmt::print("{}", as_json(status));
  } else {
    print_status(status);
  }
  return kDone;
}

}  // namespace attngap
