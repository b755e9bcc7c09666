#include "experiments/run_store.hpp"

#include "estimators/error.hpp"
#include "experiments/run_schema.hpp"
#include "experiments/run_spec.hpp"
#include "experiments/sqlite_errors.hpp"
#include "experiments/writer_lock.hpp"

#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

namespace attngap {
namespace {

constexpr int kPatience = 10000;  // milliseconds a reader waits for a writer, and the other way round

// Pages of 32 KiB in the log from which a commit empties it into the database. Blocks of a cell that is not
// yet finished stay in the log, where most cells end before it is long: the database then never sees their
// blocks, which would be written, and freed, twice.
constexpr int kLongLog = 6144;
constexpr int kShortLog = 128;

// NaN is NULL in SQL.
void bind_number(SQLite::Statement& statement, int place, double value) {
  if (std::isnan(value)) {
    statement.bind(place);
  } else {
    statement.bind(place, value);
  }
}

double number(const SQLite::Column& column) {
  return column.isNull() ? std::numeric_limits<double>::quiet_NaN() : column.getDouble();
}

}  // namespace

class RunStore::Impl {
 public:
  Impl(std::filesystem::path path, std::shared_ptr<WriterLock> lock, int mode)
      : file(std::move(path)), writer_lock(std::move(lock)), database(file.string(), mode) {
    database.setBusyTimeout(kPatience);
    database.exec("PRAGMA foreign_keys = ON");
  }

  void check_ours() {
    const int id = database.execAndGet("PRAGMA application_id").getInt();
    require(id == kApplicationId, "{}: is an SQLite file but not a run of attngap; choose another directory",
            file.string());
    const int version = database.execAndGet("PRAGMA user_version").getInt();
    require(version == kFormatVersion,
            "{}: has format version {}, this attngap reads {}; choose another directory", file.string(),
            version, kFormatVersion);
    // SQLite would notice only when it comes to a page that is missing.
    std::error_code no_log;
    const auto log = std::filesystem::file_size(file.string() + "-wal", no_log);
    const auto pages = database.execAndGet("PRAGMA page_count").getInt64();
    const auto bytes = pages * database.execAndGet("PRAGMA page_size").getInt64();
    require((!no_log && log > 0) || std::cmp_less_equal(bytes, std::filesystem::file_size(file)),
            "{}: is damaged (it is cut short); move it away or choose another directory", file.string());
  }

  void empty_log_from(int pages) { database.exec(fmt::format("PRAGMA wal_autocheckpoint = {}", pages)); }

  // Inside a transaction: this process is at work, and has committed so many replicates more.
  void note_session(std::int64_t replicates) {
    const double now =
        std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    if (session == 0) {
      SQLite::Statement insert(database, "INSERT INTO session (started, last, replicates) VALUES (?, ?, 0)");
      insert.bind(1, started);
      insert.bind(2, now);
      insert.exec();
      session = database.getLastInsertRowid();
    }
    SQLite::Statement update(database,
                             "UPDATE session SET last = ?, replicates = replicates + ? WHERE session = ?");
    update.bind(1, now);
    update.bind(2, replicates);
    update.bind(3, session);
    update.exec();
  }

  std::filesystem::path file;
  std::shared_ptr<WriterLock> writer_lock;
  mutable SQLite::Database database;
  double started = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  std::int64_t session = 0;
};

RunStore::RunStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RunStore::RunStore(RunStore&&) noexcept = default;
RunStore& RunStore::operator=(RunStore&&) noexcept = default;
RunStore::~RunStore() = default;

RunStore RunStore::open_or_create(const std::filesystem::path& directory, const std::string& specification,
                                  const RunOutline& outline) {
  Footprint footprint(directory);
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  require(!error, "{}: cannot be created ({}); choose a directory you may write to", directory.string(),
          error.message());
  const auto lock = std::make_shared<WriterLock>(directory);
  footprint.locked(lock);
  const std::filesystem::path file = directory / "run.sqlite";
  return explained(file, [&] {
    auto impl = std::make_unique<Impl>(file, lock,
                                       SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE | SQLite::OPEN_NOMUTEX);
    if (impl->database.execAndGet("SELECT count(*) FROM sqlite_master").getInt() == 0) {
      impl->database.exec(
          "PRAGMA page_size = 32768");  // a series is some 100 kB: fewer, larger overflow pages
      // Pages of forgotten blocks leave the file with them, before the log is emptied into it.
      impl->database.exec("PRAGMA auto_vacuum = FULL");
      impl->database.exec("PRAGMA journal_mode = WAL");
      SQLite::Transaction transaction(impl->database);
      impl->database.exec(kSchema);
      impl->database.exec(fmt::format("PRAGMA application_id = {}", kApplicationId));
      impl->database.exec(fmt::format("PRAGMA user_version = {}", kFormatVersion));
      SQLite::Statement insert(impl->database, "INSERT INTO run VALUES (1, ?)");
      insert.bind(1, specification);
      insert.exec();
      SQLite::Statement scale(impl->database, "INSERT INTO outline VALUES (1, ?, ?, ?)");
      scale.bind(1, outline.command);
      scale.bind(2, outline.cells);
      scale.bind(3, outline.replicates);
      scale.exec();
      transaction.commit();
    }
    impl->check_ours();
    // A block lost to a power cut is only drawn again; a lost order of commits would not be noticed.
    impl->database.exec("PRAGMA synchronous = NORMAL");
    impl->empty_log_from(kLongLog);
    // Debian's SQLite overwrites what is deleted with zeros: all blocks of a finished cell, once more.
    impl->database.exec("PRAGMA secure_delete = OFF");
    RunStore store(std::move(impl));
    const std::string difference = specification_difference(store.specification(), specification);
    require(
        difference.empty(),
        "{}: holds a run of another specification ({}); give the same options to resume it, or another --out",
        directory.string(), difference);
    footprint.keep();
    return store;
  });
}

RunStore RunStore::open_existing(const std::filesystem::path& directory) {
  const std::filesystem::path file = directory / "run.sqlite";
  require(std::filesystem::exists(file), "{}: there is no run here (no run.sqlite); name the --out of a run",
          directory.string());
  return explained(file, [&] {
    auto impl = std::make_unique<Impl>(file, nullptr, SQLite::OPEN_READWRITE);
    impl->check_ours();
    return RunStore(std::move(impl));
  });
}

std::string RunStore::specification() const {
  return explained(impl_->file,
                   [&] { return impl_->database.execAndGet("SELECT specification FROM run").getString(); });
}

RunOutline RunStore::outline() const {
  return explained(impl_->file, [&] {
    SQLite::Statement query(impl_->database, "SELECT command, cells, replicates FROM outline");
    if (!query.executeStep()) return RunOutline{};
    return RunOutline{query.getColumn(0).getString(), query.getColumn(1).getInt64(),
                      query.getColumn(2).getInt64()};
  });
}

std::optional<std::int64_t> RunStore::planned(std::int64_t cell) const {
  return explained(impl_->file, [&]() -> std::optional<std::int64_t> {
    SQLite::Statement query(impl_->database, "SELECT replicates FROM plan WHERE cell = ?");
    query.bind(1, cell);
    if (!query.executeStep()) return std::nullopt;
    return query.getColumn(0).getInt64();
  });
}

void RunStore::plan(std::int64_t cell, std::int64_t replicates) {
  explained(impl_->file, [&] {
    SQLite::Transaction transaction(impl_->database);
    SQLite::Statement insert(impl_->database, "INSERT INTO plan VALUES (?, ?)");
    insert.bind(1, cell);
    insert.bind(2, replicates);
    insert.exec();
    SQLite::Statement forget(impl_->database, "DELETE FROM block WHERE cell = ?");
    forget.bind(1, cell);
    forget.exec();
    impl_->note_session(0);
    transaction.commit();
  });
}

std::map<std::int64_t, std::int64_t> RunStore::plans() const {
  return explained(impl_->file, [&] {
    SQLite::Statement query(impl_->database, "SELECT cell, replicates FROM plan");
    std::map<std::int64_t, std::int64_t> plans;
    while (query.executeStep()) plans[query.getColumn(0).getInt64()] = query.getColumn(1).getInt64();
    return plans;
  });
}

std::vector<std::pair<std::int64_t, std::int64_t>> RunStore::blocks() const {
  return explained(impl_->file, [&] {
    SQLite::Statement query(impl_->database, "SELECT cell, block FROM block ORDER BY cell, block");
    std::vector<std::pair<std::int64_t, std::int64_t>> blocks;
    while (query.executeStep())
      blocks.emplace_back(query.getColumn(0).getInt64(), query.getColumn(1).getInt64());
    return blocks;
  });
}

std::vector<RunSession> RunStore::sessions() const {
  return explained(impl_->file, [&] {
    SQLite::Statement query(impl_->database,
                            "SELECT started, last, replicates FROM session ORDER BY session");
    std::vector<RunSession> sessions;
    while (query.executeStep())
      sessions.push_back(
          {query.getColumn(0).getDouble(), query.getColumn(1).getDouble(), query.getColumn(2).getInt64()});
    return sessions;
  });
}

bool RunStore::cell_finished(std::int64_t cell) const {
  return explained(impl_->file, [&] {
    SQLite::Statement query(impl_->database, "SELECT 1 FROM cell WHERE cell = ?");
    query.bind(1, cell);
    return query.executeStep();
  });
}

std::set<std::int64_t> RunStore::finished_blocks(std::int64_t cell) const {
  return explained(impl_->file, [&] {
    SQLite::Statement query(impl_->database, "SELECT block FROM block WHERE cell = ?");
    query.bind(1, cell);
    std::set<std::int64_t> blocks;
    while (query.executeStep()) blocks.insert(query.getColumn(0).getInt64());
    return blocks;
  });
}

void RunStore::commit_block(const BlockRecord& record) {
  explained(impl_->file, [&] {
    SQLite::Transaction transaction(impl_->database);
    SQLite::Statement block(impl_->database, "INSERT INTO block VALUES (?, ?, ?)");
    block.bind(1, record.cell);
    block.bind(2, record.block);
    block.bind(3, record.seconds);
    block.exec();
    SQLite::Statement series(impl_->database, "INSERT INTO series VALUES (?, ?, ?, ?)");
    for (std::size_t i = 0; i < record.series.size(); ++i) {
      series.bind(1, record.cell);
      series.bind(2, record.block);
      series.bind(3, static_cast<std::int64_t>(i));
      // An empty vector may have no address, and no address would be NULL.
      constexpr double kNothing = 0.0;
      const std::vector<double>& numbers = record.series[i];
      series.bindNoCopy(4, numbers.empty() ? &kNothing : numbers.data(),
                        static_cast<int>(numbers.size() * sizeof(double)));
      series.exec();
      series.reset();
    }
    impl_->note_session(record.replicates);
    transaction.commit();
  });
}

std::vector<std::vector<double>> RunStore::series(std::int64_t cell, std::int64_t series) const {
  return explained(impl_->file, [&] {
    SQLite::Statement query(impl_->database,
                            "SELECT numbers FROM series WHERE cell = ? AND series = ? ORDER BY block");
    query.bind(1, cell);
    query.bind(2, series);
    std::vector<std::vector<double>> blocks;
    while (query.executeStep()) {
      const SQLite::Column blob = query.getColumn(0);
      std::vector<double>& numbers =
          blocks.emplace_back(static_cast<std::size_t>(blob.getBytes()) / sizeof(double));
      if (!numbers.empty())  // nothing has no address, and memcpy must have one
        std::memcpy(numbers.data(), blob.getBlob(), numbers.size() * sizeof(double));
    }
    return blocks;
  });
}

double RunStore::block_seconds(std::int64_t cell) const {
  return explained(impl_->file, [&] {
    SQLite::Statement query(impl_->database, "SELECT total(seconds) FROM block WHERE cell = ?");
    query.bind(1, cell);
    query.executeStep();
    return query.getColumn(0).getDouble();
  });
}

void RunStore::finish_cell(std::int64_t cell, const std::vector<ResultRow>& rows, const CellTiming& timing) {
  explained(impl_->file, [&] {
    SQLite::Transaction transaction(impl_->database);
    SQLite::Statement finished(impl_->database, "INSERT INTO cell VALUES (?, ?, ?, ?, ?)");
    finished.bind(1, cell);
    finished.bind(2, timing.data);
    finished.bind(3, timing.replicates);
    finished.bind(4, timing.exact_seconds);
    finished.bind(5, timing.draw_seconds);
    finished.exec();
    SQLite::Statement insert(
        impl_->database,
        "INSERT INTO result VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    std::int64_t place = 0;
    for (const ResultRow& row : rows) {
      insert.reset();
      insert.bind(1, cell);
      insert.bind(2, place++);
      int column = 3;
      for (const std::string* text :
           {&row.experiment, &row.data, &row.estimator, &row.projection, &row.target})
        insert.bind(column++, *text);
      for (const std::int64_t whole :
           {row.draws, row.dimension, row.length, row.head_dim, row.queries, row.replicates})
        insert.bind(column++, whole);
      insert.bind(column++, row.metric);
      for (const double value : {row.value, row.std_error, row.ci_low, row.ci_high})
        bind_number(insert, column++, value);
      insert.bind(column, row.status);
      insert.exec();
    }
    SQLite::Statement forget(impl_->database, "DELETE FROM block WHERE cell = ?");
    forget.bind(1, cell);
    forget.exec();
    impl_->note_session(0);
    impl_->empty_log_from(kShortLog);
    transaction.commit();
    impl_->empty_log_from(kLongLog);
  });
}

void RunStore::compact() {
  explained(impl_->file, [&] {
    SQLite::Database& database = impl_->database;
    database.setBusyTimeout(0);  // a reader is no reason to wait
    try {
      if (database.execAndGet("PRAGMA freelist_count").getInt64() > 0) database.exec("VACUUM");
      if (database.execAndGet("PRAGMA journal_mode").getString() != "delete")
        database.exec("PRAGMA journal_mode = DELETE");
    } catch (const SQLite::Exception& error) {
      if (error.getErrorCode() == SQLITE_CORRUPT || error.getErrorCode() == SQLITE_NOTADB) throw;
      // No room for a second copy, or a reader in the way: the file stays as it is, and nothing is lost.
    }
    database.setBusyTimeout(kPatience);
  });
}

std::vector<ResultRow> RunStore::rows() const {
  return explained(impl_->file, [&] {
    SQLite::Statement query(
        impl_->database,
        "SELECT experiment, data, estimator, projection, target, draws, dimension, length, "
        "head_dim, queries, replicates, metric, value, std_error, ci_low, ci_high, status "
        "FROM result ORDER BY cell, place");
    std::vector<ResultRow> rows;
    while (query.executeStep()) {
      const auto text = [&](int i) { return query.getColumn(i).getString(); };
      const auto whole = [&](int i) { return query.getColumn(i).getInt64(); };
      const auto real = [&](int i) { return number(query.getColumn(i)); };
      rows.push_back({text(0), text(1), text(2), text(3), text(4), whole(5), whole(6), whole(7), whole(8),
                      whole(9), whole(10), text(11), real(12), real(13), real(14), real(15), text(16)});
    }
    return rows;
  });
}

std::vector<CellTiming> RunStore::timings() const {
  return explained(impl_->file, [&] {
    SQLite::Statement query(impl_->database,
                            "SELECT data, replicates, exact_seconds, draw_seconds FROM cell ORDER BY cell");
    std::vector<CellTiming> timings;
    while (query.executeStep())
      timings.push_back({query.getColumn(0).getString(), query.getColumn(1).getInt64(),
                         query.getColumn(2).getDouble(), query.getColumn(3).getDouble()});
    return timings;
  });
}

}  // namespace attngap
