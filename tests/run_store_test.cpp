#include "experiments/run_store.hpp"

#include "data_test_support.hpp"
#include "experiments/result_table.hpp"
#include "run_program.hpp"

#include <bit>
#include <cmath>
#include <limits>

#include <SQLiteCpp/SQLiteCpp.h>
#include <gmock/gmock.h>

namespace attngap {
namespace {

using ::testing::AllOf;
using testing::bad_input;
using testing::changed_files;
using ::testing::EndsWith;
using testing::files_below;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::read_text;
using ::testing::SizeIs;
using testing::TemporaryDirectory;
using testing::write_text;

namespace fs = std::filesystem;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr const char* kSpecification = R"({"experiment": "gap-vs-features"})";

ResultRow row(const std::string& estimator, double value) {
  ResultRow r;
  r.experiment = "gap-vs-features";
  r.data = "head";
  r.estimator = estimator;
  r.projection = "iid";
  r.target = "softmax";
  r.draws = r.dimension = 11;
  r.length = 7;
  r.head_dim = 5;
  r.queries = 3;
  r.replicates = 2;
  r.metric = "mse";
  r.value = value;
  r.std_error = r.ci_low = r.ci_high = kNaN;
  r.status = "ok";
  return r;
}

bool same_bits(double a, double b) {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b) ||
         (std::isnan(a) && std::isnan(b));  // SQL has one NULL for every NaN
}

bool same(const ResultRow& a, const ResultRow& b) {
  return a.experiment == b.experiment && a.data == b.data && a.estimator == b.estimator &&
         a.projection == b.projection && a.target == b.target && a.draws == b.draws &&
         a.dimension == b.dimension && a.length == b.length && a.head_dim == b.head_dim &&
         a.queries == b.queries && a.replicates == b.replicates && a.metric == b.metric &&
         a.status == b.status && same_bits(a.value, b.value) && same_bits(a.std_error, b.std_error) &&
         same_bits(a.ci_low, b.ci_low) && same_bits(a.ci_high, b.ci_high);
}

class RunStoreTest : public ::testing::Test {
 protected:
  RunStore open() const { return RunStore::open_or_create(run_, kSpecification); }
  std::string refusal() const {
    return bad_input([&] { open(); });
  }
  std::string refusal_to_read() const {
    return bad_input([&] { RunStore::open_existing(run_).rows(); });
  }

  // A run with one finished cell, one unfinished one, and nothing open.
  void make_run() const {
    RunStore store = open();
    store.commit_block({0, 0, {{1, 2}, {3}}, 0.5});
    store.finish_cell(0, {row("rfa", 0.25)}, {"head", 2, 0.1, 0.5});
    store.commit_block({1, 3, {std::vector<double>(5000, 4.0)}, 0.5});
  }

  TemporaryDirectory directory_;
  fs::path run_ = directory_.path() / "run";
  fs::path file_ = run_ / "run.sqlite";
};

TEST_F(RunStoreTest, NumbersOfABlockComeBackBitForBit) {
  const std::vector<double> hostile{kNaN,
                                    kInfinity,
                                    -kInfinity,
                                    -0.0,
                                    std::numeric_limits<double>::denorm_min(),
                                    std::numeric_limits<double>::max(),
                                    1.0 / 3};
  {
    RunStore store = open();
    store.commit_block({2, 1, {hostile, {}}, 0.25});
    store.commit_block({2, 0, {{1, 2}, {7}}, 0.5});
  }
  const RunStore store = open();
  const auto first = store.series(2, 0);
  ASSERT_THAT(first, SizeIs(2));  // in order of blocks, not of commits
  EXPECT_EQ(first[0], (std::vector<double>{1, 2}));
  ASSERT_THAT(first[1], SizeIs(hostile.size()));
  for (std::size_t i = 0; i < hostile.size(); ++i)
    EXPECT_EQ(std::bit_cast<std::uint64_t>(first[1][i]), std::bit_cast<std::uint64_t>(hostile[i])) << i;
  EXPECT_THAT(store.series(2, 1)[1], IsEmpty());
  EXPECT_EQ(store.finished_blocks(2), (std::set<std::int64_t>{0, 1}));
  EXPECT_EQ(store.block_seconds(2), 0.75);
}

// Blocks of 12.8 megabytes a cell: the log takes those of one cell after the other in the same place.
TEST_F(RunStoreTest, TheDatabaseNeverSeesTheBlocksOfACell) {
  RunStore store = open();
  const std::vector<double> numbers(50000, 4.0);
  for (std::int64_t cell = 0; cell < 3; ++cell) {
    for (std::int64_t block = 0; block < 32; ++block) store.commit_block({cell, block, {numbers}, 0.5});
    const std::uintmax_t log = fs::file_size(run_ / "run.sqlite-wal");
    EXPECT_GT(log, 12'800'000U);  // it is what was looked at
    EXPECT_LT(log, 25'000'000U) << cell;
    ResultRow of_cell = row("a", 1.0);
    of_cell.data = fmt::format("head {}", cell);
    store.finish_cell(cell, {of_cell}, {of_cell.data, 32, 0, 0});
    EXPECT_LT(fs::file_size(file_), 1'000'000U) << cell;
  }
  EXPECT_THAT(store.rows(), SizeIs(3));
}

TEST_F(RunStoreTest, TheLogStaysShortHoweverMuchIsStored) {
  RunStore store = open();
  const std::vector<double> numbers(4'000'000, 4.0);
  for (std::int64_t block = 0; block < 8; ++block) store.commit_block({0, block, {numbers}, 0.5});
  EXPECT_GT(fs::file_size(file_), 200'000'000U);
  EXPECT_LT(fs::file_size(run_ / "run.sqlite-wal"), 240'000'000U);
}

TEST_F(RunStoreTest, RowsComeBackAsTheyWere) {
  std::vector<ResultRow> rows{row("rmfa:kernel=exp,p=2 \"it's\"; DROP TABLE result; --", kNaN),
                              row("größer, ‖e‖", kInfinity),
                              row("c", -kInfinity),
                              row("d", std::numeric_limits<double>::denorm_min()),
                              row("e", std::numeric_limits<double>::max()),
                              row("f", 0.1 + 0.2)};
  rows[5].std_error = 1.0 / 3;
  rows[5].ci_low = -1e-300;
  rows[5].ci_high = kInfinity;
  rows[5].draws = std::numeric_limits<std::int64_t>::max();
  rows[5].status = "two\nlines";
  open().finish_cell(0, rows, {"head", 2, 0, 0});
  const auto back = open().rows();
  ASSERT_THAT(back, SizeIs(rows.size()));
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_TRUE(same(back[i], rows[i])) << i;
  ResultRow other = rows[5];
  other.ci_low = -2e-300;
  EXPECT_FALSE(same(back[5], other)) << "the comparison sees nothing";
}

TEST_F(RunStoreTest, CsvReadsBackExactlyInPython) {
  std::vector<ResultRow> rows{row("a,\"b\"", 0.1), row("two\nlines", 5e-324), row("c", kInfinity),
                              row("d", 1e308), row("e", kNaN)};
  const std::string path = directory_ / "rows.csv";
  write_whole_file(path, rows_as_csv(rows));
  const auto read = testing::run_python(R"(
rows = list(csv.DictReader(open(sys.argv[1], newline='')))
assert [r['estimator'] for r in rows] == ['a,"b"', 'two\nlines', 'c', 'd', 'e'], rows
assert [r['value'] for r in rows] == ['0.1', '5e-324', 'inf', '1e+308', ''], rows
assert [float(r['value']) for r in rows[:4]] == [0.1, 5e-324, np.inf, 1e308]
print(len(rows[0]))
)",
                                        {path});
  EXPECT_EQ(read.out, "17\n") << read.err;
}

TEST_F(RunStoreTest, TheSchemaRefusesNonsense) {
  make_run();
  SQLite::Database database(file_.string(), SQLite::OPEN_READWRITE);
  database.exec("PRAGMA foreign_keys = ON");
  const std::string good = "'x','h','e','iid','t',1,1,1,1,1,1,'m',1.0,1.0,1.0,1.0,'ok'";
  const auto result = [&](const std::string& fields) {
    return "INSERT INTO result VALUES (0, 9, " + fields + ")";
  };
  const auto with = [&](const std::string& what, const std::string& instead) {
    std::string fields = good;
    return result(fields.replace(fields.find(what), what.size(), instead));
  };
  const std::string ten(10, 'x');
  for (const std::string& statement :
       {std::string("INSERT INTO run VALUES (2, 'another specification')"),
        std::string("INSERT INTO run VALUES (1, 'the same place')"),
        std::string("INSERT INTO block VALUES (-1, 0, 0.0)"),
        std::string("INSERT INTO block VALUES (0, -1, 0.0)"),
        std::string("INSERT INTO block VALUES (0, 5, -0.5)"),
        std::string("INSERT INTO block VALUES (0, 'five', 0.5)"),
        std::string("INSERT INTO block VALUES (1, 3, 0.5)"),           // twice the same block
        std::string("INSERT INTO series VALUES (1, 3, 0, x'00')"),     // not whole doubles
        std::string("INSERT INTO series VALUES (1, 3, -1, x'')"),      // no such series
        std::string("INSERT INTO series VALUES (1, 9, 0, x'')"),       // of no block
        std::string("INSERT INTO series VALUES (1, 3, 0, x'')"),       // twice the same series
        std::string("INSERT INTO cell VALUES (0, 'h', 2, 0.0, 0.0)"),  // twice the same cell
        std::string("INSERT INTO cell VALUES (5, 'h', 0, 0.0, 0.0)"),
        std::string("INSERT INTO result VALUES (7, 0, " + good + ")"),  // of no cell
        with("1,1,1,1,1,1", "-1,1,1,1,1,1"),
        with("1,1,1,1,1,1", "1,-1,1,1,1,1"),
        with("1,1,1,1,1,1", "1,1,0,1,1,1"),
        with("1,1,1,1,1,1", "1,1,1,0,1,1"),
        with("1,1,1,1,1,1", "1,1,1,1,0,1"),
        with("1,1,1,1,1,1", "1,1,1,1,1,0"),
        with("'ok'", "NULL"),
        with("'m',1.0", "'m','a number'")}) {
    EXPECT_THROW(database.exec(statement), SQLite::Exception) << statement;
  }
  EXPECT_EQ(database.exec(result(good)), 1) << "the row itself is fine";
  EXPECT_EQ(database.exec("INSERT INTO block VALUES (1, 5, 0.5)"), 1);
}

TEST_F(RunStoreTest, AFinishedCellReplacesItsBlocksInOneStep) {
  make_run();
  RunStore store = open();
  EXPECT_TRUE(store.cell_finished(0));
  EXPECT_THAT(store.finished_blocks(0), IsEmpty());
  EXPECT_THAT(store.series(0, 0), IsEmpty());
  EXPECT_FALSE(store.cell_finished(1));
  EXPECT_THAT(store.finished_blocks(1), SizeIs(1));
  ASSERT_THAT(store.timings(), SizeIs(1));
  EXPECT_EQ(store.timings()[0].draw_seconds, 0.5);
  // The same two rows twice: the cell is refused as a whole and its blocks stay.
  EXPECT_NE(bad_input([&] { store.finish_cell(1, {row("a", 1), row("a", 2)}, {"head", 2, 0, 0}); }), "");
  EXPECT_FALSE(store.cell_finished(1));
  EXPECT_THAT(store.finished_blocks(1), SizeIs(1));
  EXPECT_THAT(store.rows(), SizeIs(1));
}

// Files of earlier versions keep the pages of forgotten blocks.
TEST_F(RunStoreTest, CompactingGivesTheDiskBackWhatBlocksTook) {
  open();
  {
    SQLite::Database database(file_.string(), SQLite::OPEN_READWRITE);
    for (const char* step :
         {"PRAGMA journal_mode = DELETE", "PRAGMA auto_vacuum = NONE", "VACUUM", "PRAGMA journal_mode = WAL"})
      database.exec(step);
  }
  {
    RunStore store = open();
    for (std::int64_t block = 0; block < 16; ++block)
      store.commit_block({0, block, {std::vector<double>(20000, 0.5)}, 0.1});
    store.finish_cell(0, {row("rfa", 0.25)}, {"head", 2, 0, 0});
  }
  EXPECT_GT(fs::file_size(file_), 2'000'000U);
  {
    RunStore store = open();
    store.compact();
    EXPECT_THAT(store.rows(), SizeIs(1));
  }
  EXPECT_LT(fs::file_size(file_), 500'000U);
  const std::string compact = read_text(file_);
  open().compact();
  EXPECT_EQ(read_text(file_), compact) << "there was nothing left to give back";
  EXPECT_EQ(open().rows()[0].value, 0.25);
}

TEST_F(RunStoreTest, ASecondWriterIsRefusedAndReadersAreNot) {
  RunStore writer = open();
  writer.commit_block({0, 0, {{1, 2}}, 0.5});
  EXPECT_THAT(refusal(), AllOf(HasSubstr("another attngap is writing this run"), HasSubstr("wait for it")));
  const RunStore reader = RunStore::open_existing(run_);
  EXPECT_THAT(reader.finished_blocks(0), SizeIs(1));
  writer.commit_block({0, 1, {{1, 2}}, 0.5});
  EXPECT_THAT(reader.finished_blocks(0), SizeIs(2));
  writer.finish_cell(0, {row("rfa", 0.25)}, {"head", 2, 0, 0});
  writer.compact();
  EXPECT_THAT(reader.rows(), SizeIs(1));
  EXPECT_THAT(writer.rows(), SizeIs(1));
}

TEST_F(RunStoreTest, APlanTakesThePlaceOfThePilotsBlocks) {
  RunStore store = RunStore::open_or_create(run_, kSpecification, {"[\"run\"]", 3, 64});
  EXPECT_EQ(store.planned(1), std::nullopt);
  store.commit_block({1, 1'000'000, {{1, 2}}, 0.5, 2});
  store.commit_block({0, 0, {{3}}, 0.5, 7});
  store.plan(1, 41);
  EXPECT_EQ(store.planned(1), 41);
  EXPECT_EQ(store.plans(), (std::map<std::int64_t, std::int64_t>{{1, 41}}));
  EXPECT_EQ(store.blocks(), (std::vector<std::pair<std::int64_t, std::int64_t>>{{0, 0}}));
  const RunOutline outline = RunStore::open_existing(run_).outline();
  EXPECT_EQ(outline.command, "[\"run\"]");
  EXPECT_EQ(outline.cells, 3);
  EXPECT_EQ(outline.replicates, 64);
}

TEST_F(RunStoreTest, EveryProcessThatCommitsIsASession) {
  { const RunStore idle = open(); }
  for (int process = 1; process <= 2; ++process) {
    RunStore store = open();
    store.commit_block({0, process, {{1}}, 0.5, 5});
    store.commit_block({1, process, {{1}}, 0.5, 5 * process});
  }
  const auto sessions = open().sessions();
  ASSERT_THAT(sessions, SizeIs(2));
  EXPECT_EQ(sessions[0].replicates, 10);
  EXPECT_EQ(sessions[1].replicates, 15);
  for (const RunSession& session : sessions) EXPECT_LE(session.started, session.last);
  EXPECT_LE(sessions[0].last, sessions[1].started);
}

TEST_F(RunStoreTest, TheLockGoesWithItsOwner) {
  { const RunStore writer = open(); }
  EXPECT_EQ(refusal(), "");
}

TEST_F(RunStoreTest, AnotherSpecificationIsRefusedAndTheRunUntouched) {
  make_run();
  const auto before = files_below(run_);
  const auto other = [&] { RunStore::open_or_create(run_, "another"); };
  EXPECT_THAT(bad_input(other), AllOf(HasSubstr("another specification"), HasSubstr("another --out")));
  EXPECT_EQ(changed_files(before, files_below(run_)), "");
  EXPECT_EQ(open().specification(), kSpecification);
}

TEST_F(RunStoreTest, AForeignFileIsRefusedAndTheDirectoryUntouched) {
  fs::create_directory(run_);
  const auto expect_refused = [&](const std::string& what, const std::string& said) {
    const auto before = files_below(run_);
    for (const std::string& sentence : {refusal(), refusal_to_read()}) {
      EXPECT_THAT(sentence, AllOf(HasSubstr(said), HasSubstr("run.sqlite"), Not(HasSubstr("\n")))) << what;
      EXPECT_THAT(sentence, HasSubstr("choose another directory")) << what;
    }
    EXPECT_EQ(changed_files(before, files_below(run_)), "") << what;
    fs::remove_all(file_);
  };
  write_text(file_.string(), "These are the notes of my first run, and not a database of any kind.\n");
  expect_refused("a text file", "not a run of attngap");
  {
    SQLite::Database(file_.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE).exec("CREATE TABLE t (a)");
  }
  expect_refused("another program's database", "is an SQLite file but not a run of attngap");
  fs::create_directory(file_);
  expect_refused("a directory of that name", "cannot be opened");
}

TEST_F(RunStoreTest, AnotherFormatVersionIsRefused) {
  make_run();
  { SQLite::Database(file_.string(), SQLite::OPEN_READWRITE).exec("PRAGMA user_version = 4"); }
  EXPECT_THAT(refusal(), HasSubstr("has format version 4, this attngap reads 3"));
  EXPECT_THAT(refusal_to_read(), HasSubstr("has format version 4, this attngap reads 3"));
}

TEST_F(RunStoreTest, ATableThatIsMissingIsDamage) {
  make_run();
  { SQLite::Database(file_.string(), SQLite::OPEN_READWRITE).exec("DROP TABLE result; DROP TABLE run"); }
  EXPECT_THAT(refusal(), HasSubstr("is damaged"));
  EXPECT_THAT(refusal_to_read(), HasSubstr("is damaged"));
}

// Any end of the file: refused in one sentence, or read as far as it is whole; never another exception.
TEST_F(RunStoreTest, ATruncatedFileNeverCrashes) {
  make_run();
  const std::string whole = read_text(file_);
  int refused = 0;
  int attempts = 0;
  for (std::size_t size = 1; size < whole.size(); size = size * 5 / 4 + 7, ++attempts) {
    for (const char* side : {"run.sqlite-wal", "run.sqlite-shm"}) fs::remove(run_ / side);
    write_text(file_.string(), whole.substr(0, size));
    const std::string sentence = bad_input([&] {
      const RunStore store = open();
      static_cast<void>(store.rows());
      static_cast<void>(store.series(1, 0));
    });
    EXPECT_THAT(sentence, Not(HasSubstr("\n"))) << size;
    EXPECT_TRUE(sentence.empty() || sentence.find("run.sqlite") != std::string::npos) << sentence;
    refused += sentence.empty() ? 0 : 1;
  }
  EXPECT_GE(refused, attempts - 1) << "a file cut short was taken for a whole one";
}

TEST_F(RunStoreTest, DamagedPagesNeverCrash) {
  make_run();
  const std::string whole = read_text(file_);
  int refused = 0;
  for (std::size_t place = 0; place < whole.size(); place += place < 200 ? 7 : 997) {
    for (const char* side : {"run.sqlite-wal", "run.sqlite-shm"}) fs::remove(run_ / side);
    std::string damaged = whole;
    for (std::size_t i = place; i < std::min(place + 16, whole.size()); ++i) damaged[i] = '\x5a';
    write_text(file_.string(), damaged);
    const std::string sentence = bad_input([&] {
      RunStore store = open();
      static_cast<void>(store.rows());
      static_cast<void>(store.series(1, 0));
      store.compact();
    });
    EXPECT_THAT(sentence, Not(HasSubstr("\n"))) << place;
    refused += sentence.empty() ? 0 : 1;
  }
  EXPECT_GT(refused, 10) << "no damage was ever seen";
}

TEST_F(RunStoreTest, APlaceThatCannotBeWrittenIsRefusedAndNothingIsMade) {
  write_text(directory_ / "file", "not a directory");
  for (const fs::path& place : {directory_.path() / "file" / "run", directory_.path() / "file",
                                fs::path("/proc/attngap-run"), fs::path("")}) {
    const std::string sentence = bad_input([&] { RunStore::open_or_create(place, kSpecification); });
    EXPECT_THAT(sentence, AllOf(HasSubstr("choose a directory you may write to"), HasSubstr(place.string())));
  }
  EXPECT_EQ(read_text(directory_ / "file"), "not a directory");
  EXPECT_THAT(bad_input([&] { RunStore::open_existing(directory_.path() / "nowhere"); }),
              AllOf(HasSubstr("there is no run here"), EndsWith("name the --out of a run")));
}

TEST_F(RunStoreTest, ALockThatCannotBeTakenIsRefused) {
  fs::create_directories(run_ / "run.lock");
  EXPECT_THAT(refusal(), HasSubstr("cannot be written"));
  fs::remove(run_ / "run.lock");
  fs::create_symlink("no-such-file", run_ / "run.lock");
  EXPECT_THAT(refusal(), HasSubstr("cannot be written"));
  EXPECT_FALSE(fs::exists(file_));
}

}  // namespace
}  // namespace attngap
