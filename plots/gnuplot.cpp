#include "plots/gnuplot.hpp"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace attngap {
namespace {

// What the child says goes to a file, not a pipe: however much it is, nobody has to read while it runs.
constexpr const char* kLog = "gnuplot.log";

// Owns the list of things posix_spawn does in the child before the program starts.
class ChildSetup {
 public:
  ChildSetup() { posix_spawn_file_actions_init(&actions_); }
  ~ChildSetup() { posix_spawn_file_actions_destroy(&actions_); }
  ChildSetup(const ChildSetup&) = delete;
  ChildSetup& operator=(const ChildSetup&) = delete;

  posix_spawn_file_actions_t* get() { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

int wait_for(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) throw std::system_error(errno, std::generic_category(), "waiting for gnuplot");
  }
  return status;
}

std::string read_log(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto last = text.find_last_not_of(" \n\t");
  text.erase(last == std::string::npos ? 0 : last + 1);
  return text.empty() ? text : text.substr(text.find_first_not_of(" \n\t"));
}

// "stopped by signal 2 (Interrupt)", or the last words of a program that ended by itself.
std::string reason(int status, const std::string& said) {
  if (WIFSIGNALED(status))
    return fmt::format("stopped by signal {} ({}){}", WTERMSIG(status), strsignal(WTERMSIG(status)),
                       said.empty() ? "" : ": " + said);
  return said.empty() ? fmt::format("exit status {} and no message", WEXITSTATUS(status)) : said;
}

}  // namespace

std::optional<std::filesystem::path> find_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream entries(path == nullptr ? "" : path);
  for (std::string entry; std::getline(entries, entry, ':');) {
    if (entry.empty()) continue;
    const auto candidate = std::filesystem::path(entry) / name;
    std::error_code ignored;
    if (std::filesystem::is_regular_file(candidate, ignored) && access(candidate.c_str(), X_OK) == 0) {
      return std::filesystem::absolute(candidate);
    }
  }
  return std::nullopt;
}

void run_gnuplot(const std::filesystem::path& program, const std::filesystem::path& directory,
                 const std::string& script) {
  ChildSetup setup;
  posix_spawn_file_actions_addchdir_np(setup.get(), directory.c_str());
  posix_spawn_file_actions_addopen(setup.get(), STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(setup.get(), STDOUT_FILENO, kLog, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(setup.get(), STDOUT_FILENO, STDERR_FILENO);

  std::string path = program.string();
  std::string defaults = "-d";
  std::string file = "./" + script;  // never taken for an option or a pipe, whatever the name begins with
  const std::array<char*, 4> arguments{path.data(), defaults.data(), file.data(), nullptr};
  pid_t child = 0;
  const int error = posix_spawn(&child, path.c_str(), setup.get(), nullptr, arguments.data(), environ);
  if (error != 0) throw std::system_error(error, std::generic_category(), "starting " + path);
  const int status = wait_for(child);

  const auto log = directory / kLog;
  const std::string said = read_log(log);
  std::filesystem::remove(log);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    throw std::runtime_error(fmt::format("gnuplot failed on {}: {}", script, reason(status, said)));
  }
}

}  // namespace attngap
