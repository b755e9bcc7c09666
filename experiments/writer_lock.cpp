#include "experiments/writer_lock.hpp"

#include "estimators/error.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace attngap {

namespace {

struct flock whole_file() {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

}  // namespace

// Locks of the open file (OFD), which unlike flock's can be asked about without taking them.
WriterLock::WriterLock(const std::filesystem::path& directory) : path_(directory / "run.lock") {
  while (true) {
    open(directory);
    struct flock lock = whole_file();
    if (::fcntl(file_, F_OFD_SETLK, &lock) != 0) {
      ::close(file_);
      throw BadInput(
          fmt::format("{}: another attngap is writing this run; wait for it or choose another directory",
                      directory.string()));
    }
    if (still_there()) return;
    ::close(file_);
  }
}

WriterLock::~WriterLock() {
  ::close(file_);
}

bool WriterLock::held(const std::filesystem::path& directory) {
  const int file = ::open((directory / "run.lock").c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  struct flock lock = whole_file();
  const bool asked = ::fcntl(file, F_OFD_GETLK, &lock) == 0;
  ::close(file);
  return asked && lock.l_type != F_UNLCK;
}

void WriterLock::undo() const {
  std::error_code ignored;
  if (created_) std::filesystem::remove(path_, ignored);
}

void WriterLock::open(const std::filesystem::path& directory) {
  constexpr int kAttempts = 100;  // a link to nowhere looks like a file taken away for ever
  for (int attempt = 1;; ++attempt) {
    file_ = ::open(path_.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0644);
    created_ = file_ >= 0;
    if (file_ < 0 && errno == EEXIST) {
      file_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
      if (file_ < 0 && errno == ENOENT && attempt < kAttempts)
        continue;  // taken away in between by a process that gave up
    }
    require(file_ >= 0, "{}: cannot be written ({}); choose a directory you may write to", directory.string(),
            std::strerror(errno));
    return;
  }
}

// Whether the locked file is still the one of that name: whoever made it may have given up just before.
bool WriterLock::still_there() const {
  struct stat ours {};
  struct stat named {};
  return ::fstat(file_, &ours) == 0 && ::stat(path_.c_str(), &named) == 0 && ours.st_ino == named.st_ino;
}

Footprint::Footprint(const std::filesystem::path& directory) : directory_(directory) {
  std::error_code ignored;
  auto missing = std::filesystem::absolute(directory, ignored).lexically_normal();
  if (!missing.has_filename()) missing = missing.parent_path();
  for (; missing.has_relative_path() && !std::filesystem::exists(missing, ignored);
       missing = missing.parent_path())
    directories_.push_back(missing);
}

void Footprint::locked(std::shared_ptr<WriterLock> lock) {
  lock_ = std::move(lock);
  std::error_code ignored;
  for (const char* name : {"run.sqlite", "run.sqlite-wal", "run.sqlite-shm", "run.sqlite-journal"})
    if (!std::filesystem::exists(directory_ / name, ignored)) files_.push_back(directory_ / name);
}

Footprint::~Footprint() {
  if (kept_) return;
  std::error_code ignored;
  for (const auto& file : files_) std::filesystem::remove(file, ignored);
  if (lock_) lock_->undo();
  for (const auto& directory : directories_) std::filesystem::remove(directory, ignored);
}

}  // namespace attngap
