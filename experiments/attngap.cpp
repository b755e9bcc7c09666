// The program: a verb and its arguments. Each verb is a file of its own, verb_NAME.cpp.

#include "estimators/error.hpp"
#include "estimators/names.hpp"
#include "experiments/verb.hpp"
#include "experiments/verb_options.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <new>
#include <system_error>

#include <fmt/format.h>

namespace attngap {
namespace {

constexpr std::array kVerbs{
    Verb{"run", "EXPERIMENT --data F… --estimators E… --out DIR", "measure, store, and draw the figures",
         &verb_run},
    Verb{"merge", "--out DIR SHARD…", "join the parts of a run drawn with --shard k/n", &verb_merge},
    Verb{"status", "DIR", "how far a run has come, while another process writes it", &verb_status},
    Verb{"attention", "--data F --out O.npz", "exact attention, and one draw of an estimator, as arrays",
         &verb_attention},
    Verb{"decompose", "--data F --estimator E --query N",
         "an estimate as a sum of control variates, key by key", &verb_decompose},
    Verb{"predict", "--data F|--pairs F.npz --estimators E…", "bias and variance by closed forms, no draws",
         &verb_predict},
    Verb{"verify", "[NAME…] [--tags T,…]", "judge the papers' claims, or one of your own", &verb_verify},
    Verb{"reproduce", "[FIGURE…|all] --out DIR", "the papers' figures, with what they must show checked",
         &verb_reproduce},
    Verb{"data", "F…", "how hard a head is: norms, logits, entropy, |q+k|²", &verb_data},
    Verb{"plot", "DIR", "draw the figures of a run again", &verb_plot},
    Verb{"export", "DIR", "the rows of a run as CSV or JSON", &verb_export},
    Verb{"report", "DIR", "a run on one page: charts, tables, definitions", &verb_report},
    Verb{"list", "[FAMILY]", "every name, its options and source", &verb_list},
};

void print_help() {
  fmt::print(
      "attngap measures how far random-feature and polynomial attention is from exact softmax attention, and "
      "why.\n\n"
      "  attngap VERB [options]        attngap VERB --help\n\nverbs:\n");
  for (const Verb& verb : kVerbs) fmt::print("  {:<10} {:<50} {}\n", verb.name, verb.usage, verb.meaning);
  fmt::print(
      "\nA first run (length 256, three estimators, figures in out/figures):\n\n"
      "  attngap run gap-vs-features --data synthetic:gaussian,length=256 --estimators performer rfa rmfa "
      "--out out\n\n"
      "Exit codes: 0 done, 1 a check failed, 2 bad input, 3 interrupted (run the same command again to "
      "resume).\n");
}

// For docs/guide, which a test holds against this.
void print_help_markdown() {
  fmt::print("| verb | does |\n| --- | --- |\n");
  for (const Verb& verb : kVerbs)
    fmt::print("| [`{0}`]({0}.md) | {1} |\n", verb.name, markdown_cell(verb.meaning));
}

int dispatch(const std::vector<std::string>& arguments) {
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h" || arguments[0] == "help") {
    print_help();
    return arguments.empty() ? kBadInput : kDone;
  }
  if (arguments[0] == "--help-markdown") {
    print_help_markdown();
    return kDone;
  }
  if (arguments[0] == "--version") {
    fmt::print("attngap {}\n", ATTNGAP_VERSION);
    return kDone;
  }
  std::vector<std::string_view> names;
  for (const Verb& verb : kVerbs) {
    if (verb.name == arguments[0]) return verb.run({arguments.begin() + 1, arguments.end()});
    names.push_back(verb.name);
  }
  require_known("verb", arguments[0], names);
  return kBadInput;
}

// One line, whatever names and other programs' messages it quotes.
void complain(std::string sentence) {
  while (!sentence.empty() && sentence.back() == '\n') sentence.pop_back();
  for (char& c : sentence)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  std::fputs(("attngap: " + sentence + "\n").c_str(), stderr);  // fmt::print would throw where nobody catches
}

}  // namespace

std::span<const Verb> verbs() {
  return kVerbs;
}

}  // namespace attngap

int main(int count, char** words) {
  // A limit on file sizes is then a failed write with its sentence, and not the end of the process.
  std::signal(SIGXFSZ, SIG_IGN);
  try {
    const int code = attngap::dispatch({words + 1, words + count});
    attngap::require(std::fflush(stdout) == 0,
                     "standard output cannot be written ({}); free space or write elsewhere",
                     std::strerror(errno));
    return code;
  } catch (const std::system_error& error) {
    const bool no_room = error.code() == std::errc::no_space_on_device ||
                         error.code() == std::errc::file_too_large || error.code() == std::errc::io_error;
    attngap::complain(std::string(error.what()) + (no_room ? "; free space or write elsewhere" : ""));
  } catch (const std::bad_alloc&) {
    attngap::complain("out of memory; use fewer queries (--queries), features or estimators at once");
  } catch (const std::exception& error) {
    attngap::complain(error.what());
  }
  return attngap::kBadInput;
}
