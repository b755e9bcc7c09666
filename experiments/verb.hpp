#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace attngap {

/// Exit codes of the program.
enum ExitCode : int { kDone = 0, kCheckFailed = 1, kBadInput = 2, kInterrupted = 3 };

/// A verb of the command line. It prints on standard output, throws BadInput on unusable arguments, and
/// returns an exit code. `--help` among the arguments prints the verb's options.
struct Verb {
  std::string_view name;
  std::string_view usage;
  std::string_view meaning;
  int (*run)(const std::vector<std::string>& arguments);
};

/// Every verb, in the order `attngap --help` shows them.
std::span<const Verb> verbs();

int verb_run(const std::vector<std::string>& arguments);
int verb_merge(const std::vector<std::string>& arguments);
int verb_status(const std::vector<std::string>& arguments);
int verb_attention(const std::vector<std::string>& arguments);
int verb_decompose(const std::vector<std::string>& arguments);
int verb_predict(const std::vector<std::string>& arguments);
int verb_reproduce(const std::vector<std::string>& arguments);
int verb_verify(const std::vector<std::string>& arguments);
int verb_data(const std::vector<std::string>& arguments);
int verb_plot(const std::vector<std::string>& arguments);
int verb_export(const std::vector<std::string>& arguments);
int verb_report(const std::vector<std::string>& arguments);
int verb_list(const std::vector<std::string>& arguments);

}  // namespace attngap
