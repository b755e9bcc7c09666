#include "run_program.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>
#include <thread>

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef ATTNGAP_PYTHON
#define ATTNGAP_PYTHON ""
#endif

namespace attngap::testing {
namespace {

[[noreturn]] void fail(const std::string& what, int error) {
  throw std::system_error(error, std::generic_category(), what);
}

// Lowers RLIMIT_FSIZE of this process while the child is started, who inherits it.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(std::uintmax_t bytes) : used_(bytes != 0) {
    if (!used_) return;
    if (getrlimit(RLIMIT_FSIZE, &before_) != 0) fail("reading the limit of file sizes", errno);
    const rlimit lowered{static_cast<rlim_t>(bytes), before_.rlim_max};
    if (setrlimit(RLIMIT_FSIZE, &lowered) != 0) fail("setting the limit of file sizes", errno);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  ~FileSizeLimit() {
    if (used_) setrlimit(RLIMIT_FSIZE, &before_);
  }

 private:
  bool used_;
  rlimit before_{};
};

// A pipe would have to be read while the program runs; a file in memory takes whatever comes.
int memory_file() {
  const int file = memfd_create("attngap-test", MFD_CLOEXEC);
  if (file < 0) fail("making a file in memory", errno);
  return file;
}

std::string read_from_start(int file) {
  std::string text;
  std::array<char, 1 << 16> buffer{};
  for (off_t place = 0;;) {
    const ssize_t got = pread(file, buffer.data(), buffer.size(), place);
    if (got <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
    place += got;
  }
}

std::vector<std::string> environment_with(const std::map<std::string, std::string>& changes) {
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (!changes.contains(text.substr(0, text.find('=')))) result.push_back(text);
  }
  for (const auto& [name, value] : changes) result.push_back(name + "=" + value);
  return result;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

}  // namespace

RunningProgram::RunningProgram(const std::vector<std::string>& arguments, const ProgramSetup& setup)
    : out_(memory_file()),
      err_(memory_file()),
      deadline_(std::chrono::steady_clock::now() + setup.time_limit) {
  std::vector<std::string> words{setup.program.empty() ? ATTNGAP_EXECUTABLE : setup.program.string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<std::string> environment = environment_with(setup.environment);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (setup.standard_output.empty()) {
    posix_spawn_file_actions_adddup2(&actions, out_, STDOUT_FILENO);
  } else {
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, setup.standard_output.c_str(), O_WRONLY, 0);
  }
  posix_spawn_file_actions_adddup2(&actions, err_, STDERR_FILENO);
  if (!setup.directory.empty()) posix_spawn_file_actions_addchdir_np(&actions, setup.directory.c_str());
  const FileSizeLimit limit(setup.file_size_limit);
  const int error = posix_spawn(&child_, words.front().c_str(), &actions, nullptr, pointers(words).data(),
                                pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) fail("starting " + words.front(), error);
}

RunningProgram::~RunningProgram() {
  if (!ended_) {
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
  }
  close(out_);
  close(err_);
}

void RunningProgram::send(int signal) const {
  if (!ended_) kill(child_, signal);
}

bool RunningProgram::running() {
  int status = 0;
  rusage usage{};
  if (!ended_ && wait4(child_, &status, WNOHANG, &usage) == child_) {
    finished_.peak_bytes = 1024 * static_cast<std::int64_t>(usage.ru_maxrss);
    collect(status);
  }
  return !ended_;
}

Finished RunningProgram::wait() {
  while (running()) {
    if (std::chrono::steady_clock::now() > deadline_) {
      finished_.timed_out = true;
      kill(child_, SIGKILL);
      int status = 0;
      waitpid(child_, &status, 0);
      collect(status);
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return finished_;
}

void RunningProgram::collect(int status) {
  ended_ = true;
  if (WIFEXITED(status)) finished_.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) finished_.signal = WTERMSIG(status);
  finished_.out = read_from_start(out_);
  finished_.err = read_from_start(err_);
}

Finished run_program(const std::vector<std::string>& arguments, const ProgramSetup& setup) {
  return RunningProgram(arguments, setup).wait();
}

Finished run_python(const std::string& script, const std::vector<std::string>& arguments) {
  ProgramSetup setup;
  setup.program = ATTNGAP_PYTHON;
  if (setup.program.empty()) throw std::runtime_error("there was no python3 when the tests were configured");
  std::vector<std::string> words{"-c", "import csv, json, sys\nimport numpy as np\n" + script};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return run_program(words, setup);
}

std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::map<std::string, std::string> files_below(const std::filesystem::path& directory) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    const std::string name = entry.path().lexically_relative(directory).string();
    files[name] = entry.is_regular_file() ? read_text(entry.path()) : "";
  }
  return files;
}

std::string changed_files(const std::map<std::string, std::string>& before,
                          const std::map<std::string, std::string>& after) {
  std::string text;
  for (const auto& [name, bytes] : before)
    if (!after.contains(name)) text += name + " has gone\n";
  for (const auto& [name, bytes] : after) {
    const auto found = before.find(name);
    if (found == before.end()) text += name + " has come\n";
    if (found != before.end() && found->second != bytes) text += name + " has changed\n";
  }
  return text;
}

}  // namespace attngap::testing
