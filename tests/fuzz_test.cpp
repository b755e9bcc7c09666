// Whatever is typed, found in a configuration or left of a run: an exit code of the contract, one sentence
// when it is 2, and never a signal or a hang.

#include "command_line_support.hpp"
#include "estimators/error.hpp"
#include "estimators/estimator_table.hpp"
#include "experiments/run_store.hpp"
#include "experiments/synthetic_stream.hpp"
#include "tests/stream_words.hpp"

#include <csignal>
#include <random>

namespace attngap {
namespace {

using namespace testing;

namespace fs = std::filesystem;

constexpr std::chrono::seconds kHang{30};

// Words that parsers stumble over, and pieces of good ones.
// No slash among them: an --out made of them must stay inside the test's own directory.
const std::vector<std::string> kPieces{"performer",
                                       "rfa",
                                       "rmfa",
                                       "zero",
                                       "exact",
                                       ":",
                                       ",",
                                       "=",
                                       "features",
                                       "p",
                                       "center",
                                       "projection",
                                       "keys",
                                       "iid",
                                       "orthogonal",
                                       "positive",
                                       "gaussian",
                                       "synthetic",
                                       "clustered",
                                       "length",
                                       "dim",
                                       "norm",
                                       "seed",
                                       "mask",
                                       "causal",
                                       "name",
                                       "16",
                                       "8",
                                       "0",
                                       "-1",
                                       "1e3",
                                       "nan",
                                       "inf",
                                       "2.5",
                                       "",
                                       " ",
                                       "\t",
                                       "\xff",
                                       "é",
                                       "*",
                                       "%s%n",
                                       "{}",
                                       "\"",
                                       "'",
                                       "--",
                                       "-",
                                       "--out",
                                       "--data",
                                       "\n",
                                       "[",
                                       "]",
                                       "#",
                                       "all",
                                       "none",
                                       "target",
                                       "softmax",
                                       "svg",
                                       "double",
                                       "float",
                                       ".",
                                       "99999999999999999999"};

class Fuzz : public CommandLineTest {
 protected:
  std::size_t below(std::size_t bound) { return random_() % bound; }
  const std::string& any(const std::vector<std::string>& from) { return from[below(from.size())]; }

  std::string glued() {
    std::string text;
    for (std::size_t pieces = below(8); pieces > 0; --pieces) text += any(kPieces);
    return text;
  }

  // A good text with one to three bytes changed, taken out or put in.
  std::string spoilt(std::string text) {
    for (std::size_t edits = 1 + below(3); edits > 0; --edits) {
      const std::size_t place = below(text.size() + 1);
      auto byte = static_cast<char>(1 + below(255));
      if (byte == '/') byte = '_';
      switch (below(3)) {
        case 0:
          text.insert(place, 1, byte);
          break;
        case 1:
          text.erase(std::min(place, text.empty() ? 0 : text.size() - 1), 1);
          break;
        default:
          if (place < text.size()) text[place] = byte;
      }
    }
    return text;
  }

  // Whether the call went well; anything but success and BadInput leaves the test.
  template <typename Call>
  static bool accepted(Call call) {
    try {
      call();
      return true;
    } catch (const BadInput& error) {
      EXPECT_STRNE(error.what(), "");
      return false;
    }
  }

  void expect_contract(const Words& words) const {
    ProgramSetup setup;
    setup.time_limit = kHang;
    const Finished finished = attngap(words, setup);
    const std::string what = ::testing::PrintToString(words) + "\n" + finished.err;
    EXPECT_FALSE(finished.timed_out) << what;
    EXPECT_EQ(finished.signal, 0) << what;
    // A claim of verify may fail, and so may a run that is verified.
    const std::string verb = words.empty() ? "" : words.front();
    const bool failed = finished.exit_code == 1 && verb == "verify";
    EXPECT_TRUE(finished.exit_code == 0 || finished.exit_code == 2 || failed) << finished.exit_code << what;
    // decompose says on standard error how far its identity holds, and verify what it did not judge.
    const bool says = failed || (finished.exit_code == 0 && (verb == "decompose" || verb == "verify"));
    const auto lines = std::count(finished.err.begin(), finished.err.end(), '\n');
    EXPECT_TRUE(says || lines == (finished.exit_code == 2 && !words.empty() ? 1 : 0)) << what;
  }

  testing_tools::StreamWords random_{20240607};
};

TEST_F(Fuzz, EstimatorsAreMadeOrRefused) {
  const std::vector<std::string> good{"performer:features=hyperbolic,projection=orthogonal,center=keys",
                                      "rmfa:kernel=inverse,degrees=poisson,lambda=2,max-degree=4,ppsbn=code",
                                      "elementwise:degree=6",
                                      "eva:window=4,groups=3,mass=mean",
                                      "lara:draws=2,weights=paper,clamp=on",
                                      "ra:proposal=mean",
                                      "rfa:projection=orthogonal",
                                      "rmfa:p=2.5,center=keys",
                                      "mean-value"};
  int made = 0;
  for (int i = 0; i < 20000; ++i)
    made += accepted([&] { make_estimator(i % 2 == 0 ? glued() : spoilt(any(good))); }) ? 1 : 0;
  EXPECT_GT(made, 100);
  EXPECT_LT(made, 19000);
}

TEST_F(Fuzz, SyntheticProblemsAreUnderstoodOrRefused) {
  const std::vector<std::string> good{"gaussian,length=64,dim=8,norm=0.5,seed=3,values=linear",
                                      "clustered,clusters=4,spread=0.1,mask=causal,name=x", "ar1,rho=-0.5"};
  int understood = 0;
  for (int i = 0; i < 20000; ++i)
    understood += accepted([&] { parse_synthetic(i % 2 == 0 ? glued() : spoilt(any(good))); }) ? 1 : 0;
  EXPECT_GT(understood, 100);
  EXPECT_LT(understood, 19000);
}

TEST_F(Fuzz, ArgumentsNeverCrash) {
  const std::vector<std::string> verbs{"run",    "attention", "decompose", "data",    "plot",   "export",
                                       "list",   "help",      "rum",       "merge",   "status", "predict",
                                       "report", "verify",    "--version", "plotting"};
  const std::vector<std::string> options{
      "--data",      "--estimators", "--features",  "--replicates", "--queries",   "--seed",
      "--precision", "--against",    "--threads",   "--formats",    "--json",      "--quiet",
      "--out",       "--config",     "--estimator", "--help",       "--replicate", "-h",
      "-x",          "--",           "--lengths",   "--target-rse", "--shard",     "--dry-run",
      "--log",       "--map",        "--pairs",     "--covariance", "--claim",     "--margin",
      "--tags",      "--distort",    "--query",     "--channel",    "--groups",    "--coefficient"};
  for (int i = 0; i < 200; ++i) {
    Words words;
    if (below(20) > 0) words.push_back(any(verbs));
    if (words == Words{"verify"}) words.insert(words.end(), {"--budget", "1e-9s"});  // not the whole registry
    for (std::size_t count = below(7); count > 0; --count)
      words.push_back(below(2) == 0 ? any(options) : glued());
    expect_contract(words);
  }
}

// A whole and small command of every verb with one word spoilt.
TEST_F(Fuzz, AlmostGoodCommandsNeverCrash) {
  const Words small{"--features", "2,4", "--replicates", "4",    "--queries", "3",
                    "--threads",  "1",   "--formats",    "none", "--quiet"};
  for (const std::string part : {"1", "2"}) {
    const Words shard = with({"run", "gap-vs-features", "--data", kEasy, "--estimators", "rfa", "--out",
                              "part" + part, "--shard", part + "/2"},
                             small);
    ASSERT_EQ(attngap(shard).exit_code, 0);
  }
  ASSERT_EQ(attngap({"merge", "--out", "done", "part1", "part2", "--formats", "none", "--quiet"}).exit_code,
            0);
  const std::vector<Words> commands{
      {"attention", "--data", kEasy, "--estimator", "performer", "--features", "2,4", "--out", "o.npz"},
      run(kEasy, {"--queries", "all", "--seed", "7", "--quiet"}),
      {"decompose", "--data", kEasy, "--estimator", "rfa", "--query", "3", "--features", "4", "--quiet"},
      {"predict", "--data", kEasy, "--estimators", "performer", "--features", "2,4", "--queries", "3"},
      {"predict", "--data", kEasy, "--estimators", "performer", "--features", "2", "--lengths", "4,7",
       "--json"},
      {"verify", "--claim", "unbiased", "--estimator", "rfa", "--data", kEasy, "--features", "4",
       "--replicates", "32", "--margin", "0.5", "--query", "1"},
      {"verify", "rfa-corrected-law", "--tags", "features", "--budget", "1e-9s"},
      {"merge", "--out", "out", "part1", "part2", "--formats", "none", "--threads", "1"},
      {"status", "done", "--json"},
      {"report", "done", "--out", "page.html", "--quiet"},
      {"plot", "done", "--formats", "svg", "--quiet"},
      {"export", "done", "--json", "--out", "rows.json"},
      {"data", kEasy, "--json"},
      {"list", "estimators", "--json"},
      with({"run", "gap-vs-length", "--data", "synthetic:gaussian,dim=5", "--estimators", "rfa", "--lengths",
            "8,19", "--out", "out", "--target-rse", "0.5", "--max-replicates", "40"},
           {"--features", "2,log", "--queries", "3", "--threads", "1", "--formats", "none"}),
      {"run", "kernel-variance", "--estimators", "performer", "--features", "2", "--norms", "0.5",
       "--cosines=0", "--dims", "4", "--map", "3", "--out", "out", "--replicates", "32", "--formats", "none"},
      {"run", "taylor-truncation", "--radii", "1,2", "--degrees", "0,3", "--out", "out", "--formats", "none"},
      with({"run", "distributions", "--data", kEasy, "--estimators", "rfa", "--out", "out"}, small),
      with({"run", "control-variates", "--data", kEasy, "--estimators", "rfa", "--out", "out"}, small)};
  for (const Words& good : commands) {
    fs::remove_all(path("out"));
    const Finished finished = attngap(good);
    EXPECT_EQ(finished.exit_code, 0) << ::testing::PrintToString(good) << "\n" << finished.err;
  }
  for (std::size_t i = 0; i < 10 * commands.size(); ++i) {
    Words words = commands[i % commands.size()];
    std::string& word = words[1 + below(words.size() - 1)];
    // A count with one more digit may be a long study: allowed, but not here.
    if (word.find_first_of("0123456789") == std::string::npos || word.find('=') != std::string::npos)
      word =
          word == kEasy ? "synthetic:gaussian," + spoilt("dim=5,value-dim=2") + ",length=19" : spoilt(word);
    else
      word = any(kPieces).substr(0, 3);
    fs::remove_all(path("out"));
    expect_contract(words);
  }
}

TEST_F(Fuzz, ConfigFilesNeverCrash) {
  const std::string good =
      "# a study\ndata = synthetic:gaussian,length=19,dim=5\nestimators = rfa\nfeatures = 2,4\nreplicates = "
      "2\n"
      "queries = all\nquiet = true\nformats = svg\nprecision = float\n";
  for (int i = 0; i < 100; ++i) {
    std::string text = i % 4 == 0 ? glued() + "\n" + glued() : spoilt(good);
    if (i % 10 == 5) text += std::string(100'000, 'x');
    write_text(path("run.ini"), text);
    fs::remove_all(path("out"));
    expect_contract({"run", "gap-vs-features", "--config", "run.ini", "--out", "out", "--replicates", "2",
                     "--features", "2,4", "--queries", "3", "--threads", "1"});
  }
}

// The store of an unfinished run with some bytes changed: resumed, or refused.
TEST_F(Fuzz, DamagedRunsNeverCrash) {
  Words command{"run",
                "gap-vs-features",
                "--data",
                "synthetic:gaussian,length=300,dim=5,value-dim=2",
                "--estimators",
                "rfa",
                "--out",
                "out",
                "--features",
                "4,2048",
                "--replicates",
                "16",
                "--queries",
                "5",
                "--quiet",
                "--threads",
                "1"};
  ProgramSetup setup;
  setup.directory = directory_.path();
  setup.environment["PATH"] = "/nonexistent";
  RunningProgram program(command, setup);
  const auto some_blocks = [&] {
    std::size_t blocks = 0;
    accepted([&] { blocks = RunStore::open_existing(path("out")).finished_blocks(0).size(); });
    return blocks >= 3;
  };
  while (program.running() && !some_blocks()) {
  }
  program.send(SIGKILL);  // the write-ahead log stays and is damaged as well
  ASSERT_EQ(program.wait().signal, SIGKILL) << "it ended before it could be killed";
  const auto whole = files_below(path("out"));
  for (int i = 0; i < 16; ++i) {
    for (const auto& [name, bytes] : whole) {
      std::string damaged = bytes;
      if (name.starts_with("run.sqlite"))
        for (std::size_t hits = 1 + below(20); hits > 0 && !damaged.empty(); --hits)
          damaged[below(damaged.size())] = static_cast<char>(below(256));
      write_text(path("out/" + name), damaged);
    }
    const std::vector<Words> looks{{"export", "out"},
                                   {"status", "out", "--json"},
                                   {"report", "out", "--quiet"},
                                   {"merge", "--out", "merged", "out", "--formats", "none"}};
    expect_contract(i % 2 == 0 ? looks[static_cast<std::size_t>(i) / 2 % looks.size()] : command);
    fs::remove_all(path("merged"));
    fs::remove_all(path("out"));
    fs::create_directory(path("out"));
  }
}

}  // namespace
}  // namespace attngap
