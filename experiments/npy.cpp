#include "experiments/npy.hpp"

#include "estimators/error.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>

namespace attngap {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kMaxRank = 4;

struct Header {
  std::optional<std::string> descr;
  std::optional<bool> fortran_order;
  std::optional<std::vector<std::size_t>> shape;
};

// The header is a Python dictionary literal. This reads the part of the language that numpy writes there:
// strings, True and False, and tuples of integers.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& source) : rest_(text), source_(source) {}

  Header parse() {
    Header header;
    expect('{');
    while (!accept('}')) {
      const std::string key = string();
      expect(':');
      if (key == "descr") {
        require(peek() == '\'' || peek() == '"',
                "{}: holds records, not numbers; save each field as an array of its own", source_);
        header.descr = string();
      } else if (key == "fortran_order") {
        header.fortran_order = boolean();
      } else if (key == "shape") {
        header.shape = tuple();
      } else {
        damaged(fmt::format("unknown key \"{}\"", key));
      }
      if (!accept(',') && peek() != '}') damaged("no comma between entries");
    }
    return header;
  }

 private:
  [[noreturn]] void damaged(std::string_view what) const {
    throw BadInput(fmt::format("{}: the .npy header is damaged ({}); save the array again", source_, what));
  }

  char peek() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\n\r"), rest_.size()));
    return rest_.empty() ? '\0' : rest_.front();
  }

  bool accept(char expected) {
    if (peek() != expected) return false;
    rest_.remove_prefix(1);
    return true;
  }

  void expect(char expected) {
    if (!accept(expected)) damaged(fmt::format("'{}' expected", expected));
  }

  std::string string() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') damaged("a quoted word expected");
    rest_.remove_prefix(1);
    const std::size_t end = rest_.find(quote);
    if (end == std::string_view::npos) damaged("a quote is not closed");
    const std::string text(rest_.substr(0, end));
    rest_.remove_prefix(end + 1);
    return text;
  }

  bool boolean() {
    const bool value = peek() == 'T';
    const std::string_view word = value ? "True" : "False";
    if (!rest_.starts_with(word)) damaged("fortran_order is neither True nor False");
    rest_.remove_prefix(word.size());
    return value;
  }

  std::vector<std::size_t> tuple() {
    std::vector<std::size_t> values;
    expect('(');
    while (!accept(')')) {
      peek();
      std::size_t value = 0;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
      if (error != std::errc{}) damaged("shape is not a tuple of integers");
      rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
      accept('L');  // Python 2 wrote long integers so
      values.push_back(value);
      if (!accept(',') && peek() != ')') damaged("no comma between extents");
    }
    return values;
  }

  std::string_view rest_;
  const std::string& source_;
};

std::size_t little_endian(std::span<const std::byte> bytes) {
  std::size_t value = 0;
  for (std::size_t i = bytes.size(); i > 0; --i)
    value = (value << 8) | std::to_integer<std::size_t>(bytes[i - 1]);
  return value;
}

// Cuts the image into the header's text and the data behind it.
std::pair<std::string_view, std::span<const std::byte>> split(std::span<const std::byte> image,
                                                              const std::string& source) {
  require(image.size() >= kMagic.size() + 2 && std::memcmp(image.data(), kMagic.data(), kMagic.size()) == 0,
          "{}: not a .npy array (it does not begin with \\x93NUMPY); write it with numpy.savez", source);
  const int version = std::to_integer<int>(image[kMagic.size()]);
  require(version >= 1 && version <= 3, "{}: .npy format version {}, must be 1, 2 or 3; save the array again",
          source, version);
  const std::size_t length_bytes = version == 1 ? 2 : 4;
  const std::size_t start = kMagic.size() + 2 + length_bytes;
  const std::size_t length =
      image.size() >= start ? little_endian(image.subspan(kMagic.size() + 2, length_bytes)) : 0;
  require(image.size() >= start && image.size() - start >= length,
          "{}: truncated: the .npy header is {} bytes long, but only {} bytes are there; copy the file again",
          source, length, image.size());
  return {{reinterpret_cast<const char*>(image.data()) + start, length}, image.subspan(start + length)};
}

ElementFormat element_format(const std::string& descr, const std::string& source) {
  constexpr std::string_view kOrders = "<>=|";
  const std::string_view type = std::string_view(descr).substr(std::min<std::size_t>(1, descr.size()));
  const bool ordered = !descr.empty() && kOrders.find(descr[0]) != std::string_view::npos;
  const bool number =
      ordered && type.size() == 2 && std::string_view("fiu").find(type[0]) != std::string_view::npos;
  const auto bytes = number ? static_cast<std::size_t>(type[1] - '0') : 0;
  const bool known = bytes == 2 || bytes == 4 || bytes == 8 || (bytes == 1 && type[0] != 'f');
  require(known,
          "{}: dtype \"{}\" is not supported (float16, float32, float64 and integers are); convert it with "
          ".astype(numpy.float32)",
          source, descr);
  using Kind = ElementFormat::Kind;
  const Kind kind = type[0] == 'f' ? Kind::floating : type[0] == 'i' ? Kind::integer : Kind::natural;
  const bool native_big = descr[0] == '=' && std::endian::native == std::endian::big;
  return {kind, bytes, descr[0] == '>' || native_big};
}

// Fortran order has the first index fastest; the result has the last one fastest.
std::vector<double> to_c_order(const std::vector<double>& values, const std::vector<std::size_t>& shape) {
  std::vector<double> result(values.size());
  std::vector<std::size_t> strides(shape.size(), 1);
  for (std::size_t axis = shape.size() - 1; axis > 0; --axis) strides[axis - 1] = strides[axis] * shape[axis];
  std::vector<std::size_t> index(shape.size(), 0);
  std::size_t place = 0;
  for (const double value : values) {
    result[place] = value;
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
      place += strides[axis];
      if (++index[axis] < shape[axis]) break;
      place -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return result;
}

}  // namespace

NumberArray parse_npy(std::span<const std::byte> image, const std::string& source) {
  const auto [text, data] = split(image, source);
  const Header header = HeaderParser(text, source).parse();
  require(header.descr && header.fortran_order && header.shape,
          "{}: the .npy header has no {}; save the array again", source,
          !header.descr ? "descr" : (!header.shape ? "shape" : "fortran_order"));
  const std::vector<std::size_t>& shape = *header.shape;
  require(!shape.empty() && shape.size() <= kMaxRank, "{}: shape {} has rank {}, must be 1 to {}; reshape it",
          source, shape_text(shape), shape.size(), kMaxRank);
  const ElementFormat format = element_format(*header.descr, source);
  const auto bytes = array_bytes(shape, format.bytes);
  require(bytes.has_value(), "{}: shape {} is too large to exist; save the array again", source,
          shape_text(shape));
  require(*bytes == data.size(),
          "{}: {}: shape {} of {} needs {} bytes, but {} follow the header; copy the file again", source,
          data.size() < *bytes ? "truncated" : "damaged", shape_text(shape), *header.descr, *bytes,
          data.size());
  std::vector<double> values = decode_numbers(data, format);
  if (*header.fortran_order && shape.size() > 1) values = to_c_order(values, shape);
  return {shape, std::move(values)};
}

std::vector<std::byte> npy_image(const NumberArray& array) {
  constexpr std::size_t kAlignment = 64;
  constexpr std::size_t kBeforeHeader = 10;
  std::string header =
      fmt::format("{{'descr': '<f8', 'fortran_order': False, 'shape': {}, }}", shape_text(array.shape));
  const std::size_t unpadded = kBeforeHeader + header.size() + 1;
  header.append((kAlignment - unpadded % kAlignment) % kAlignment, ' ');
  header += '\n';

  std::vector<std::byte> image(kBeforeHeader + header.size() + 8 * array.values.size());
  std::memcpy(image.data(), kMagic.data(), kMagic.size());
  image[6] = std::byte{1};
  image[8] = static_cast<std::byte>(header.size() & 0xff);
  image[9] = static_cast<std::byte>(header.size() >> 8);
  std::memcpy(image.data() + kBeforeHeader, header.data(), header.size());
  std::byte* place = image.data() + kBeforeHeader + header.size();
  for (const double value : array.values) {
    const auto bits = std::bit_cast<std::uint64_t>(value);
    for (int shift = 0; shift < 64; shift += 8) *place++ = static_cast<std::byte>((bits >> shift) & 0xff);
  }
  return image;
}

}  // namespace attngap
