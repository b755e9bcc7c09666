// decoding-speed: the cache is exact attention, bytes are counted, and what has no state is refused. No time
// is tested.

#include "command_line_support.hpp"
#include "estimators/exact_attention.hpp"
#include "estimators/key_value_cache.hpp"
#include "experiments/run_store.hpp"
#include "experiments/synthetic_stream.hpp"

#include <map>

namespace attngap {
namespace {

using namespace testing;

using ::testing::HasSubstr;

TEST(KeyValueCache, IsTheLastRowOfCausalAttention) {
  SyntheticSpec spec;
  spec.kind = "gaussian";
  spec.length = 23;
  spec.dim = 5;
  spec.value_dim = 2;
  spec.norm = 2.0;
  spec.mask = Mask::causal;
  const AttentionProblem problem = make_synthetic(spec);
  const Matrix exact = exact_attention(problem).output;
  const Matrix Q = problem.scaled_queries(), K = problem.scaled_keys();
  KeyValueCache cache(23, 5, 2);
  for (Index t = 0; t < 23; ++t) {
    cache.push(K.row(t), problem.V.row(t));
    EXPECT_LE((cache.read(Q.row(t)) - exact.row(t)).norm(), 1e-14 * exact.row(t).norm()) << t;
  }
  cache.shorten(7);
  EXPECT_LE((cache.read(Q.row(6)) - exact.row(6)).norm(), 1e-14 * exact.row(6).norm());
  EXPECT_GT((cache.read(Q.row(6)) - exact.row(7)).norm(), 1e-3)
      << "can fail: another token has another output";
}

TEST(KeyValueCache, RefusesWhatDoesNotFit) {
  KeyValueCache cache(1, 3, 2);
  const Eigen::RowVectorXd three = Eigen::RowVectorXd::Ones(3), two = Eigen::RowVectorXd::Ones(2);
  EXPECT_THROW(cache.read(three), BadInput);
  EXPECT_THROW(cache.push(two, two), BadInput);
  EXPECT_THROW(cache.push(three, three), BadInput);
  cache.push(three, two);
  EXPECT_THROW(cache.push(three, two), BadInput);
}

class DecodingRunTest : public CommandLineTest {
 protected:
  static Words decode(const Words& estimators, const Words& more = {}) {
    return with(with({"run", "decoding-speed", "--data", "synthetic:gaussian,dim=5,value-dim=5,name=g",
                      "--out", "out", "--lengths", "3,40", "--features", "4", "--replicates", "2",
                      "--formats", "none", "--estimators"},
                     estimators),
                more);
  }
};

// Of pairs of times that vary, the mean of the ratios is another number than the ratio of the means.
TEST_F(DecodingRunTest, ASpeedupIsTheRatioOfTheSecondsThatAreShown) {
  const Finished finished = attngap(decode({"rfa", "elementwise:degree=2"}));
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  std::map<std::pair<std::string, std::int64_t>, std::map<std::string, ResultRow>> rows;
  for (const ResultRow& row : RunStore::open_existing(path("out")).rows())
    rows[{row.estimator, row.length}][row.metric] = row;
  int compared = 0;
  for (const auto& [place, metrics] : rows) {
    if (place.first == "exact") continue;
    const ResultRow& speedup = metrics.at("speedup");
    const double ratio = rows.at({"exact", place.second}).at("seconds").value / metrics.at("seconds").value;
    EXPECT_NEAR(speedup.value, ratio, 1e-12 * ratio) << place.first;
    EXPECT_GT(speedup.std_error, 0.0) << place.first;
    ++compared;
  }
  EXPECT_EQ(compared, 4);
}

TEST_F(DecodingRunTest, CountsTheNumbersOfCachesAndStates) {
  const Finished finished = attngap(
      decode({"rfa", "elementwise:degree=2", "elementwise:degree=2,accumulate=float"}, {"--queries", "3"}));
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  const std::string csv = read_text(path("out/results.csv"));
  const auto bytes = [&](const std::string& estimator, int draws, int dimension, int length) {
    const std::string begin = fmt::format("decoding-speed,g,{},", estimator);
    const std::string middle = fmt::format(",{},{},{},5,3,2,state_bytes,", draws, dimension, length);
    for (std::size_t at = csv.find(begin); at != std::string::npos; at = csv.find(begin, at + 1)) {
      const std::string line = csv.substr(at, csv.find('\n', at) - at);
      if (const auto found = line.find(middle); found != std::string::npos)
        return std::stod(line.substr(found + middle.size()));
    }
    return -1.0;
  };
  EXPECT_EQ(bytes("exact", 0, 0, 3), 3 * 8 * 3 * (5 + 5));
  EXPECT_EQ(bytes("exact", 0, 0, 40), 3 * 8 * 40 * (5 + 5));
  EXPECT_EQ(bytes("rfa", 4, 8, 3), 3 * 8 * (2 + 8 * (5 + 1)))
      << "a shift, a flag, and 2m features times p + 1";
  EXPECT_EQ(bytes("rfa", 4, 8, 40), bytes("rfa", 4, 8, 3)) << "of constant size";
  EXPECT_EQ(bytes("elementwise:degree=2", 0, 0, 40), 3 * 8 * 2 * 3 * 5);
  EXPECT_EQ(bytes("\"elementwise:accumulate=float,degree=2\"", 0, 0, 40), 3 * 4 * 2 * 3 * 5);
}

TEST_F(DecodingRunTest, BatchesAreCellsOfOneRun) {
  const Finished finished =
      attngap(decode({"rfa", "elementwise:degree=2"}, {"--batches", "1,3", "--features-of", "rfa=2,7"}));
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(finished.out, HasSubstr("g, 3 sequences"));
  std::map<std::string, double> bytes;
  for (const ResultRow& row : RunStore::open_existing(path("out")).rows())
    if (row.metric == "state_bytes")
      bytes[fmt::format("{} {} l={} n={}", row.estimator, row.draws, row.length, row.queries)] = row.value;
  EXPECT_EQ(bytes.size(), 2U * 2 * 4) << "two lengths and batches of exact, rfa at two counts, elementwise";
  EXPECT_EQ(bytes.at("exact 0 l=40 n=3"), 3 * 8 * 40 * (5 + 5));
  EXPECT_EQ(bytes.at("exact 0 l=40 n=1"), 8 * 40 * (5 + 5));
  EXPECT_EQ(bytes.at("exact 0 l=3 n=3"), 3 * 8 * 3 * (5 + 5));
  EXPECT_EQ(bytes.at("rfa 7 l=3 n=3"), 3 * 8 * (2 + 14 * (5 + 1)));
  EXPECT_FALSE(bytes.contains("rfa 4 l=3 n=3")) << "--features is for the others";
  const auto before = read_text(path("out/results.csv"));
  EXPECT_EQ(attngap(decode({"rfa", "elementwise:degree=2"},
                           {"--batches", "1,3", "--features-of", "rfa=2,7", "--quiet"}))
                .exit_code,
            0);
  EXPECT_EQ(read_text(path("out/results.csv")), before) << "all of it was stored";
  const Finished other = attngap(decode({"rfa", "elementwise:degree=2"}, {"--batches", "1,4"}));
  EXPECT_EQ(other.exit_code, 2);
}

TEST_F(DecodingRunTest, RefusesBatchesAndCountsThatMakeNoSense) {
  expect_refused(decode({"rfa"}, {"--batches", "3,1"}), {"--batches", "1 follows 3"});
  expect_refused(decode({"rfa"}, {"--batches", "1,3", "--queries", "2"}), {"--batches", "--queries"});
  expect_refused(decode({"rfa"}, {"--features-of", "lara=3"}), {"--features-of", "lara"});
  expect_refused(decode({"rfa"}, {"--features-of", "rfa"}), {"--features-of", "rfa"});
  expect_refused(decode({"rfa"}, {"--features-of", "rfa=2", "rfa=3"}), {"rfa", "twice"});
  expect_refused(decode({"rfa"}, {"--features-of", "rfa=0"}), {"rfa", "0"});
  const Words gap{"run",   "gap-vs-length", "--data",       "synthetic:gaussian,dim=5,name=g",
                  "--out", "out",           "--estimators", "rfa"};
  expect_refused(with(gap, {"--batches", "1,3"}), {"--batches means nothing"});
  expect_refused(with(gap, {"--features-of", "rfa=3"}), {"--features-of means nothing"});
}

TEST_F(DecodingRunTest, RefusesWhatHasNoState) {
  for (const std::string estimator : {"ra", "lara", "eva", "elementwise"})
    expect_refused(decode({estimator}), {estimator, "no recurrent state"});
  expect_refused(decode({"rfa:gate=constant:0.9"}), {"gate"});
  expect_refused(decode({"rfa"}, {"--queries", "all"}), {"--queries", "side by side"});
  expect_refused(decode({"rfa"}, {"--queries", "1000000000000"}), {"1000000000000 sequences", "GiB"});
}

}  // namespace
}  // namespace attngap
