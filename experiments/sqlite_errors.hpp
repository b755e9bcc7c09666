#pragma once

#include "estimators/error.hpp"
#include "experiments/run_store.hpp"

#include <filesystem>
#include <string>

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

namespace attngap {

/// What `action` returns; SQLite's errors become sentences of BadInput, or NoRoom, that say what to do about
/// `file`.
template <typename Action>
auto explained(const std::filesystem::path& file, Action action) {
  try {
    return action();
  } catch (const SQLite::Exception& error) {
    const std::string name = file.string();
    const std::string reason = error.getErrorStr();
    switch (error.getErrorCode()) {
      case SQLITE_FULL:
      case SQLITE_IOERR:
        throw NoRoom(fmt::format(
            "{}: the disk is full or failing ({}); free space and run the same command again to resume", name,
            reason));
      case SQLITE_CANTOPEN:
      case SQLITE_READONLY:
      case SQLITE_PERM:
        throw BadInput(
            fmt::format("{}: cannot be opened ({}); check that it is a file you may write, or "
                        "choose another directory",
                        name, reason));
      case SQLITE_BUSY:
      case SQLITE_LOCKED:
        throw BadInput(
            fmt::format("{}: another program keeps it locked ({}); try again later", name, reason));
      default:
        throw BadInput(fmt::format(
            "{}: is damaged or not a run of attngap ({}); move it away or choose another directory", name,
            reason));
    }
  }
}

}  // namespace attngap
