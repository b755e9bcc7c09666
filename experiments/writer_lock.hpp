#pragma once

#include <filesystem>
#include <memory>
#include <vector>

namespace attngap {

/// One writer a directory, for as long as the process lives; the kernel lets go of it however the process
/// ends.
class WriterLock {
 public:
  /// Throws BadInput when the directory cannot be written or another process writes in it.
  explicit WriterLock(const std::filesystem::path& directory);
  WriterLock(const WriterLock&) = delete;
  WriterLock& operator=(const WriterLock&) = delete;
  ~WriterLock();

  /// Whether some process writes there now; takes no lock.
  static bool held(const std::filesystem::path& directory);

  /// Takes the lock file away again if this object made it.
  void undo() const;

 private:
  void open(const std::filesystem::path& directory);
  bool still_there() const;

  std::filesystem::path path_;
  int file_ = -1;
  bool created_ = false;
};

/// What an opening that fails must not leave behind: the directories, the lock and the database that it made.
class Footprint {
 public:
  /// Made before anything is created.
  explicit Footprint(const std::filesystem::path& directory);
  Footprint(const Footprint&) = delete;
  Footprint& operator=(const Footprint&) = delete;

  /// Takes away what was not there before, unless `keep` was called.
  ~Footprint();

  /// From now on nobody else writes here, so files that are not there yet will be ours.
  void locked(std::shared_ptr<WriterLock> lock);

  void keep() { kept_ = true; }

 private:
  std::filesystem::path directory_;
  std::vector<std::filesystem::path> directories_;  // deepest first; one that is not empty stays
  std::vector<std::filesystem::path> files_;
  std::shared_ptr<WriterLock> lock_;
  bool kept_ = false;
};

}  // namespace attngap
