#pragma once

namespace attngap {

/// The tables of run.sqlite.
///
/// `run`: the specification. `outline`: the words that made it and how much work there is. `session`: each
/// process that committed something, with the seconds since 1970 of its start and its last commit. `plan`:
/// the replicates of a cell where a pilot decided them. `block`, `series`: the statistics of drawn blocks
/// until their cell is finished. `cell`, `result`: finished cells and their rows.
inline constexpr const char* kSchema = R"sql(
  CREATE TABLE run (
    one           INTEGER PRIMARY KEY CHECK (one = 1),
    specification TEXT NOT NULL
  ) STRICT;
  CREATE TABLE outline (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    command    TEXT NOT NULL,
    cells      INTEGER NOT NULL CHECK (cells >= 0),
    replicates INTEGER NOT NULL CHECK (replicates >= 0)
  ) STRICT;
  CREATE TABLE session (
    session    INTEGER PRIMARY KEY,
    started    REAL NOT NULL,
    last       REAL NOT NULL,
    replicates INTEGER NOT NULL CHECK (replicates >= 0)
  ) STRICT;
  CREATE TABLE plan (
    cell       INTEGER PRIMARY KEY CHECK (cell >= 0),
    replicates INTEGER NOT NULL CHECK (replicates >= 1)
  ) STRICT;
  CREATE TABLE block (
    cell    INTEGER NOT NULL CHECK (cell >= 0),
    block   INTEGER NOT NULL CHECK (block >= 0),
    seconds REAL NOT NULL CHECK (seconds >= 0),
    PRIMARY KEY (cell, block)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE series (
    cell    INTEGER NOT NULL,
    block   INTEGER NOT NULL,
    series  INTEGER NOT NULL CHECK (series >= 0),
    numbers BLOB NOT NULL CHECK (length(numbers) % 8 = 0),
    UNIQUE (cell, series, block),
    FOREIGN KEY (cell, block) REFERENCES block (cell, block) ON DELETE CASCADE
  ) STRICT;
  CREATE INDEX series_of_block ON series (cell, block);
  CREATE TABLE cell (
    cell          INTEGER PRIMARY KEY CHECK (cell >= 0),
    data          TEXT NOT NULL,
    replicates    INTEGER NOT NULL CHECK (replicates >= 1),
    exact_seconds REAL NOT NULL,
    draw_seconds  REAL NOT NULL
  ) STRICT;
  CREATE TABLE result (
    cell INTEGER NOT NULL REFERENCES cell (cell),
    place INTEGER NOT NULL,
    experiment TEXT NOT NULL, data TEXT NOT NULL, estimator TEXT NOT NULL, projection TEXT NOT NULL,
    target TEXT NOT NULL, draws INTEGER NOT NULL CHECK (draws >= 0), dimension INTEGER NOT NULL CHECK (dimension >= 0),
    length INTEGER NOT NULL CHECK (length >= 1), head_dim INTEGER NOT NULL CHECK (head_dim >= 1),
    queries INTEGER NOT NULL CHECK (queries >= 1), replicates INTEGER NOT NULL CHECK (replicates >= 1),
    metric TEXT NOT NULL, value REAL, std_error REAL, ci_low REAL, ci_high REAL, status TEXT NOT NULL,
    PRIMARY KEY (cell, place),
    UNIQUE (cell, data, estimator, projection, target, draws, dimension, length, metric)
  ) STRICT, WITHOUT ROWID;
)sql";

/// "atgg": a file with another id is not ours.
inline constexpr int kApplicationId = 0x61746767;
/// Of the tables; a file with another is refused.
inline constexpr int kFormatVersion = 3;

}  // namespace attngap
