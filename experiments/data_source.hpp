#pragma once

#include "estimators/attention_problem.hpp"
#include "estimators/names.hpp"
#include "experiments/synthetic.hpp"

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace attngap {

/// One attention head with its name and origin.
struct Dataset {
  std::string name;    ///< short name in results: the file's stem (and `_hHEAD`), or `name=`
  std::string source;  ///< the argument as given
  AttentionProblem problem;
  std::string content_hash;    ///< content_hash(problem)
  std::filesystem::path file;  ///< where it was read from; empty for a synthetic problem
};

/// The keys of `FILE:key=value,…`.
std::span<const KeyHelp> data_keys();

/// Loads the argument of `--data`: `FILE[:key=value,…]` with FILE a .npz or .safetensors (told by content,
/// then by extension), or `synthetic:KIND[,key=value,…]`.
///
/// FILE is the longest part of the argument, up to a colon or the end, that is a file; so paths may hold
/// colons, commas and equals signs. Arrays are q (n×d), k (l×d) and v (l×p), or have one or two leading axes,
/// (H, L, d) or (B, H, L, d), from which `head=` picks; axes of extent 1 need no index.
///
/// Throws BadInput for whatever cannot be used: a missing or damaged file, absent arrays, wrong rank or
/// shapes, a head that does not exist, NaN or infinity, unknown keys (with the nearest ones).
Dataset load_dataset(std::string_view argument);

/// The synthetic problem an argument of --data asks for, with its name checked; none if it names a file.
std::optional<SyntheticSpec> synthetic_argument(std::string_view argument);

/// What decides a head's numbers and how they are called, wherever it was read from: `NAME (mask M, scale S,
/// HASH)`.
std::string head_identity(const Dataset& dataset);

/// "fnv1a64:" and sixteen hexadecimal digits: FNV-1a (64 bits) over Q, K and V in turn, of each its rows and
/// columns as 64-bit and then its entries as float64, row by row, all little endian, and over given gates.
/// Equal numbers give equal hashes whatever file and precision they came from. Fowler, Noll, Vo,
/// draft-eastlake-fnv.
std::string content_hash(const AttentionProblem& problem);

}  // namespace attngap
