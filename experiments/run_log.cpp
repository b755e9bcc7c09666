#include "experiments/run_log.hpp"

#include "estimators/error.hpp"

#include <chrono>
#include <ctime>

#include <fmt/chrono.h>
#include <nlohmann/json.hpp>

namespace attngap {
namespace {

using Json = nlohmann::ordered_json;

Json event(std::string_view name) {
  const auto now = std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  Json json;
  json["time"] =
      fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(seconds), now.time_since_epoch().count() % 1000);
  json["event"] = name;
  return json;
}

std::string line_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

RunLog::RunLog(const std::string& path) : file_(path, std::ios::app) {
  require(file_.good(), "--log {}: cannot be written; give a file you may write", path);
}

void RunLog::write(const std::string& line) {
  const std::lock_guard lock(mutex_);
  file_.clear();
  file_ << line + "\n" << std::flush;
}

void RunLog::run_started(std::string_view version, std::string_view specification, int processes,
                         int threads) {
  Json json = event("run-started");
  json["version"] = version;
  json["specification"] = Json::parse(specification, nullptr, false);
  json["processes"] = processes;
  json["threads"] = threads;
  write(line_of(json));
}

void RunLog::cell_started(std::int64_t cell, std::int64_t replicates, bool pilot) {
  Json json = event("cell-started");
  json["cell"] = cell;
  json["replicates"] = replicates;
  json["pilot"] = pilot;
  write(line_of(json));
}

void RunLog::block_committed(std::int64_t cell, std::int64_t block, std::int64_t replicates, double seconds) {
  Json json = event("block-committed");
  json["cell"] = cell;
  json["block"] = block;
  json["replicates"] = replicates;
  json["seconds"] = seconds;
  write(line_of(json));
}

void RunLog::cell_planned(std::int64_t cell, std::int64_t replicates) {
  Json json = event("cell-planned");
  json["cell"] = cell;
  json["replicates"] = replicates;
  write(line_of(json));
}

void RunLog::cell_finished(std::int64_t cell, std::string_view name, std::int64_t replicates,
                           double draw_seconds) {
  Json json = event("cell-finished");
  json["cell"] = cell;
  json["name"] = name;
  json["replicates"] = replicates;
  json["draw-seconds"] = draw_seconds;
  write(line_of(json));
}

void RunLog::interrupted() {
  write(line_of(event("interrupted")));
}

void RunLog::finished() {
  write(line_of(event("finished")));
}

void RunLog::error(std::string_view sentence) {
  Json json = event("error");
  json["message"] = sentence;
  write(line_of(json));
}

}  // namespace attngap
