#include "experiments/safetensors.hpp"

#include "estimators/error.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <new>
#include <utility>

#include <nlohmann/json.hpp>

namespace attngap {
namespace {

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // the limit of the reference implementation

struct NamedFormat {
  std::string_view name;
  ElementFormat format;
};
constexpr std::array kFormats{NamedFormat{"F64", {ElementFormat::Kind::floating, 8, false}},
                              NamedFormat{"F32", {ElementFormat::Kind::floating, 4, false}},
                              NamedFormat{"F16", {ElementFormat::Kind::floating, 2, false}},
                              NamedFormat{"BF16", {ElementFormat::Kind::brain, 2, false}}};

struct Tensor {
  std::string type;
  std::vector<std::size_t> shape;
  std::uint64_t begin = 0;  // within the data that follow the header
  std::uint64_t end = 0;
};

std::uint64_t natural(const nlohmann::json& value, const std::string& source, std::string_view what) {
  require(value.is_number_unsigned(), "{}: {} is not a whole number; save the file again", source, what);
  return value.get<std::uint64_t>();
}

Tensor parse_tensor(const nlohmann::json& entry, const std::string& source) {
  const bool complete = entry.is_object() && entry.contains("dtype") && entry["dtype"].is_string() &&
                        entry.contains("shape") && entry["shape"].is_array() &&
                        entry.contains("data_offsets") && entry["data_offsets"].is_array() &&
                        entry["data_offsets"].size() == 2;
  require(complete, "{}: the header gives no dtype, shape and data_offsets; save the file again", source);
  Tensor tensor;
  tensor.type = entry["dtype"].get<std::string>();
  for (const auto& extent : entry["shape"])
    tensor.shape.push_back(natural(extent, source, "an extent of the shape"));
  tensor.begin = natural(entry["data_offsets"][0], source, "data_offsets[0]");
  tensor.end = natural(entry["data_offsets"][1], source, "data_offsets[1]");
  return tensor;
}

class SafetensorsFile : public ArrayFile {
 public:
  explicit SafetensorsFile(const std::string& path) : path_(path), file_(path, std::ios::binary) {
    const std::uint64_t size = std::filesystem::file_size(path);
    require(file_.good(), "{}: cannot be read; check its permissions", path);
    require(size >= kLengthBytes, "{}: {} bytes are too few for a .safetensors file; copy it again", path,
            size);
    std::array<unsigned char, kLengthBytes> length_bytes{};
    file_.read(reinterpret_cast<char*>(length_bytes.data()), kLengthBytes);
    std::uint64_t length = 0;
    for (std::size_t i = kLengthBytes; i > 0; --i) length = (length << 8) | length_bytes[i - 1];
    require(length <= size - kLengthBytes,
            "{}: the header is {} bytes long, but the file has {}: truncated, or not .safetensors", path,
            length, size);
    require(length <= kMaxHeaderBytes, "{}: the header is {} bytes long, at most {} are read", path, length,
            kMaxHeaderBytes);
    data_start_ = kLengthBytes + length;
    data_size_ = size - data_start_;
    parse_header(length);
  }

  std::vector<std::string> names() const override {
    std::vector<std::string> result;
    for (const auto& [name, tensor] : tensors_) result.push_back(name);
    return result;
  }

  NumberArray read(const std::string& name) const override {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) throw BadInput(absent_array(path_, name, names()));
    const Tensor& tensor = found->second;
    const std::string source = source_of(name);
    const auto format = std::find_if(kFormats.begin(), kFormats.end(),
                                     [&](const NamedFormat& known) { return known.name == tensor.type; });
    require(format != kFormats.end(),
            "{}: dtype {} is not supported (F64, F32, F16 and BF16 are); convert the tensor", source,
            tensor.type);
    const std::uint64_t stored = tensor.end - tensor.begin;
    const auto needed = array_bytes(tensor.shape, format->format.bytes);
    require(needed == stored,
            "{}: shape {} of {} does not take the {} bytes its data_offsets span; save it again", source,
            shape_text(tensor.shape), tensor.type, stored);
    try {
      std::vector<std::byte> bytes(stored);
      file_.seekg(static_cast<std::streamoff>(data_start_ + tensor.begin));
      file_.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(stored));
      require(file_.good(), "{}: cannot be read to its end; copy the file again", source);
      return {tensor.shape, decode_numbers(bytes, format->format)};
    } catch (const std::bad_alloc&) {
      throw BadInput(fmt::format("{}: does not fit the memory of this machine; save a part of it", source));
    }
  }

 private:
  std::string source_of(const std::string& name) const {
    return fmt::format("{}: array \"{}\"", path_, name);
  }

  void parse_header(std::uint64_t length) {
    std::string text(length, '\0');
    file_.read(text.data(), static_cast<std::streamsize>(length));
    require(file_.good(), "{}: the header cannot be read to its end; copy the file again", path_);
    const nlohmann::json header = nlohmann::json::parse(text, nullptr, false);
    require(header.is_object(), "{}: the header is not a JSON object: damaged, or not .safetensors", path_);
    for (const auto& [name, entry] : header.items()) {
      if (name == "__metadata__") continue;
      Tensor tensor = parse_tensor(entry, source_of(name));
      require(
          tensor.begin <= tensor.end && tensor.end <= data_size_,
          "{}: data_offsets [{}, {}] leave the {} bytes of data: truncated or damaged; copy the file again",
          source_of(name), tensor.begin, tensor.end, data_size_);
      tensors_.emplace(name, std::move(tensor));
    }
  }

  std::string path_;
  mutable std::ifstream file_;  // reading moves its position, not what it holds
  std::uint64_t data_start_ = 0;
  std::uint64_t data_size_ = 0;
  std::map<std::string, Tensor> tensors_;
};

}  // namespace

std::unique_ptr<ArrayFile> open_safetensors(const std::string& path) {
  std::error_code ignored;
  require(std::filesystem::is_regular_file(path, ignored), "{}: no such file; check the path", path);
  return std::make_unique<SafetensorsFile>(path);
}

}  // namespace attngap
