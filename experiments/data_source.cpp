#include "experiments/data_source.hpp"

#include "estimators/error.hpp"
#include "experiments/npz.hpp"
#include "experiments/safetensors.hpp"
#include "experiments/synthetic_stream.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <utility>
#include <vector>

namespace attngap {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSynthetic = "synthetic:";

constexpr std::array kDataKeys{
    KeyHelp{"mask", "none|causal", "none", "causal: query i sees keys 0 to i"},
    KeyHelp{"scale", "a positive number", "1/sqrt(d)", "multiplies q.k"},
    KeyHelp{"head", "I or I/J", "none",
            "index into the leading axes of (H, L, d) or (B, H, L, d) arrays, from 0"},
    KeyHelp{"q", "a name", "q", "the array of queries"},
    KeyHelp{"k", "a name", "k", "the array of keys"},
    KeyHelp{"v", "a name", "v", "the array of values"},
    KeyHelp{"gate", "a name", "none", "the array of gates, one a token in (0, 1), for rfa:gate=given"},
    KeyHelp{"name", "a word", "the file's stem", "short name in results"}};

using Heads = std::vector<std::size_t>;

// The argument cut into a file and its options.
struct FileArgument {
  std::string path;
  std::map<std::string, std::string> options;

  std::string option(const std::string& key, std::string fallback) const {
    const auto found = options.find(key);
    return found == options.end() ? std::move(fallback) : found->second;
  }
};

bool is_file(std::string_view path) {
  std::error_code ignored;
  return fs::is_regular_file(fs::path(path), ignored);
}

std::map<std::string, std::string> parse_options(const std::string& path, std::string_view options) {
  // The path may hold what parse_spec splits at, so it stays outside.
  const Spec spec = parse_spec("data:" + std::string(options));
  std::vector<std::string_view> known;
  for (const KeyHelp& help : kDataKeys) known.push_back(help.key);
  for (const auto& [key, value] : spec.options) require_known(fmt::format("key of {}", path), key, known);
  return spec.options;
}

FileArgument split_argument(std::string_view argument) {
  if (is_file(argument)) return {std::string(argument), {}};
  for (std::size_t colon = argument.rfind(':'); colon != std::string_view::npos && colon > 0;
       colon = argument.rfind(':', colon - 1)) {
    const std::string path(argument.substr(0, colon));
    if (is_file(path)) return {path, parse_options(path, argument.substr(colon + 1))};
  }
  const std::string path(argument.substr(0, argument.find(':')));
  std::error_code ignored;
  require(!fs::is_directory(path, ignored), "{}: is a directory; name a .npz or .safetensors file in it",
          path);
  require(!fs::exists(path, ignored), "{}: is not a regular file; save the arrays in one and name that",
          path);
  throw BadInput(fmt::format("data \"{}\": no such file; check the path, or write synthetic:KIND", path));
}

std::unique_ptr<ArrayFile> open_arrays(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  require(file.good(), "{}: cannot be read; check its permissions", path);
  std::array<char, 9> start{};
  file.read(start.data(), start.size());
  const std::string_view content(start.data(), static_cast<std::size_t>(file.gcount()));
  const std::string extension = fs::path(path).extension().string();
  require(!content.empty(), "{}: is empty; save the arrays again", path);
  require(!content.starts_with("\x93NUMPY"),
          "{}: holds one plain array; save q, k and v together with numpy.savez", path);
  if (content.starts_with("PK")) return open_npz(path);
  if (extension == ".safetensors" || (extension != ".npz" && content.size() == 9 && content[8] == '{'))
    return open_safetensors(path);
  if (extension == ".npz") return open_npz(path);
  throw BadInput(fmt::format("{}: is neither .npz nor .safetensors; save q, k and v with numpy.savez", path));
}

std::optional<Heads> parse_head(const FileArgument& argument) {
  const auto found = argument.options.find("head");
  if (found == argument.options.end()) return std::nullopt;
  Heads heads;
  std::string_view rest = found->second;
  while (true) {
    const std::size_t slash = rest.find('/');
    heads.push_back(static_cast<std::size_t>(
        parse_count(fmt::format("{}: head", argument.path), rest.substr(0, slash), 0)));
    if (slash == std::string_view::npos) return heads;
    rest = rest.substr(slash + 1);
  }
}

// "0 to 7", or "0/0 to 1/7" for two leading axes.
std::string existing_heads(std::span<const std::size_t> leading) {
  std::vector<std::size_t> last;
  for (const std::size_t extent : leading) last.push_back(extent - 1);
  return fmt::format("{} to {}", fmt::join(Heads(leading.size(), 0), "/"), fmt::join(last, "/"));
}

// One index for each leading axis, from those given: as many as there are axes, or as there are axes longer
// than 1.
Heads full_index(std::span<const std::size_t> leading, const std::optional<Heads>& given,
                 const std::string& what) {
  const auto is_long = [](std::size_t extent) { return extent != 1; };
  const auto long_axes = static_cast<std::size_t>(std::count_if(leading.begin(), leading.end(), is_long));
  require(std::find(leading.begin(), leading.end(), std::size_t{0}) == leading.end(),
          "{} has no heads at all", what);
  require(given.has_value() || long_axes == 0, "{} has several heads; choose one with head= ({})", what,
          existing_heads(leading));
  if (!given) return Heads(leading.size(), 0);
  require(!leading.empty(), "{} is one head, there is none to choose with head={}; leave head= out", what,
          fmt::join(*given, "/"));
  require(given->size() == leading.size() || given->size() == long_axes,
          "{} has {} leading axes, but head={} has {} indices; choose from {}", what, leading.size(),
          fmt::join(*given, "/"), given->size(), existing_heads(leading));
  Heads index;
  auto next = given->begin();
  for (const std::size_t extent : leading)
    index.push_back(given->size() == leading.size() || is_long(extent) ? *next++ : 0);
  for (std::size_t axis = 0; axis < index.size(); ++axis)
    require(index[axis] < leading[axis], "{} has no head {}; choose from {}", what, fmt::join(*given, "/"),
            existing_heads(leading));
  return index;
}

Matrix read_matrix(const ArrayFile& file, const FileArgument& argument, const std::string& key,
                   const std::optional<Heads>& head) {
  const std::string name = argument.option(key, key);
  const NumberArray array = file.read(name);
  const std::size_t rank = array.shape.size();
  const std::string what =
      fmt::format("{}: array \"{}\" of shape {}", argument.path, name, shape_text(array.shape));
  require(rank >= 2 && rank <= 4, "{} has rank {}, must be (L, d), (H, L, d) or (B, H, L, d); reshape it",
          what, rank);
  const std::span<const std::size_t> leading(array.shape.data(), rank - 2);
  const Heads index = full_index(leading, head, what);
  std::size_t place = 0;
  for (std::size_t axis = 0; axis < index.size(); ++axis) place = place * leading[axis] + index[axis];
  const std::size_t rows = array.shape[rank - 2];
  const std::size_t cols = array.shape[rank - 1];
  return Eigen::Map<const Matrix>(array.values.data() + place * rows * cols, static_cast<Index>(rows),
                                  static_cast<Index>(cols));
}

Vector read_gates(const ArrayFile& file, const FileArgument& argument, const std::optional<Heads>& head) {
  const std::string name = argument.option("gate", "");
  if (name.empty()) return {};
  const NumberArray array = file.read(name);
  const std::string what =
      fmt::format("{}: array \"{}\" of shape {}", argument.path, name, shape_text(array.shape));
  require(!array.shape.empty() && array.shape.size() <= 3,
          "{} has rank {}, must be (L), (H, L) or (B, H, L); reshape it", what, array.shape.size());
  const std::span<const std::size_t> leading(array.shape.data(), array.shape.size() - 1);
  const Heads index = full_index(leading, head, what);
  std::size_t place = 0;
  for (std::size_t axis = 0; axis < index.size(); ++axis) place = place * leading[axis] + index[axis];
  const std::size_t length = array.shape.back();
  return Eigen::Map<const Vector>(array.values.data() + place * length, static_cast<Index>(length));
}

Dataset load_file(std::string_view text) {
  const FileArgument argument = split_argument(text);
  constexpr std::array<std::string_view, 2> kMasks{"none", "causal"};
  const std::string mask = argument.option("mask", "none");
  require_known(fmt::format("mask of {}", argument.path), mask, kMasks);
  std::optional<double> scale;
  if (argument.options.contains("scale"))
    scale = parse_number(fmt::format("{}: scale", argument.path), argument.options.at("scale"));
  const std::optional<Heads> head = parse_head(argument);
  const std::string suffix = head ? fmt::format("_h{}", fmt::join(*head, "-")) : "";
  const std::string name = argument.option("name", fs::path(argument.path).stem().string() + suffix);
  try {
    const auto file = open_arrays(argument.path);
    Matrix Q = read_matrix(*file, argument, "q", head);
    Matrix K = read_matrix(*file, argument, "k", head);
    Matrix V = read_matrix(*file, argument, "v", head);
    Dataset dataset{name,
                    std::string(text),
                    make_problem(std::move(Q), std::move(K), std::move(V),
                                 mask == "causal" ? Mask::causal : Mask::none, scale, argument.path),
                    {},
                    argument.path};
    dataset.problem.gates = read_gates(*file, argument, head);
    return dataset;
  } catch (const std::bad_alloc&) {
    throw BadInput(
        fmt::format("{}: does not fit the memory of this machine; save a part of it", argument.path));
  }
}

// Well-formed UTF-8 (Unicode, table 3-7): what JSON and whoever reads the results later rely on.
bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = [&](std::size_t place) {
      return place < text.size() ? static_cast<unsigned char>(text[place]) : 0U;
    };
    const unsigned first = byte(i);
    const std::size_t more = first < 0x80                     ? 0
                             : first >= 0xc2 && first <= 0xdf ? 1
                             : first >= 0xe0 && first <= 0xef ? 2
                             : first >= 0xf0 && first <= 0xf4 ? 3
                                                              : 4;
    if (more == 4) return false;
    for (std::size_t j = 1; j <= more; ++j)
      if ((byte(i + j) & 0xc0) != 0x80) return false;
    // No second spelling of a shorter character, no half of a surrogate pair, nothing beyond U+10FFFF.
    if (first == 0xe0 && byte(i + 1) < 0xa0) return false;
    if (first == 0xed && byte(i + 1) > 0x9f) return false;
    if (first == 0xf0 && byte(i + 1) < 0x90) return false;
    if (first == 0xf4 && byte(i + 1) > 0x8f) return false;
    i += more + 1;
  }
  return true;
}

// A head's name is a field of results.csv, a title, and part of the names of the figures' files.
void check_name(const std::string& name) {
  constexpr std::size_t kLongest = 200;  // bytes; a file's name has at most 255, with gap_ and .csv beside it
  require(!name.empty() && name.size() <= kLongest,
          "name=\"{}\" has {} bytes, must have 1 to {}; figures are files of that name", name, name.size(),
          kLongest);
  require(name.find('/') == std::string::npos, "name=\"{}\" holds a slash; figures are files of that name",
          name);
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  require(std::none_of(name.begin(), name.end(), control),
          "name=\"{}\" holds a control character; give another with name=…", name);
}

class Fnv1a {
 public:
  void add(std::uint64_t value) {
    for (int shift = 0; shift < 64; shift += 8) {
      state_ ^= (value >> shift) & 0xff;
      state_ *= 0x100000001b3;
    }
  }
  std::uint64_t value() const { return state_; }

 private:
  std::uint64_t state_ = 0xcbf29ce484222325;
};

}  // namespace

std::span<const KeyHelp> data_keys() {
  return kDataKeys;
}

std::string content_hash(const AttentionProblem& problem) {
  Fnv1a hash;
  for (const Matrix* matrix : {&problem.Q, &problem.K, &problem.V}) {
    hash.add(static_cast<std::uint64_t>(matrix->rows()));
    hash.add(static_cast<std::uint64_t>(matrix->cols()));
    for (Index i = 0; i < matrix->size(); ++i) hash.add(std::bit_cast<std::uint64_t>(matrix->data()[i]));
  }
  for (const double gate : problem.gates) hash.add(std::bit_cast<std::uint64_t>(gate));
  return fmt::format("fnv1a64:{:016x}", hash.value());
}

std::string head_identity(const Dataset& dataset) {
  return fmt::format("{} (mask {}, scale {}, {})", dataset.name,
                     dataset.problem.mask == Mask::causal ? "causal" : "none", dataset.problem.scale,
                     dataset.content_hash);
}

std::optional<SyntheticSpec> synthetic_argument(std::string_view argument) {
  require(!argument.empty(), "--data is empty; give a .npz or .safetensors file, or synthetic:KIND");
  require(is_utf8(argument), "data \"{}\": is not UTF-8 text, which results are; rename the file", argument);
  if (!argument.starts_with(kSynthetic)) return std::nullopt;
  SyntheticSpec spec = parse_synthetic(argument.substr(kSynthetic.size()));
  check_name(spec.name);
  return spec;
}

Dataset load_dataset(std::string_view argument) {
  const auto synthetic = synthetic_argument(argument);
  Dataset dataset = synthetic
                        ? Dataset{synthetic->name, std::string(argument), make_synthetic(*synthetic), {}, {}}
                        : load_file(argument);
  check_name(dataset.name);
  dataset.content_hash = content_hash(dataset.problem);
  return dataset;
}

}  // namespace attngap
